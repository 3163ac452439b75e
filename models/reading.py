"""A picture as somebody sends it in, the pixels that training would have made of it out."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.pictures import (
    Original,
    bytes_behind,
    is_as_written,
    read_image,
    read_picture,
    write_jpeg,
)

SHORTER_SIDE = 256
"""In pixels; a picture that create_dataset.py has not made is brought to what it would have got."""

MAX_DIRECT_SIDE = 512
"""Longer shorter sides are decoded at a reduced scale, which is several times faster."""

OWN_SIZE = 0
"""For a shorter side: the assembly left every picture at its own size."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What happened to the pictures of a data set between their originals and the model.

    A model is asked best with what it was trained on. So an original goes the same way: upright
    sRGB, resized as the assembly does it, written as a JPEG of the same quality and read again.
    A picture of the data set itself, which has gone it already, is taken as it is.

    Attributes:
        shorter_side: That the assembly gave to every picture, in pixels; 0 if each kept its own,
            as with `--image-size 0`.
        is_written: Whether it wrote them as JPEG; else the originals were read directly.
    """

    shorter_side: int = SHORTER_SIDE
    is_written: bool = True

    @classmethod
    def of_sizes(
        cls, sizes: Iterable[tuple[int, int] | None], keeps_bytes: bool = False
    ) -> "Reading":
        """Tell how the pictures of a data set were made.

        Args:
            sizes: Of them as a manifest says, None without one.
            keeps_bytes: Whether one of them is its original, byte for byte.
        """
        sides = {size and min(size) for size in sizes}
        if None in sides or not sides:
            return cls(is_written=False)
        (side, *others) = sides
        return cls(OWN_SIZE if others or keeps_bytes or side is None else side)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    def pixels(self, source: bytes | Image.Image) -> NDArray[np.uint8]:
        """Return upright sRGB, uint8, height x width x 3, of any picture.

        Args:
            source: The bytes of a picture file, or a Pillow image. One that Pillow has opened and
                not decoded yet gives the very pixels of its file; one that is decoded takes the
                same steps from there on.

        Raises:
            PictureError: If it cannot be decoded, is too large or too narrow.
        """
        content = bytes_behind(source) if isinstance(source, Image.Image) else source
        picture, original = _read(source, content, self.shorter_side)
        if not self.is_written:
            return np.asarray(picture)
        is_own = self._is_own(original)
        reduced = SHORTER_SIDE if min(picture.size) > MAX_DIRECT_SIDE else OWN_SIZE
        if is_own and not reduced:
            return np.asarray(picture)
        if is_own:
            return np.asarray(_read(source, content, reduced)[0])
        return np.asarray(read_picture(write_jpeg(picture), reduced)[0])

    def image_pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return `pixels` of a Pillow image."""
        return self.pixels(image)

    def _is_own(self, original: Original) -> bool:
        """Whether a picture is as the assembly leaves one, which is not written once more."""
        if self.shorter_side == OWN_SIZE:
            return original.is_plain
        shorter = min(original.width, original.height)
        return shorter == self.shorter_side and is_as_written(original)


def _read(
    source: bytes | Image.Image, content: bytes | None, shorter_side: int
) -> tuple[Image.Image, Original]:
    if content is not None:
        return read_picture(content, shorter_side)
    assert isinstance(source, Image.Image)
    return read_image(source, shorter_side)
