"""Read photographs whose quality people voted on: good ones and poor ones."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from utils.common.errors import SourceError, shortlist
from utils.common.labels import LOW_QUALITY, OTHER
from utils.common.votes import FLAWS, NUM_VOTERS, SURE
from utils.sources.files.ids import id_key
from utils.sources.files.json_lists import read_json_list
from utils.sources.files.paths import leads_out
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.filenames import NamedPictures, name_key, tell_no_match
from utils.sources.record import TEST_ONLY, LeftOut, Record
from utils.sources.source import Reading

UNRECOGNIZABLE = 2
"""Votes by which a picture's content counts as hard to recognise."""

REASONS = dict(zip(("BLR", "DRK", "BRT"), FLAWS, strict=True))
"""The flaws that make a picture poor, by their names in the lists."""

NO_FLAW, HARD = "NON", "unrecognizable"

BETWEEN = "neither good nor poor by its votes"
BAD_VOTES = f"its votes are not whole numbers from 0 to {NUM_VOTERS}"
SEVERAL = "its entries give several votes"
ALONE = "poor, and no good picture of the collection beside it"
EXPECTED = "the list of pictures with their votes, as it was published"

Votes = Mapping[str, int]


@dataclass(frozen=True)
class VotedPictures:
    """Lists of pictures with five people's votes for each flaw, and whether one sees what it is.

    Poor is what at least four call blurred, dark or bright and at least two cannot recognise; good
    is what at least four call free of flaws and all recognise; what lies between is left out. The
    poor ones of a list are taken only where it has good ones as well: else the look of the whole
    collection would mean poor.

    Attributes:
        folders: Accepted folder names; pictures and lists may lie at any depth below.
        lists: The splits that each list leaves open, by its file name (a JSON list of
            `{"image", "flaws", "unrecognizable"}`).
    """

    folders: tuple[str, ...]
    lists: Mapping[str, tuple[str, ...]] = field(hash=False)

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return (OTHER, LOW_QUALITY)

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the lists, and the pictures that they name."""
        found = tree.folders(*self.folders)
        if not found:
            return None
        reading = Reading()
        pictures = NamedPictures(path for folder in found for path in tree.pictures(folder))
        for path in pictures.repeated:
            reading.left_out.append(LeftOut(name, path, "another file has its name"))
        paths = self._find(reading, name, tree, found)
        listed: dict[str, list[_Listed]] = defaultdict(list)
        absent: dict[str, str] = {}
        unnamed = 0
        for entry in _entries(tree, paths):
            if there := pictures.find(entry.written):
                listed[there].append(entry)
            elif id_key(entry.written):
                absent.setdefault(name_key(entry.written), entry.written)
            else:
                unnamed += 1
        reading.absent, where = len(absent), " and ".join(paths)
        if unnamed:
            reading.notes.append(f"{name}: {unnamed:,} entries of {where} name no picture")
        there_all = list(pictures)
        if absent and there_all and not listed:
            written = list(absent.values())
            reading.notes.append(tell_no_match(name, where, "image", written, there_all))
        self._add(reading, name, listed)
        reading.left_out += [
            LeftOut(name, path, "not in its list") for path in there_all if path not in listed
        ]
        return reading

    def written(self, tree: FileTree) -> list[str]:
        """Return the names of all listed pictures."""
        paths = self._find(Reading(), "", tree, tree.folders(*self.folders))
        return [entry.written for entry in _entries(tree, paths)]

    def _find(
        self, reading: Reading, name: str, tree: FileTree, folders: Sequence[str]
    ) -> dict[str, tuple[str, ...]]:
        """Return the splits that each list leaves open which is there, by its path."""
        found: dict[str, tuple[str, ...]] = {}
        for title, splits in self.lists.items():
            paths = [
                path
                for path in tree.named(title)
                if any(path.startswith(f"{folder}/") for folder in folders)
            ]
            if paths[1:]:
                paths.sort(key=lambda path: not _holds_votes(tree, path))
                reading.notes.append(f"{name}: {paths[0]} is read, not {shortlist(paths[1:])}")
            found |= dict.fromkeys(paths[:1], splits)
        if not found:
            raise SourceError(
                f"No list of votes in {tree.root / folders[0]}",
                expected=" or ".join(self.lists),
                todo="Put it there, or remove the folder to leave this collection out",
            )
        return found

    def _add(self, reading: Reading, name: str, listed: Mapping[str, Sequence["_Listed"]]) -> None:
        records = []
        for path, entries in sorted(listed.items()):
            rule, label = _judge([entry.votes for entry in entries])
            if rule:
                reading.left_out.append(LeftOut(name, path, rule))
                continue
            all_splits = [entry.splits for entry in entries]
            splits = TEST_ONLY if TEST_ONLY in all_splits else all_splits[0]
            votes = _told(entries[0].votes) if label == LOW_QUALITY else ""
            own = f"{name}/{stem(path)}"
            records.append(Record(name, path, own, label, own, splits, votes=votes))
        has_good = {record.splits for record in records if record.label == OTHER}
        for record in records:
            if record.splits in has_good:
                reading.records.append(record)
            else:
                reading.left_out.append(LeftOut(name, record.original, ALONE))


@dataclass(frozen=True, slots=True)
class _Listed:
    """One entry of a list: the picture's name, its votes or None, and the splits left open."""

    written: str
    votes: Votes | None
    splits: tuple[str, ...]


def _entries(tree: FileTree, paths: Mapping[str, tuple[str, ...]]) -> Iterator[_Listed]:
    for path, splits in paths.items():
        for number, entry in enumerate(read_json_list(tree, path, EXPECTED), start=1):
            written = _name(entry)
            if leads_out(written):
                raise SourceError(
                    f"{tree.root / path} names {written!r} (entry {number:,})",
                    expected="files of the collection itself",
                    todo="Download it again, or remove its folder to leave this collection out",
                )
            yield _Listed(written, _votes(entry), splits)


def _holds_votes(tree: FileTree, path: str) -> bool:
    """Tell a list of votes from the captions and answers that are published under its name."""
    try:
        return any("flaws" in entry for entry in read_json_list(tree, path, EXPECTED))
    except SourceError:
        return False


def _name(entry: Mapping[str, Any]) -> str:
    """Return the name of an entry's picture, "" where it is none that a path can have."""
    name = entry.get("image")
    is_text = isinstance(name, str) and name.encode("utf-8", "ignore").decode() == name
    return str(name) if is_text else ""  # JSON can spell halves of signs


def _votes(entry: Mapping[str, Any]) -> Votes | None:
    """Return the votes that decide, None if one of them is none."""
    flaws = entry.get("flaws")
    if not isinstance(flaws, dict):
        return None
    votes = {flaw: flaws.get(flaw) for flaw in (*REASONS, NO_FLAW)} | {HARD: entry.get(HARD)}
    checked = {
        flaw: count
        for flaw, count in votes.items()
        if type(count) is int and 0 <= count <= NUM_VOTERS
    }
    return checked if len(checked) == len(votes) else None


def _judge(of_entries: Sequence[Votes | None]) -> tuple[str, str]:
    """Return the rule that leaves out a picture, or "" and its class."""
    votes = of_entries[0]
    if any(others != votes for others in of_entries):
        return SEVERAL, ""
    if votes is None:
        return BAD_VOTES, ""
    if max(votes[flaw] for flaw in REASONS) >= SURE and votes[HARD] >= UNRECOGNIZABLE:
        return "", LOW_QUALITY
    if votes[NO_FLAW] >= SURE and votes[HARD] == 0:
        return "", OTHER
    return BETWEEN, ""


def _told(votes: Votes | None) -> str:
    """Return the votes against a picture as the manifest has them."""
    assert votes is not None
    told = {reason: votes[flaw] for flaw, reason in REASONS.items()}
    return json.dumps(told | {HARD: votes[HARD], "voters": NUM_VOTERS})
