"""Print ASCII tables and warnings, and show progress on stderr."""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from utils.common.cli.terminal import printable

_is_hushed = False


def hush() -> None:
    """Show no more progress and warnings, in a process beside one that shows the same."""
    global _is_hushed
    _is_hushed = True


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    initial: int = 0,
    desc: str,
    unit: str,
    scale: bool = False,
) -> "tqdm[Any]":
    """Return a progress bar on stderr; it keeps quiet where stderr is not a terminal.

    Args:
        iterable: What it counts by itself.
        total: How many there will be.
        initial: How many were there before.
        desc: What is going on.
        unit: What is counted.
        scale: Whether large counts are told as 1.2k, 3.4M.
    """
    return tqdm(
        iterable, total=total, initial=initial, desc=printable(desc),
        unit=unit if scale else f" {unit}", unit_scale=scale, file=sys.stderr, ascii=True,
        disable=_is_hushed or sys.stderr is None or None, dynamic_ncols=True, leave=False,
        mininterval=0.2, smoothing=0.05,
    )  # fmt: skip


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Say on stderr what takes some seconds, as long as it does; only a terminal shows it.

    Args:
        what: As "Loading PyTorch".
    """
    stream = sys.stderr
    if _is_hushed or stream is None or not stream.isatty():
        yield
        return
    line = f"{printable(what)} ..."
    stream.write(f"\r{line}")
    stream.flush()
    try:
        yield
    finally:
        stream.write(f"\r{' ' * len(line)}\r")
        stream.flush()


def say(line: str) -> None:
    """Print a line on stdout at once, above a progress bar that may be under way."""
    with tqdm.external_write_mode(file=sys.stdout):
        print(line, flush=True)


def warn(message: str) -> None:
    """Print one line on stderr that deserves the user's attention but stops nothing."""
    if not _is_hushed and sys.stderr is not None:  # print would take stdout instead
        print(f"Warning: {printable(message)}", file=sys.stderr)


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows of text (left) and numbers (right) under a header.

    >>> print(table(["class", "train"], [["DERM", 12], ["PAN", 3]]))
    class  train
    DERM      12
    PAN        3
    """
    body = [list(row) for row in rows]
    lines = [[printable(cell) for cell in row] for row in [list(header), *body]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    numeric = [
        bool(body) and all(isinstance(row[column], int | float) for row in body)
        for column in range(len(header))
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )
