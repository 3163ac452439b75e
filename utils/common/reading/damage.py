"""Whether a picture file is whole, and what the errors of its decoder mean."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from utils.common.reading.bounds import memory_limit
from utils.common.reading.containers import gif, isobmff, jpeg, jpeg2000, png, tiff, webp
from utils.common.reading.isolation.process import ElsewhereError
from utils.common.reading.picture_error import PictureError

CUT = ("truncated", "premature end of jpeg")
COSTLY = ("too large", "too much memory", "exceeds")
COMPLAINTS = ("decode", "corrupt", "not enough data", "premature", "inflate", "invalid")
"""In what a decoder prints though it goes on: that it lost its place among the pixels."""


@dataclass(frozen=True, slots=True)
class Container:
    """What the parts of a file tell, before a decoder has seen it.

    Attributes:
        content: What to decode, mostly the file's bytes as they are.
        num_frames: Number of frames or pages; None where the decoder knows from the header.
        flaw: What is damaged about the file, if anything.
    """

    content: bytes
    num_frames: int | None = None
    flaw: PictureError | None = None


def look_into(content: bytes, max_pixels: int) -> Container:
    """Look at the parts of a file, each of which tells its own length.

    Damage that decoders do not notice is found here, and so is a file that costs far more to
    decode than its size in pixels tells. Formats that say nothing more than their size are left
    to their decoders.

    Raises:
        PictureError: If the file costs too much.
    """
    try:
        return _follow(content, max_pixels)
    except PictureError as error:
        if error.reason not in ("damaged", "truncated"):
            raise
        return Container(content, flaw=error)


def _follow(content: bytes, max_pixels: int) -> Container:
    if content.startswith(b"\xff\xd8"):
        return Container(jpeg.check_jpeg(content))
    if content.startswith(b"GIF8"):
        return Container(content, gif.count_frames(content))
    if content.startswith(tiff.STARTS):
        pages = tiff.count_pages(content)
        tiff.check_tiff(content)
        return Container(content, pages)
    if content.startswith(png.SIGNATURE):
        return Container(png.check_png(content))
    if content.startswith(b"RIFF"):
        webp.check_webp(content)
    elif content.startswith(jpeg2000.STARTS):
        jpeg2000.check_jpeg2000(content, memory_limit(max_pixels))
    elif content[4:8] == b"ftyp":
        isobmff.check_isobmff(content)
    return Container(content)


def check_messages(messages: list[str]) -> None:
    """Refuse a picture at which a decoder complained, though it went on.

    Raises:
        PictureError: If it lost its place among the pixels.
    """
    for message in messages:
        if any(word in message.lower() for word in COMPLAINTS):
            raise PictureError("damaged", message)


@contextlib.contextmanager
def decoding(content: bytes) -> Iterator[None]:
    """Make whatever a decoder raises the reason why this one picture cannot be used.

    Decoders raise errors of any class for bytes that their authors did not think of.

    Raises:
        PictureError: In place of any exception.
    """
    try:
        yield
    except (PictureError, ElsewhereError):
        raise
    except UnidentifiedImageError:
        raise PictureError("not an image", _first_bytes(content)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError("too large", str(error)) from None
    except MemoryError:
        raise PictureError("too large", "there is not enough memory to decode it") from None
    except Exception as error:
        said = str(error) or type(error).__name__
        reason = "damaged"
        if any(words in said.lower() for words in CUT):
            reason = "truncated"
        elif any(words in said.lower() for words in COSTLY):
            reason = "too large"
        raise PictureError(reason, said) from None


def _first_bytes(content: bytes) -> str:
    return f"{len(content):,} bytes that start with {content[:16]!r}"
