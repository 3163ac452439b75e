"""What a network learns to say of a picture beside its class, as far as anybody knows it.

One row of numbers for each picture, in the columns of `models.outputs`: whatever moves a batch
moves a single tensor more.
"""

from functools import cache

from models.outputs import SUBJECTS, UNKNOWN
from utils.common.faults import FAULT_NAMES
from utils.common.labels import LOW_QUALITY, OTHER
from utils.common.votes import sure_flaws
from utils.dataset.output.manifest import REAL, ManifestRow
from utils.quality.kinds import KINDS

Row = tuple[int, ...]
"""`NUM_TARGETS` numbers, each `UNKNOWN` where nobody knows it."""

NOTHING_KNOWN: Row = (UNKNOWN,) * (1 + len(FAULT_NAMES) + 1)


def targets_of(row: ManifestRow) -> Row:
    """Return the targets of a picture of an assembled data set."""
    if row.label != LOW_QUALITY:
        return of_good(row.label)
    if row.degradation == REAL:
        return _of_voted(row.parameters)
    subject = row.parent.split("/")[1] if row.parent else ""
    return of_degraded(subject, row.degradation, row.severity)


@cache  # millions of pictures share a few rows
def of_good(label: str) -> Row:
    """Return the targets of a picture in the folder of its class; unknown ones of LOW_QUALITY."""
    if label == LOW_QUALITY:
        return NOTHING_KNOWN
    return (SUBJECTS.index(label), *(0 for _ in FAULT_NAMES), 0)


@cache
def of_degraded(subject: str, degradation: str, severity: int | None) -> Row:
    """Return the targets of a degraded picture.

    Args:
        subject: Class of its parent; any other text where that is not known.
        degradation: A kind, or "kind+kind"; faults of kinds that are not in the table are unknown.
        severity: From 1 to 5; None where it is not known.
    """
    kinds = degradation.split("+")
    if all(kind in KINDS for kind in kinds):
        shown = {fault for kind in kinds for fault in KINDS[kind].shows}
        faults = [int(name in shown) for name in FAULT_NAMES]
    else:
        faults = [UNKNOWN] * len(FAULT_NAMES)
    known = SUBJECTS.index(subject) if subject in SUBJECTS else UNKNOWN
    return (known, *faults, UNKNOWN if severity is None else severity)


def _of_voted(votes: str) -> Row:
    """Return the targets of a real poor picture: the faults that most people see in it.

    They were asked for some faults alone, and saw others that they were not asked for. Photographs
    that people vote on show whatever there is, which is OTHER.
    """
    if not votes:
        return NOTHING_KNOWN
    seen = sure_flaws(votes)
    faults = (1 if name in seen else UNKNOWN for name in FAULT_NAMES)
    return (SUBJECTS.index(OTHER), *faults, UNKNOWN)
