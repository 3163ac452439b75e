"""Find what a picture file says of its colours, as an ICC profile."""

import functools
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from utils.common.reading.chunks import (
    bmp_profile,
    boxed_profile,
    coded_colours,
    jpeg_profile,
    png_chunks,
    unpack_profile,
)
from utils.common.reading.colours.curves import PRIMARIES, TRANSFERS
from utils.common.reading.colours.icc import ADOBE_RGB, SRGB, Primaries, rgb_profile, srgb_curve
from utils.common.reading.decoders import read_exif

GAMMA_TOLERANCE = 0.05
"""Of a PNG's gamma: what differs from 1 / 2.2 by less means sRGB, as in libpng."""

POINT_TOLERANCE = 0.005
"""Of chromaticities that programs round differently."""

EXIF_IFD, INTEROP_IFD, COLOUR_SPACE, INTEROP_INDEX = 0x8769, 0xA005, 0xA001, 1
ADOBE_SPACE, UNCALIBRATED = 2, 65535

TELLING = re.compile(
    rb"\x01\xa0[\x03\x04]\x00\x01\x00\x00\x00(\x02\x00|\xff\xff)"
    rb"|\xa0\x01\x00[\x03\x04]\x00\x00\x00\x01(\x00\x00)?(\x00\x02|\xff\xff)"
)
"""The entry of EXIF for Adobe RGB or for "uncalibrated", in both orders of bytes."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a file says of its colours.

    Attributes:
        content: An ICC profile, made up where the file told it otherwise; None is sRGB.
        name: Of it, if not its own description counts.
        is_broken: Whether there was one that could not be understood.
    """

    content: bytes | None = None
    name: str = ""
    is_broken: bool = False


AS_SRGB = Profile()
NOT_UNDERSTOOD = Profile(is_broken=True)


def find_profile(image: Image.Image, content: bytes = b"") -> Profile:
    """Return what a picture's file says of its colours.

    Args:
        image: As Pillow opened it; it need not be loaded.
        content: Of its file, where there is one, for what Pillow does not tell.
    """
    if image.format == "PNG" and content:
        return _of_png(image, png_chunks(content))
    try:
        embedded = image.info.get("icc_profile") or _beside_pillow(image, content)
    except (ValueError, struct.error):
        return NOT_UNDERSTOOD
    if embedded:
        return Profile(bytes(embedded))
    if embedded is None and "icc_profile" in image.info:  # Pillow does not know how to join it
        joined = jpeg_profile(getattr(image, "applist", ()))
        return Profile(joined) if joined else NOT_UNDERSTOOD
    if image.format == "PNG":
        return _of_png(image, _chunks_known_to_pillow(image.info))
    return _of_codes(image, content) or _of_exif(image)


def _beside_pillow(image: Image.Image, content: bytes) -> bytes | None:
    """Return a profile that Pillow passes over."""
    if image.format == "BMP":
        return bmp_profile(content)
    return boxed_profile(content) if image.format == "JPEG2000" else None


def _chunks_known_to_pillow(told: Mapping[Any, Any]) -> dict[bytes, bytes]:
    """Return what Pillow keeps of a decoded PNG's chunks, as they were."""
    chunks = {b"sRGB": b"\0"} if "srgb" in told else {}
    if "gamma" in told:
        chunks[b"gAMA"] = struct.pack(">I", round(told["gamma"] * 100_000))
    if "chromaticity" in told:
        points = (round(value * 100_000) for value in told["chromaticity"])
        chunks[b"cHRM"] = struct.pack(">8I", *points)
    return chunks


def _of_png(image: Image.Image, chunks: dict[bytes, bytes]) -> Profile:
    """Follow the order of the PNG specification, third edition, 4.3: cICP, iCCP, sRGB, gAMA."""
    if len(coded := chunks.get(b"cICP", b"")) == 4:
        found = _coded(coded[0], coded[1])
        if found is not None:
            return found
    if b"iCCP" in chunks:
        try:
            return Profile(unpack_profile(chunks[b"iCCP"]))
        except ValueError:
            return NOT_UNDERSTOOD
    if b"sRGB" in chunks:
        return AS_SRGB
    found = _of_gamma(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))
    return _of_exif(image) if found is AS_SRGB else found


def _of_gamma(gamma: bytes, points: bytes) -> Profile:
    """Return the profile of a PNG's exponent and chromaticities."""
    primaries, curve, name = SRGB, None, []
    try:
        if gamma:
            (value,) = struct.unpack(">I", gamma)
            exponent = value / 100_000
            if abs(exponent * 2.2 - 1) > GAMMA_TOLERANCE:
                curve = 1 / exponent
                name.append(f"gamma {curve:.2g}")
        if points:
            x = [number / 100_000 for number in struct.unpack(">8I", points)]
            white, red, green, blue = zip(x[::2], x[1::2], strict=True)
            told = Primaries(red, green, blue, white)
            if not told.is_near(SRGB, POINT_TOLERANCE):
                primaries = told
                name.append("other primaries")
        if not name:
            return AS_SRGB
        return Profile(rgb_profile(primaries, curve or srgb_curve), " and ".join(name))
    except (ValueError, ZeroDivisionError, struct.error):
        return NOT_UNDERSTOOD


def _of_codes(image: Image.Image, content: bytes) -> Profile | None:
    """Return the profile of the code points in AVIF and HEIC, None without any."""
    told: dict[str, Any] = image.info.get("nclx_profile") or {}
    if told:
        return _coded(int(told["color_primaries"]), int(told["transfer_characteristics"]))
    codes = coded_colours(content) if image.format == "AVIF" else None
    return _coded(*codes) if codes else None


@functools.lru_cache(maxsize=64)
def _coded(primaries: int, transfer: int) -> Profile | None:
    """Return the profile of code points as ITU-T H.273 lists them; None where they say nothing."""
    space, shape = PRIMARIES.get(primaries), TRANSFERS.get(transfer)
    if space is None and shape is None:
        return None
    points, title = space or PRIMARIES[1]
    curve, curve_title = shape or TRANSFERS[13]
    if points is SRGB and curve is srgb_curve:
        return AS_SRGB
    return Profile(rgb_profile(points, curve), f"{title} {curve_title}".strip())


def _of_exif(image: Image.Image) -> Profile:
    """Return Adobe RGB where EXIF says so; cameras embed no profile then."""
    told: bytes = image.info.get("exif", b"")
    if not TELLING.search(told) and not (image.format == "TIFF" and _has_exif(image)):
        return AS_SRGB  # without taking all of it to pieces
    try:
        exif = read_exif(image)
        space = exif.get_ifd(EXIF_IFD).get(COLOUR_SPACE)
        index = exif.get_ifd(INTEROP_IFD).get(INTEROP_INDEX) if space == UNCALIBRATED else None
    except (SyntaxError, ValueError, TypeError, LookupError, OverflowError, OSError, struct.error):
        return AS_SRGB
    if space == ADOBE_SPACE or (isinstance(index, str | bytes) and index[:3] in ("R03", b"R03")):
        return Profile(_adobe_rgb(), "Adobe RGB")
    return AS_SRGB


def _has_exif(image: Image.Image) -> bool:
    return EXIF_IFD in getattr(image, "tag_v2", ())


@functools.cache
def _adobe_rgb() -> bytes:
    return rgb_profile(ADOBE_RGB, 563 / 256)
