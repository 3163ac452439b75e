"""Open pictures of the formats that are read; no other decoder of Pillow ever runs."""

import contextlib
import importlib
import io
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image, ImageFile, TiffImagePlugin

from utils.common.limits import MAX_PIXELS
from utils.common.reading.bounds import check_size
from utils.common.reading.chunks import jpeg_xl_size, webp_size, without_png_chunks
from utils.common.reading.formats import (
    BY_NAME,
    HEAD_BYTES,
    PILLOW_PREFIX,
    missing_package,
    picture_format,
)
from utils.common.reading.picture_error import NOT_READ, PictureError

NEEDS = " needs "
NOT_HEADERS = (SyntaxError, IndexError, TypeError, struct.error)
"""What Pillow's plugins raise where the first bytes are theirs and the rest is not."""

RAW_TAGS = (50706,)
"""DNGVersion: the first page of such a TIFF is a thumbnail."""

KINDS_NOT_READ = ("unknown pixel mode", "unknown data organization")
"""What Pillow says of a TIFF with, say, floating point colours or a second alpha."""

BITS_PER_SAMPLE, PLANAR = 258, 284
SEPARATE = 2
"""Planes, one for each colour."""

NATIVE = {"F;32BF": "F;32NF", "F;64BF": "F;64NF", "I;32BS": "I;32NS", "I;16BS": "I;16NS"}
"""What Pillow expects of libtiff, and what that gives: values in the order of this machine."""

COLOUR_CHUNKS = (b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"cICP")

LIMITED = ("TIFF", "GIF")
"""Formats in which Pillow asks for its own limit when pixels are decoded."""

_PILLOW_LIMIT = threading.Lock()


def open_picture(content: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture by its content; its pixels are decoded later, unless its decoder cannot wait.

    Pillow's own plugins are called by name. So neither its limit of pixels nor what else is
    registered with it, by a later version or by somebody's program, has a say.

    Args:
        content: The file's bytes.
        max_pixels: A larger picture is refused before it is decoded.

    Raises:
        PictureError: If it is no picture, or none that is read here; whatever the decoder raises
            of damage besides.
    """
    name = check_format(content)
    try:
        return OPENERS.get(name, _open_by_pillow)(content, name, max_pixels)
    except NOT_HEADERS as error:
        if name == "TIFF" and str(error) in KINDS_NOT_READ:
            raise PictureError(NOT_READ, f"TIFF: {error}") from None
        raise PictureError("not an image", first_bytes(content)) from None


def check_format(content: bytes) -> str:
    """Return the name of a picture's format, by its first bytes.

    Raises:
        PictureError: If it is no picture, or none that is read here.
    """
    name = picture_format(content[:HEAD_BYTES])
    if name is None:
        raise PictureError("not an image", first_bytes(content))
    if package := missing_package(name):
        raise PictureError(f"{name}{NEEDS}{package}", f"pip install {package}")
    if name not in BY_NAME:
        raise PictureError(NOT_READ, name)
    return name


def first_bytes(content: bytes) -> str:
    """Show what a file starts with."""
    return f"{len(content):,} bytes that start with {content[:16]!r}"


def _open_by_pillow(content: bytes, name: str, max_pixels: int) -> Image.Image:
    if name not in Image.OPEN:
        Image.init()
    factory, accepts = Image.OPEN[name]
    if isinstance(accepts and accepts(content[:PILLOW_PREFIX]), str):
        raise PictureError(NOT_READ, f"{name}: this Pillow was built without it")
    image: Image.Image = factory(io.BytesIO(content), "")
    check_size(image.size, max_pixels)
    return image


def _open_png(content: bytes, name: str, max_pixels: int) -> Image.Image:
    """Open a PNG; what it says of its colours is left out where Pillow calls it damage."""
    try:
        return _open_by_pillow(content, name, max_pixels)
    except (SyntaxError, ValueError):
        whole = without_png_chunks(content, COLOUR_CHUNKS)
        if len(whole) == len(content):
            raise
        return _open_by_pillow(whole, name, max_pixels)


def _open_tiff(content: bytes, name: str, max_pixels: int) -> Image.Image:
    try:
        image: Any = _open_by_pillow(content, name, max_pixels)
    except SyntaxError:  # it may have more planes than colours
        image = _open_by_libtiff(content, name, max_pixels)
    if any(tag in image.tag_v2 for tag in RAW_TAGS):
        raise PictureError(NOT_READ, "camera raw")
    if image.tag_v2.get(PLANAR) == SEPARATE and not image.use_load_libtiff:
        if 16 in image.tag_v2.get(BITS_PER_SAMPLE, ()) and image.mode in ("RGB", "RGBA"):
            order = "B" if image.tag_v2.prefix == b"MM" else "L"
            _rename_values(image, {plane: f"{plane};16{order}" for plane in "RGBA"})
        else:
            image = _open_by_libtiff(content, name, max_pixels)
    if image.use_load_libtiff:
        _rename_values(image, NATIVE)
    opened: Image.Image = image
    return opened


def _rename_values(image: Any, names: Mapping[str, str]) -> None:
    """Tell Pillow how the values of a TIFF are written, where it has mistaken them."""
    for place, tile in enumerate(image.tile):
        args = (names.get(tile.args[0], tile.args[0]), *tile.args[1:])
        image.tile[place] = tile._replace(args=args)


def _open_by_libtiff(content: bytes, name: str, max_pixels: int) -> Image.Image:
    """Open a TIFF with raw planes, each of which Pillow alone takes for one of 8 bit.

    It says so for the whole program; but TIFFs are read in a process of their own.
    """
    before, TiffImagePlugin.READ_LIBTIFF = TiffImagePlugin.READ_LIBTIFF, True
    try:
        return _open_by_pillow(content, name, max_pixels)
    finally:
        TiffImagePlugin.READ_LIBTIFF = before


def _open_webp(content: bytes, name: str, max_pixels: int) -> Image.Image:
    """Open a WebP, whose decoder takes the memory for all its pixels at once."""
    size = webp_size(content)
    if size:
        check_size(size, max_pixels)
    with without_pillows_limit(size):
        return _open_by_pillow(content, name, max_pixels)


def _open_heic(content: bytes, name: str, max_pixels: int) -> Image.Image:
    plugin = importlib.import_module("pillow_heif")  # importing it registers nothing with Pillow
    image: ImageFile.ImageFile = plugin.HeifImageFile(io.BytesIO(content))
    check_size(image.size, max_pixels)
    return image


def _open_jpeg_xl(content: bytes, name: str, max_pixels: int) -> Image.Image:
    """Open a JPEG XL; its plugin registers itself with Pillow, which is undone."""
    with _as_it_was():
        plugin = importlib.import_module("pillow_jxl.JpegXLImagePlugin")
    if size := jpeg_xl_size(content):
        check_size(size, max_pixels)  # it decodes all pixels at once
    image: ImageFile.ImageFile = plugin.JXLImageFile(io.BytesIO(content))
    check_size(image.size, max_pixels)
    return image


def _open_dicom(content: bytes, name: str, max_pixels: int) -> Image.Image:
    from utils.common.reading.dicom import open_dicom

    return open_dicom(content, max_pixels)


def load(image: Image.Image) -> None:
    """Decode an open picture, even one that Pillow alone would call too large."""
    if image.format not in LIMITED:
        image.load()
        return
    with without_pillows_limit(image.size):
        image.load()


def read_exif(image: Image.Image) -> Image.Exif:
    """Return what Pillow has read of EXIF; of a PNG without decoding it first, as Pillow would."""
    return Image.Image.getexif(image) if image.format == "PNG" else image.getexif()


Opener = Callable[[bytes, str, int], Image.Image]

OPENERS: dict[str, Opener] = {
    "PNG": _open_png,
    "TIFF": _open_tiff,
    "WEBP": _open_webp,
    "HEIC": _open_heic,
    "JPEG XL": _open_jpeg_xl,
    "DICOM": _open_dicom,
}
"""How a format is opened; all others by Pillow's plugin of that name alone."""


@contextlib.contextmanager
def without_pillows_limit(size: tuple[int, int] | None) -> Iterator[None]:
    """Lift Pillow's limit while something is decoded that is too large for it and not for us.

    The limit is one for the whole program, so it is left alone wherever it does not matter.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if size is None or limit is None or size[0] * size[1] <= limit:
        yield
        return
    with _PILLOW_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Undo what an import registers with Pillow: other people's Image.open stays as it was."""
    tables: tuple[dict[Any, Any], ...] = (
        Image.OPEN,
        Image.SAVE,
        Image.SAVE_ALL,
        Image.EXTENSION,
        Image.MIME,
    )
    before, names = [dict(table) for table in tables], list(Image.ID)
    try:
        yield
    finally:
        for table, rows in zip(tables, before, strict=True):
            table.clear()
            table.update(rows)
        Image.ID[:] = names
