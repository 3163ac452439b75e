"""Whole picture files of every format, and what disks and downloads do to them."""

import io
import random
from collections.abc import Callable, Iterator

from PIL import Image

from benchmarks.tools.drawn_texture import draw_texture
from utils.common.seeds import generator

SECTOR = 512
SIZE = (320, 240)


def draw(number: int, width: int = SIZE[0], height: int = SIZE[1]) -> Image.Image:
    return Image.fromarray(draw_texture(generator("damage", number), height, width))


def encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encode(draw(0), "JPEG", quality=90),
    "JPEG progressive": lambda: encode(draw(1), "JPEG", quality=85, progressive=True),
    "JPEG 4:4:4": lambda: encode(draw(2), "JPEG", quality=95, subsampling=0),
    "JPEG grey": lambda: encode(draw(3).convert("L"), "JPEG", quality=90),
    "JPEG CMYK": lambda: encode(draw(4).convert("CMYK"), "JPEG", quality=90),
    "JPEG CMYK progressive": lambda: encode(
        draw(4).convert("CMYK"), "JPEG", quality=75, progressive=True
    ),
    "PNG": lambda: encode(draw(5), "PNG"),
    "PNG uncompressed": lambda: encode(draw(5), "PNG", compress_level=0),
    "PNG palette": lambda: encode(draw(6).convert("P"), "PNG"),
    "TIFF": lambda: encode(draw(7), "TIFF"),
    "TIFF LZW": lambda: encode(draw(7), "TIFF", compression="tiff_lzw"),
    "TIFF deflate": lambda: encode(draw(7), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF JPEG": lambda: encode(draw(7), "TIFF", compression="jpeg"),
    "TIFF PackBits": lambda: encode(draw(7), "TIFF", compression="packbits"),
    "TIFF Zstandard": lambda: encode(draw(7), "TIFF", compression="zstd"),
    "TIFF group 3": lambda: encode(draw(7).convert("1"), "TIFF", compression="group3"),
    "WebP lossy": lambda: encode(draw(8), "WEBP", quality=90),
    "WebP lossless": lambda: encode(draw(8), "WEBP", lossless=True),
    "GIF": lambda: encode(draw(9), "GIF"),
    "JPEG 2000": lambda: encode(draw(10), "JPEG2000"),
    "JPEG 2000 lossy": lambda: encode(
        draw(10), "JPEG2000", irreversible=True, quality_layers=[20, 10, 5], no_jp2=True
    ),
    "AVIF": lambda: encode(draw(11), "AVIF", quality=90, speed=10),
    "BMP": lambda: encode(draw(12), "BMP"),
    "PPM": lambda: encode(draw(13), "PPM"),
}
"""By the name of the format, and of what is particular about the file."""

PLAIN_PIXELS = ("BMP", "PPM", "TIFF")
"""Formats whose pixels lie in the file as they are, so that zeros are black and no damage."""

FAULTS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "zeroed sector": lambda content, rng: _zeroed(content, _place(content, rng)),
    "lost sector": lambda content, rng: _lost(content, _place(content, rng)),
    "cut tail": lambda content, rng: content[: rng.randrange(1, len(content) - 16)],
    "zeroed tail": lambda content, rng: _zeroed_tail(content, rng.randrange(1, len(content) - 16)),
}
"""By name, what makes of a whole file a damaged one, at a place that chance gives."""


def damaged(name: str, fault: str, count: int) -> Iterator[bytes]:
    """Yield a whole file with a fault at so many places."""
    content = WHOLE[name]()
    rng = random.Random(f"{name} {fault}")
    for _ in range(count):
        yield FAULTS[fault](content, rng)


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content) - SECTOR)


def _zeroed(content: bytes, place: int) -> bytes:
    return content[:place] + bytes(SECTOR) + content[place + SECTOR :]


def _lost(content: bytes, place: int) -> bytes:
    return content[:place] + content[place + SECTOR :]


def _zeroed_tail(content: bytes, place: int) -> bytes:
    return content[:place] + bytes(len(content) - place)
