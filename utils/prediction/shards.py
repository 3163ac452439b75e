"""Which pictures belong to one shard of several, and what a shard tells of its rows."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from utils.common.disk.writing import write_json
from utils.common.errors import SettingsError

FORM = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
EXPECTED = "I/N, a share I from 1 to N of N shares, such as 1/4"
MAX_SHARDS = 100_000
NOTE = ".shard"
"""Ends the name of the file beside a shard's rows that tells what they are."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal shares of the pictures, which lie next to each other.

    Attributes:
        number: From 1.
        total: How many there are.
    """

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard as --shard is given it.

        Raises:
            SettingsError: If it is none.
        """
        found = FORM.fullmatch(text)
        shard = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.total <= MAX_SHARDS:
            raise SettingsError(f"--shard {text} cannot be used", expected=EXPECTED)
        return shard

    def stretch(self, count: int, batch_size: int) -> tuple[int, int]:
        """Return where the pictures of this shard begin and end among all.

        Batches stay whole, so that the same pictures share one as in a single process.

        >>> [Shard(number, 3).stretch(100, 16) for number in (1, 2, 3)]
        [(0, 32), (32, 64), (64, 100)]
        """
        num_batches = -(-count // batch_size)
        first, end = (
            num_batches * number // self.total for number in (self.number - 1, self.number)
        )
        return min(first * batch_size, count), min(end * batch_size, count)

    def output(self, whole: str | Path) -> Path:
        """Return where the rows of this shard go.

        >>> Shard(2, 4).output("answers/predictions.csv").name
        'predictions-2-of-4.csv'
        """
        path = Path(whole)
        return path.with_name(f"{path.stem}-{self.number}-of-{self.total}{path.suffix}")


def all_shards(total: int) -> Iterable[Shard]:
    """Return all shards, in order."""
    return [Shard(number, total) for number in range(1, total + 1)]


def note_of(rows: Path) -> Path:
    """Return the file that tells what the rows of a finished shard are."""
    return rows.with_name(rows.name + NOTE)


@dataclass(frozen=True)
class Note:
    """What a finished shard tells of its rows.

    Attributes:
        origin: What decides on them, as in the first line of unfinished rows.
        named: The pictures, folders and archives of the command line.
        start: Where its pictures begin among all.
        stop: Where they end.
        total: How many pictures all shards have.
        passed_over: Number of files that are none, by ending, of all shards.
        num_unread: Number of archives, or files in them, that had to be left out, of all shards.
    """

    origin: dict[str, Any]
    named: list[str]
    start: int
    stop: int
    total: int
    passed_over: dict[str, int] = field(default_factory=Counter)
    num_unread: int = 0

    def write(self, rows: Path) -> None:
        """Keep it beside the rows."""
        write_json(note_of(rows), asdict(self))


def read_note(rows: Path) -> Note | None:
    """Return what is told of the rows of a finished shard; None if it is not finished.

    Raises:
        SettingsError: If the file that tells it was altered.
    """
    path = note_of(rows)
    if not (path.is_file() and rows.is_file()):
        return None
    try:
        note = Note(**json.loads(path.read_text(encoding="utf-8")))
        numbers = (note.start, note.stop, note.total, note.num_unread, *note.passed_over.values())
        is_sound = (
            isinstance(note.origin, dict)
            and all(isinstance(number, int) and number >= 0 for number in numbers)
            and note.start <= note.stop <= note.total
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise SettingsError(
            f"{path} is not what predict.py writes beside the rows of a shard",
            todo="Remove it, and run that shard again",
        )
    return note
