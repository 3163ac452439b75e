"""Where the calibration of a stored model comes from, if it is not that of its training."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from utils.common.labels import CLASSES

MAX_NAME = 255
"""Most letters of a folder's name."""

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Recalibration:
    """The pictures on which a calibration was fitted anew; the weights are those of the run.

    Attributes:
        run: Name of the run's folder.
        folder: Name of the folder of the pictures, without the folders that it lies in.
        date: Day of the fit, as 2026-01-31 (UTC).
        pictures: Number of pictures of each class.
        groups: Number of their groups (patients, lesions), by class.
    """

    run: str
    folder: str
    date: str
    pictures: Mapping[str, int]
    groups: Mapping[str, int]

    def describe(self) -> str:
        """Return one line for people to read, without its full stop."""
        counts = ", ".join(
            f"{count:,} {name}"
            + (f" of {self.groups[name]:,} groups" if self.groups[name] != count else "")
            for name, count in self.pictures.items()
            if count
        )
        return (
            f"calibrated anew on {self.date} on the {sum(self.pictures.values()):,} pictures of "
            f"{self.folder} ({counts}), with the weights of {self.run}; what it promises holds for "
            "pictures that come as these did"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "run": self.run,
            "folder": self.folder,
            "date": self.date,
            "pictures": dict(self.pictures),
            "groups": dict(self.groups),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Recalibration":
        """Rebuild the result of `to_dict`, which may come from a stranger.

        Raises:
            KeyError: If a value is missing.
            ValueError: If a value is of the wrong type or out of range.
        """
        names = [fields[key] for key in ("run", "folder", "date")]
        if not all(isinstance(name, str) and len(name) <= MAX_NAME for name in names):
            raise ValueError("recalibration has a name that is none")
        if not DATE.fullmatch(names[2]):
            raise ValueError("recalibration.date is not a day")
        counts = [{name: fields[key][name] for name in CLASSES} for key in ("pictures", "groups")]
        if not all(type(count) is int and count >= 0 for one in counts for count in one.values()):
            raise ValueError("recalibration has a number of pictures that is none")
        return cls(*names, *counts)
