"""The pictures of one call, in order: however many there are, they take next to no memory."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from utils.common.disk.listing import describe_counts
from utils.common.disk.location import Location
from utils.prediction.spool import Spool


@dataclass(frozen=True, slots=True)
class Input:
    """One picture to look at.

    Attributes:
        file: What it is called in the table; one in an archive has the archive's path before it.
        location: Where its bytes lie.
        named: What led to it: itself, or a folder or an archive that it lies in.
    """

    file: str
    location: Location
    named: str

    @property
    def is_member(self) -> bool:
        """Whether it is part of an archive."""
        return self.location.packed_size is not None


class Pictures(Protocol):
    """Any number of pictures that can be gone through again and again, as a list can."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Input]: ...


class Inputs:
    """All pictures to look at, in the order given.

    Attributes:
        passed_over: Number of files that are none, by ending.
        num_unread: Number of archives, or files in them, that had to be left out.
    """

    def __init__(self) -> None:
        self.passed_over: Counter[str] = Counter()
        self.num_unread = 0
        self._spool = Spool()
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, one: Input) -> None:
        """Add a picture behind all others."""
        self.add_record(_as_record(one))

    def add_record(self, record: tuple[Any, ...]) -> None:
        """Add a picture as `records` gives it."""
        self._spool.append(record)
        name, place = record[0], record[2]
        self._hash.update(f"{name}\0{place and place[1:]}\0".encode("utf-8", "surrogatepass"))

    def records(self, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        """Yield a stretch of the pictures as tuples that another process can be sent."""
        return self._spool.read(start, stop)

    def __len__(self) -> int:
        return len(self._spool)

    def __iter__(self) -> Iterator[Input]:
        return map(_from_record, self._spool.read(0, len(self)))

    def part(self, start: int, stop: int) -> "Part":
        """Return a stretch of the pictures."""
        return Part(self, start, stop)

    @property
    def digest(self) -> str:
        """Return what tells this list of pictures from any other, 32 hexadecimal digits."""
        return self._hash.hexdigest()

    def describe_others(self) -> str:
        """Return one line on the files that are not looked at, "" if there are none."""
        return describe_others(self.passed_over)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the pictures of a call."""

    inputs: Inputs
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Input]:
        return map(_from_record, self.inputs.records(self.start, self.stop))


@dataclass(frozen=True, slots=True)
class Files:
    """What pictures are called in the table."""

    pictures: Pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[str]:
        return (one.file for one in self.pictures)


def describe_others(passed_over: Counter[str]) -> str:
    """Return one line on the files that are not looked at, "" if there are none."""
    number = passed_over.total()
    files = "file was" if number == 1 else "files were"
    return f"{number:,} {files} not looked at: {describe_counts(passed_over)}." if number else ""


def _as_record(one: Input) -> tuple[Any, ...]:
    """Return a picture as few values: most are files of their own, and many named themselves."""
    place = one.location
    facts = (place.path, place.offset, place.packed_size, place.size, place.crc, place.is_deflated)
    is_itself = place == Location(one.file)
    return one.file, None if one.named == one.file else one.named, None if is_itself else facts


def _from_record(record: tuple[Any, ...]) -> Input:
    file, named, place = record
    return Input(file, Location(*place) if place else Location(file), named or file)
