"""One drawn picture file, which the stand-ins of the collections are made of."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from utils.common.disk.writing import write_bytes
from utils.common.seeds import generator, uniform
from utils.common.system.memory import keep_freed_memory
from utils.standins.sketches import SKETCHES

MD5 = "{md5}"
"""Stands in a drawing's path for the MD5 of the file's own bytes."""

PLAIN = "JPEG"
FORMATS: Mapping[str, tuple[str, str, Mapping[str, int]]] = {
    PLAIN: ("JPEG", "RGB", {"quality": 92}),
    "JPEG CMYK": ("JPEG", "CMYK", {"quality": 92}),
    "JPEG grey": ("JPEG", "L", {"quality": 92}),
    "PNG": ("PNG", "RGB", {"compress_level": 1}),
    "PNG RGBA": ("PNG", "RGBA", {"compress_level": 1}),
    "BMP": ("BMP", "RGB", {}),
}
"""Pillow's format, mode and settings of each kind of file."""

SIZES = (
    *((450, 338),) * 7,
    *((480, 360),) * 6,
    *((500, 375),) * 4,
    *((512, 384),) * 3,
    *((600, 450),) * 3,
    *((640, 480),) * 2,
    *((338, 450), (360, 480), (400, 400), (500, 333)),
    (1024, 1024),
)
"""Width and height; every collection draws from all of them, so that no class has its own size."""


@dataclass(frozen=True)
class Drawing:
    """One picture to be drawn.

    Attributes:
        name: Decides, together with the seed, everything that is in the picture.
        label: One of `labels.CLASSES`; decides what is drawn.
        paths: Where the file goes below ALL_DATA, with "/"; several paths get the same bytes.
        subject: What is shown (a lesion, a patient, a kind of thing), where several pictures
            show the same; "" for a subject of its own.
        format: A key of `FORMATS`.
    """

    name: str
    label: str
    paths: tuple[str, ...]
    subject: str = ""
    format: str = PLAIN


def draw_file(drawing: Drawing, all_data: Path, seed: int) -> str:
    """Draw a picture into all its paths, unless they are there; return its first path."""
    missing = [path for path in drawing.paths if not (all_data / path).is_file()]
    if not missing:
        return drawing.paths[0]
    there = next((path for path in drawing.paths if path not in missing), None)
    content = (all_data / there).read_bytes() if there else encode(drawing, seed)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    for path in missing:
        write_bytes(all_data / path.replace(MD5, md5), content)
    return drawing.paths[0].replace(MD5, md5)


def encode(drawing: Drawing, seed: int) -> bytes:
    """Return the bytes of a drawing's file."""
    keep_freed_memory()
    width, height = size_of(drawing, seed)
    subject = generator(seed, "subject", drawing.subject) if drawing.subject else None
    rng = generator(seed, "drawing", drawing.name)
    pixels = SKETCHES[drawing.label](rng, width, height, subject)
    file_format, mode, settings = FORMATS[drawing.format]
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).convert(mode).save(
        stream, file_format, **settings
    )
    return stream.getvalue()


def size_of(drawing: Drawing, seed: int) -> tuple[int, int]:
    """Return a drawing's width and height in pixels."""
    return SIZES[int(uniform(seed, "size", drawing.name) * len(SIZES))]
