"""What the assembly may fetch by itself in: tables and pictures below ALL_DATA out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utils.common.disk.writing import remove_partial_files
from utils.common.errors import DownloadError
from utils.sources.files.tables import own_tables
from utils.sources.files.tree import FileTree, is_picture
from utils.sources.readers.gallery import UrlGallery
from utils.sources.readers.isic import IsicChallenge
from utils.sources.web.download import fetch_file
from utils.sources.web.hosts import FAILED, OK, Job, Outcome, fetch_all
from utils.sources.web.ledger import LEDGER_NAME, Entry, read_ledger, write_ledger
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.remote import RemoteFile
from utils.sources.web.urls import host_of, path_of, without_password


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
        self, tree: FileTree, retry_failed: bool = False, private_hosts: bool = False
    ) -> list[str]:
        """Fetch the table and return what the user should know."""
        if not self._is_wanted(tree):
            return []
        try:
            fetch_file(self.table, tree.root, self.manners.towards(private_hosts))
        except DownloadError as error:
            return [str(error)]
        return [f"{self.table.name} downloaded, so that pictures of one lesion stay together."]

    def pending(self, tree: FileTree, retry_failed: bool = False) -> list[str]:
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
        self, tree: FileTree, retry_failed: bool = False, private_hosts: bool = False
    ) -> list[str]:
        """Fetch what is missing; return how many came and how many did not, by reason.

        What became of each URL stands in `downloads.csv`; what will never come is not asked for
        again, unless the failures are to be retried.
        """
        notes = []
        manners = self.manners.towards(private_hosts)
        if not own_tables(tree, self.gallery.table):
            try:
                fetch_file(self.table, tree.root, manners)
            except DownloadError as error:
                notes.append(str(error))
            else:
                tree = tree.with_file(self.table.path)
        folder = tree.root / self.gallery.folders[0]
        before = read_ledger(folder / LEDGER_NAME)
        entries, missing = self._compare(tree, folder, before)
        asked = [job for job in missing if entries[job.target.name].to_ask(retry_failed)]

        def note(outcomes: Mapping[Job, Outcome]) -> None:
            for job, outcome in outcomes.items():
                noted[job.target.name] = entries[job.target.name].after(outcome)
            write_ledger(folder / LEDGER_NAME, noted.values())

        noted = dict(entries)
        remove_partial_files(folder)
        if asked or (before != entries and (folder / LEDGER_NAME).exists()):
            note({})
        outcomes = fetch_all(asked, manners, note)
        return [*notes, *self._describe(folder, noted, outcomes)]

    def pending(self, tree: FileTree, retry_failed: bool = False) -> list[str]:
        """Count the pictures that are still to be fetched."""
        folder = tree.root / self.gallery.folders[0]
        if not own_tables(tree, self.gallery.table):
            return [f"Still to be downloaded: {self.table.name} and the pictures that it names."]
        entries, missing = self._compare(tree, folder, read_ledger(folder / LEDGER_NAME))
        asked = sum(entries[job.target.name].to_ask(retry_failed) for job in missing)
        if not asked:
            return []
        return [
            f"Still to be downloaded, and not counted here: {asked:,} pictures of {folder.name}."
        ]

    def _compare(
        self, tree: FileTree, folder: Path, before: Mapping[str, Entry]
    ) -> tuple[dict[str, Entry], list[Job]]:
        """Return an entry for each URL of the list, by local name, and the pictures not there."""
        present = self.gallery.local(tree)
        entries: dict[str, Entry] = {}
        missing = []
        for listed in self.gallery.fetchable(tree):
            if not listed.url:
                continue
            name = f"{listed.name}{_ending(listed.url)}"
            entry = Entry(without_password(listed.url), name)
            if name in before and before[name].url == entry.url:
                entry = before[name]
            if listed.name not in present:
                missing.append(Job(listed.url, folder / name, listed.md5))
                entries[name] = entry.lost() if entry.status == OK else entry
            else:
                path = tree.root / present[listed.name]
                num_bytes = path.stat().st_size if path.is_file() else 0  # it may be in an archive
                entries[name] = entry if entry.status == OK else entry.found(num_bytes)
        return entries, missing

    def _describe(
        self, folder: Path, entries: Mapping[str, Entry], outcomes: Mapping[Job, Outcome]
    ) -> list[str]:
        if not outcomes:
            return []
        came = sum(outcome.status == OK for outcome in outcomes.values())
        reasons = Counter(
            f"{host_of(job.url)}: {outcome.detail}"
            for job, outcome in outcomes.items()
            if outcome.status != OK
        )
        failed = sum(entry.status == FAILED for entry in entries.values())
        return [
            f"{folder.name}: {came:,} of {len(outcomes):,} missing pictures downloaded.",
            *(f"  not downloaded: {count:,} ({why})" for why, count in reasons.most_common()),
            *(
                [
                    f"  {failed:,} will not be asked for again without --retry-failed "
                    f"({LEDGER_NAME} names them)"
                ]
                if failed
                else []
            ),
        ]


def _ending(url: str) -> str:
    path = path_of(url)
    return Path(path).suffix.lower() if is_picture(path) else ".jpg"
