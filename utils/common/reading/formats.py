"""Name a picture's format by its first bytes, and tell whether it is read here."""

import functools
import importlib.util
import re
import struct
from dataclasses import dataclass

HEAD_BYTES = 4096
"""First bytes that tell every format; 64 tell all but DICOM, Kodak PhotoCD and some HEIC."""

MAX_FTYP_BYTES = 272
"""Of an ISO media file's first box, in which its brands stand."""

PILLOW_PREFIX = 16
"""Bytes that Pillow shows to its own checks."""


@dataclass(frozen=True, slots=True)
class Format:
    """A picture format that is read.

    Attributes:
        name: As people call it, and as Pillow does where Pillow reads it.
        endings: Usual endings of file names, in lower case.
        starts: First bytes, one of which each file has; without any, `picture_format` knows it.
        package: That must be installed to read it, as pip knows it; "" for Pillow alone.
        module: Of that package, as Python imports it.
    """

    name: str
    endings: tuple[str, ...]
    starts: tuple[bytes, ...] = ()
    package: str = ""
    module: str = ""


FORMATS = (
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), (b"\xff\xd8\xff",)),
    Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",)),
    Format("TIFF", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0")),
    Format("BMP", (".bmp",), (b"BM",)),
    Format("GIF", (".gif",), (b"GIF87a", b"GIF89a")),
    Format("WEBP", (".webp",)),
    Format(
        "JPEG2000",
        (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
        (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), (b"P",)),
    Format("AVIF", (".avif",)),
    Format("HEIC", (".heic", ".heif", ".hif"), package="pillow-heif", module="pillow_heif"),
    Format(
        "JPEG XL",
        (".jxl",),
        (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
        package="pillow-jxl-plugin",
        module="pillow_jxl",
    ),
    Format("DICOM", (".dcm", ".dicom"), package="pydicom", module="pydicom"),
)
"""All that is read; nothing else is ever handed to a decoder, whatever Pillow could open."""

BY_NAME = {one.name: one for one in FORMATS}
SUFFIXES = tuple(ending for one in FORMATS for ending in one.endings)
"""File name endings, in lower case, under which a picture is looked for."""

STRANGERS = (
    ("camera raw", (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb")),
    ("SVG", (b"<svg",)),
    ("OpenEXR", (b"\x76\x2f\x31\x01",)),
    ("Radiance", (b"#?RADIANCE", b"#?RGBE")),
    ("IM", (b"Image type:",)),
    ("PCD", (b"PCD_OPA",)),
)
"""Formats that are not read, by first bytes that Pillow does not know or knows in a decoder."""

KIN = (
    ("TIFF", 8, b"CR", "camera raw"),
    ("PNG", 12, b"CgBI", "PNG of Apple's own kind (CgBI)"),
)
"""Formats that are not read though they start like one that is: its name, where a mark stands."""

RAW_BRANDS = (b"crx ",)
AVIF_BRANDS = (b"avif", b"avis")
HEIC_BRANDS = (b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm")

STRONGER = {
    "BMP": re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL),
    "PPM": re.compile(rb"P[1-6fF]\s+[\d#]"),
    "PCX": re.compile(rb"\n[\x00\x02\x03\x04\x05][\x00\x01][\x01\x02\x04\x08]"),
    "SGI": re.compile(rb"\x01\xda[\x00\x01][\x01\x02]"),
    "CUR": re.compile(rb"\x00\x00\x02\x00[^\x00]"),
    "DIB": re.compile(
        rb".{6}\x00\x00..(\x00\x00|\xff\xff)\x01\x00[\x01\x04\x08\x10\x18\x20]\x00", re.DOTALL
    ),
    "GBR": re.compile(rb"\x00\x00.{4}|.{20}GIMP", re.DOTALL),
    "WMF": re.compile(rb"\xd7\xcd\xc6\x9a|.{40} EMF", re.DOTALL),
    "XBM": re.compile(rb"(/\*.*?\*/\s*)?\s*#define\s+\w*_?width\s+\d", re.DOTALL),
    "BUFR": re.compile(rb"BUFR"),
}
"""More than Pillow asks of first bytes: two letters or a comment are no sign of a picture."""

IMT = re.compile(rb"(\*[^\n]*\n)*(width|height) \d+\r?\n")
IPTC = re.compile(rb"\x1c[\x01-\x09\xf0].[\x00-\x7f]", re.DOTALL)
TGA = re.compile(
    rb".[\x00\x01][\x01\x02\x03\x09\x0a\x0b].{9}(?!\x00\x00)..(?!\x00\x00)..[\x08\x0f\x10\x18\x20]",
    re.DOTALL,
)
SPIDER_BYTES = 92
SPIDER_FORMS = (1, 3, -11, -12, -21, -22)


def picture_format(head: bytes) -> str | None:
    """Tell the format of a picture by the first bytes of its file, whether it is read or not.

    No decoder looks at them, and the file's name does not count.

    Args:
        head: The first `HEAD_BYTES` bytes, or all that there are.

    Returns:
        A name of `FORMATS`, the name of a format that is not read, or None for no picture.
    """
    for one in FORMATS:
        if one.starts and head.startswith(one.starts) and _is_plausible(one.name, head):
            return next(
                (
                    name
                    for kin, place, mark, name in KIN
                    if kin == one.name and head[place:].startswith(mark)
                ),
                one.name,
            )
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[128:132] == b"DICM":
        return "DICOM"
    for name, starts in STRANGERS:
        if head.startswith(starts):
            return name
    return _known_to_pillow(head) or _without_a_start(head)


def is_read(name: str) -> bool:
    """Tell whether pictures of this format can be read here, now."""
    return name in BY_NAME and not missing_package(name)


def missing_package(name: str) -> str:
    """Return what must be installed first to read this format, "" where nothing is missing.

    >>> missing_package("JPEG")
    ''
    """
    one = BY_NAME.get(name)
    if one is None or not one.module or importlib.util.find_spec(one.module):
        return ""
    return one.package


def optional_package(head: bytes) -> str:
    """Return the package that reads a picture beside Pillow, with its version, "" for Pillow alone.

    Args:
        head: As for `picture_format`.
    """
    one = BY_NAME.get(picture_format(head) or "")
    return with_version(one.package) if one and one.package else ""


@functools.cache
def with_version(package: str) -> str:
    """Return a package as pip knows it and its version, "" where it is not installed.

    >>> with_version("no-such-package")
    ''
    """
    from importlib import metadata  # seldom needed, and slow to load

    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return ""


def _is_plausible(name: str, head: bytes) -> bool:
    return name not in STRONGER or STRONGER[name].match(head) is not None


def _iso_media(head: bytes) -> str | None:
    """Tell AVIF, HEIC and camera raw by their brands; films have others."""
    size = min(int.from_bytes(head[:4], "big"), MAX_FTYP_BYTES, len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, size, 4))]
    kinds = (("camera raw", RAW_BRANDS), ("AVIF", AVIF_BRANDS), ("HEIC", HEIC_BRANDS))
    return next((name for name, known in kinds if any(one in known for one in brands)), None)


def _known_to_pillow(head: bytes) -> str | None:
    """Ask Pillow's own checks of the first bytes; they open nothing."""
    from PIL import Image

    Image.init()
    prefix = head[:PILLOW_PREFIX].ljust(PILLOW_PREFIX, b"\0")
    for name in Image.ID:
        accepts = Image.OPEN[name][1]
        if accepts and accepts(prefix) and _is_plausible(name, head):
            return name
    return None


def _without_a_start(head: bytes) -> str | None:
    """Tell formats whose files have no fixed first bytes."""
    if head[2048:2052] == b"PCD_":
        return "PCD"
    if IPTC.match(head):
        return "IPTC"
    if IMT.match(head):
        return "IMT"
    if TGA.match(head):
        return "TGA"
    orders = "<>" if len(head) >= SPIDER_BYTES else ""
    if any(_is_spider(struct.unpack_from(f"{order}23f", head)) for order in orders):
        return "SPIDER"
    return None


def _is_spider(header: tuple[float, ...]) -> bool:
    """Tell a SPIDER header by fields that agree: its bytes are records times their length."""
    form, records, num_bytes, length = (header[place] for place in (4, 12, 21, 22))
    return form in SPIDER_FORMS and num_bytes > 0 and num_bytes == records * length
