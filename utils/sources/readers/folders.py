"""Read folders of pictures of one class: one layout that serves many collections."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from utils.sources.files.ids import word_of
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.grouping import tell_large_group
from utils.sources.readers.joining import group_by_ids
from utils.sources.record import ANY_SPLIT, LeftOut, Record
from utils.sources.source import Reading


@dataclass(frozen=True)
class PictureFolders:
    """Pictures of one class in folders; subfolders may tell the split, names the patient.

    Attributes:
        folders: Accepted folder names.
        label: The class of all pictures.
        splits: Splits left open by the name of a subfolder; empty: any split everywhere.
        group: Pattern of a file's whole stem, its first group the patient; "": the picture itself.
        left_out: The rule that leaves out the pictures of a subfolder, by its name in lower case.
    """

    folders: tuple[str, ...]
    label: str
    splits: Mapping[str, tuple[str, ...]]
    group: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return (self.label,)

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the pictures in all accepted folders."""
        reading = Reading()
        found = tree.folders(*self.folders)
        patients: dict[str, str] = {}
        for folder in found:
            for path in tree.pictures(folder):
                self._add(reading, name, folder, path, patients)
        if patients:
            grouping = group_by_ids(
                ("patient",), ((path, (patient,)) for path, patient in patients.items())
            )
            reading.records = [
                replace(record, group=f"{name}/{grouping.names[record.original]}")
                if record.original in grouping.names
                else record
                for record in reading.records
            ]
            reading.notes += grouping.notes(name, list(patients))
        reading.notes += tell_large_group(name, reading.records)
        return reading if found else None

    def _add(
        self, reading: Reading, name: str, folder: str, path: str, patients: dict[str, str]
    ) -> None:
        inside = path.removeprefix(f"{folder}/").split("/")
        subfolders = [word_of(part) for part in inside[:-1]]
        split = next((part for part in subfolders if part in self.splits), None)
        if self.splits and split is None:
            rule = f"not in a folder {' or '.join(self.splits)}"
            reading.left_out.append(LeftOut(name, path, rule))
            return
        if rule := next(filter(None, map(self.left_out.get, subfolders)), ""):
            reading.left_out.append(LeftOut(name, path, rule))
            return
        identity = "/".join(inside[subfolders.index(split) if split else 0 :])
        if self.group:
            matched = re.fullmatch(self.group, stem(path), re.IGNORECASE)
            if matched is None:
                reading.left_out.append(LeftOut(name, path, "name of another form"))
                return
            identity, patients[path] = inside[-1], matched.group(1)
        splits = self.splits[split] if split else ANY_SPLIT
        identity = f"{name}/{identity}"
        reading.records.append(Record(name, path, identity, self.label, identity, splits))
