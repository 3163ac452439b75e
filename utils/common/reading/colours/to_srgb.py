"""Convert a picture to sRGB by the profile of its colours."""

import functools
import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from utils.common.reading.colours.profiles import Profile

BROKEN = "the colour profile is broken and ignored"
CONVERTED = "converted to sRGB from {}"

SAME = 2
"""A profile whose colours differ from those of sRGB by no more, of 255, is sRGB."""

PROBE_STEPS = 9
MAX_NAME = 40
SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
"""Pillow's mode of a picture whose profile is of this colour space."""

FITTING = {
    "RGB": ("RGB", "RGBX", "YCbCr", "HSV", "P", "L", "1"),
    "L": ("L", "1"),
    "CMYK": ("CMYK",),
    "LAB": ("LAB",),
}
"""Modes of pictures that a profile for such a mode can be of."""


def to_srgb(image: Image.Image, profile: Profile) -> tuple[Image.Image, str]:
    """Convert a picture without transparency to 8-bit sRGB.

    Args:
        image: Loaded, of a mode with 8 bit or less for each value.
        profile: Of its file.

    Returns:
        The picture, and what was done, to count by; "" for nothing.
    """
    if profile.is_broken:
        return as_rgb(image), BROKEN
    if profile.content is None:
        return as_rgb(image), ""
    try:
        kind, transform = _transform(profile.content)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return as_rgb(image), BROKEN
    if image.mode not in FITTING[kind]:
        return as_rgb(image), BROKEN  # it is of another kind of picture
    source = image if image.mode == kind else image.convert(kind)
    if transform is None:
        return as_rgb(source), ""
    converted = ImageCms.applyTransform(source, transform)
    assert converted is not None
    converted.info.pop("icc_profile", None)  # it is no longer true
    return converted, CONVERTED.format(profile.name or _name(profile.content))


def is_srgb(profile: Profile) -> bool:
    """Whether colours need no conversion, by what a profile does and not by its name."""
    if profile.content is None:
        return True
    try:
        return _transform(profile.content)[1] is None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert a picture of any mode without transparency to RGB as its numbers are."""
    if image.mode == "LAB":
        image = ImageCms.applyTransform(image, _from_lab()) or image
    return image if image.mode == "RGB" else image.convert("RGB")


@functools.lru_cache(maxsize=16)
def _transform(content: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Return the mode that a profile is for, and its way to sRGB; None if it already is sRGB.

    Raises:
        ImageCms.PyCMSError: If it is broken; OSError and ValueError, too.
    """
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    kind = SPACES.get(profile.profile.xcolor_space)
    if kind is None:
        raise ValueError("a profile of another colour space")
    transform = _build(profile, kind)
    return kind, None if kind in ("RGB", "L") and _keeps_colours(transform, kind) else transform


def _build(profile: Any, kind: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        kind,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


@functools.cache
def _from_lab() -> ImageCms.ImageCmsTransform:
    return _build(ImageCms.createProfile("LAB"), "LAB")


def _keeps_colours(transform: ImageCms.ImageCmsTransform, kind: str) -> bool:
    steps = np.linspace(0, 255, PROBE_STEPS).round().astype(np.uint8)
    axes = (
        np.meshgrid(steps, steps, steps) if kind == "RGB" else [np.arange(256, dtype=np.uint8)] * 3
    )
    probe = Image.fromarray(np.stack(axes, axis=-1).reshape(1, -1, 3))
    shown = ImageCms.applyTransform(probe.convert(kind), transform)
    return bool(np.abs(np.asarray(shown).astype(int) - np.asarray(probe)).max() <= SAME)


@functools.lru_cache(maxsize=16)
def _name(content: bytes) -> str:
    """Return what a profile calls itself, made fit to print."""
    try:
        told = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(content)))
    except (ImageCms.PyCMSError, OSError, ValueError):
        told = ""
    plain = "".join(letter for letter in told.strip() if letter.isascii() and letter.isprintable())
    return plain[:MAX_NAME] or "a profile without a name"
