"""Take collections out of training and validation, and make them the test."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.common.errors import DatasetError, SettingsError
from utils.common.labels import CLASSES, SPLITS, TEST, TRAIN, VAL
from utils.dataset.output.manifest import MANIFEST_NAME, ManifestRow, read_manifest


@dataclass(frozen=True, slots=True)
class LeavingOut:
    """What became of a data set's pictures when collections were left out of its training.

    Attributes:
        collections: Short names of the collections, in alphabetical order.
        pictures: Number of pictures of each, all of which are test now.
        sharing: Number of pictures of other collections that are left out of train and of val, by
            split, because they share a component with a picture of these.
        unused: Number of test pictures of other collections, which are not used.
    """

    collections: tuple[str, ...]
    pictures: dict[str, int]
    sharing: dict[str, int]
    unused: int

    @property
    def told(self) -> str:
        """What is tested and what is not used, in one line."""
        them = "it" if len(self.collections) == 1 else "them"
        said = (
            f"--leave-out {' '.join(self.collections)}: all {sum(self.pictures.values()):,} "
            f"pictures of {them}, whatever their split, are test. Not used: "
            f"{self.unused:,} test pictures of other collections"
        )
        if any(self.sharing.values()):
            counts = " and ".join(f"{count:,} {split}" for split, count in self.sharing.items())
            said += (
                f"; {counts} pictures of others, which share a group (patient, lesion, copy, "
                "look-alike) with one that is left out"
            )
        return f"{said}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {**dataclasses.asdict(self), "collections": list(self.collections)}


def leave_out(
    folder: Path, rows: Sequence[ManifestRow], names: Iterable[str]
) -> tuple[list[ManifestRow], LeavingOut]:
    """Return the rows that a training without some collections uses, with the splits it gives them.

    A LOW_QUALITY picture is of the collection that it was made from. Whoever shares a component
    with a picture of these collections (a patient or a lesion, a copy, a look-alike) is in no split
    any more: training must not see it, and it is not what is tested.

    Args:
        folder: Folder of the data set.
        rows: All rows of its manifest.
        names: Short names of the collections, one at least.

    Returns:
        The rows in their order, those of the collections with `split` "test", and what became of
        the others.

    Raises:
        SettingsError: If there is no collection of such a name, or a class has no training pictures
            without them, or val none at all.
    """
    chosen = tuple(sorted(set(names)))
    known = sorted({row.source for row in rows})
    if unknown := [name for name in chosen if name not in known]:
        raise SettingsError(
            f"--leave-out does not know {', '.join(unknown)} in {folder / MANIFEST_NAME}",
            expected=f"some of {', '.join(known)}",
        )
    unseen = {row.component for row in rows if row.source in chosen}
    kept: list[ManifestRow] = []
    sharing = dict.fromkeys((TRAIN, VAL), 0)
    unused = 0
    for row in rows:
        if row.source in chosen:
            kept.append(dataclasses.replace(row, split=TEST))
        elif row.split == TEST:
            unused += 1
        elif row.component in unseen:
            sharing[row.split] += 1
        else:
            kept.append(row)
    _check_filled(folder, rows, kept, chosen)
    pictures = Counter(row.source for row in kept if row.split == TEST)
    return kept, LeavingOut(chosen, {name: pictures[name] for name in chosen}, sharing, unused)


def check_leaving_out(data_dir: str, names: Sequence[str]) -> None:
    """Refuse before any question what cannot be left out.

    Raises:
        DatasetError: If the data set has no manifest, or one that cannot be used.
        SettingsError: As by `leave_out`.
    """
    folder = Path(data_dir)
    check_manifest(folder)
    leave_out(folder, read_manifest(folder), names)


def check_manifest(folder: Path) -> None:
    """Refuse a folder in which nobody knows of what collection a picture is.

    Raises:
        DatasetError: If it has no manifest.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise DatasetError(
            f"--leave-out needs to know which collection each picture of {folder} is of",
            expected=f"a {MANIFEST_NAME}, which create_dataset.py writes",
            todo="Drop --leave-out, or make the data set with python create_dataset.py",
        )


def describe_gaps(rows: Iterable[ManifestRow]) -> list[str]:
    """Say which classes val and test lack in a training without some collections."""
    found = {(row.split, row.label) for row in rows}
    lacking = {
        split: [label for label in CLASSES if (split, label) not in found] for split in SPLITS
    }
    said = []
    if lacking[TEST]:
        said.append(
            f"Test has no {', '.join(lacking[TEST])}: balanced accuracy is the mean over the "
            "classes that it has."
        )
    if lacking[VAL]:
        said.append(f"Val has no {', '.join(lacking[VAL])}: nothing is promised of that.")
    return said


def _check_filled(
    folder: Path, rows: Iterable[ManifestRow], kept: Iterable[ManifestRow], names: Sequence[str]
) -> None:
    """Refuse a training that lacks a class: whatever it said of such pictures would be wrong."""
    before = {row.label for row in rows if row.split == TRAIN}
    after = {row.label for row in kept if row.split == TRAIN}
    if lost := [label for label in CLASSES if label in before - after]:
        what = f"train has no {', '.join(lost)}"
    elif not any(row.split == VAL for row in kept):
        what = "val has no pictures"
    else:
        return
    raise SettingsError(
        f"Without {', '.join(names)} and what shares a group with it {what} in {folder}",
        expected="other collections with pictures of each class",
        todo="Leave out fewer, or assemble more collections with python create_dataset.py",
    )
