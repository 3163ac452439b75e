"""Turn a picture file into the text by which an HTML page holds a small copy of it."""

import base64
import io

from PIL import Image

from utils.common.limits import ACCEPTED
from utils.common.pictures import read_picture

JPEG_QUALITY = 85


def as_data_url(content: bytes, side: int, max_pixels: int = ACCEPTED) -> str:
    """Return a JPEG copy as a data URL.

    Args:
        content: The file's bytes.
        side: Longer side of the copy, in pixels.
        max_pixels: A larger picture is refused before it is decoded.

    Raises:
        PictureError: If there is no whole picture in these bytes.
    """
    image = read_picture(content, side, max_pixels)[0]
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
