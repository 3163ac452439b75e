"""Rows of pictures in a file: as lines of CSV or JSON, written and read again."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol, TextIO

from models.gate import Answer
from utils.common.disk.escapes import escape
from utils.prediction.columns import WrittenRow, cells, columns, values, written

ENCODING, ERRORS = "utf-8", "surrogateescape"

Row = tuple[str, Answer]


class RowFormat(Protocol):
    """How rows stand in a file."""

    def header(self) -> str:
        """Return what comes before the first row."""

    def line(self, file: str, answer: Answer) -> str:
        """Return one row, with its line end."""

    def read(self, stream: TextIO) -> Iterator[tuple[str, WrittenRow | None]]:
        """Yield what was written, piece by piece, with the row that each piece is.

        Ends at the first piece that is none of a whole file.

        Raises:
            AlteredError: At a row that nobody can have cut, but somebody changed.
        """


class CsvRows:
    """Comma-separated values under a header.

    Args:
        names: Names of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def header(self) -> str:
        """Return the names of the columns."""
        return _csv_line(self._names)

    def line(self, file: str, answer: Answer) -> str:
        """Return one row."""
        found = cells(file, answer)
        return _csv_line(escape(found[name]) for name in self._names)

    def read(self, stream: TextIO) -> Iterator[tuple[str, WrittenRow | None]]:
        """Yield the header, then the rows."""
        reader = csv.reader(_whole_lines(stream), strict=True)
        try:
            for number, row in enumerate(reader):
                if len(row) != len(self._names) or (not number and row != self._names):
                    return
                fields = dict(zip(self._names, row, strict=True))
                yield _csv_line(row), written(fields) if number else None
        except csv.Error:  # cut within quotes
            return


def _whole_lines(stream: TextIO) -> Iterator[str]:
    """Yield the lines but a last one that a kill has cut, whose cells may say what no row says."""
    return (line for line in stream if line.endswith("\n"))


class JsonRows:
    """JSON Lines; what is not known is null.

    Args:
        names: Names of the fields.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def header(self) -> str:
        """Return nothing: each line names its fields."""
        return ""

    def line(self, file: str, answer: Answer) -> str:
        """Return one row."""
        found = values(file, answer)
        return json.dumps({name: found[name] for name in self._names}, allow_nan=False) + "\n"

    def read(self, stream: TextIO) -> Iterator[tuple[str, WrittenRow | None]]:
        """Yield the rows."""
        for line in stream:
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                return
            if not isinstance(fields, dict) or list(fields) != self._names:
                return
            yield line, written(fields)


FORMATS: dict[str, type[CsvRows | JsonRows]] = {".csv": CsvRows, ".jsonl": JsonRows}
"""By the ending of the file."""


def format_of(ending: str, has_faults: bool) -> RowFormat:
    """Return how rows stand in a file.

    Args:
        ending: Ending of the file, in any case, one of `FORMATS`.
        has_faults: Whether rows have the columns of what assesses a picture.
    """
    return FORMATS[ending.lower()](columns(has_faults))


def read_whole_rows(
    rows: RowFormat, text: TextIO, content: BinaryIO
) -> Iterator[tuple[int, WrittenRow | None]]:
    """Yield each row that stands whole in a file, with the offset in bytes where it ends.

    Args:
        rows: The file's format.
        text: The file, decoded, from its first row on.
        content: Its bytes, from there on.
    """
    end = content.tell()
    for piece, row in rows.read(text):
        expected = piece.encode(ENCODING, ERRORS)
        if not expected.endswith(b"\n") or content.read(len(expected)) != expected:
            return
        end += len(expected)
        yield end, row


def _csv_line(row: Iterable[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(row)
    return stream.getvalue()
