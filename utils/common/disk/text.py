"""Decode a text file from anywhere, and tell which encoding it was read by."""

import codecs
import re

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Encodings by the byte order mark that a text in them begins with."""

UTF_8 = "utf-8"
WINDOWS_1252 = "cp1252"
LATIN_1 = "latin-1"

INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
)
"""Signs that no one sees, as a class of a regular expression has them."""

EDGES = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")


def marked_encoding(content: bytes) -> str | None:
    """Return the encoding that a byte order mark tells, None where there is no such mark.

    >>> marked_encoding(b"\\xff\\xfea\\x00")
    'utf-16'
    """
    return next((encoding for mark, encoding in MARKS if content.startswith(mark)), None)


def decode_text(content: bytes) -> tuple[str, str]:
    """Return a text without its byte order mark, and its encoding.

    Without a mark it is UTF-8; failing that, UTF-16 where every other byte is zero, else the code
    page of Western Windows, which gives every byte some letter.

    Raises:
        UnicodeDecodeError: If it is not in the encoding that its mark tells.
    """
    if encoding := marked_encoding(content):
        return content.decode(encoding), encoding
    if encoding := _unmarked_utf_16(content):
        return content.decode(encoding), encoding
    for encoding in (UTF_8, WINDOWS_1252):
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError:
            pass
    return content.decode(LATIN_1), LATIN_1


def tidy(text: str) -> str:
    """Strip blanks of all kinds and what cannot be seen from both ends.

    >>> tidy("\\ufeff IP_0\\u00a0\\u200b")
    'IP_0'
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    return EDGES.sub("", text)


def _unmarked_utf_16(content: bytes) -> str | None:
    """Tell UTF-16 by the zeros of its ASCII signs, of which a text in UTF-8 has none."""
    beginning = content[:512]
    if len(content) % 2 or len(beginning) < 4:
        return None
    zeros = [beginning[start::2].count(0) * 2 / len(beginning) for start in (0, 1)]
    if min(zeros) == 0 and max(zeros) > 0.5:
        return "utf-16-be" if zeros[0] else "utf-16-le"
    return None
