"""The ISIC challenges' layout: folders of ids in, records whose split the ids themselves decide."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from utils.common.errors import SourceError, shortlist
from utils.common.labels import DERM, TEST, TRAIN
from utils.sources.files.ids import clean
from utils.sources.files.tables import Table, read_table
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.filenames import tell_no_match
from utils.sources.readers.grouping import Grouping, tell_large_group
from utils.sources.readers.joining import group_by_ids
from utils.sources.record import TEST_ONLY, TRAIN_OR_VAL, LeftOut, Record
from utils.sources.source import Reading

NAMESPACE = "isic"
NAME = re.compile(r"ISIC_(\d{7})(_downsampled)?", re.IGNORECASE)
SYNTHETIC = "ISIC_0035068"
NO_NUMBER = "its id is that of no picture of the challenges"
LAST_TRAINING_MARKER = 34320
LAST_TEST_MARKER = 36064

NUMBERS = (range(LAST_TEST_MARKER + 1), range(53_453, 73_255))
"""In the ids of all pictures of the challenges. What the archive has under other numbers came
from elsewhere, and much of it is no dermoscopy."""

NUM_PICTURES = {TRAIN: 25_331, TEST: 8_238}
"""Of each side of 2019, which has those of 2018 as well."""

OTHER_SIDE = {TRAIN: TEST, TEST: TRAIN}

PATIENT, LESION = "patient_id", "lesion_id"

LESIONS_OF_2019 = "ISIC_2019_Training_Metadata.csv"
"""The only table of the lesions of all training pictures of 2019, those of 2018 among them."""

MEMBERSHIP_TABLES = {
    "ISIC2018_Task3_Training_GroundTruth.csv": TRAIN,
    "ISIC2018_Task3_Test_GroundTruth.csv": TEST,
    "ISIC2018_Task3_Test_GroundTruth.tab": TEST,  # so at Harvard
    "ISIC_2019_Training_GroundTruth.csv": TRAIN,
    LESIONS_OF_2019: TRAIN,
    "ISIC_2019_Test_GroundTruth.csv": TEST,
    "ISIC_2019_Test_Metadata.csv": TEST,
}
"""Tables that list the pictures of one side."""

LESION_TABLES = (
    LESIONS_OF_2019,
    "HAM10000_metadata",
    "HAM10000_metadata.csv",
    "HAM10000_metadata.tab",
    "ISIC2018_Task3_Training_LesionGroupings.csv",
)
"""Tables with a column `lesion_id`."""

PICTURE_COLUMNS = ("image", "image_id", "isic_id")
"""What the column of the ids is called, here or there."""

OPEN_SPLITS = {TRAIN: TRAIN_OR_VAL, TEST: TEST_ONLY}


@dataclass(frozen=True)
class IsicChallenge:
    """Two folders of dermoscopic pictures, named by ISIC id.

    The folders of 2019 are often swapped, so a folder's name is the last thing to be believed:
    a table that lists the id decides, else the id itself where its range tells, else a table of
    2019 that lists all of one side and not this one, else the majority of the decided files in the
    same folder, else the folder's name. Of folders inside each other the inner one has its files.

    Attributes:
        folders: "train" or "test" by folder name.
        lesion_tables: Each of them knows the lesions of all its training pictures.
    """

    folders: Mapping[str, str] = field(hash=False)
    lesion_tables: tuple[str, ...] = LESION_TABLES

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return (DERM,)

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read both folders."""
        found = [
            (path, side) for title, side in self.folders.items() for path in tree.folders(title)
        ]
        if not found:
            return None
        reading = Reading()
        members, notes = _read_members(tree)
        lesions, more = lesions_by_id(tree)
        reading.notes += dict.fromkeys((*notes, *more))
        training = []
        for folder, named_side in found:
            inner = tuple(f"{path}/" for path, _ in found if path.startswith(f"{folder}/"))
            there = [path for path in tree.pictures(folder) if not path.startswith(inner)]
            paths = self._usable(reading, name, there, members)
            known = {path: members.side(path) for path in paths}
            rest, note = _side_of_rest(folder, named_side, known)
            if note:
                reading.notes.append(f"{name}: {note}")
            for path, side in known.items():
                picture = isic_id(path)
                splits = OPEN_SPLITS[side or rest]
                group = f"{NAMESPACE}/{lesions.name_of(picture, picture)}"
                reading.records.append(
                    Record(name, path, f"{NAMESPACE}/{picture}", DERM, group, splits)
                )
                if splits == TRAIN_OR_VAL:
                    training.append(picture)
        reading.notes += lesions.notes(name, training)
        reading.notes += tell_large_group(name, reading.records)
        unlisted = [picture for picture in training if not lesions.knows(picture)]
        if training and not self.knows_lesions(tree):
            reading.notes.append(
                f"ISIC: not all lesions of the training pictures are known; put {LESIONS_OF_2019} "
                "under ALL_DATA; until then pictures of one lesion may fall into train and val"
            )
        elif unlisted == training and (listed := [*{**lesions.names, **lesions.without}]):
            tables, column = shortlist(tree.named(*LESION_TABLES)), " or ".join(PICTURE_COLUMNS)
            reading.notes.append(tell_no_match(name, tables, column, listed, training))
        elif unlisted:
            reading.notes.append(
                f"{name}: {len(unlisted):,} of {len(training):,} training pictures are in no table "
                f"of lesions ({shortlist(unlisted)}); each is a group of its own"
            )
        return reading

    def is_there(self, tree: FileTree) -> bool:
        """Whether one of the folders lies under `tree`."""
        return bool(tree.folders(*self.folders))

    def knows_lesions(self, tree: FileTree) -> bool:
        """Whether a table under `tree` keeps the pictures of each training lesion together."""
        return bool(tree.named(*self.lesion_tables))

    def _usable(
        self, reading: Reading, name: str, paths: list[str], members: "_Members"
    ) -> list[str]:
        usable = []
        for path in paths:
            if not NAME.fullmatch(stem(path)):
                reading.left_out.append(LeftOut(name, path, "name of another form"))
            elif isic_id(path) == SYNTHETIC:
                reading.left_out.append(LeftOut(name, path, "synthetic picture"))
            elif not members.may_have(path):
                reading.left_out.append(LeftOut(name, path, NO_NUMBER))
            else:
                usable.append(path)
        return usable


def isic_id(path: str) -> str:
    """Return the ISIC id in a file's name.

    >>> isic_id("ISIC_2019_Training_Input/ISIC_0012653_downsampled.jpg")
    'ISIC_0012653'
    """
    return stem(path).upper().removesuffix("_DOWNSAMPLED")


def lesions_by_id(tree: FileTree) -> tuple[Grouping, list[str]]:
    """Return the lesion of each ISIC id that a table under `tree` lists, and what to tell."""
    rows: list[tuple[str, str, str]] = []
    notes: list[str] = []
    has_patients = False
    for path in tree.named(*LESION_TABLES):
        read, ids = _read_ids(tree, path, (LESION,), (PATIENT,))
        has_patients |= PATIENT in read.columns
        patients = read.column(PATIENT) if PATIENT in read.columns else [""] * len(ids)
        rows += zip(ids, patients, read.column(LESION), strict=True)
        notes += read.notes
    levels = (PATIENT, LESION) if has_patients else (LESION,)
    return group_by_ids(levels, ((row[0], row[-len(levels) :]) for row in rows)), notes


class _Members:
    """Tells the sides of pictures by tables, and by the ids themselves where these tell.

    A table that lists all of one side tells what is of the other one, too.

    Args:
        listed: The side of each ISIC id that a table lists.
    """

    def __init__(self, listed: Mapping[str, str]) -> None:
        counts = Counter(listed.values())
        whole = [side for side, number in NUM_PICTURES.items() if counts[side] >= number]
        self._listed = listed
        self._are_all_listed = len(whole) == len(NUM_PICTURES)
        self._side_of_rest = OTHER_SIDE[whole[0]] if len(whole) == 1 else None

    def may_have(self, path: str) -> bool:
        """Tell whether a picture can be of one of the challenges."""
        is_listed = isic_id(path) in self._listed
        if is_listed or self._are_all_listed:
            return is_listed
        return any(_number(path) in numbers for numbers in NUMBERS)

    def side(self, path: str) -> str | None:
        """Return the side of a picture, None where nothing tells it."""
        if side := self._listed.get(isic_id(path)):
            return side
        is_downsampled = isic_id(path) != stem(path).upper()
        if is_downsampled or _number(path) <= LAST_TRAINING_MARKER:
            return TRAIN
        return TEST if _number(path) <= LAST_TEST_MARKER else self._side_of_rest


def _number(path: str) -> int:
    return int(isic_id(path).rpartition("_")[2])


def _read_members(tree: FileTree) -> tuple[_Members, list[str]]:
    """Return the sides that tables under `tree` tell, and what to tell the user."""
    members: dict[str, str] = {}
    both: set[str] = set()
    notes: list[str] = []
    for table, side in MEMBERSHIP_TABLES.items():
        for path in tree.named(table):
            read, ids = _read_ids(tree, path)
            notes += read.notes
            for picture in ids:
                if members.setdefault(picture, side) != side:
                    both.add(picture)
    if both:
        notes.append(
            f"ISIC: {len(both):,} pictures are in tables of both sides ({shortlist(sorted(both))}) "
            f"and count as {TEST}"
        )
    return _Members(members | dict.fromkeys(both, TEST)), notes


def _read_ids(
    tree: FileTree, path: str, columns: Sequence[str] = (), optional: Sequence[str] = ()
) -> tuple[Table, list[str]]:
    """Return a table and the ISIC ids of its rows, whatever the column of these is called."""
    read = read_table(tree, path, columns, PICTURE_COLUMNS, (*PICTURE_COLUMNS, *optional))
    column = next((column for column in PICTURE_COLUMNS if column in read.columns), None)
    if column is None:
        raise SourceError(
            f"{tree.root / path} has no column of pictures",
            expected=f"one named {' or '.join(PICTURE_COLUMNS)}",
            todo="Download it again",
        )
    return read, [isic_id(clean(cell)) for cell in read.column(column)]


def _side_of_rest(folder: str, named_side: str, known: Mapping[str, str | None]) -> tuple[str, str]:
    """Return the side of a folder's undecided files, and a note where the user should know."""
    votes = Counter(side for side in known.values() if side)
    undecided = sum(side is None for side in known.values())
    if not votes:
        note = f"nothing but its name tells what {folder} is; read as {named_side}"
        return named_side, note if undecided else ""
    other_side = OTHER_SIDE[named_side]
    majority = named_side if votes[named_side] >= votes[other_side] else other_side
    if not votes[other_side]:
        return majority, ""
    taken = f"{undecided} more without a mark are taken for {majority}" if undecided else ""
    note = (
        f"{folder} holds {votes[other_side]} pictures of the {other_side} set and "
        f"{votes[named_side]} of the {named_side} set; each is read as what it is"
    )
    return majority, f"{note}, {taken}" if taken else note
