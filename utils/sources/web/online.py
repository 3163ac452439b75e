"""Fetch what an assembly may fetch by itself: tables and pictures."""

from dataclasses import dataclass
from pathlib import Path

from utils.common.errors import DownloadError
from utils.common.seeds import stable_hash
from utils.sources.files.tables import own_tables
from utils.sources.files.tree import FileTree, is_picture
from utils.sources.readers.gallery import UrlGallery
from utils.sources.readers.isic import IsicChallenge
from utils.sources.web.download import fetch_file
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.pictures import Wanted, fetch_missing, num_missing
from utils.sources.web.remote import RemoteFile
from utils.sources.web.urls import path_of


@dataclass(frozen=True)
class LesionTable:
    """Fetches a table of lesion ids, where a challenge is there whose lesions no table tells.

    Attributes:
        challenges: Those that the table knows the lesions of.
        table: The table.
        manners: How patiently it is fetched.
    """

    challenges: tuple[IsicChallenge, ...]
    table: RemoteFile
    manners: Manners = POLITE

    def __call__(
        self,
        tree: FileTree,
        retry_failed: bool = False,
        private_hosts: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Fetch the table and return what the user should know."""
        if not self._is_wanted(tree):
            return []
        try:
            fetch_file(self.table, tree.root, self.manners.towards(private_hosts))
        except DownloadError as error:
            return [str(error)]
        return [f"{self.table.name} downloaded, so that pictures of one lesion stay together."]

    def pending(
        self, tree: FileTree, retry_failed: bool = False, limit: int | None = None
    ) -> list[str]:
        """Say whether the table is still to be fetched."""
        return [f"Still to be downloaded: {self.table.name}."] if self._is_wanted(tree) else []

    def _is_wanted(self, tree: FileTree) -> bool:
        return any(
            challenge.is_there(tree) and not challenge.knows_lesions(tree)
            for challenge in self.challenges
        )


@dataclass(frozen=True)
class GalleryPictures:
    """Fetches a gallery's table, then those of its pictures that are not there yet.

    Attributes:
        gallery: The gallery's layout.
        table: Its table.
        manners: How patiently and how politely all is fetched.
    """

    gallery: UrlGallery
    table: RemoteFile
    manners: Manners = POLITE

    def __call__(
        self,
        tree: FileTree,
        retry_failed: bool = False,
        private_hosts: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Fetch what is missing; return how many came and how many did not, by reason."""
        notes = []
        manners = self.manners.towards(private_hosts)
        if not own_tables(tree, self.gallery.table):
            try:
                fetch_file(self.table, tree.root, manners)
            except DownloadError as error:
                notes.append(str(error))
            else:
                tree = tree.with_files([self.table.path])
        folder = tree.root / self.gallery.folders[0]
        wanted, is_part = self._wanted(tree, limit), limit is not None
        return [*notes, *fetch_missing(folder, wanted, retry_failed, manners, is_part=is_part)]

    def pending(
        self, tree: FileTree, retry_failed: bool = False, limit: int | None = None
    ) -> list[str]:
        """Count the pictures that are still to be fetched."""
        folder = tree.root / self.gallery.folders[0]
        if not own_tables(tree, self.gallery.table):
            return [f"Still to be downloaded: {self.table.name} and the pictures that it names."]
        asked = num_missing(folder, self._wanted(tree, limit), retry_failed)
        if not asked:
            return []
        return [
            f"Still to be downloaded, and not counted here: {asked:,} pictures of {folder.name}."
        ]

    def _wanted(self, tree: FileTree, limit: int | None = None) -> list[Wanted]:
        """Return the pictures whose URL may be asked, of a limited number the lowest hashes."""
        present = self.gallery.local(tree)
        listed = [entry for entry in self.gallery.fetchable(tree) if entry.url]
        if limit is not None:
            listed = sorted(listed, key=lambda entry: stable_hash(0, entry.name))[:limit]
        return [
            Wanted(
                f"{entry.name}{_ending(entry.url)}",
                entry.url,
                entry.md5,
                tree.root / present[entry.name] if entry.name in present else None,
            )
            for entry in listed
        ]


def _ending(url: str) -> str:
    path = path_of(url)
    return Path(path).suffix.lower() if is_picture(path) else ".jpg"
