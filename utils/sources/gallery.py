"""A gallery's layout: a published list of URLs, or the user's own, in; local pictures out."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from utils.sources.record import ANY_SPLIT, TEST_ONLY, TRAIN_OR_VAL, LeftOut, Record
from utils.sources.source import Reading
from utils.sources.tables import read_table
from utils.sources.tree import FileTree, stem
from utils.sources.web.urls import path_of


@dataclass(frozen=True, slots=True)
class Listed:
    """One picture of a gallery's list.

    Attributes:
        name: Stem of its local file: its MD5, or a name made from the URL where that is unknown.
        url: Where it can be fetched; may be "".
        md5: MD5 of its bytes, "" where unknown.
        splits: The splits left open.
    """

    name: str
    url: str
    md5: str
    splits: tuple[str, ...]


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

    def __call__(self, name: str, tree: FileTree) -> Reading | None:
        """Read the listed pictures that are there; without any list, all that are there."""
        pictures = self.local(tree)
        listed = self.listed(tree)
        if not pictures and not listed:
            return None
        reading = Reading()
        for found in self._paths(tree):
            if pictures[stem(found).lower()] != found:
                reading.left_out.append(LeftOut(name, found, "another file has its name"))
        if not listed:
            reading.notes.append(f"{name}: no {self.table}; all its pictures are taken")
            listed = [Listed(key, "", key if _is_md5(key) else "", ANY_SPLIT) for key in pictures]
        for entry in listed:
            path = pictures.pop(entry.name, None)
            if path is None:
                reading.absent += 1
                continue
            identity, series = f"{name}/{entry.name}", series_of(entry.url)
            # A series is drawn into a split as a whole, unless the user says what is test.
            group = f"{name}/{series[0]}" if series and entry.splits == ANY_SPLIT else identity
            reading.records.append(
                Record(name, path, identity, self.label, group, entry.splits, entry.md5, series)
            )
        for path in pictures.values():
            reading.left_out.append(LeftOut(name, path, "not on its list"))
        return reading

    def local(self, tree: FileTree) -> dict[str, str]:
        """Return the paths of the pictures that are there, by stem in lower case."""
        pictures: dict[str, str] = {}
        for path in self._paths(tree):
            pictures.setdefault(stem(path).lower(), path)
        return pictures

    def _paths(self, tree: FileTree) -> list[str]:
        return [path for folder in tree.folders(*self.folders) for path in tree.pictures(folder)]

    def listed(self, tree: FileTree) -> list[Listed]:
        """Return the pictures to use, each once: the user's own list goes before the table."""
        published = [
            row
            for path in tree.named(self.table)
            for row in read_table(tree, path, ("md5hash", "url"), ("md5hash",))
        ]
        own = [
            row
            for path in tree.named(self.user_list)
            for row in read_table(tree, path, ("train_url", "test_url"))
        ]
        if own:
            md5_by_url = {row["url"]: row["md5hash"].lower() for row in published if row["url"]}
            urls: dict[str, tuple[str, ...]] = {row["train_url"]: TRAIN_OR_VAL for row in own}
            urls |= {row["test_url"]: TEST_ONLY for row in own}  # what is in both is test
            entries: Iterable[Listed] = (
                self._from_url(url, md5_by_url.get(url, ""), splits)
                for url, splits in urls.items()
                if url
            )
        else:
            entries = (
                self._from_url(row["url"], row["md5hash"].lower(), ANY_SPLIT)
                for row in published
                if row["md5hash"] or row["url"]
            )
        return list({entry.name: entry for entry in entries}.values())

    def _from_url(self, url: str, md5: str, splits: tuple[str, ...]) -> Listed:
        md5 = md5 if _is_md5(md5) else ""  # whatever else stands there would be a file's name
        return Listed(md5 or name_from_url(url), url, md5, splits)


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


def series_of(url: str) -> tuple[str, int] | None:
    """Return name and number of the numbered series that a URL belongs to, if it tells one.

    >>> series_of("https://example.org/clinical-pic/a/abcess/abcess12.jpg")
    ('/clinical-pic/a/abcess/abcess', 12)
    """
    matched = re.fullmatch(r"(.*[^\d])(\d{1,6})\.[A-Za-z]+", path_of(url))
    return (matched.group(1), int(matched.group(2))) if matched else None


def _is_md5(text: str) -> bool:
    return len(text) == 32 and all(sign in "0123456789abcdef" for sign in text)
