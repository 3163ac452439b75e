"""A picture file in, the uint8 pixels of one training or evaluation sample out."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.preprocessing import Preprocessing
from utils.common.pictures import PictureError, read_picture
from utils.common.seeds import generator
from utils.training.pictures import Picture

MIN_SCALE = 0.875
"""Side of the smallest training crop, as a share of the largest that fits. At 256 pixels a crop for
an input of 224 is then never enlarged; enlarging blurs, and blur is what LOW_QUALITY means."""

MAX_STRETCH = 1.05
MAX_BRIGHTENING = 0.05

SHORTER_SIDE = 256
"""A picture that create_dataset.py has not made is first brought to the size it would have got."""

MAX_DIRECT_SIDE = 512
"""Longer shorter sides are decoded at a reduced scale, which is several times faster."""

END_OF_JPEG = b"\xff\xd9"


def read_pixels(folder: Path, picture: Picture) -> NDArray[np.uint8]:
    """Decode one picture to upright RGB, uint8, height x width x 3.

    A file that the manifest knows is a plain RGB JPEG, so the fastest exact decoder will do;
    everything else goes the way that create_dataset.py reads it.

    Raises:
        PictureError: If it is no whole picture, or not the one that the manifest knows.
    """
    try:
        content = (folder / picture.file).read_bytes()
    except OSError as error:
        raise PictureError("unreadable", error.strerror or str(error)) from None
    if picture.size is None or min(picture.size) > MAX_DIRECT_SIDE:
        return np.asarray(read_picture(content, SHORTER_SIDE)[0])
    if not content.endswith(END_OF_JPEG):  # OpenCV would fill the missing part with grey
        return np.asarray(read_picture(content)[0])
    pixels = cv2.imdecode(
        np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if pixels is None:
        raise PictureError("damaged", f"{len(content):,} bytes that are no whole picture")
    height, width = pixels.shape[:2]
    if (width, height) != picture.size:
        raise PictureError("changed", f"{width} x {height} pixels, {picture.size} when it was made")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def evaluation_sample(
    folder: Path, picture: Picture, preprocessing: Preprocessing
) -> NDArray[np.uint8]:
    """Return the centre of a picture, uint8, 3 x height x width."""
    return preprocessing.centre_crop(read_pixels(folder, picture))


def training_sample(
    folder: Path, picture: Picture, preprocessing: Preprocessing, seed: int, epoch: int
) -> NDArray[np.uint8]:
    """Return a mildly varied view of a picture, uint8, 3 x height x width.

    It depends on (seed, epoch, file) alone. Place, scale, aspect, mirroring and a little
    brightness vary; nothing that could make a good picture a poor one: no blur, no noise, no
    strong change of colour.
    """
    pixels = read_pixels(folder, picture)
    rng = generator(seed, epoch, picture.file)
    scale, stretch, across, down, brightening = rng.uniform(size=5)
    flips = rng.integers(4)
    height, width = preprocessing.largest_window(*pixels.shape[:2])
    side = MIN_SCALE + (1 - MIN_SCALE) * scale
    aspect = MAX_STRETCH ** (2 * stretch - 1)
    window_height = min(pixels.shape[0], round(height * side * min(1, aspect)))
    window_width = min(pixels.shape[1], round(width * side * min(1, 1 / aspect)))
    top = round(down * (pixels.shape[0] - window_height))
    left = round(across * (pixels.shape[1] - window_width))
    window = pixels[top : top + window_height, left : left + window_width]
    resized = preprocessing.resize(window).transpose(1, 2, 0)
    gain = 1 + MAX_BRIGHTENING * (2 * brightening - 1)
    brightened = cv2.convertScaleAbs(resized, alpha=gain)
    mirrored = brightened[:: -1 if flips & 1 else 1, :: -1 if flips & 2 else 1]
    return mirrored.transpose(2, 0, 1)
