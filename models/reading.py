"""A picture as somebody sends it in, the pixels that training would have made of it out."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from utils.common.limits import MAX_ASPECT, MAX_PIXELS
from utils.common.pictures import (
    REDUCING_GAP,
    PictureError,
    fit_shorter_side,
    read_picture,
    to_rgb,
    write_jpeg,
)

SHORTER_SIDE = 256
"""In pixels; a picture that create_dataset.py has not made is brought to what it would have got."""

MAX_DIRECT_SIDE = 512
"""Longer shorter sides are decoded at a reduced scale, which is several times faster."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What happened to the pictures of a data set between their originals and the model.

    A model is asked best with what it was trained on. So an original goes the same way: upright
    RGB, resized as the assembly does it, written as a JPEG of the same quality and read again.
    A picture of the data set itself, which has gone it already, is taken as it is.

    Attributes:
        shorter_side: That the assembly gave to every picture, in pixels.
        is_written: Whether it wrote them as JPEG; else the originals were read directly.
    """

    shorter_side: int = SHORTER_SIDE
    is_written: bool = True

    @classmethod
    def of_sizes(cls, sizes: Iterable[tuple[int, int] | None]) -> "Reading":
        """Tell from the sizes in a manifest, None without one, how its pictures were made."""
        sides = {size and min(size) for size in sizes}
        side = sides.pop() if len(sides) == 1 else None
        return cls(side) if side else cls(is_written=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    def pixels(self, content: bytes) -> NDArray[np.uint8]:
        """Return upright RGB, uint8, height x width x 3, from the bytes of a picture file.

        Raises:
            PictureError: If there is no whole picture in these bytes.
        """
        picture, original = read_picture(content, self.shorter_side)
        if original.is_plain and min(original.width, original.height) == self.shorter_side:
            return self._pixels(picture, content)
        return self._pixels(picture)

    def image_pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the same from a picture that is decoded already, or about to be.

        Raises:
            PictureError: If it cannot be decoded, is too large or too narrow.
        """
        if image.width * image.height > MAX_PIXELS:
            raise PictureError("too large", f"{image.width} x {image.height} pixels")
        if not all(image.size) or max(image.size) > MAX_ASPECT * min(image.size):
            raise PictureError("too narrow", f"{image.width} x {image.height} pixels")
        try:
            upright = to_rgb(ImageOps.exif_transpose(image))
        except (OSError, SyntaxError, ValueError) as error:
            raise PictureError("damaged", str(error)) from None
        size = fit_shorter_side(upright.size, self.shorter_side)
        return self._pixels(
            upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
        )

    def _pixels(self, resized: Image.Image, written: bytes | None = None) -> NDArray[np.uint8]:
        """Return what is seen of a resized picture, or of the file that it already is."""
        if not self.is_written:
            return np.asarray(resized)
        if written is not None and self.shorter_side <= MAX_DIRECT_SIDE:
            return np.asarray(resized)
        side = SHORTER_SIDE if self.shorter_side > MAX_DIRECT_SIDE else 0
        return np.asarray(read_picture(written or write_jpeg(resized), side)[0])
