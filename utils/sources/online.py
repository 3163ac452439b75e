"""What the assembly may fetch by itself in: tables and pictures below ALL_DATA out."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from utils.common.errors import DownloadError
from utils.sources.download import ARRIVED, Job, fetch_all, fetch_file
from utils.sources.gallery import UrlGallery
from utils.sources.isic import lesions_by_id
from utils.sources.tree import FileTree, is_picture
from utils.sources.urls import host_of, path_of


@dataclass(frozen=True)
class LesionTable:
    """Fetches a table of lesion ids, where their pictures are there and no such table is.

    Attributes:
        folders: Folders with the pictures.
        file: The table's file name.
        mirrors: Where to get it, tried in order.
        md5: MD5 of its bytes.
    """

    folders: tuple[str, ...]
    file: str
    mirrors: tuple[str, ...]
    md5: str

    def __call__(self, tree: FileTree) -> list[str]:
        """Fetch the table and return what the user should know."""
        if not tree.folders(*self.folders) or lesions_by_id(tree):
            return []
        try:
            fetch_file(self.mirrors, tree.root / self.file, self.md5)
        except DownloadError as error:
            return [str(error)]
        return [f"{self.file} downloaded, so that pictures of one lesion stay together."]


@dataclass(frozen=True)
class GalleryPictures:
    """Fetches a gallery's table, then those of its pictures that are not there yet.

    Attributes:
        gallery: The gallery's layout.
        mirrors: Where to get its table, tried in order.
        md5: MD5 of the table's bytes.
    """

    gallery: UrlGallery
    mirrors: tuple[str, ...]
    md5: str

    def __call__(self, tree: FileTree) -> list[str]:
        """Fetch what is missing; return how many came and how many did not, by reason."""
        title, folder = self.gallery.folders[0], tree.root / self.gallery.folders[0]
        notes = []
        if not tree.named(self.gallery.table):
            target = folder / self.gallery.table
            try:
                fetch_file(self.mirrors, target, self.md5)
            except DownloadError as error:
                notes.append(str(error))
            else:
                tree = FileTree(tree.root, [*tree.files, f"{title}/{target.name}"])
        present = set(self.gallery.local(tree))
        jobs = [
            Job(entry.url, folder / f"{entry.name}{_ending(entry.url)}", entry.md5)
            for entry in self.gallery.listed(tree)
            if entry.url and entry.name not in present
        ]
        outcomes = fetch_all(jobs)
        if outcomes:
            came = sum(reason == ARRIVED for reason in outcomes.values())
            notes.append(f"{title}: {came:,} of {len(jobs):,} missing pictures downloaded.")
            failed = Counter(
                f"{host_of(job.url)}: {reason}"
                for job, reason in outcomes.items()
                if reason != ARRIVED
            )
            notes += [f"  not downloaded: {count:,} ({why})" for why, count in failed.most_common()]
        return notes


def _ending(url: str) -> str:
    path = path_of(url)
    return Path(path).suffix.lower() if is_picture(path) else ".jpg"
