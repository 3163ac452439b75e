"""Answers in, rows of a CSV file, a JSON Lines file or a printed table out, as they come."""

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from models.calibration import AMBIGUOUS
from models.gate import Answer
from utils.common.escapes import escape
from utils.common.files import whole_file
from utils.common.labels import CLASSES, DERM_CLINIC

COLUMNS = ("file", "label", "probability", "set", "abstained", *CLASSES, "error")
DIGITS = 6
SHOWN_DIGITS = 3
SET_MARK = " "
SET_WIDTH = 24
"""Of the printed column: two classes fit; a longer set pushes its own row."""

MAX_FILE_WIDTH = 60

Row = tuple[str, Answer]
Write = Callable[[Iterable[Row]], None]


@contextlib.contextmanager
def open_rows(output: str, files: Iterable[str]) -> Iterator[Write]:
    """Yield what writes rows; a file appears under its name when the last one is in it.

    Args:
        output: Path that ends in .csv or .jsonl; "" prints a table.
        files: All that will come, to know how wide a table is.
    """
    if not output:
        yield _table(files)
        return
    target = Path(output)
    kind = _csv if target.suffix.lower() == ".csv" else _json_lines
    with (
        whole_file(target) as partial,
        partial.open("w", encoding="utf-8", newline="") as stream,
    ):
        yield kind(stream)


def _csv(stream: TextIO) -> Write:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(rows: Iterable[Row]) -> None:
        writer.writerows(map(escape, _cells(file, answer, DIGITS)) for file, answer in rows)

    return write


def _json_lines(stream: TextIO) -> Write:
    def write(rows: Iterable[Row]) -> None:
        stream.writelines(f"{json.dumps(_fields(*row), allow_nan=False)}\n" for row in rows)

    return write


def _table(files: Iterable[str]) -> Write:
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


def printable(text: str) -> str:
    """Return a text that does nothing to a terminal: file names may hold any character.

    >>> printable("a\\nb\\x1b[31m.jpg")
    'a\\\\nb\\\\x1b[31m.jpg'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
