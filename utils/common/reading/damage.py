"""Whether the end of a picture file is missing, where its decoder would not notice."""

from utils.common.reading.errors import PictureError

PNG_END = b"IEND\xae\x42\x60\x82"
MAX_TRAILER = 2**16
"""Bytes that some programs append behind the end of a PNG."""

MIN_ZERO_TAIL = 16


def check_end(content: bytes) -> None:
    """Refuse files whose end is missing, where their decoders would not notice.

    Raises:
        PictureError: If a PNG has no last chunk, or a WebP or GIF ends in zeros.
    """
    if content.startswith(b"\x89PNG") and PNG_END not in content[-MAX_TRAILER:]:
        raise PictureError("truncated", "the PNG has no end")
    if content.startswith((b"RIFF", b"GIF8")) and content.endswith(bytes(MIN_ZERO_TAIL)):
        raise PictureError("damaged", f"the last {MIN_ZERO_TAIL} bytes or more are zero")
