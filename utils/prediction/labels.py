"""The label of each picture of a call, as far as it has a row: one byte for each."""

from collections.abc import Iterator

from models.calibration import UNSURE
from utils.common.labels import CLASSES
from utils.prediction.pictures import Input, Pictures

NAMES = ("", UNSURE, *CLASSES)
CODES = {name: code for code, name in enumerate(NAMES)}
NO_ROW = 255


class Labels:
    """Labels in the order of the pictures; "" for those that could not be read or have no row.

    Args:
        count: Number of pictures, none of which has a row yet.
    """

    def __init__(self, count: int) -> None:
        self._codes = bytearray([NO_ROW]) * count

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[str]:
        return ("" if code == NO_ROW else NAMES[code] for code in self._codes)

    def __setitem__(self, position: int, label: str) -> None:
        self._codes[position] = CODES[label]

    def without_row(self, pictures: Pictures) -> "Unanswered":
        """Return those of the pictures that have no row by now."""
        return Unanswered(pictures, bytes(self._codes))


class Unanswered:
    """Those of a call's pictures that had no row at some time.

    Args:
        pictures: All of them.
        codes: Of their labels at that time.
    """

    def __init__(self, pictures: Pictures, codes: bytes) -> None:
        self._pictures = pictures
        self._codes = codes

    def __len__(self) -> int:
        return self._codes.count(NO_ROW)

    def __iter__(self) -> Iterator[Input]:
        return (one for _, one in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Input]]:
        """Yield them with the place that each has among all."""
        for position, one in enumerate(self._pictures):
            if self._codes[position] == NO_ROW:
                yield position, one

    @property
    def first(self) -> int:
        """Return the place of the first, 0 if there is none."""
        return max(0, self._codes.find(NO_ROW))
