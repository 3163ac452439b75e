"""Give every file that no collection reads its reason."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from posixpath import splitext

from utils.common.disk.derived import DERIVED_RULE
from utils.common.disk.listing import NO_ENDING, ending_of
from utils.common.errors import shortlist
from utils.sources.catalog import FOLDERS, SOURCES, owner_of
from utils.sources.files.tree import FileTree, stem
from utils.sources.record import NO_COLLECTION, NOT_UNDERSTOOD, LeftOut
from utils.sources.source import Reading

TABLES = frozenset((".csv", ".cvs", ".tsv", ".tab", ".xls", ".xlsx", ".ods", ".parquet"))
TEXTS = frozenset(
    (
        *(".txt", ".md", ".rst", ".rtf", ".pdf", ".htm", ".html", ".log", ".bib", ".cff"),
        *(".json", ".jsonl", ".xml", ".yml", ".yaml", ".doc", ".docx", ".odt", ".url", ".webloc"),
        *(".py", ".ipynb", ".sh", ".bat", ".md5", ".sha1", ".sha256", ".torrent"),
    )
)
TEXT_NAMES = frozenset(
    (
        *("license", "licence", "copying", "notice", "attribution", "citation", "authors"),
        *("readme", "changelog", "version", "manifest", "md5sums", "sha256sums", "checksums"),
    )
)
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".opdownload", ".aria2", ".tmp")

NOT_READ = tuple(
    (re.compile(translate(pattern.lower())), rule)
    for source in SOURCES
    for pattern, rule in source.not_read.items()
)
KNOWN_TABLES = tuple(
    (re.compile(translate(pattern.lower())), source.name)
    for source in SOURCES
    for pattern in source.tables
)

NOT_ASKED = "table that no collection of --only asks for"
NOT_CHOSEN = "of a collection that --only leaves out"
OTHER_NAME = "read under another name that links give it"
OTHER_PLACE = "not where the collection keeps its pictures"
UNFINISHED_RULE = "unfinished download"
MAX_HINTS = 5


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """The files of a tree that no collection reads as pictures.

    Attributes:
        left_out: With the rule; the collection is that in whose folder a file lies.
        num_documents: Number of tables, licences and other texts.
        hints: Where pictures belong that look like those of a known collection.
    """

    left_out: list[LeftOut] = field(default_factory=list)
    num_documents: int = 0
    hints: list[str] = field(default_factory=list)


def sort_out(
    tree: FileTree, claimed: Collection[str], readings: Mapping[str, Reading | None]
) -> Unclaimed:
    """Give every file that no collection claims its reason.

    Args:
        tree: All that is there.
        claimed: Files that a collection uses, or leaves out by a rule of its own.
        readings: Of the collections that were chosen, by short name.
    """
    left_out = list(tree.left_out)
    num_documents = 0
    strangers = []
    aliases = _Aliases(tree, claimed)
    for path in tree.files:
        if path in claimed:
            continue
        owner = owner_of(path)
        is_read = owner is not None and readings.get(owner.name) is not None
        rule = _rule_by_name(tree, path)
        if rule is None and not tree.is_picture(path):
            if _is_document(tree, path, readings):
                num_documents += 1
                continue
            if _ending(path) in TABLES and any(one.name not in readings for one in SOURCES):
                rule = NOT_ASKED
        if rule is None and owner is not None and owner.name not in readings:
            rule = NOT_CHOSEN
        if rule is None and aliases.is_other_name(path):
            rule = OTHER_NAME
        if rule is None and is_read and tree.is_picture(path):
            rule = OTHER_PLACE
        if rule is None:
            strangers.append(path)
        name = owner.name if owner is not None and is_read else NO_COLLECTION
        left_out.append(LeftOut(name, path, rule or NOT_UNDERSTOOD))
    return Unclaimed(left_out, num_documents, list(_hints(tree, strangers)))


def describe_not_understood(left_out: Iterable[LeftOut]) -> str:
    """Return one line that counts what is not understood by ending and folder, "" for nothing."""
    counts: Counter[tuple[str, str]] = Counter()
    for left in left_out:
        if left.rule == NOT_UNDERSTOOD:
            counts[ending_of(left.original), left.original.rpartition("/")[0]] += 1
    if not counts:
        return ""
    parts = [
        f"{count:,} {ending} in {folder or 'the folder itself'}"
        for (ending, folder), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return f"Not understood: {counts.total():,} files: {shortlist(parts)}"


class _Aliases:
    """Tells the other names of files that links lead to."""

    def __init__(self, tree: FileTree, claimed: Collection[str]) -> None:
        self._claimed = claimed
        self._files = frozenset(tree.files)
        names: dict[str, list[str]] = defaultdict(list)
        for folder, real in tree.listing.folders.items():
            names[real].append(folder)
        self._names = {
            folder: sorted(folders) for folders in names.values() if len(folders) > 1
            for folder in folders
        }  # fmt: skip

    def is_other_name(self, path: str) -> bool:
        """Tell whether a file is claimed, or told of, under another name."""
        for above in _folders_of(path) if self._names else ():
            for folder in self._names.get(above, ()):
                if folder == above:
                    continue
                other = f"{folder}/{path[len(above) + 1 :]}"
                if other in self._claimed or (folder < above and other in self._files):
                    return True
        return False


def _rule_by_name(tree: FileTree, path: str) -> str | None:
    """Return the rule that leaves out a file for what it is, wherever it lies."""
    name = _name(path)
    for pattern, rule in NOT_READ:
        if pattern.fullmatch(name):
            return rule
    if name.endswith(UNFINISHED):
        return UNFINISHED_RULE
    if tree.is_picture(path) and tree.is_derived(path):
        return DERIVED_RULE
    return None


def _is_document(tree: FileTree, path: str, readings: Mapping[str, Reading | None]) -> bool:
    """Tell texts, and the tables of collections that are there, from what nobody knows."""
    name, ending = _name(path), _ending(path)
    if path in tree.asked or ending in TEXTS or splitext(name)[0] in TEXT_NAMES:
        return True
    owner = owner_of(path)
    if owner is not None and readings.get(owner.name) is not None:
        return ending in TABLES
    return any(
        pattern.fullmatch(name) and readings.get(source) is not None
        for pattern, source in KNOWN_TABLES
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2].lower()


def _ending(path: str) -> str:
    return splitext(path)[1].lower()


def _hints(tree: FileTree, strangers: Iterable[str]) -> Iterator[str]:
    """Say of pictures and folders that look like a known collection's where they belong."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for path in strangers:
        folder = path.rpartition("/")[0]
        sign = _sign_of(folder, stem(path)) if tree.is_picture(path) else None
        if sign is not None:
            found[folder, *sign, ending_of(path)] += 1
    lines = []
    for (folder, shown, place, ending), count in found.items():
        files = f"{count:,} {'file' if count == 1 else 'files'}"
        names = f"{shown}{'' if ending == NO_ENDING else ending}"
        lines.append(f"{files} {names} in {folder or tree.root.name}: put them into {place}")
    lines += _misspelt(strangers)
    yield from lines[:MAX_HINTS]
    if len(lines) > MAX_HINTS:
        yield f"{len(lines) - MAX_HINTS:,} more folders hold pictures of known collections"


def _sign_of(folder: str, name: str) -> tuple[str, str] | None:
    for source in SOURCES:
        for sign in source.signs:
            if sign.fits(folder, name):
                return sign.shown, sign.place
    return None


def _misspelt(strangers: Iterable[str]) -> list[str]:
    """Name folders that are called as a collection's are but for spaces and strokes."""
    known = {_letters(folder): folder for folder in FOLDERS}
    named = {}
    for place in {path.rpartition("/")[0] for path in strangers}:
        for folder in (place, *_folders_of(place)):
            name = folder.rpartition("/")[2].casefold()
            if folder and name not in FOLDERS and (meant := known.get(_letters(name))):
                named[folder] = meant
    return [f"{folder} looks like {meant}: rename it" for folder, meant in sorted(named.items())]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _folders_of(path: str) -> Iterator[str]:
    """Yield the folders that a file lies in, the innermost first, "" last."""
    while path:
        path = path.rpartition("/")[0]
        yield path
