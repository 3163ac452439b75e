"""A tree and a layout's parameters in, records out: one layout serves many collections."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from utils.common.errors import SourceError
from utils.sources.record import ANY_SPLIT, LeftOut, Record
from utils.sources.source import Reading
from utils.sources.tables import Row, read_table
from utils.sources.tree import FileTree, stem


@dataclass(frozen=True)
class PictureFolders:
    """Pictures of one class in folders; subfolders may tell the split, names the patient.

    Attributes:
        folders: Accepted folder names.
        label: The class of all pictures.
        splits: Splits left open by the name of a subfolder; empty: any split everywhere.
        group: Pattern of a file's stem whose first group is the patient; "": the picture itself.
    """

    folders: tuple[str, ...]
    label: str
    splits: Mapping[str, tuple[str, ...]]
    group: str = ""

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the pictures in all accepted folders."""
        reading = Reading()
        found = tree.folders(*self.folders)
        for folder in found:
            for path in tree.pictures(folder):
                self._add(reading, name, folder, path)
        return reading if found else None

    def _add(self, reading: Reading, name: str, folder: str, path: str) -> None:
        inside = path.removeprefix(f"{folder}/").split("/")
        subfolders = [part.lower() for part in inside[:-1]]
        split = next((part for part in subfolders if part in self.splits), None)
        if self.splits and split is None:
            rule = f"not in a folder {' or '.join(self.splits)}"
            reading.left_out.append(LeftOut(name, path, rule))
            return
        identity = group = "/".join(inside[subfolders.index(split) if split else 0 :])
        if self.group:
            matched = re.fullmatch(self.group, stem(path))
            if matched is None:
                reading.left_out.append(LeftOut(name, path, "name of another form"))
                return
            identity, group = inside[-1], matched.group(1)
        splits = self.splits[split] if split else ANY_SPLIT
        identity, group = f"{name}/{identity}", f"{name}/{group}" if group != identity else ""
        reading.records.append(Record(name, path, identity, self.label, group or identity, splits))


@dataclass(frozen=True)
class LabelledTable:
    """A table that names a picture, its class and its patient, row by row.

    Attributes:
        folders: Accepted folder names; pictures may lie at any depth below.
        tables: Accepted file names of the table, in order of preference.
        picture: Column with the stem of the picture's file.
        kind: Column that decides the class.
        labels: Class by the beginning of that column's text.
        groups: Columns that name the patient or the lesion; the first that is filled counts.
        namespace: What the pictures' names are unique in; shared by collections of one archive.
    """

    folders: tuple[str, ...]
    tables: tuple[str, ...]
    picture: str
    kind: str
    labels: Mapping[str, str]
    groups: tuple[str, ...]
    namespace: str

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the rows whose picture is there."""
        found = tree.folders(*self.folders)
        if not found:
            return None
        reading = Reading()
        pictures: dict[str, str] = {}
        for path in (path for folder in found for path in tree.pictures(folder)):
            if pictures.setdefault(stem(path), path) != path:
                reading.left_out.append(LeftOut(name, path, "another file has its name"))
        rows = read_table(
            tree, self._table(tree, found), (self.picture, self.kind), (self.picture,)
        )
        without = [column for column in self.groups if rows and column not in rows[0]]
        if without:
            reading.notes.append(
                f"{name}: the table has no column {', '.join(without)}; grouped by what is left"
            )
        by_picture = {row[self.picture]: row for row in reversed(rows)}  # of two rows the first
        for picture, row in sorted(by_picture.items()):
            if picture in pictures:
                self._add(reading, name, pictures.pop(picture), row)
            else:
                reading.absent += 1
        for path in pictures.values():
            reading.left_out.append(LeftOut(name, path, "not in its table"))
        return reading

    def _table(self, tree: FileTree, folders: list[str]) -> str:
        for table in self.tables:
            for path in tree.named(table):
                if any(path.startswith(f"{folder}/") for folder in folders):
                    return path
        raise SourceError(
            f"No table in {tree.root / folders[0]}",
            expected=" or ".join(self.tables),
            todo="Put it there, or remove the folder to leave this collection out",
        )

    def _add(self, reading: Reading, name: str, path: str, row: Row) -> None:
        kind = row[self.kind]
        label = next((self.labels[start] for start in self.labels if kind.startswith(start)), None)
        if label is None:
            rule = f"{self.kind} is {kind or 'empty'}"
            reading.left_out.append(LeftOut(name, path, rule))
            return
        group = next((row[column] for column in self.groups if row.get(column)), stem(path))
        reading.records.append(
            Record(name, path, f"{self.namespace}/{stem(path)}", label, f"{name}/{group}")
        )


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

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the pictures of all cases."""
        found = tree.folders(*self.folders)
        if not found:
            return None
        reading = Reading()
        tables = [path for path in tree.below(found[0]) if path.endswith(self.table)]
        if not tables:
            raise SourceError(
                f"No {self.table} in {tree.root / found[0]}",
                expected="the collection as it was unzipped",
                todo="Unzip it again, or remove the folder to leave this collection out",
            )
        root = tables[0].removesuffix(self.table)
        rows = read_table(tree, tables[0], (self.case, *self.labels), tuple(self.labels))
        splits = self._splits_by_row(tree, root, len(rows))
        listed: set[str] = set()
        repeated = 0
        for number, row in enumerate(rows):
            of_case: set[str] = set()
            for column, label in self.labels.items():
                path = tree.find(f"{root}{self.pictures}/{row[column]}")
                if path is None:
                    reading.absent += 1
                elif path in of_case:
                    repeated += 1
                else:
                    of_case.add(path)
                    identity = path.removeprefix(f"{root}{self.pictures}/")
                    reading.records.append(
                        Record(
                            name, path, f"{name}/{identity}", label,
                            f"{name}/case {row[self.case]}", splits.get(number, ANY_SPLIT),
                        )
                    )  # fmt: skip
            listed |= of_case
        if repeated:
            first, *others = self.labels.values()
            reading.notes.append(
                f"{name}: {repeated} cases name one file twice; it counts as {first}, "
                f"not as {' or '.join(others)}"
            )
        for path in tree.pictures(f"{root}{self.pictures}"):
            if path not in listed:
                reading.left_out.append(LeftOut(name, path, "not in its table"))
        return reading

    def _splits_by_row(
        self, tree: FileTree, root: str, num_rows: int
    ) -> dict[int, tuple[str, ...]]:
        open_splits: dict[int, tuple[str, ...]] = {}
        for table, splits in self.splits.items():
            path = tree.find(f"{root}{table}")
            if path is None:
                raise SourceError(
                    f"No {table} in {tree.root / root}",
                    expected="the collection's own split",
                    todo="Unzip the collection again",
                )
            for row in read_table(tree, path, ("indexes",)):
                number = int(row["indexes"]) if row["indexes"].isdigit() else -1
                if not 0 <= number < num_rows or number in open_splits:
                    raise SourceError(
                        f"{tree.root / path} names row '{row['indexes']}'",
                        expected=f"each row from 0 to {num_rows - 1} at most once",
                        todo="Unzip the collection again",
                    )
                open_splits[number] = splits
        return open_splits
