"""Read any picture file into the pixels that training would have seen of it."""

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
"""Shorter side that create_dataset.py gives pictures by default, in pixels."""

MAX_DIRECT_SIDE = 512
"""Shorter sides above it are decoded at a reduced scale, which is several times faster."""

OWN_SIZE = 0
"""Shorter side that stands for the original size of each picture."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The steps between the originals of a data set and the model.

    A model does best on the kind of pictures that it was trained on. So an original takes the same
    steps: upright sRGB, resized as by create_dataset.py, written as a JPEG of the same quality and
    read again. A picture of the data set itself, which has taken them, is used as it is.

    Attributes:
        shorter_side: Shorter side of every picture of the data set, in pixels; 0 if each kept its
            own, as with `--image-size 0`.
        is_written: Whether create_dataset.py wrote them as JPEG; else originals were read directly.
    """

    shorter_side: int = SHORTER_SIDE
    is_written: bool = True

    @classmethod
    def of_sizes(
        cls, sizes: Iterable[tuple[int, int] | None], keeps_bytes: bool = False
    ) -> "Reading":
        """Find out how the pictures of a data set were made.

        Args:
            sizes: Size of each picture in the manifest; None without one.
            keeps_bytes: Whether a picture is its original, byte for byte.
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
            source: The bytes of a picture file, or a Pillow image. An image that is opened but not
                decoded yet gives the same pixels as its file; a decoded one takes the steps that
                are left.

        Raises:
            PictureError: If it cannot be decoded, or is too large or too narrow.
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
        """Return the `pixels` of a Pillow image."""
        return self.pixels(image)

    def _is_own(self, original: Original) -> bool:
        """Return whether a picture is one of the data set, which is not written again."""
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
