"""A gallery's URLs and what became of each in, `downloads.csv` out, to be asked the next time."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from utils.common.files import write_text
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


def read_ledger(path: Path) -> dict[str, Entry]:
    """Return the entries by local name; a table that is not there, or not ours, has none."""
    try:
        text = path.read_text(encoding="utf-8")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        entries = [
            Entry(
                row["url"], row["file"], row["status"], row["detail"],
                int(row["attempts"]), int(row["bytes"]),
            )
            for row in rows
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
    return {entry.file: entry for entry in entries if entry.status in STATUSES}


def write_ledger(path: Path, entries: Iterable[Entry]) -> None:
    """Write the whole table, or leave the old one."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(astuple, entries))
    write_text(path, stream.getvalue())
