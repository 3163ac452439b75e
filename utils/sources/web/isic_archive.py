"""A collection of the ISIC archive that is no file: its table and its pictures, by the API."""

import csv
import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.common.disk.writing import write_text
from utils.common.errors import DownloadError, SourceError
from utils.sources.files.tables import read_table
from utils.sources.files.tree import FileTree
from utils.sources.readers.filenames import NamedPictures, name_key
from utils.sources.web.failures import FetchError
from utils.sources.web.guard.session import open_session
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.pictures import Wanted, fetch_missing
from utils.sources.web.transport import ask, retrying
from utils.sources.web.urls import host_of

API = "https://api.isic-archive.com/api/v2/images/search/"
TABLE = "metadata.csv"
COLUMNS = ("isic_id", "attribution", "copyright_license", "image_type", "lesion_id", "patient_id")
"""Those columns of the archive's own export that are read, and whom to thank."""

MAX_PAGES = 100
MAX_PAGE_BYTES = 16 * 2**20
ISIC_ID = re.compile(r"ISIC_\d{7}")

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class ArchiveCollection:
    """Fetches a small collection of the ISIC archive: a table as it exports it, and the pictures.

    Attributes:
        number: Of the collection.
        folder: Where it goes below ALL_DATA.
        api: The address of the search.
        manners: How patiently and how politely all is fetched.
    """

    number: int
    folder: str
    api: str = API
    manners: Manners = POLITE

    def __call__(
        self,
        tree: FileTree,
        retry_failed: bool = False,
        private_hosts: bool = False,
        limit: int | None = None,
    ) -> list[str]:
        """Fetch what is missing; return how many came and how many did not, by reason.

        Raises:
            DownloadError: If the archive does not say what is in the collection.
        """
        manners = self.manners.towards(private_hosts)
        try:
            listed = self._list(manners)
        except FetchError as error:
            raise DownloadError(f"{host_of(self.api)} lists no pictures: {error}") from None
        folder = tree.root / self.folder
        if not self._is_listed(tree, listed):
            write_text(folder / TABLE, _table(listed))
        wanted = self._wanted(tree, listed[:limit])
        return fetch_missing(folder, wanted, retry_failed, manners, is_part=limit is not None)

    def pending(
        self, tree: FileTree, retry_failed: bool = False, limit: int | None = None
    ) -> list[str]:
        """Return nothing: what is in the collection the archive alone knows."""
        return []

    def _is_listed(self, tree: FileTree, listed: Sequence[Facts]) -> bool:
        """Tell whether the table that is read names all pictures: it may be a user's own."""
        folders = tuple(f"{folder}/" for folder in tree.folders(self.folder))
        path = next((path for path in tree.named(TABLE) if path.startswith(folders)), None)
        if path is None:
            return False
        try:
            table = read_table(tree, path, ("isic_id", "image_type"), optional=())
        except SourceError:  # it is written anew
            return False
        named = {name_key(name) for name in table.column("isic_id")}
        return named.issuperset(name_key(facts["isic_id"]) for facts in listed)

    def _wanted(self, tree: FileTree, listed: Sequence[Facts]) -> list[Wanted]:
        folders = tree.folders(self.folder)
        there = NamedPictures(path for folder in folders for path in tree.pictures(folder))
        places = [there.find(facts["isic_id"]) for facts in listed]
        return [
            Wanted(
                f"{facts['isic_id']}.jpg", facts["url"], there=tree.root / path if path else None
            )
            for facts, path in zip(listed, places, strict=True)
        ]

    def _list(self, manners: Manners) -> list[Facts]:
        """Return what the archive says of each picture, by its id."""
        found: dict[str, Facts] = {}
        url: str | None = f"{self.api}?collections={self.number}&limit=100"
        with open_session(manners) as session:
            for _ in range(MAX_PAGES):
                if url is None:
                    break

                def page(url: str = url) -> dict[str, Any]:
                    content = bytearray()
                    with ask(session, url, manners) as reply:
                        for piece in reply.body:
                            content += piece
                            if len(content) > MAX_PAGE_BYTES:
                                raise FetchError("too large", final=True)
                    return _parse(content)

                answer, _ = retrying(page, manners, time.sleep)
                for entry in answer["results"]:
                    facts = _facts(entry)
                    found.setdefault(facts["isic_id"], facts)
                url = answer["next"]
        return [found[isic_id] for isic_id in sorted(found)]


def _parse(content: bytes | bytearray) -> dict[str, Any]:
    """Return a page of the search.

    Raises:
        FetchError: If it is none.
    """
    try:
        answer = json.loads(content)
        results, following = answer["results"], answer.get("next")
        if isinstance(results, list) and isinstance(following, str | None):
            return {"results": results, "next": following}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise FetchError("no page of its search")


def _facts(entry: Any) -> Facts:
    """Return what the table has of a picture, and its URL.

    Raises:
        FetchError: If the archive says it in another way than it used to.
    """
    try:
        metadata = entry["metadata"]
        facts = {name: entry.get(name) or "" for name in COLUMNS[:3]}
        facts["image_type"] = metadata["acquisition"]["image_type"]
        facts |= {name: metadata["clinical"].get(name) or "" for name in COLUMNS[4:]}
        facts["url"] = entry["files"]["full"]["url"]
    except (TypeError, KeyError, AttributeError):
        raise FetchError("an entry of another form than known", final=True) from None
    if not all(isinstance(value, str) for value in facts.values()):
        raise FetchError("an entry of another form than known", final=True)
    if not ISIC_ID.fullmatch(facts["isic_id"]):
        raise FetchError("an entry without an ISIC id", final=True)
    return facts


def _table(listed: Sequence[Facts]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(listed)
    return stream.getvalue()
