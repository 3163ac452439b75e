"""What a test on a user's own pictures is of, which no manifest describes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.recalibration import Recalibration
from utils.common.disk.location import Location
from utils.common.errors import shortlist

HEADING = "External test: not the collections it was trained on"

AS_HERE = "as in these pictures"
"""Prior of the calibration errors: the classes are as common as in the test itself."""


@dataclass(frozen=True, slots=True)
class Unread:
    """One picture without an answer.

    Attributes:
        file: Path relative to the folder.
        true: True class.
        error: Why there is no answer.
    """

    file: str
    true: str
    error: str


@dataclass(frozen=True, slots=True)
class External:
    """A folder of labelled pictures that a trained model was tested on.

    Attributes:
        run: Name of the run's folder.
        folder: Name of the folder of the pictures.
        groups_file: Name of the file that tells the groups; empty if each picture is its own.
        unread: Pictures without an answer.
        recalibration: What the calibration was fitted on; None for that of the training.
        members: Where pictures lie that are part of an archive, by their names.
    """

    run: str
    folder: str
    groups_file: str = ""
    unread: tuple[Unread, ...] = ()
    recalibration: Recalibration | None = None
    members: Mapping[str, Location] = field(default_factory=dict)

    @property
    def grouping(self) -> str:
        """What counts as a group, as a sentence."""
        if self.groups_file:
            return f"Groups (patients, lesions) are those of {self.groups_file}."
        return (
            "There is no groups.csv, so each picture counts as a group of its own: if several show "
            "one patient or one lesion, the intervals are too narrow."
        )

    @property
    def omitted(self) -> str:
        """How many pictures have no answer, and which, as a sentence; "" if all have one."""
        if not self.unread:
            return ""
        names = shortlist(f"{one.file} ({one.error})" for one in self.unread)
        return (
            f"Not read, in predictions.csv with the reason, and in no figure: "
            f"{len(self.unread):,} pictures, {names}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        recalibration = self.recalibration and self.recalibration.to_dict()
        return {
            "heading": HEADING,
            "run": self.run,
            "folder": self.folder,
            "groups": self.groups_file or "each picture is a group of its own",
            "unread": [
                {"file": one.file, "true": one.true, "error": one.error} for one in self.unread
            ],
            "recalibration": recalibration,
        }
