"""Degrade detail: too few pixels, or too few bytes for them."""

import cv2
import numpy as np

from utils.quality.sizes import VIEW_SIDE, at_most, resize, shape_at, shorter_side

ENLARGEMENTS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


def low_resolution(picture: np.ndarray, *, detail: float, enlarged: str) -> np.ndarray:
    """Send a thumbnail, or crop far too small a part, and enlarge it again.

    In 8-bit values, as viewers and messengers do it.

    Args:
        detail: Pixels that are left along the shorter side, as a share of 256 or, if it has fewer,
            of those it has.
        enlarged: One of `ENLARGEMENTS`; "nearest" as a screenshot shows it: pixels are squares at
            half the size, and their edges soft at the whole.
    """
    side = max(2, round(detail * min(VIEW_SIDE, shorter_side(picture))))
    small = resize(picture, shape_at(picture.shape, side))
    if enlarged == "nearest":
        half = max(side, shorter_side(picture) // 2)
        small = resize(small, shape_at(picture.shape, half), cv2.INTER_NEAREST)
        return resize(small, picture.shape)
    return resize(small, picture.shape, ENLARGEMENTS[enlarged])


def jpeg_compression(picture: np.ndarray, *, quality: float, side: int = 256) -> np.ndarray:
    """Compress too strongly, as some messengers do.

    Args:
        quality: Of libjpeg, from 1 to 100; rounded.
        side: Shorter side in pixels at which it is compressed, so that the blocks of 8 x 8 pixels
            look the same whatever the picture's size.
    """
    height, width = shape_at(picture.shape, side)
    small = cv2.resize(at_most(picture, side), (width, height), interpolation=cv2.INTER_LINEAR)
    return resize(recompress(small, round(quality)), picture.shape)


def recompress(picture: np.ndarray, quality: int) -> np.ndarray:
    """Return a picture after JPEG of a quality of libjpeg, from 1 to 100."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    written, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not written:
        raise ValueError(f"OpenCV could not encode a picture of shape {picture.shape} as JPEG")
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def messenger(
    picture: np.ndarray, *, detail: float, first_quality: int, last_quality: int, share: float
) -> np.ndarray:
    """Forward a picture twice: each time it is made smaller and compressed, then it is enlarged.

    Args:
        detail: Pixels that are left along the shorter side, as a share of 256 or, if it has fewer,
            of those it has.
        first_quality: Of libjpeg, when it is sent.
        last_quality: Likewise, when it is sent on.
        share: Of the shrinking that is done the first time, from 0 to 1.
    """
    least = min(VIEW_SIDE, shorter_side(picture))
    sent = picture
    for part, quality in ((share, first_quality), (1.0, last_quality)):
        side = max(2, round(least * detail**part))
        sent = recompress(resize(sent, shape_at(picture.shape, side)), quality)
    return resize(sent, picture.shape, cv2.INTER_CUBIC)
