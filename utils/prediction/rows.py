"""What one row says of one picture: as cells of a CSV file, a line of JSON, a line of a table."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TextIO

from tqdm import tqdm

from models.calibration import AMBIGUOUS, CERTAIN, UNLIKE, UNSURE
from models.gate import Answer
from utils.common.cli.terminal import printable
from utils.common.disk.escapes import escape, unescape
from utils.common.labels import CLASSES, DERM_CLINIC

COLUMNS = ("file", "label", "probability", "set", "abstained", *CLASSES, "error")
DIGITS = 6
SHOWN_DIGITS = 3
SET_MARK = " "
SET_WIDTH = 24
"""Of the printed column: two classes fit; a longer set pushes its own row."""

MAX_FILE_WIDTH = 60
ENCODING, ERRORS = "utf-8", "surrogateescape"

LABELS = frozenset(("", UNSURE, *CLASSES))
DOUBTS = frozenset((CERTAIN, AMBIGUOUS, UNLIKE))

Row = tuple[str, Answer]
Write = Callable[[Iterable[Row]], None]


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """What a row that was written says, as far as the calls that come after need it.

    Attributes:
        file: What the picture is called.
        label: Its class; empty after an error.
        abstained: Why it was not answered without doubt, if so.
    """

    file: str
    label: str
    abstained: str


class AlteredError(Exception):
    """A whole row with a cell that is never written."""


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
    """Comma-separated values under a header."""

    def header(self) -> str:
        """Return the names of the columns."""
        return _csv_line(COLUMNS)

    def line(self, file: str, answer: Answer) -> str:
        """Return one row."""
        return _csv_line(map(escape, _cells(file, answer, DIGITS)))

    def read(self, stream: TextIO) -> Iterator[tuple[str, WrittenRow | None]]:
        """Yield the header, then the rows."""
        reader = csv.reader(stream, strict=True)
        try:
            for number, cells in enumerate(reader):
                if len(cells) != len(COLUMNS) or (not number and tuple(cells) != COLUMNS):
                    return
                fields = dict(zip(COLUMNS, cells, strict=True))
                yield _csv_line(cells), _written(fields) if number else None
        except csv.Error:  # cut within quotes
            return


class JsonRows:
    """JSON Lines; what is not known is null."""

    def header(self) -> str:
        """Return nothing: each line names its fields."""
        return ""

    def line(self, file: str, answer: Answer) -> str:
        """Return one row."""
        return json.dumps(_fields(file, answer), allow_nan=False) + "\n"

    def read(self, stream: TextIO) -> Iterator[tuple[str, WrittenRow | None]]:
        """Yield the rows."""
        for line in stream:
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                return
            if not isinstance(fields, dict) or tuple(fields) != COLUMNS:
                return
            yield line, _written(fields)


FORMATS: dict[str, RowFormat] = {".csv": CsvRows(), ".jsonl": JsonRows()}
"""By the ending of the file."""


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


def _csv_line(cells: Iterable[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def _written(fields: dict[str, Any]) -> WrittenRow:
    """Return a row that was read, as cells or as values of JSON.

    Raises:
        AlteredError: If it says what no row says; its label, for one, becomes a folder's name.
    """
    file, label, doubt = (fields[name] or "" for name in ("file", "label", "abstained"))
    possible = fields["set"].split(SET_MARK) if isinstance(fields["set"], str) else fields["set"]
    numbers = [fields[name] for name in ("probability", *CLASSES)]
    try:
        is_sound = (
            isinstance(file, str)
            and label in LABELS
            and doubt in DOUBTS
            and {*possible} <= {"", *CLASSES}
            and all(0 <= float(number) <= 1 for number in numbers if number not in ("", None))
        )
    except (TypeError, ValueError, OverflowError):
        is_sound = False
    if not is_sound:
        raise AlteredError
    return WrittenRow(unescape(file), label, doubt)


def table_writer(files: Iterable[str]) -> Write:
    """Print the head of a table and return what prints its rows.

    Args:
        files: All that will come, to know how wide it is.
    """
    longest = max((len(printable(file)) for file in files), default=0)
    widths = [
        *(min(longest, MAX_FILE_WIDTH), len(DERM_CLINIC), len("probability"), SET_WIDTH),
        *(len(AMBIGUOUS), *(max(len(name), SHOWN_DIGITS + 2) for name in CLASSES), 0),
    ]

    def write(rows: Iterable[Row]) -> None:
        _print(_line(_cells(file, answer, SHOWN_DIGITS), widths) for file, answer in rows)

    _print([_line(COLUMNS, widths)])
    return write


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(
        printable(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)
    ).rstrip()


def _print(lines: Iterable[str]) -> None:
    tqdm.write("\n".join(lines), file=sys.stdout)  # above the progress bar, if there is one


def _cells(file: str, answer: Answer, digits: int) -> list[str]:
    return [
        file,
        answer.label,
        _number(answer.probability, digits),
        SET_MARK.join(answer.possible),
        answer.abstained,
        *(_number(answer.probabilities.get(name), digits) for name in CLASSES),
        answer.error,
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _fields(file: str, answer: Answer) -> dict[str, Any]:
    """Return what a line of JSON says; what an error left unknown is null."""
    numbers = {"probability": answer.probability}
    numbers |= {name: answer.probabilities.get(name) for name in CLASSES}
    rounded = {name: value and round(value, DIGITS) for name, value in numbers.items()}
    texts = {"file": escape(file), "label": answer.label or None, "set": answer.possible}
    doubts = {"abstained": answer.abstained, "error": escape(answer.error)}
    fields = {**texts, **doubts, **rounded}
    return {name: fields[name] for name in COLUMNS}
