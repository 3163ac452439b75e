"""Prepare one picture in a worker process: read, check, resize or degrade it, and write a JPEG."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import simplejpeg
from PIL import Image

from utils.common.disk.location import DamagedError, Location
from utils.common.disk.opening import NotRegularError, TooLargeError
from utils.common.disk.stamps import short_stamp
from utils.common.disk.writing import write_bytes
from utils.common.limits import ACCEPTED
from utils.common.pictures import PictureError, read_picture, write_jpeg
from utils.common.reading.decoders import NEEDS
from utils.common.reading.formats import HEAD_BYTES, optional_package, with_version
from utils.dataset.leakage.thumbnails import CLOSE_SIDE, close_view, thumbnail
from utils.quality.degrade import DegradationError, degrade
from utils.quality.poor import TOO_SMALL, why_poor

VERSION = (
    f"10 pillow {PIL.__version__} opencv {cv2.__version__} simplejpeg {simplejpeg.__version__}"
)
"""Changes whenever the same original would be written as other bytes, or told other facts of.

What degrades pictures tells a change by itself: `utils.quality.fingerprint`. Optional packages
decode few pictures, and `Prepared.decoder` tells which.
"""

OTHER_CONTENT = "other content than published"
UNREADABLE = "unreadable"
TOO_LARGE = "too large"
NOT_REGULAR = "not a regular file"
TOO_SLOW = "too slow"
ALIKE = ("original_format", "original_tables", "degradation", "notes", "decoder")
NOTE_END = "; "


@dataclass(frozen=True, slots=True)
class PictureJob:
    """One picture to prepare.

    Attributes:
        key: What the result is kept under.
        original: Where the original lies.
        target: Where to write, None to try everything but writing.
        shorter_side: Wanted shorter side in pixels, 0 to keep the size.
        md5: MD5 that the original must have, "" for any.
        min_size: Least shorter side of the original in pixels.
        max_pixels: Most pixels of the original.
        keep_poor: Whether to take it where it is too blurred or too dark to be a good one.
    """

    key: int
    original: Location
    target: Path | None
    shorter_side: int
    md5: str
    min_size: int
    max_pixels: int
    keep_poor: bool = False


@dataclass(frozen=True, slots=True)
class LowQualityJob:
    """One picture to degrade.

    Attributes:
        parent: Path of the written parent.
        seed: What decides on kind, severity and parameters.
        places: For each turn of `degrade`, what a result of that turn is kept under, and where
            its picture is written; a failure is one of the last turn.
    """

    parent: Path
    seed: tuple[object, ...]
    places: Sequence[tuple[int, Path]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a job: facts about the written file, or a reason why there is none.

    Sizes in pixels, `stamp` as `short_stamp` tells the written file, hashes as 32 bytes,
    `thumbnail` as `thumbnails.thumbnail` makes it, `notes` those of `pictures.Original`, `decoder`
    the optional package that decoded the original, with its version; empty for Pillow alone.
    """

    key: int
    sha256: bytes = b""
    num_bytes: int = 0
    stamp: int = 0
    width: int = 0
    height: int = 0
    original_sha256: bytes = b""
    original_format: str = ""
    original_width: int = 0
    original_height: int = 0
    original_frames: int = 0
    original_tables: str = ""
    degradation: str = ""
    severity: int | None = None
    parameters: str = ""
    thumbnail: bytes = b""
    notes: str = ""
    reason: str = ""
    detail: str = ""
    decoder: str = ""

    def __post_init__(self) -> None:
        """Hold once in memory what very many say alike."""
        for name in ALIKE:
            object.__setattr__(self, name, sys.intern(getattr(self, name)))

    @property
    def may_pass(self) -> bool:
        """Whether trying again may help, with the same bytes."""
        return may_pass(self.reason)

    @property
    def is_outdated(self) -> bool:
        """Whether another version of the package that decoded it is installed by now."""
        return is_outdated(self.decoder)

    def __reduce__(self) -> tuple[type["Prepared"], tuple[Any, ...]]:
        """Come out of a worker through `__post_init__`, too."""
        return Prepared, tuple(getattr(self, field.name) for field in fields(self))


def may_pass(reason: str) -> bool:
    """Tell whether a picture may be usable another time: a right, a disk, time, a package lacked.

    >>> [may_pass(reason) for reason in ("too slow", "HEIC needs pillow-heif", "damaged")]
    [True, True, False]
    """
    return reason in (UNREADABLE, TOO_SLOW) or NEEDS in reason


def is_outdated(decoder: str) -> bool:
    """Tell whether an optional package is installed in another version than it had.

    >>> is_outdated("numpy 0.1"), is_outdated("no-such-package 1"), is_outdated("")
    (True, False, False)
    """
    return bool(decoder) and with_version(decoder.partition(" ")[0]) not in ("", decoder)


def prepare_picture(job: PictureJob) -> Prepared:
    """Read, check, turn upright, resize and write one picture."""
    original_sha256 = b""
    try:
        content = _read(job.original)
        original_sha256 = hashlib.sha256(content).digest()
        if job.md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != job.md5:
            raise PictureError(OTHER_CONTENT, f"expected MD5 {job.md5}")
        picture, original = read_picture(content, job.shorter_side, job.max_pixels)
        if min(original.width, original.height) < job.min_size:
            raise PictureError(TOO_SMALL, f"{original.width} x {original.height} pixels")
        reason, detail = ("", "") if job.keep_poor else why_poor(np.asarray(picture))
        if reason:
            raise PictureError(reason, detail)
        keeps_bytes = not job.shorter_side and original.is_plain
        written = content if keeps_bytes else write_jpeg(picture)
    except PictureError as error:
        return Prepared(
            job.key, original_sha256=original_sha256, reason=error.reason, detail=error.detail
        )
    return Prepared(
        job.key,
        hashlib.sha256(written).digest(),
        len(written),
        _put(job.target, written),
        *picture.size,
        original_sha256,
        original.format,
        original.width,
        original.height,
        original.num_frames,
        " ".join(map(str, original.table_sums)),
        thumbnail=thumbnail(picture),
        notes=NOTE_END.join(note.replace(NOTE_END, ", ") for note in original.notes),
        decoder=optional_package(content[:HEAD_BYTES]),
    )


def _read(original: Location) -> bytes:
    """Return the bytes of an original.

    Raises:
        PictureError: If they cannot be read. What has too many, or is no file, stays so.
    """
    try:
        return original.read()
    except DamagedError as error:
        raise PictureError("damaged", str(error)) from None
    except TooLargeError as error:
        raise PictureError(TOO_LARGE, str(error)) from None
    except NotRegularError as error:
        raise PictureError(NOT_REGULAR, str(error)) from None
    except OSError as error:
        raise PictureError(UNREADABLE, error.strerror or str(error)) from None


def look_closely(original: Location) -> bytes | PictureError:
    """Read a picture that was read before; return its close view, or why it cannot be read now."""
    try:
        return close_view(read_picture(_read(original), 2 * CLOSE_SIDE, ACCEPTED)[0])
    except PictureError as error:
        return error


def prepare_low_quality(job: LowQualityJob) -> Prepared:
    """Degrade one written picture and write the result."""
    content = job.parent.read_bytes()
    parent = np.asarray(read_picture(content, max_pixels=ACCEPTED)[0])
    try:
        degraded = degrade(parent, *job.seed)
    except DegradationError as error:
        return Prepared(job.places[-1][0], reason="cannot be degraded", detail=str(error))
    key, target = job.places[degraded.turn]
    written = write_jpeg(Image.fromarray(degraded.picture))
    return Prepared(
        key,
        hashlib.sha256(written).digest(),
        len(written),
        _put(target, written),
        parent.shape[1],
        parent.shape[0],
        degradation=degraded.degradation,
        severity=degraded.severity,
        parameters=degraded.parameters,
    )


def _put(target: Path | None, content: bytes) -> int:
    """Write a staged file and return its stamp, which later tells it untouched."""
    if target is None:
        return 0
    write_bytes(target, content)
    return short_stamp(target.lstat())
