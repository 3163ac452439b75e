"""An open picture of any Pillow mode in, 8-bit sRGB on white out, and what was done to it."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from utils.common.reading.colour import AS_SRGB, Profile, find_profile, is_srgb, to_srgb
from utils.common.reading.depth import (
    colour_to_8_bit,
    grey_to_8_bit,
    is_deep_colour,
    is_deep_grey,
    strips,
    told_bits,
)
from utils.common.reading.opening import load

CLEAR = "transparent everywhere, so its transparency is ignored"
WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a file says of its values, to be asked before they are loaded.

    Attributes:
        profile: Of its colours.
        bits: Of each value, where it tells and that matters.
        is_deep_colour: Whether it has 16 bit for each of its colours.
    """

    profile: Profile = AS_SRGB
    bits: int | None = None
    is_deep_colour: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the values of an RGB picture are shown as they are."""
        return not self.profile.is_broken and is_srgb(self.profile)


def meaning_of(image: Image.Image, content: bytes = b"") -> Meaning:
    """Ask a picture's file what its values mean.

    Args:
        image: As Pillow opened it, not loaded yet.
        content: Of its file, where there is one.
    """
    is_deep = is_deep_colour(image)
    if image.format == "PNG":
        load(image)  # what it says in EXIF may come after the pixels
    bits = told_bits(image, content) if is_deep or is_deep_grey(image) else None
    return Meaning(find_profile(image, content), bits, is_deep)


def convert(
    image: Image.Image, meaning: Meaning, content: bytes = b""
) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a picture to 8-bit sRGB; what is transparent comes out white.

    Args:
        image: Of any mode.
        meaning: What its file says of it.
        content: Of its file, where there is one.

    Returns:
        The picture, and what was done to it that is worth a count.

    Raises:
        PictureError: If its values are no colours.
    """
    load(image)
    depth = clear = ""
    if is_deep_grey(image):
        image, depth = grey_to_8_bit(image, meaning.bits)
    elif meaning.is_deep_colour and content:
        image, depth = colour_to_8_bit(image, content, meaning.bits)
    if has_alpha(image):
        if not _is_clear(image):
            shown, colours = _on_white(image, meaning.profile)
            return shown, _told(depth, colours)
        image, clear = image.convert("RGBA").convert("RGB"), CLEAR
    shown, colours = to_srgb(image, meaning.profile)
    return shown, _told(depth, clear, colours)


def has_alpha(image: Image.Image) -> bool:
    """Whether a picture may have transparent parts."""
    return image.mode in WITH_ALPHA or "transparency" in image.info


def _told(*notes: str) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


def _is_clear(image: Image.Image) -> bool:
    """Whether nothing of a picture is to be seen, which no one can have meant."""
    alphas = (part.getchannel("A").getextrema() for _, part in _layers(image))
    return all(extrema == (0, 0) for extrema in alphas)


def _layers(image: Image.Image) -> Any:
    for start, end in strips(image.height, image.width):
        part = image if end - start == image.height else image.crop((0, start, image.width, end))
        yield start, part.convert("RGBA")


def _on_white(image: Image.Image, profile: Profile) -> tuple[Image.Image, str]:
    """Lay a picture on white in strips, for four bytes of each pixel are many."""
    shown, note = Image.new("RGB", image.size), ""
    for start, part in _layers(image):
        colours, note = to_srgb(part.convert("RGB"), profile)
        colours.putalpha(part.getchannel("A"))
        white = Image.new("RGBA", colours.size, "white")
        white.alpha_composite(colours)
        shown.paste(white.convert("RGB"), (0, start))
    return shown, note
