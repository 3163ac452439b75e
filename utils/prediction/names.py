"""Match rows of a stopped call with today's pictures, a few bytes for each.

Names are compared by the hash that Python gives strings, 64 bits of a key that each process draws
anew: two of a million names share one by chance once in forty million calls.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from utils.prediction.columns import WrittenRow
from utils.prediction.labels import CODES, NAMES, Labels
from utils.prediction.pictures import Pictures


class Names:
    """A set of names.

    Args:
        names: Any number of them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._hashes = np.unique(_hashes(names))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, name: object) -> bool:
        wanted = hash(name)
        place = int(np.searchsorted(self._hashes, wanted))
        return place < len(self._hashes) and int(self._hashes[place]) == wanted

    def num_without(self, others: "Names") -> int:
        """Return how many of these names are not among others."""
        return len(np.setdiff1d(self._hashes, others._hashes, assume_unique=True))


class SeenNames:
    """A set of names that grows, at 16 to 32 bytes each."""

    def __init__(self) -> None:
        self._slots = np.zeros(2**10, np.int64)
        self._count = 0

    def add(self, name: str) -> bool:
        """Add a name and return whether it is new."""
        is_new = self._put(self._slots, hash(name) or 1)
        self._count += is_new
        if 2 * self._count > len(self._slots):
            larger = np.zeros(2 * len(self._slots), np.int64)
            for value in self._slots[self._slots != 0].tolist():
                self._put(larger, value)
            self._slots = larger
        return is_new

    @staticmethod
    def _put(slots: np.ndarray, value: int) -> bool:
        """Put a value into the first free slot from its own on, unless it is met before."""
        place = value % len(slots)
        while found := slots.item(place):
            if found == value:
                return False
            place = (place + 1) % len(slots)
        slots[place] = value
        return True


def match(pictures: Pictures, rows: Iterable[WrittenRow]) -> Labels:
    """Return the label of each picture as far as it has a row.

    A picture that is given twice has two rows, and may have one of them already. Mostly rows and
    pictures go side by side; from the first on that does not, all are looked up.
    """
    labels = Labels(len(pictures))
    left = iter(rows)
    rest: _Rest | None = None
    for position, one in enumerate(pictures):
        if rest is None:
            row = next(left, None)
            if row is None:
                break
            if row.file == one.file:
                labels[position] = row.label
                continue
            rest = _Rest(chain([row], left))
        label = rest.take(one.file)
        if label is not None:
            labels[position] = label
    for _ in left:  # who reads them may count them
        pass
    return labels


class _Rest:
    """Rows that wait for their pictures."""

    def __init__(self, rows: Iterable[WrittenRow]) -> None:
        codes = bytearray()

        def names() -> Iterator[str]:
            for row in rows:
                codes.append(CODES[row.label])
                yield row.file

        hashes = _hashes(names())
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._codes = np.frombuffer(codes, np.uint8)[order]
        self._taken = np.zeros(len(order), np.uint32)

    def take(self, file: str) -> str | None:
        """Return the label of the first row of this name that was not taken; None without one."""
        wanted = hash(file)
        first = int(np.searchsorted(self._hashes, wanted))
        if first == len(self._hashes):
            return None
        place = first + int(self._taken[first])
        if place == len(self._hashes) or int(self._hashes[place]) != wanted:
            return None
        self._taken[first] += 1
        return NAMES[self._codes[place]]


def _hashes(names: Iterable[str]) -> np.ndarray:
    return np.array(array("q", map(hash, names)), np.int64)
