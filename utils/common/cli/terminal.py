"""Make any text safe to print: no escape sequences, no forged lines."""

import re
import sys
from typing import Any, TextIO

ORDINARY = re.compile(r"[ -~\n]*")
KEPT = {"stdout": "\n", "stderr": "\n\r"}
"""Lines are this suite's own; progress bars on stderr go back to the beginning of theirs."""


def printable(text: object, kept: str = "") -> str:
    """Return a text that does nothing to a terminal: names and notes may hold any character.

    Args:
        text: Anything; what it may hold of control characters, of marks that turn the direction of
            writing, and of others that are not seen, is spelt out.
        kept: Characters that stay as they are.

    >>> printable("a\\nb\\x1b[31m.jpg")
    'a\\\\nb\\\\x1b[31m.jpg'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode()
        for char in text
    )


class PrintableStream:
    """A stream that a terminal shows, through which nothing but text goes.

    Whatever prints, the suite or a package, a stranger's words cannot move the cursor, hide what
    stands before them, or rename the window. Lines that a name might forge are the affair of
    those who put the name into a text: `printable`.

    Args:
        stream: Where the text goes.
        kept: Characters that are not letters and may pass.
    """

    def __init__(self, stream: TextIO, kept: str) -> None:
        self._stream = stream
        self._kept = kept

    def write(self, text: str) -> int:
        """Write a text, with everything spelt out that is more than text."""
        self._stream.write(text if ORDINARY.fullmatch(text) else printable(text, self._kept))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write some texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_terminal() -> None:
    """Let the process print nothing but text from now on."""
    for name, kept in KEPT.items():
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, PrintableStream):
            setattr(sys, name, PrintableStream(stream, kept))
