r"""Escape file names in CSV cells: every program reads them, and no spreadsheet runs one.

A byte that is no UTF-8, as old archives and disks have them in names, is written `\x{e4}`, and so
are a carriage return and a first sign that makes a spreadsheet take the cell for a formula. Names
without such things are written as they are, so that tables still join by them.
"""

import re

UNSAFE = re.compile(r"[\ud800-\udfff\r]|\A[=+\-@\t]|\\(?=x\{(?:[0-9a-f]{2}|[0-9a-f]{4})\})")
r"""What is escaped: the last is a backslash before what would be taken for an escape: `\x{5c}`."""

ESCAPE = re.compile(r"\\x\{([0-9a-f]{2}|[0-9a-f]{4})\}")
BYTES = range(0x80, 0x100)
SURROGATES = 0xDC00
"""Where Python keeps bytes that are no UTF-8 in a text."""


def escape(name: str) -> str:
    r"""Return a name as it is written into a table.

    >>> print(escape("na\udce4vus.jpg"), escape("=1+1.jpg"), escape("a\\x{e4}"), escape("-a-"))
    na\x{e4}vus.jpg \x{3d}1+1.jpg a\x{5c}x{e4} \x{2d}a-
    """
    return UNSAFE.sub(_written, name)


def unescape(cell: str) -> str:
    r"""Return the name that `escape` made a cell of.

    >>> unescape(r"na\x{e4}vus.jpg")
    'na\udce4vus.jpg'
    """
    return ESCAPE.sub(_read, cell)


def _written(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number - SURROGATES in BYTES:
        number -= SURROGATES
    return f"\\x{{{number:0{2 if number in range(0x100) else 4}x}}}"


def _read(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number + SURROGATES if number in BYTES else number)
