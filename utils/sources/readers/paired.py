"""Read a table with a case in each row and a column of paths for each class."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from utils.common.errors import SourceError, shortlist
from utils.sources.files.ids import id_key, shown
from utils.sources.files.tables import Table, read_table
from utils.sources.files.tree import FileTree
from utils.sources.readers.filenames import path_key, tell_no_match
from utils.sources.readers.grouping import tell_large_group
from utils.sources.readers.joining import group_by_ids
from utils.sources.record import ANY_SPLIT, LeftOut, Record
from utils.sources.source import Reading

NO_SPLIT = "its case is in none of the published splits"

MAX_DIGITS = 9
"""No table has as many rows, and Python refuses to read some longer numbers."""


@dataclass(frozen=True)
class PairedTable:
    """A table with one case a row and a column of file paths for each class.

    Attributes:
        folders: Accepted folder names.
        table: Path of the table below the folder.
        pictures: Folder that the paths in the table start from.
        labels: Class by column, the column that wins where two name the same file first.
        case: Column that names the case.
        splits: Splits left open by the path of a table of row numbers (column `indexes`).
    """

    folders: tuple[str, ...]
    table: str
    pictures: str
    labels: Mapping[str, str]
    case: str
    splits: Mapping[str, tuple[str, ...]]

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return tuple(dict.fromkeys(self.labels.values()))

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the pictures of all cases."""
        found = tree.folders(*self.folders)
        if not found:
            return None
        reading, tables = Reading(), self._tables(tree, found[0])
        root = tables[0][: -len(self.table)]
        folder = f"{root}{self.pictures}"
        columns = tuple(self.labels)
        table = read_table(tree, tables[0], (self.case, *columns), columns, optional=())
        if others := tables[1:]:
            reading.notes.append(f"{name}: {tables[0]} is read, not {shortlist(others)}")
        reading.notes += table.notes
        there = tree.pictures(folder)
        by_key = {path_key(path.removeprefix(f"{folder}/")): path for path in reversed(there)}
        splits = self._splits_by_row(reading, tree, root, table)
        cases = group_by_ids(
            (self.case,), ((str(number), (row[self.case],)) for number, row in enumerate(table))
        )
        listed: Counter[str] = Counter()
        without_split: set[str] = set()
        repeated = unnamed = 0
        for number, row in enumerate(table):
            of_case: dict[str, str] = {}
            for column, label in self.labels.items():
                written = row[column]
                path = tree.find(f"{folder}/{written}") or by_key.get(path_key(written))
                if path in of_case:
                    repeated += 1
                elif path:
                    of_case[path] = label
                elif id_key(written):
                    reading.absent += 1
                else:
                    unnamed += 1
            case = cases.names.get(str(number))
            open_splits = splits.get(number, () if self.splits else ANY_SPLIT)
            if not open_splits:
                without_split.update(of_case)
                continue
            group = f"{name}/case {case}" if case else f"{name}/row {number + 1}"
            for path, label in of_case.items():
                identity = f"{name}/{path.removeprefix(f'{folder}/')}"
                reading.records.append(Record(name, path, identity, label, group, open_splits))
            listed.update(of_case.keys())
        reading.notes += self._notes(name, repeated, unnamed, listed)
        if cases.without:
            reading.notes.append(
                f"{name}: {len(cases.without):,} rows have no {self.case}; "
                "each is a case of its own"
            )
        if there and reading.absent and not (listed or without_split):
            column = next(iter(self.labels))
            written_paths = table.column(column)
            reading.notes.append(tell_no_match(name, tables[0], column, written_paths, there))
        reading.left_out += [
            LeftOut(name, path, NO_SPLIT if path in without_split else "not in its table")
            for path in there
            if path not in listed
        ]
        reading.notes += tell_large_group(name, reading.records)
        return reading

    def _tables(self, tree: FileTree, folder: str) -> list[str]:
        """Return the tables of cases in a folder.

        Raises:
            SourceError: If there is none.
        """
        ending = f"/{self.table}".casefold()
        tables = [path for path in tree.below(folder) if path.casefold().endswith(ending)]
        if not tables:
            raise SourceError(
                f"No {self.table} in {tree.root / folder}",
                expected="the collection as it was unzipped",
                todo="Unzip it again, or remove the folder to leave this collection out",
            )
        return tables

    def _notes(self, name: str, repeated: int, unnamed: int, listed: Counter[str]) -> list[str]:
        notes = []
        if repeated:
            first, *others = self.labels.values()
            notes.append(
                f"{name}: {repeated} cases name one file twice; it counts as {first}, "
                f"not as {' or '.join(others)}"
            )
        if unnamed:
            notes.append(
                f"{name}: {unnamed:,} cells of {' and '.join(self.labels)} name no picture"
            )
        if several := sorted(path for path, count in listed.items() if count > 1):
            notes.append(
                f"{name}: {len(several):,} files belong to several cases ({shortlist(several)}); "
                "these cases stay together"
            )
        return notes

    def _splits_by_row(
        self, reading: Reading, tree: FileTree, root: str, cases: Table
    ) -> dict[int, tuple[str, ...]]:
        numbers = [number for cell in cases.column(self.case) if (number := _number(cell)) >= 0]
        if self.splits and numbers != sorted(numbers):
            raise SourceError(
                f"{tree.root / cases.path} has its rows in another order than published",
                expected=f"{self.case} to rise, for the tables of splits count rows",
                todo="Unzip the collection again",
            )
        open_splits: dict[int, tuple[str, ...]] = {}
        for table, splits in self.splits.items():
            path = tree.find(f"{root}{table}")
            if path is None:
                raise SourceError(
                    f"No {table} in {tree.root / root}",
                    expected="the collection's own split",
                    todo="Unzip the collection again",
                )
            table_of_rows = read_table(tree, path, ("indexes",), optional=())
            reading.notes += table_of_rows.notes
            for row in table_of_rows:
                number = _number(row["indexes"])
                if not 0 <= number < len(cases) or number in open_splits:
                    raise SourceError(
                        f"{tree.root / path} names row {shown(row['indexes'])}",
                        expected=f"each row from 0 to {len(cases) - 1} at most once",
                        todo="Unzip the collection again",
                    )
                open_splits[number] = splits
        return open_splits


def _number(cell: str) -> int:
    """Return the whole number in a cell, -1 where there is none that could be a row's."""
    key = id_key(cell)
    return int(key) if key.isdecimal() and len(key) <= MAX_DIGITS else -1
