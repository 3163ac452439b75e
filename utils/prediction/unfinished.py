"""Rows that a stopped call left in a file, as they lie there: read, and never written."""

import contextlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from utils.common.disk.opening import open_regular
from utils.common.errors import OutputError, SettingsError
from utils.prediction.columns import AlteredError, WrittenRow
from utils.prediction.rows import ENCODING, ERRORS, format_of, read_whole_rows
from utils.prediction.settings import has_faults

UNFINISHED = ".unfinished"
"""Ends the name of a file that is being written, or whose process was stopped."""

CHUNK = 2**20


def beside(target: Path) -> Path:
    """Return where the rows of a file lie until all are there."""
    return target.with_name(target.name + UNFINISHED)


class Unfinished:
    """The file that a stopped call left, as it lies there, whatever columns its rows have.

    Args:
        target: Where its rows would go in the end; the ending tells their format.

    Attributes:
        origin: What its rows are of; None if there is no such file, or none that got as far as its
            first row; empty if that is not told.

    Raises:
        OutputError: If something else lies there.
    """

    def __init__(self, target: Path) -> None:
        self._path = path = beside(target)
        self._ending = target.suffix
        self.first = 0
        self.origin: dict[str, Any] | None = None
        if path.exists() and not path.is_file():
            raise OutputError(
                f"{path} is no file", expected="rows that predict.py wrote", todo="Remove it"
            )
        try:
            with open_regular(path) as stream:
                line = stream.readline(CHUNK)
        except FileNotFoundError:
            return
        if not line.endswith(b"\n") and len(line) < CHUNK:  # the call was stopped before any row
            return
        self.origin = {}
        with contextlib.suppress(ValueError, RecursionError):
            origin = json.loads(line)
            if isinstance(origin, dict):
                self.origin, self.first = origin, len(line)

    def rows(self) -> Iterator[tuple[int, WrittenRow]]:
        """Yield each whole row with the offset in bytes where it ends.

        Raises:
            SettingsError: If one was altered.
        """
        if not self.origin:
            return
        number = 0
        rows = format_of(self._ending, has_faults(self.origin))
        with (
            self._path.open(encoding=ENCODING, errors=ERRORS, newline="") as text,
            self._path.open("rb") as content,
        ):
            text.readline()
            content.seek(self.first)
            try:
                for end, row in read_whole_rows(rows, text, content):
                    if row is not None:
                        number += 1
                        yield end, row
            except AlteredError:
                raise SettingsError(
                    f"{self._path} was altered: its row {number + 1:,} says what no row says",
                    todo="Bring the file back as it was, or remove it",
                ) from None


class KeptRows:
    """The first rows of an unfinished file, whatever is written behind them meanwhile.

    Args:
        unfinished: The file.
        count: How many rows were in it.
    """

    def __init__(self, unfinished: Unfinished, count: int) -> None:
        self._unfinished = unfinished
        self._count = count

    def __iter__(self) -> Iterator[WrittenRow]:
        for _, row in islice(self._unfinished.rows(), self._count):
            yield row
