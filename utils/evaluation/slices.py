"""Compute the share of correct predictions in parts of test."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.common.labels import COLLECTED_CLASSES, LOW_QUALITY
from utils.common.votes import sure_flaws
from utils.dataset.output.manifest import REAL, ManifestRow
from utils.evaluation.bootstrap import Figure, share


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of test.

    Attributes:
        of: Name of the part, such as (collection,) or (collection, class).
        pictures: Number of its pictures.
        right: Share of correct predictions.
    """

    of: tuple[str, ...]
    pictures: int
    right: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {"of": list(self.of), "pictures": self.pictures, "right": self.right.to_dict()}


@dataclass(frozen=True, slots=True)
class Slices:
    """All parts that the report shows.

    Attributes:
        by_source: Parts by collection; LOW_QUALITY counts for the collection it was made from.
        within: Parts by collection with several photographed classes, and by class within it,
            where the files of a collection offer no shortcut.
        by_degradation: Parts of LOW_QUALITY by kind; a picture with two kinds counts for both. A
            real one counts for "real" and for each flaw that most voters name, such as "real,
            blurred"; where there are real ones, all others count for "synthesized", too.
        by_severity: Parts of LOW_QUALITY by severity, from 1 (poor beyond doubt) to 5 (useless).
    """

    by_source: tuple[Slice, ...]
    within: tuple[Slice, ...]
    by_degradation: tuple[Slice, ...]
    by_severity: tuple[Slice, ...]

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return plain values for report.json."""
        return {name: [part.to_dict() for part in getattr(self, name)] for name in self.__slots__}

    def by_subfolder(self) -> dict[str, list[dict[str, Any]]]:
        """Return the parts of an external test, where a subfolder is what a collection else is."""
        parts = {"by_subfolder": self.by_source, "within_subfolders": self.within}
        return {name: [part.to_dict() for part in found] for name, found in parts.items()}


def cut(
    rows: Sequence[ManifestRow],
    right: NDArray[np.bool_],
    groups: NDArray[np.int64],
    photographed: Collection[str] = COLLECTED_CLASSES,
) -> Slices:
    """Cut test into parts.

    Args:
        rows: Rows of N test pictures; without a manifest none of them is in any part.
        right: Whether each prediction is correct, N.
        groups: Groups of the pictures, N.
        photographed: Classes that collections are compared within; those of LOW_QUALITY were mostly
            made from others.
    """

    def parts(keys: Iterable[Iterable[tuple[str, ...]]]) -> tuple[Slice, ...]:
        members = defaultdict(list)
        for position, of_picture in enumerate(keys):
            for key in of_picture:
                members[key].append(position)
        return tuple(
            Slice(key, len(found), share(right[found], groups[found]))
            for key, found in sorted(members.items())
        )

    classes = defaultdict(set)
    for row in rows:
        if row.label in photographed:
            classes[row.source].add(row.label)
    mixed = {source for source, labels in classes.items() if source and len(labels) > 1}
    has_real = any(row.degradation == REAL for row in rows)
    degraded = [row.label == LOW_QUALITY and bool(row.degradation) for row in rows]
    return Slices(
        parts([(row.source,)] if row.source else [] for row in rows),
        parts(
            [(row.source, "all"), (row.source, row.label)]
            if row.source in mixed and row.label in photographed
            else []
            for row in rows
        ),
        parts(
            _kinds(row, has_real) if is_degraded else []
            for row, is_degraded in zip(rows, degraded, strict=True)
        ),
        parts(
            [(str(row.severity),)] if is_degraded and row.severity else []
            for row, is_degraded in zip(rows, degraded, strict=True)
        ),
    )


def _kinds(row: ManifestRow, has_real: bool) -> list[tuple[str, ...]]:
    """Return the kinds that a LOW_QUALITY picture counts for.

    Args:
        row: Of the picture.
        has_real: Whether the test has real ones at all.
    """
    if row.degradation != REAL:
        kinds: list[tuple[str, ...]] = [(kind,) for kind in row.degradation.split("+")]
        return [*kinds, ("synthesized",)] if has_real else kinds
    return [(REAL,), *((f"{REAL}, {flaw}",) for flaw in sure_flaws(row.parameters))]
