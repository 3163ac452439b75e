"""A table with a picture, its class and its patient in each row in, records out."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utils.common.errors import MAX_OFFENDERS, SourceError, shortlist
from utils.sources.files.ids import MAX_SHOWN, clean, id_key, word_of
from utils.sources.files.tables import Row, read_table
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.filenames import NamedPictures, name_key, tell_no_match
from utils.sources.readers.grouping import Grouping, tell_large_group
from utils.sources.readers.isic import NAME, NAMESPACE, isic_id
from utils.sources.readers.joining import group_by_ids
from utils.sources.record import LeftOut, Record
from utils.sources.source import Reading


@dataclass(frozen=True)
class LabelledTable:
    """A table that names a picture, its class and its patient, row by row.

    Attributes:
        folders: Accepted folder names; pictures may lie at any depth below.
        tables: Accepted file names of the table, in order of preference.
        picture: Column with the name of the picture's file, with or without its ending.
        kind: Column that decides the class.
        labels: Class by the first word of that column's text, in lower case.
        groups: Columns that name the patient or the lesion, from the patient downwards; none: each
            picture is a group of its own.
        namespace: What the pictures' names are unique in, where several collections share it
            (those of the ISIC archive do); "": the collection.
    """

    folders: tuple[str, ...]
    tables: tuple[str, ...]
    picture: str
    kind: str
    labels: Mapping[str, str]
    groups: tuple[str, ...] = ()
    namespace: str = ""

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return tuple(dict.fromkeys(self.labels.values()))

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the rows whose picture is there."""
        found = tree.folders(*self.folders)
        if not found:
            return None
        reading = Reading()
        pictures = NamedPictures(path for folder in found for path in tree.pictures(folder))
        for path in pictures.repeated:
            reading.left_out.append(LeftOut(name, path, "another file has its name"))
        path, *others = self._tables(tree, found)
        if others:
            reading.notes.append(f"{name}: {path} is read, not {shortlist(others)}")
        table = read_table(
            tree, path, (self.picture, self.kind), (self.picture,), optional=self.groups
        )
        reading.notes += table.notes
        levels = [column for column in self.groups if column in table.columns]
        if len(table) and (without := [column for column in self.groups if column not in levels]):
            reading.notes.append(
                f"{name}: the table has no column {', '.join(without)}; grouped by what is left"
            )
        rows, absent = _match(pictures, table, self.picture)
        reading.absent = len(absent)
        if unnamed := len(table) - sum(map(len, [*rows.values(), *absent.values()])):
            reading.notes.append(f"{name}: {unnamed:,} rows of {path} name no picture")
        there = list(pictures)
        if absent and there and not rows:
            written = [several[0][self.picture] for several in absent.values()]
            reading.notes.append(tell_no_match(name, path, self.picture, written, there))
        grouping = group_by_ids(
            levels,
            (
                (picture, [row[level] for level in levels])
                for picture, several in (*rows.items(), *absent.items())
                for row in several
            ),
        )
        self._add(reading, name, rows, grouping)
        reading.left_out += [
            LeftOut(name, path, "not in its table") for path in there if path not in rows
        ]
        reading.notes += grouping.notes(name, [record.original for record in reading.records])
        reading.notes += tell_large_group(name, reading.records)
        return reading

    def _tables(self, tree: FileTree, folders: list[str]) -> list[str]:
        found = [
            path
            for table in self.tables
            for path in tree.named(table)
            if any(path.startswith(f"{folder}/") for folder in folders)
        ]
        if not found:
            raise SourceError(
                f"No table in {tree.root / folders[0]}",
                expected=" or ".join(self.tables),
                todo="Put it there, or remove the folder to leave this collection out",
            )
        return found

    def _add(
        self, reading: Reading, name: str, rows: Mapping[str, Sequence[Row]], grouping: Grouping
    ) -> None:
        unknown: dict[str, str] = {}
        for path in sorted(rows, key=lambda path: (stem(path), path)):
            kinds = {word_of(row[self.kind]): row[self.kind] for row in rows[path]}
            kinds = {kind: kinds[kind] for kind in kinds if id_key(kind)} or kinds
            labels = {self._label(kind) for kind in kinds}
            label = labels.pop()
            if labels:
                rule = f"its rows give several {self.kind}"
            elif label is None:
                kind = min(kinds)
                if kind in unknown or len(unknown) < MAX_OFFENDERS:
                    rule = unknown.setdefault(kind, self._unknown(kinds[kind]))
                else:
                    rule = f"{self.kind} is something else"
            else:
                is_isic = self.namespace == NAMESPACE and NAME.fullmatch(stem(path))
                own = isic_id(path) if is_isic else stem(path)
                group = f"{name}/{grouping.name_of(path, own)}"
                reading.records.append(
                    Record(name, path, f"{self.namespace or name}/{own}", label, group)
                )
                continue
            reading.left_out.append(LeftOut(name, path, rule))

    def _label(self, kind: str) -> str | None:
        first = re.match(r"[^\W_]*", kind)
        return self.labels.get(first.group()) if first else None

    def _unknown(self, kind: str) -> str:
        return f"{self.kind} is {clean(kind)[:MAX_SHOWN] or 'empty'}"


def _match(
    pictures: NamedPictures, table: Sequence[Row], column: str
) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Return the rows of each picture that is there, and those of each that is not, by name."""
    rows: dict[str, list[Row]] = defaultdict(list)
    absent: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        if path := pictures.find(row[column]):
            rows[path].append(row)
        elif id_key(row[column]):
            absent[f"/{name_key(row[column])}"].append(row)  # no path begins so
    return rows, absent
