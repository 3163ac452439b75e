"""List the pictures of a data set by split, with a hash of the whole set."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import splitext

from utils.common.cli.console import warn
from utils.common.cli.terminal import printable
from utils.common.disk.derived import DERIVED_RULE, is_derived
from utils.common.disk.listing import CLUTTER_RULE, describe_counts, ending_of, list_folder
from utils.common.disk.location import Location
from utils.common.disk.writing import sha256_of_file
from utils.common.errors import DatasetError, shortlist
from utils.common.labels import CLASSES, SPLITS, TRAIN
from utils.common.pictures import SUFFIXES, PictureError
from utils.common.reading.heads import shows_picture
from utils.common.system.processors import in_threads
from utils.dataset.output.manifest import (
    MANIFEST_NAME,
    ManifestRow,
    is_unfinished,
    manifest_hash,
    read_manifest,
)
from utils.training.data.leaving_out import LeavingOut, check_manifest, describe_gaps, leave_out

MAKE_AGAIN = "Make the data set again: python create_dataset.py"
CHANGED, PACK_DAMAGED = "changed", "damaged in the pack"
REMEDIES = {
    CHANGED: "Bring the picture back; python create_dataset.py --verify does so for all that it "
    "wrote",
    PACK_DAMAGED: "Delete the pack: it is made again",
}
"""What to do about a picture that cannot be read, by the reason; else `MAKE_AGAIN`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to train on or to test with.

    Attributes:
        file: Path relative to the data set's folder, with "/".
        label: Index into `labels.CLASSES`.
        size: (width, height) according to the manifest; None in a folder without one.
        parent: Position of a LOW_QUALITY picture's parent in its split's list, if it has one.
        sha256: SHA-256 that the file must have whenever it is read, 32 bytes; empty for any.
    """

    file: str
    label: int
    size: tuple[int, int] | None = None
    parent: int | None = None
    sha256: bytes = b""

    @property
    def origin_of_hash(self) -> str:
        """Where the SHA-256 comes from, in words."""
        return f"in {MANIFEST_NAME}" if self.size else "at the start of this process"


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """All pictures of a data set.

    Attributes:
        folder: Folder of the data set.
        splits: Pictures of each split, in the order of `file`.
        fingerprint: SHA-256 of the manifest, which lists that of each picture; without a manifest,
            of all names and contents. Place and times are no part of it, so that a run can be
            resumed, and a pack of pixels used, after the data set was moved or copied.
        keeps_bytes: Whether a picture is its original byte for byte, as with --image-size 0.
        left_out: What became of the pictures where collections are left out of training; they lie
            in the folders of the splits that they had before. None if all are used.
    """

    folder: Path
    splits: dict[str, tuple[Picture, ...]]
    fingerprint: str
    keeps_bytes: bool = False
    left_out: LeavingOut | None = None

    def counts(self, split: str) -> list[int]:
        """Return the number of pictures of each class, in the order of `labels.CLASSES`."""
        found = Counter(picture.label for picture in self.splits[split])
        return [found[label] for label in range(len(CLASSES))]

    @property
    def files(self) -> frozenset[str]:
        """All pictures that are used."""
        return frozenset(picture.file for found in self.splits.values() for picture in found)


def unreadable(folder: Path, file: str, error: PictureError) -> DatasetError:
    """Return the error for a picture that cannot be read."""
    return DatasetError(
        f"{folder / file} cannot be read: {error.reason}, {error.detail}",
        todo=REMEDIES.get(error.reason, MAKE_AGAIN),
    )


def read_folder(folder: Path, left_out: Sequence[str] = ()) -> PictureFolder:
    """List the pictures that a manifest names, or those found where there is none.

    Args:
        folder: Folder of the data set.
        left_out: Collections that are not trained on, and are the test.

    Raises:
        DatasetError: If the data set is not finished, pictures are missing, or a split or a
            trained class has none; or if it has no manifest, which leaving out takes.
        SettingsError: If the collections cannot be left out.
    """
    if left_out:
        check_manifest(folder)
    if (folder / MANIFEST_NAME).is_file():
        pictures = _read_manifest(folder, left_out)
    elif is_unfinished(folder):
        raise DatasetError(
            f"{folder} is not finished: create_dataset.py was stopped, or is still running",
            expected=f"its {MANIFEST_NAME}, which is written last",
            todo="Run create_dataset.py again: it continues where it stopped",
        )
    else:
        by_split, fingerprint = _hash(folder, _scan(folder))
        _warn_of_repeats(folder, by_split)
        print(f"{folder} has no {MANIFEST_NAME}: every picture in its class folders is used.")
        pictures = PictureFolder(folder, by_split, fingerprint)
    _check_filled(pictures)
    return pictures


def _read_manifest(folder: Path, left_out: Sequence[str]) -> PictureFolder:
    rows = read_manifest(folder)
    _check_there(folder, rows)
    keeps_bytes = any(row.sha256 == row.original_sha256 for row in rows)
    leaving_out = None
    if left_out:
        rows, leaving_out = leave_out(folder, rows, left_out)
        print("\n".join([leaving_out.told, *describe_gaps(rows)]))
    by_split: dict[str, list[Picture]] = {split: [] for split in SPLITS}
    positions = _positions(rows)
    for row in rows:
        size, parent = (row.width, row.height), positions.get((row.split, row.parent))
        digest = bytes.fromhex(row.sha256)
        by_split[row.split].append(
            Picture(row.file, CLASSES.index(row.label), size, parent, digest)
        )
    pictures = {split: tuple(found) for split, found in by_split.items()}
    return PictureFolder(folder, pictures, manifest_hash(folder), keeps_bytes, leaving_out)


def _check_there(folder: Path, rows: Iterable[ManifestRow]) -> None:
    """Refuse a data set that lacks pictures of its manifest, and warn of others."""
    named = {row.file for row in rows}
    found = _files_of_splits(folder)
    elsewhere = {str(Path(file).parent) for file in named - found}
    missing = sorted(named - found - _files_below(folder, elsewhere))
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(named)} pictures of {folder / MANIFEST_NAME} are missing: "
            f"{shortlist(missing)}",
            todo=MAKE_AGAIN,
        )
    if unlisted := sorted(found - named):
        warn(
            f"{len(unlisted):,} files in {folder} are not in its {MANIFEST_NAME} and not used: "
            f"{shortlist(unlisted)}. Pictures of your own belong under ALL_DATA."
        )


def _positions(rows: Sequence[ManifestRow]) -> dict[tuple[str, str], int]:
    """Return the position of each parent in its split's list, by (split, file)."""
    parents = {row.parent for row in rows if row.parent}
    counts: Counter[str] = Counter()
    positions = {}
    for row in rows:
        if row.file in parents:
            positions[row.split, row.file] = counts[row.split]
        counts[row.split] += 1
    return positions


def _files_of_splits(folder: Path) -> set[str]:
    return {f"{split}/{file}" for split in SPLITS for file in list_folder(folder / split).files}


def _files_below(folder: Path, parents: set[str]) -> set[str]:
    """List each folder once: looking for each file separately takes minutes in large ones."""
    found = set()
    for parent in parents:
        place = folder / parent
        if place.is_dir():
            found |= {f"{Path(parent).as_posix()}/{path.name}" for path in place.iterdir()}
    return found


def _scan(folder: Path) -> dict[str, tuple[Picture, ...]]:
    by_split = {}
    others: Counter[str] = Counter()
    for split in SPLITS:
        listing = list_folder(folder / split)
        names = {place for place in listing.folders if place and "/" not in place}
        strangers = sorted(names - set(CLASSES))
        if strangers:
            raise DatasetError(
                f"{folder / split} has folders that are not classes: {shortlist(strangers)}",
                expected=", ".join(CLASSES),
            )
        others[CLUTTER_RULE] += len(listing.clutter)
        for note in listing.notes:
            warn(f"{folder / split}: {note}.")
        stems = {splitext(file)[0] for file in listing.files}
        found = []
        for path in sorted(folder / split / file for file in listing.each_once()):
            file = path.relative_to(folder).as_posix()
            name = file.split("/")[1]
            if is_derived(file.removeprefix(f"{split}/"), name, stems.__contains__):
                others[DERIVED_RULE] += 1
            elif name in names and path.is_file() and _is_picture(path):
                found.append(Picture(file, CLASSES.index(name)))
            else:
                others[ending_of(file)] += 1
        by_split[split] = tuple(sorted(found, key=lambda picture: picture.file))
    if others.total():
        warn(f"{others.total():,} files in {folder} are not used: {describe_counts(others)}.")
    return by_split


def _hash(
    folder: Path, by_split: dict[str, tuple[Picture, ...]]
) -> tuple[dict[str, tuple[Picture, ...]], str]:
    """Hash every file, since neither name nor size nor time reveals one that was replaced.

    Raises:
        DatasetError: If one cannot be read.
    """

    def read(picture: Picture) -> Picture:
        try:
            sha256 = bytes.fromhex(sha256_of_file(folder / picture.file))
        except OSError as error:
            why = PictureError("unreadable", error.strerror or str(error))
            raise unreadable(folder, picture.file, why) from None
        return dataclasses.replace(picture, sha256=sha256)

    digest = hashlib.sha256()
    hashed = {}
    for split, pictures in by_split.items():
        hashed[split] = tuple(in_threads(read, pictures, f"Hashing {split}"))
        for picture in hashed[split]:
            name = picture.file.encode("utf-8", "surrogateescape")
            digest.update(name + b"\0" + picture.sha256)
    return hashed, digest.hexdigest()


def _warn_of_repeats(folder: Path, by_split: dict[str, tuple[Picture, ...]]) -> None:
    """Warn of pictures that are in two splits or classes, as copies or links."""
    places: dict[bytes, list[tuple[str, Picture]]] = {}
    for split, pictures in by_split.items():
        for picture in pictures:
            places.setdefault(picture.sha256, []).append((split, picture))
    for kind, harm, repeated in (
        ("split", "the figures on val and test are too good", _differing(places, by="split")),
        ("class", "they contradict each other", _differing(places, by="class")),
    ):
        if repeated:
            pair = " and ".join(picture.file for _, picture in (repeated[0][0], repeated[0][-1]))
            warn(
                f"{len(repeated):,} pictures of {folder} are in more than one {kind}, so {harm}: "
                f"for example {printable(pair)}."
            )


def _differing(
    places: dict[bytes, list[tuple[str, Picture]]], by: str
) -> list[list[tuple[str, Picture]]]:
    """Return the places of each picture that is in two splits, or in two classes."""
    return [
        found
        for found in places.values()
        if len({split if by == "split" else picture.label for split, picture in found}) > 1
    ]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or shows_picture(Location(str(path)))


def _check_filled(pictures: PictureFolder) -> None:
    empty = [split for split in SPLITS if not pictures.splits[split]]
    if empty:
        raise DatasetError(
            f"{pictures.folder} has no pictures in {', '.join(f'{name}/' for name in empty)}",
            expected="pictures of every class in every split",
            todo="Make the data set with python create_dataset.py",
        )
    trained = pictures.counts(TRAIN)
    for split in SPLITS:
        untrained = [
            name
            for name, count, known in zip(CLASSES, pictures.counts(split), trained, strict=True)
            if count and not known
        ]
        if untrained:
            raise DatasetError(
                f"{pictures.folder} has {', '.join(untrained)} in {split}/ but not in {TRAIN}/",
                expected="training pictures of every class that is tested",
                todo="Make the data set with python create_dataset.py",
            )
