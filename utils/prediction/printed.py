"""Rows as lines of a table on the terminal."""

import sys
from collections.abc import Callable, Iterable

from tqdm import tqdm

from models.calibration import AMBIGUOUS
from utils.common.cli.terminal import printable
from utils.common.faults import FAULT_NAMES
from utils.common.labels import CLASSES, DERM_CLINIC
from utils.prediction.columns import CLASSIFIED, cells
from utils.prediction.rows import Row

SHOWN_DIGITS = 3
SET_WIDTH = 24
"""Of the printed column: two classes fit; a longer set pushes its own row."""

MAX_FILE_WIDTH = 60
FAULT = "fault"
"""Column of the first fault; the others would take more room than a terminal has."""

Write = Callable[[Iterable[Row]], None]


def table_writer(files: Iterable[str], has_faults: bool) -> Write:
    """Print the head of a table and return what prints its rows.

    Args:
        files: All that will come, to know how wide it is.
        has_faults: Whether there is a column of the first fault.
    """
    longest = max((len(printable(file)) for file in files), default=0)
    widths = {
        "file": min(longest, MAX_FILE_WIDTH),
        "label": len(DERM_CLINIC),
        "set": SET_WIDTH,
        "abstained": len(AMBIGUOUS),
        **{name: max(len(name), SHOWN_DIGITS + 2) for name in ("probability", *CLASSES)},
        FAULT: max(map(len, FAULT_NAMES)),
        "error": 0,
    }
    *before, last = CLASSIFIED  # an error may be of any length
    names = [*before, FAULT, last] if has_faults else CLASSIFIED

    def line(cell_of: dict[str, str]) -> str:
        return "  ".join(printable(cell_of[name]).ljust(widths[name]) for name in names).rstrip()

    def write(rows: Iterable[Row]) -> None:
        shown = (
            {**cells(file, answer, SHOWN_DIGITS), FAULT: next(iter(answer.faults), "")}
            for file, answer in rows
        )
        _print(map(line, shown))

    _print([line({name: name for name in names})])
    return write


def _print(lines: Iterable[str]) -> None:
    tqdm.write("\n".join(lines), file=sys.stdout)  # above the progress bar, if there is one
