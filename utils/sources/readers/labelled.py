"""Read tables with a picture, its class and its patient in each row."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from utils.common.errors import MAX_OFFENDERS, SourceError, shortlist
from utils.sources.files.ids import MAX_SHOWN, clean, id_key, word_of
from utils.sources.files.tables import Table, read_table
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.entries import Entry, Matched, SideTable, rule_of, splits_of
from utils.sources.readers.filenames import NamedPictures, tell_no_match
from utils.sources.readers.grouping import Grouping, tell_large_group
from utils.sources.readers.isic import NAME, NAMESPACE, isic_id
from utils.sources.readers.joining import group_by_ids
from utils.sources.record import ANY_SPLIT, LeftOut, Record
from utils.sources.source import Reading

Rules = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class LabelledTable:
    """A table that names pictures, their class and their patient, row by row.

    Attributes:
        folders: Accepted folder names; pictures may lie at any depth below.
        tables: File names of the table below these folders, in order of preference: one is read.
        pictures: The column that decides the class, by the column with the name of the picture's
            file, with or without its ending; several where a row is a case.
        labels: Class by the text of that column, or by its first word, in lower case.
        groups: Columns that name the patient or the lesion, from the patient downwards; none: each
            picture is a group of its own.
        namespace: What the pictures' names are unique in, where several collections share it
            (those of the ISIC archive do); "": the collection.
        splits: The splits that `tables` leave open.
        split_tables: Instead of `tables`: the splits left open by each of several tables. They
            are all read, wherever they lie, so their names must be the collection's own.
        left_out: Rules that leave out a row: by column, the rule by the word, in lower case, that
            stands there.
        side_table: A second table that leaves out rows.
    """

    folders: tuple[str, ...]
    pictures: Mapping[str, str] = field(hash=False)
    labels: Mapping[str, str] = field(hash=False)
    tables: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    namespace: str = ""
    splits: tuple[str, ...] = ANY_SPLIT
    split_tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    left_out: Rules = field(default_factory=dict, hash=False)
    side_table: SideTable | None = None

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return tuple(dict.fromkeys(self.labels.values()))

    @property
    def kind(self) -> str:
        """What decides the class, as messages call it: the column, without numbers."""
        return re.sub(r"_?\d+", "", next(iter(self.pictures.values())))

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the rows whose picture is there."""
        found = tree.folders(*self.folders)
        if not found:
            return None
        reading = Reading()
        pictures = NamedPictures(path for folder in found for path in tree.pictures(folder))
        for path in pictures.repeated:
            reading.left_out.append(LeftOut(name, path, "another file has its name"))
        tables = self._read(reading, name, tree, found)
        levels = [
            level for level in self.groups if any(level in table.columns for table, _ in tables)
        ]
        entries = self._entries(reading, tree, found, tables, levels)
        matched, there = Matched(pictures, entries), list(pictures)
        reading.absent = len(matched.absent)
        paths = [table.path for table, _ in tables]
        if matched.num_unnamed and len(self.pictures) == 1:
            reading.notes.append(
                f"{name}: {matched.num_unnamed:,} rows of {' and '.join(paths)} name no picture"
            )
        if matched.absent and there and not matched.there:
            written = [several[0].written for several in matched.absent.values()]
            column = " or ".join(self.pictures)
            reading.notes.append(tell_no_match(name, " and ".join(paths), column, written, there))
        grouping = group_by_ids(levels, matched.ids())
        self._add(reading, name, matched.there, grouping)
        unlisted = [path for path in there if path not in matched.there]
        reading.left_out += [LeftOut(name, path, "not in its table") for path in unlisted]
        if unlisted and len(tables) < len(self.split_tables):
            known = {path.rpartition("/")[2].casefold() for path in paths}
            lacking = [table for table in self.split_tables if table.casefold() not in known]
            reading.notes.append(f"{name}: no {' and '.join(lacking)}; see where to get it")
        reading.notes += grouping.notes(name, [record.original for record in reading.records])
        reading.notes += tell_large_group(name, reading.records)
        return reading

    def written(self, tree: FileTree) -> list[str]:
        """Return the names of all listed pictures."""
        tables = self._read(Reading(), "", tree, tree.folders(*self.folders))
        return [
            cell for table, _ in tables for name in self.pictures for cell in table.column(name)
        ]

    def _read(
        self, reading: Reading, name: str, tree: FileTree, folders: list[str]
    ) -> list[tuple[Table, tuple[str, ...]]]:
        """Read the tables, each with the splits that it leaves open."""
        columns = (*self.pictures, *self.pictures.values(), *self.left_out)
        if self.side_table:
            columns += (self.side_table.key,)
        tables = []
        for path, splits in self._find(reading, name, tree, folders):
            table = read_table(tree, path, columns, tuple(self.pictures), optional=self.groups)
            reading.notes += table.notes
            without = [column for column in self.groups if column not in table.columns]
            if len(table) and without:
                reading.notes.append(
                    f"{name}: the table has no column {', '.join(without)}; grouped by what is left"
                )
            tables.append((table, splits))
        return tables

    def _find(
        self, reading: Reading, name: str, tree: FileTree, folders: list[str]
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return the paths of the tables to read.

        Raises:
            SourceError: If there is none.
        """
        if self.split_tables:
            groups = [(tree.named(table), splits) for table, splits in self.split_tables.items()]
        else:
            below = [path for table in self.tables for path in _below(tree, folders, table)]
            groups = [(below, self.splits)]
        for paths, _ in groups:
            if paths[1:]:
                reading.notes.append(f"{name}: {paths[0]} is read, not {shortlist(paths[1:])}")
        if not any(paths for paths, _ in groups):
            raise SourceError(
                f"No table in {tree.root / folders[0]}",
                expected=" and ".join(self.split_tables) or " or ".join(self.tables),
                todo="Put it there, or remove the folder to leave this collection out",
            )
        return [(paths[0], splits) for paths, splits in groups if paths]

    def _entries(
        self,
        reading: Reading,
        tree: FileTree,
        folders: list[str],
        tables: Sequence[tuple[Table, tuple[str, ...]]],
        levels: Sequence[str],
    ) -> Iterator[Entry]:
        """Yield what each row says of each of its pictures."""
        side = self.side_table
        rules: dict[str, str] = {}
        if side:
            paths = _below(tree, folders, side.name)
            if not paths:
                raise SourceError(
                    f"No {side.name} in {tree.root / folders[0]}",
                    expected="it beside the other table",
                    todo="Put it there, or remove the folder to leave this collection out",
                )
            rules, notes = side.rules(tree, paths[0])
            reading.notes += notes
        for table, splits in tables:
            for row in table:
                rule = rule_of(row, self.left_out)
                if side and not rule:
                    key = row[side.key]
                    rule = rules.get(id_key(key), side.unknown(key))
                ids = tuple(row.get(level, "") for level in levels)
                for picture, kind in self.pictures.items():
                    yield Entry(row[picture], row[kind], ids, splits, rule)

    def _add(
        self,
        reading: Reading,
        name: str,
        entries: Mapping[str, Sequence[Entry]],
        grouping: Grouping,
    ) -> None:
        unknown: dict[str, str] = {}
        for path in sorted(entries, key=lambda path: (stem(path), path)):
            kinds = {word_of(entry.kind): entry.kind for entry in entries[path]}
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
                rule = next((entry.rule for entry in entries[path] if entry.rule), "")
            if rule or label is None:
                reading.left_out.append(LeftOut(name, path, rule))
                continue
            is_isic = self.namespace == NAMESPACE and NAME.fullmatch(stem(path))
            own = isic_id(path) if is_isic else stem(path)
            group = f"{name}/{grouping.name_of(path, own)}"
            identity = f"{self.namespace or name}/{own}"
            splits = splits_of(entries[path])
            reading.records.append(Record(name, path, identity, label, group, splits))

    def _label(self, kind: str) -> str | None:
        first = re.match(r"[^\W_]*", kind)
        return self.labels.get(kind) or (self.labels.get(first.group()) if first else None)

    def _unknown(self, kind: str) -> str:
        return f"{self.kind} is {clean(kind)[:MAX_SHOWN] or 'empty'}"


def _below(tree: FileTree, folders: Sequence[str], table: str) -> list[str]:
    """Return the tables of a name that lie below one of the folders."""
    named = tree.named(table)
    return [path for path in named if any(path.startswith(f"{folder}/") for folder in folders)]
