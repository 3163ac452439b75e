"""What the plan of a drawn collection is made of: its pictures, its tables, and lasting choices."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from utils.common.seeds import stable_hash
from utils.standins.layouts.drawing import Drawing

Choice = TypeVar("Choice")
Row = Mapping[str, object]

NOTE = "These pictures are drawings, made by a program to try the layout of the collection.\n"


def _no_tables(_: Sequence[str]) -> Mapping[str, str]:
    return {}


def _nothing_drawn(_: Path) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Plan:
    """One collection to be drawn.

    Attributes:
        drawings: Its pictures.
        tables: Maps the pictures' final paths, in the same order, to the collection's text
            files: their content, with its line ends, by path below ALL_DATA.
        drawn: Maps ALL_DATA to the pictures that are there already, path by drawing's name;
            only for pictures that are named by their content, the others are looked for.
    """

    drawings: Sequence[Drawing]
    tables: Callable[[Sequence[str]], Mapping[str, str]] = _no_tables
    drawn: Callable[[Path], Mapping[str, str]] = _nothing_drawn


def share(pictures: int, part: float, at_least: int) -> int:
    """Return a collection's part of the pictures, never less than its layout needs.

    >>> share(100, 0.3, at_least=10), share(8, 0.3, at_least=10)
    (30, 10)
    """
    return max(at_least, round(part * pictures))


def spread(index: int, num_values: int) -> int:
    """Return the value of `index` in a fixed scattered order of 0 to `num_values` - 1.

    >>> sorted(spread(index, 10) for index in range(10)) == list(range(10))
    True
    """
    stride = round(0.618 * num_values)
    while math.gcd(stride, num_values) > 1:
        stride += 1
    return index * stride % num_values


def pick(choices: Sequence[Choice], *parts: object) -> Choice:
    """Return the choice that always belongs to `parts`."""
    return choices[stable_hash("pick", *parts) % len(choices)]


def csv_text(rows: Iterable[Row], line_end: str = "\n") -> str:
    """Lay out rows as comma-separated text under a header of the first row's columns."""
    rows = list(rows)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
