"""Keep what became of each URL in `downloads.csv`, so that the next run knows what to ask for."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from utils.common.cli.console import warn
from utils.common.disk.writing import write_text
from utils.common.errors import shortlist
from utils.sources.web.hosts import FAILED, MISSED, OK, STATUSES, Outcome

LEDGER_NAME = "downloads.csv"
NOT_ASKED = "not asked for yet"


@dataclass(frozen=True, slots=True)
class Entry:
    """One URL of a gallery's list: a row of the table.

    Attributes:
        url: Where the picture is published.
        file: Its local name.
        status: "ok", "failed" (asked for again with --retry-failed only) or "missed".
        detail: Why it did not come.
        attempts: How often it was asked for, over all runs.
        bytes: Size of the picture, 0 where it did not come.
    """

    url: str
    file: str
    status: str = MISSED
    detail: str = NOT_ASKED
    attempts: int = 0
    bytes: int = 0

    def after(self, outcome: Outcome) -> "Entry":
        """Return the entry as it stands after another request or two."""
        return Entry(
            self.url,
            self.file,
            outcome.status,
            outcome.detail,
            self.attempts + outcome.attempts,
            outcome.num_bytes,
        )

    def found(self, num_bytes: int) -> "Entry":
        """Return the entry of a picture that is there."""
        return Entry(self.url, self.file, OK, "", self.attempts, num_bytes)

    def lost(self) -> "Entry":
        """Return the entry of a picture that was there once."""
        return Entry(self.url, self.file, attempts=self.attempts)

    def to_ask(self, retry_failed: bool) -> bool:
        """Tell whether its picture is worth a request, if it is not there."""
        return self.status != FAILED or retry_failed


COLUMNS = tuple(field.name for field in fields(Entry))
MAX_DIGITS = 18


def read_ledger(path: Path) -> dict[str, Entry]:
    """Return the entries by local name; what is damaged is told, and its picture asked for anew."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        warn(f"{path} cannot be read; it is written anew.")
        return {}
    entries: dict[str, Entry] = {}
    damaged = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    for number, row in _rows(reader):
        if number == 1 and row == list(COLUMNS):
            continue
        entry = _entry(row)
        if entry is None or entry.file in entries:
            damaged.append(number)
        else:
            entries[entry.file] = entry
    if damaged:
        lines = f"line{'s' if len(damaged) > 1 else ''} {shortlist(damaged)}"
        warn(
            f"{path}: passed over what is damaged ({lines}); these pictures count as not asked for."
        )
    return entries


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield each row and the line that it ends in; a row that cannot be split is empty."""
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            row = []
        if row is None:
            return
        yield reader.line_num, row


def _entry(row: Sequence[str]) -> Entry | None:
    """Return what a row says, None where a field is not what it should be."""
    if len(row) != len(COLUMNS):
        return None
    url, file, status, detail, *numbers = row
    is_name = file not in ("", ".", "..") and not set(file) & set("/\\\0")
    are_counts = all(n.isascii() and n.isdigit() and len(n) <= MAX_DIGITS for n in numbers)
    if not is_name or not are_counts or status not in STATUSES:
        return None
    return Entry(url, file, status, detail, *map(int, numbers))


def write_ledger(path: Path, entries: Iterable[Entry]) -> None:
    """Write the whole table, or leave the old one."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(astuple, entries))
    write_text(path, stream.getvalue())
