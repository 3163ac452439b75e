"""What the rows of tables say of each picture: its kind, its ids, and why it is left out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from utils.sources.files.ids import id_key, is_rounded, word_of
from utils.sources.files.tables import Row, read_table
from utils.sources.files.tree import FileTree
from utils.sources.readers.filenames import NamedPictures, name_key
from utils.sources.record import TEST_ONLY


@dataclass(frozen=True, slots=True)
class Entry:
    """What one row says of one picture.

    Attributes:
        written: The picture's name, as it is written.
        kind: What kind of picture it is, as it is written.
        ids: Patient, lesion or case, level by level.
        splits: The splits that the publisher leaves open.
        rule: Why it is left out, "" for no reason.
    """

    written: str
    kind: str
    ids: tuple[str, ...]
    splits: tuple[str, ...]
    rule: str = ""


@dataclass(frozen=True)
class SideTable:
    """A second table of the same patients or cases, of which some tell against their pictures.

    Attributes:
        name: Its file name.
        key: The column that both tables have.
        left_out: As in `left_out` of the reader, of its own columns.
    """

    name: str
    key: str
    left_out: Mapping[str, Mapping[str, str]]

    def rules(self, tree: FileTree, path: str) -> tuple[dict[str, str], list[str]]:
        """Return the rule, "" for none, by the key of each of its rows, and what to tell."""
        table = read_table(tree, path, (self.key, *self.left_out), optional=())
        rules: dict[str, str] = {}
        for row in table:
            key = id_key(row[self.key])
            rules[key] = rules.get(key) or rule_of(row, self.left_out)
        rules.pop("", None)
        return rules, table.notes

    def unknown(self, key: str) -> str:
        """Return the rule that leaves out a row with a key that it does not have."""
        if is_rounded(key):
            return f"its {self.key} was rounded by a spreadsheet"
        return f"its {self.key} is not in {self.name}"


def rule_of(row: Row, left_out: Mapping[str, Mapping[str, str]]) -> str:
    """Return the first rule that leaves out a row, by column and by word, "" for none."""
    found = (rules.get(word_of(row[column])) for column, rules in left_out.items())
    return next(filter(None, found), "")


def splits_of(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return the splits that all rows of a picture leave open; what one calls test is test."""
    all_splits = [entry.splits for entry in entries]
    return TEST_ONLY if TEST_ONLY in all_splits else all_splits[0]


class Matched:
    """Entries by the pictures that they are about.

    Args:
        pictures: Those that are there.
        entries: Of all tables.

    Attributes:
        there: The entries of each picture that is there, by its path.
        absent: Those of each that is not, by a key that is no path.
        num_unnamed: Number of entries that name no picture.
    """

    def __init__(self, pictures: NamedPictures, entries: Iterable[Entry]) -> None:
        self.there: dict[str, list[Entry]] = defaultdict(list)
        self.absent: dict[str, list[Entry]] = defaultdict(list)
        self.num_unnamed = 0
        for entry in entries:
            if path := pictures.find(entry.written):
                self.there[path].append(entry)
            elif id_key(entry.written):
                self.absent[f"/{name_key(entry.written)}"].append(entry)  # no path begins so
            else:
                self.num_unnamed += 1

    def ids(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield each picture with its ids, row by row."""
        for picture, entries in (*self.there.items(), *self.absent.items()):
            for entry in entries:
                yield picture, entry.ids
