"""Read a gallery: a published list of URLs, or the user's own, and the pictures fetched by it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from utils.common.errors import shortlist
from utils.sources.files.ids import clean, id_key
from utils.sources.files.tables import Row, Table, own_tables, read_table
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.filenames import name_key, tell_no_match
from utils.sources.readers.grouping import tell_large_group
from utils.sources.readers.joining import group_by_ids
from utils.sources.readers.series import Place, page_of, runs_of, series_of
from utils.sources.record import ANY_SPLIT, TEST_ONLY, TRAIN_OR_VAL, LeftOut, Record
from utils.sources.source import Reading
from utils.sources.web.urls import path_of

DIAGNOSIS = "label"
"""The published table's column that says what a picture shows."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One picture of a gallery's list.

    Attributes:
        name: Stem of its local file: its MD5, or a name made from the URL where that is unknown.
        url: Where it can be fetched; may be "".
        md5: MD5 of its bytes, "" where unknown.
        splits: The splits left open.
        urls: All places that its rows name.
        diagnosis: What the published table says that it shows, "" where unknown.
    """

    name: str
    url: str
    md5: str
    splits: tuple[str, ...]
    urls: tuple[str, ...] = ()
    diagnosis: str = ""

    def merged(self, other: "Listed") -> "Listed":
        """Return what two rows say of one picture; what one of them calls test is test."""
        splits = TEST_ONLY if TEST_ONLY in (self.splits, other.splits) else self.splits
        urls = tuple(dict.fromkeys((*self.urls, *other.urls)))
        return replace(self, url=self.url or other.url, splits=splits, urls=urls)


@dataclass(frozen=True)
class UrlGallery:
    """Pictures named by the MD5 of their bytes, as a published table lists them.

    Attributes:
        folders: Accepted names of the folder with the pictures.
        table: File name of the published table (columns `md5hash` and `url`).
        user_list: File name of a user's own choice (columns `train_url` and `test_url`).
        label: The class of all pictures.
    """

    folders: tuple[str, ...]
    table: str
    user_list: str
    label: str

    @property
    def fills(self) -> tuple[str, ...]:
        """The classes of its pictures."""
        return (self.label,)

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the listed pictures that are there; without any list, all that are there."""
        pictures = self.local(tree)
        listed, notes = self._lists(tree)
        if not pictures and not listed:
            return None
        reading = Reading()
        for found in self._paths(tree):
            if pictures[name_key(found)] != found:
                reading.left_out.append(LeftOut(name, found, "another file has its name"))
        reading.notes += notes
        if listed:
            reading.notes += self._notes(name, tree, listed, pictures)
        else:
            reading.notes.append(f"{name}: no {self.table}; all its pictures are taken")
            listed = [Listed(key, "", key if _is_md5(key) else "", ANY_SPLIT) for key in pictures]
        places = _places(listed)
        series = group_by_ids(
            ("series",),
            (
                (entry.name, (places[url][0],))
                for entry in listed
                for url in entry.urls
                if url in places
            ),
        )
        reading.notes += _tell_listed_apart(name, listed, places)
        for entry in listed:
            path = pictures.pop(entry.name, None)
            if path is None:
                reading.absent += 1
                continue
            identity, of = f"{name}/{entry.name}", places.get(entry.url)
            drawn_with = series.names.get(entry.name) or (of[0] if of else "")
            # A series is drawn into a split as a whole, unless the user says what is test.
            is_drawn = drawn_with and entry.splits == ANY_SPLIT
            group = f"{name}/{drawn_with}" if is_drawn else identity
            of = None if entry.splits == TEST_ONLY else of  # it draws no other into test
            reading.records.append(
                Record(name, path, identity, self.label, group, entry.splits, entry.md5, of)
            )
        for path in pictures.values():
            reading.left_out.append(LeftOut(name, path, "not on its list"))
        reading.notes += tell_large_group(name, reading.records)
        return reading

    def _notes(
        self, name: str, tree: FileTree, listed: Sequence[Listed], pictures: Mapping[str, str]
    ) -> list[str]:
        notes = []
        if several := [entry.name for entry in listed if len(entry.urls) > 1]:
            notes.append(
                f"{name}: {len(several):,} pictures are listed with several URLs "
                f"({shortlist(several)}); each is one"
            )
        tables = tree.named(self.table, self.user_list)
        if pictures and not any(entry.name in pictures for entry in listed):
            written = [entry.name for entry in listed]
            where, there = " and ".join(tables), list(pictures.values())
            notes.append(tell_no_match(name, where, "md5hash", written, there))
        if tables != own_tables(tree, self.table, self.user_list):
            absent = {entry.url for entry in listed if entry.name not in pictures} - {""}
            withheld = absent - self._own_urls(tree)
        else:
            withheld = set()
        if withheld:
            notes.append(
                f"{name}: {len(withheld):,} pictures are named by a table in an archive alone and "
                "are never downloaded; unpack that table if you trust it"
            )
        return notes

    def local(self, tree: FileTree) -> dict[str, str]:
        """Return the paths of the pictures that are there, by stem in lower case."""
        pictures: dict[str, str] = {}
        for path in self._paths(tree):
            pictures.setdefault(name_key(path), path)
        return pictures

    def _paths(self, tree: FileTree) -> list[str]:
        return [path for folder in tree.folders(*self.folders) for path in tree.pictures(folder)]

    def listed(self, tree: FileTree) -> list[Listed]:
        """Return the pictures to use, each once: the user's own list goes before the table."""
        return self._lists(tree)[0]

    def fetchable(self, tree: FileTree) -> list[Listed]:
        """Return the pictures to use whose URL stands in a table that the user laid down."""
        own = self._own_urls(tree)
        return [entry for entry in self.listed(tree) if entry.url in own]

    def _own_urls(self, tree: FileTree) -> set[str]:
        columns = {self.table: ("url",), self.user_list: ("train_url", "test_url")}
        return {
            url
            for table, names in columns.items()
            for path in own_tables(tree, table)
            for row in read_table(tree, path, names, optional=())
            for name in names
            if (url := _url(row[name]))
        }

    def _lists(self, tree: FileTree) -> tuple[list[Listed], list[str]]:
        """Return the pictures to use, and what the user should know of their tables."""
        published = [
            read_table(tree, path, ("md5hash", "url"), ("md5hash",), optional=(DIAGNOSIS,))
            for path in tree.named(self.table)
        ]
        own = [
            read_table(tree, path, ("train_url", "test_url"), optional=())
            for path in tree.named(self.user_list)
        ]
        notes = [note for table in (*published, *own) for note in table.notes]
        if any(map(len, own)):
            md5_by_url, note = _md5_by_url(published)
            notes += note
            shown = {_url(row["url"]): _diagnosis(row) for table in published for row in table}
            splits: dict[str, tuple[str, ...]] = {}
            for column, of_column in (("train_url", TRAIN_OR_VAL), ("test_url", TEST_ONLY)):
                for table in own:  # what is in both columns is test
                    splits |= dict.fromkeys(map(_url, table.column(column)), of_column)
            splits.pop("", None)
            entries = [
                _entry(url, md5_by_url.get(url, ""), splits[url], shown.get(url, ""))
                for url in splits
            ]
        else:
            notes += [f"{table.path}: no rows; {self.table} counts instead" for table in own]
            entries = [
                _entry(_url(row["url"]), _md5(row["md5hash"]), ANY_SPLIT, _diagnosis(row))
                for table in published
                for row in table
                if id_key(row["md5hash"]) or _url(row["url"])
            ]
        merged: dict[str, Listed] = {}
        for entry in entries:
            known = merged.get(entry.name)
            merged[entry.name] = known.merged(entry) if known else entry
        return list(merged.values()), notes


def _entry(url: str, md5: str, splits: tuple[str, ...], diagnosis: str) -> Listed:
    urls = (url,) if url else ()
    return Listed(md5 or name_from_url(url), url, md5, splits, urls, diagnosis)


def _diagnosis(row: Row) -> str:
    return id_key(row.get(DIAGNOSIS, ""))


def _places(listed: Sequence[Listed]) -> dict[str, Place]:
    """Return the numbered series of each URL that is in one, and its number there."""
    diagnoses = {url: entry.diagnosis for entry in listed for url in entry.urls}
    pages = {url: page for url in diagnoses if (page := page_of(url))}
    runs = runs_of({page: diagnoses[url] for url, page in pages.items()})
    in_runs = {url: (runs[page], page[1]) for url, page in pages.items() if page in runs}
    files = {url: of for url in diagnoses if url not in pages and (of := series_of(url))}
    return {**in_runs, **files}


def _tell_listed_apart(
    name: str, listed: Sequence[Listed], places: Mapping[str, Place]
) -> list[str]:
    """Say how many pictures stay in train beside neighbours that the user's list calls test."""
    in_test = {
        places[url]
        for entry in listed
        if entry.splits == TEST_ONLY
        for url in entry.urls
        if url in places
    }
    beside = [
        entry.name
        for entry in listed
        if entry.splits == TRAIN_OR_VAL
        for series, number in (places[url] for url in entry.urls[:1] if url in places)
        if {(series, number - 1), (series, number + 1)} & in_test
    ]
    if not beside:
        return []
    return [
        f"{name}: {len(beside):,} pictures that the list calls train are neighbours, in a numbered "
        f"series, of pictures that it calls test ({shortlist(beside)}); they stay as listed"
    ]


def _md5_by_url(published: Sequence[Table]) -> tuple[dict[str, str], list[str]]:
    """Return the first MD5 that tables give for each URL, and a note where there are others."""
    found: dict[str, str] = {}
    several: dict[str, str] = {}
    for table in published:
        for row in table:
            url, md5 = _url(row["url"]), _md5(row["md5hash"])
            if url and md5 and found.setdefault(url, md5) != md5:
                several[url] = table.path
    notes = [
        f"{path}: {len(several):,} URLs have several MD5s ({shortlist(several)}); the first counts"
        for path in sorted(set(several.values()))[:1]
    ]
    return found, notes


def _url(cell: str) -> str:
    """Return a URL as a table names it, "" where it names none."""
    return cell if "://" in cell or id_key(cell) else ""


def _md5(cell: str) -> str:
    """Return the MD5 that a picture is named by; whatever else stands there is none."""
    name = name_key(clean(cell))
    return name if _is_md5(name) else ""


def name_from_url(url: str) -> str:
    """Return a file stem for a picture of which only the URL is known.

    The path's last part alone will not do: `/img?imageId=1` and `/img?imageId=2` share it.

    >>> name_from_url("https://example.org/a/mole1.jpg")
    'mole1-5f8c3c20ae70'
    """
    last = stem(path_of(url)) or "picture"
    readable = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in last)[:60]
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    return f"{readable.lower()}-{digest}"


def _is_md5(text: str) -> bool:
    return len(text) == 32 and all(sign in "0123456789abcdef" for sign in text)
