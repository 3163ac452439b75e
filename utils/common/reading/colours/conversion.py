"""Convert any of Pillow's modes to 8-bit RGB on white, and say what was done."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from utils.common.reading.colours.depth import (
    colour_to_8_bit,
    grey_to_8_bit,
    is_deep_colour,
    is_deep_grey,
    is_deep_grey_alpha,
    strips,
    told_bits,
)
from utils.common.reading.colours.profiles import AS_SRGB, Profile, find_profile
from utils.common.reading.colours.to_srgb import is_srgb, to_srgb
from utils.common.reading.decoders import load
from utils.common.reading.png_pixels import tells_late

CLEAR = "transparent everywhere, so its transparency is ignored"
GREY = ("1", "L", "LA", "La")
WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a file says of its values, to be asked before they are loaded.

    Attributes:
        profile: Of its colours.
        bits: Of each value, where it tells and that matters.
        is_deep_colour: Whether it has 16 bit for each of its colours.
        is_grey: Whether it is grey, though Pillow gives it colours.
    """

    profile: Profile = AS_SRGB
    bits: int | None = None
    is_deep_colour: bool = False
    is_grey: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the values of an RGB picture are shown as they are."""
        return not self.profile.is_broken and is_srgb(self.profile)


PLAIN = Meaning()


def meaning_of(image: Image.Image, content: bytes = b"") -> Meaning:
    """Ask a picture's file what its values mean.

    Args:
        image: As Pillow opened it, not loaded yet.
        content: Of its file, where there is one.
    """
    if image.format in ("JPEG", "MPO"):  # most are, and there is least to ask
        profile = find_profile(image)
        return PLAIN if profile is AS_SRGB else Meaning(profile)
    is_deep, is_grey = is_deep_colour(image), is_deep_grey_alpha(image)
    if image.format == "PNG" and (not content or tells_late(content)):
        load(image)  # what it says in EXIF may come after the pixels
    bits = told_bits(image, content) if is_deep or is_deep_grey(image) else None
    return Meaning(find_profile(image, content), bits, is_deep, is_grey)


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
    if image.mode == "La":  # of which Pillow makes nothing else
        image = image.convert("LA")
    if meaning is PLAIN and image.mode == "RGB" and "transparency" not in image.info:
        return image, ()
    depth = clear = ""
    if is_deep_grey(image):
        image, depth = grey_to_8_bit(image, meaning.bits)
    elif meaning.is_deep_colour and content:
        image, depth = colour_to_8_bit(image, content, meaning.bits)
    if has_alpha(image):
        below = "L" if meaning.is_grey or image.mode in GREY else "RGB"
        if not _is_clear(image):
            shown, colours = _on_white(image, meaning.profile, below)
            return shown, _told(depth, colours)
        image, clear = image.convert("RGBA").convert(below), CLEAR
    shown, colours = to_srgb(image, meaning.profile)
    return shown, _told(depth, clear, colours)


def has_alpha(image: Image.Image) -> bool:
    """Whether a picture may have transparent parts."""
    return image.mode in WITH_ALPHA or "transparency" in image.info


def _told(*notes: str) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


def _is_clear(image: Image.Image) -> bool:
    """Whether nothing of a picture is to be seen, which no one can have meant."""
    return all(_layered(part).getchannel("A").getextrema() == (0, 0) for _, part in _parts(image))


def _parts(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    for start, end in strips(image.height, image.width):
        is_whole = end - start == image.height
        yield start, image if is_whole else image.crop((0, start, image.width, end))


def _layered(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _on_white(image: Image.Image, profile: Profile, below: str) -> tuple[Image.Image, str]:
    """Lay a picture on white in strips, for four bytes of each pixel are many.

    Args:
        image: With transparency.
        profile: Of its colours.
        below: Its mode without transparency.
    """
    shown, note = Image.new("RGB", image.size), ""
    for start, part in _parts(image):
        layer = _layered(part)
        if profile is not AS_SRGB:
            colours, note = to_srgb(layer.convert(below), profile)
            colours.putalpha(layer.getchannel("A"))
            layer = colours
        white = Image.new("RGBA", layer.size, "white")
        shown.paste(Image.alpha_composite(white, layer).convert("RGB"), (0, start))
    return shown, note
