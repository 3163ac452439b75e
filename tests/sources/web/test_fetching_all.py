"""The starter, and all that needs no login, from a server that speaks like the real hosts."""

import csv
import functools
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import create_dataset
from utils.common.labels import CLASSES, SPLITS
from utils.dataset.output.manifest import REAL, read_manifest
from utils.sources.files.tree import FileTree, is_picture
from utils.sources.source import Source
from utils.sources.web.delivery import OPEN, STARTER, choose_downloads
from utils.sources.web.download import LOCK_NAME
from utils.sources.web.isic_archive import ArchiveCollection
from utils.sources.web.ledger import LEDGER_NAME, read_ledger
from utils.sources.web.listed import ListedPictures
from utils.sources.web.online import GalleryPictures
from utils.standins.packing import pack_all_data

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
NUM_KILLS = int(os.environ.get("SKIN_NUM_KILLS", "2"))

CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from utils.sources.web.delivery import choose_downloads, deliver, limit_for
from utils.sources.web.isic_archive import ArchiveCollection
from utils.sources.web.listed import ListedPictures
from utils.sources.web.manners import Manners
from utils.sources.web.online import GalleryPictures, LesionTable
url, all_data, limit, *names = sys.argv[1:]
manners = Manners(pause_s=0.005, backoff_s=0.01, private_hosts=True)

def there(address):
    return url + urlsplit(address).path

def file_there(file):
    return replace(file, mirrors=(there(file.mirrors[0]),), size=0, roughly=0, md5="", sha256="")

def fetcher_there(fetcher):
    if fetcher is None:
        return None
    changes = {"manners": manners}
    if isinstance(fetcher, ListedPictures):
        changes["base"] = there(fetcher.base)
    elif isinstance(fetcher, ArchiveCollection):
        changes["api"] = there(fetcher.api)
    elif isinstance(fetcher, GalleryPictures | LesionTable):
        changes["table"] = file_there(fetcher.table)
    return replace(fetcher, **changes)

def moved(source):
    bundles = tuple(tuple(map(file_there, bundle)) for bundle in source.bundles)
    fetcher = fetcher_there(source.fetcher)
    return replace(source, bundles=bundles, fetcher=fetcher, roughly=0, roughly_each=0)

root = Path(all_data)
chosen = [moved(source) for source in choose_downloads(names, root)]
limit = limit_for(names, int(limit) if limit else None)
for line in deliver(chosen, root, limit=limit, manners=manners):
    print(line)
"""

Start = Callable[..., "subprocess.Popen[str]"]


def zipped(name: str, content: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def table_of(folder: Path, columns: str) -> str:
    """Return a table of a folder's pictures with nothing but the picture in each row."""
    rows = [path.stem + "," * columns.count(",") for path in sorted(folder.glob("*.jpg"))]
    return "\n".join([columns, *rows, ""])


def undrawn_tables(drawn: Path) -> dict[str, bytes]:
    """Return the tables of the ISIC challenges that the stand-ins do without, by file name."""
    tables = {}
    for side in ("Training", "Test"):
        name = f"ISIC2018_Task3_{side}_GroundTruth"
        text = table_of(drawn / f"ISIC2018_Task3_{side}_Input", "image,MEL")
        tables[f"{name}.zip"] = zipped(f"{name}/{name}.csv", text)
    with (drawn / "ISIC_2019_Training_Metadata.csv").open(newline="") as stream:
        lesions = {row["image"]: row["lesion_id"] for row in csv.DictReader(stream)}
    grouped = [
        f"{path.stem},{lesions[path.stem]},histopathology"
        for path in sorted((drawn / "ISIC2018_Task3_Training_Input").glob("*.jpg"))
    ]
    text = "\n".join(["image,lesion_id,diagnosis_confirm_type", *grouped, ""])
    tables["ISIC2018_Task3_Training_LesionGroupings.csv"] = text.encode()
    text = table_of(drawn / "ISIC_2019_Test_Input", "image,age_approx,anatom_site_general,sex")
    tables["ISIC_2019_Test_Metadata.csv"] = text.encode()
    return tables


class Hosts:
    """Serves the stand-ins as the hosts of the collections do, by one local server.

    Of all answers some come late, some break off.

    Args:
        server: The local server.
        reply: Makes its replies.
        drawn: The stand-ins.
        files: Contents by file name.
    """

    def __init__(
        self, server: Any, reply: Any, drawn: Path, files: Mapping[str, Path | bytes]
    ) -> None:
        self.server, self.reply, self.drawn, self.files = server, reply, drawn, files
        self.number = 0

    def serve(self, address: str, content: Path | bytes) -> str:
        """Answer the path of an address so; return its URL at the server."""
        body = content if isinstance(content, bytes) else content.read_bytes()
        self.number += 1
        whole = self.reply(body, etag='"one"')
        cut = self.reply(body, etag='"one"', cut=len(body) // 2)
        troubles = {1: [self.reply(b"", 429)], 2: [cut], 3: [cut, self.reply(b"", 503)]}
        return self.server.serve(urlsplit(address).path, *troubles.get(self.number % 5, []), whole)

    def publish(self, source: Source) -> None:
        """Serve all that a collection is fetched from."""
        for file in (file for bundle in source.bundles for file in bundle):
            if file.name in self.files:  # of several bundles one is enough
                self.serve(file.mirrors[0], self.files[file.name])
        if isinstance(source.fetcher, ListedPictures):
            for cell in source.fetcher.reader.written(FileTree.scan(self.drawn)):
                if cell:
                    self.serve(source.fetcher.base + cell, self.files[cell.rpartition("/")[2]])
        elif isinstance(source.fetcher, ArchiveCollection):
            self._publish_archive(source.fetcher)
        elif isinstance(source.fetcher, GalleryPictures):
            self._publish_gallery(source.fetcher)

    def _publish_archive(self, fetcher: ArchiveCollection) -> None:
        """Serve the search of the ISIC archive, two pages, and its pictures."""
        folder = self.drawn / fetcher.folder
        with (folder / "metadata.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        entries = [
            {
                **{key: row[key] for key in ("isic_id", "attribution", "copyright_license")},
                "files": {"full": {"url": self.serve(f"/217/{row['isic_id']}", picture)}},
                "metadata": {
                    "acquisition": {"image_type": row["image_type"]},
                    "clinical": {"patient_id": row["patient_id"]},
                },
            }
            for row in rows
            for picture in [folder / f"{row['isic_id']}.jpg"]
        ]
        half = len(entries) // 2
        path = urlsplit(fetcher.api).path
        second = self.server.serve(f"{path}?cursor=2", search_page(entries[half:], None))
        first = f"{path}?collections={fetcher.number}&limit=100"
        self.server.serve(first, search_page(entries[:half], second))

    def _publish_gallery(self, fetcher: GalleryPictures) -> None:
        """Serve a gallery's pictures, and its table with their addresses at this server."""
        with (self.drawn / fetcher.table.path).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        for number, row in enumerate(rows):
            if row["url"]:
                row["url"] = self.serve(
                    f"/gallery/{number}.jpg", self.files[f"{row['md5hash']}.jpg"]
                )
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.serve(fetcher.table.mirrors[0], text.getvalue().encode())


def search_page(entries: list[dict[str, Any]], following: str | None) -> bytes:
    """Return a page of the archive's search."""
    answer = {"count": 0, "next": following, "results": entries}
    return json.dumps(answer).encode() + b" " * 600


@pytest.fixture
def start(server, reply, drawn_all_data: Path, tmp_path: Path) -> Start:
    """Serve what `--download open` fetches, but one picture; give what begins to fetch."""
    packed = tmp_path / "packed"
    pack_all_data(drawn_all_data, packed)
    files: dict[str, Path | bytes] = {
        path.name: path
        for folder in (drawn_all_data, packed)
        for path in folder.rglob("*")
        if path.is_file()
    }
    hosts = Hosts(server, reply, drawn_all_data, {**files, **undrawn_tables(drawn_all_data)})
    for source in choose_downloads([OPEN], tmp_path):
        hosts.publish(source)
    images = sorted(path for path in server.replies if path.startswith("/VizWiz_"))
    server.serve(images[0], reply(b"gone", 404, "text/plain"))

    def begin(all_data: Path, name: str, limit: int | None = None) -> "subprocess.Popen[str]":
        settings = [server.url, str(all_data), "" if limit is None else str(limit), name]
        command = [sys.executable, "-c", CHILD, *settings]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    return begin


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (LEDGER_NAME, LOCK_NAME)
    }


def statuses(folder: Path) -> dict[str, str]:
    ledgers = sorted(folder.rglob(LEDGER_NAME))
    return {
        f"{path.parent.name}/{entry.file}": entry.status
        for path in ledgers
        for entry in read_ledger(path).values()
    }


def fetch(start: Start, folder: Path, name: str, limit: int | None = None) -> str:
    """Fetch undisturbed; return what was told."""
    process = start(folder, name, limit)
    told, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return told


def fetch_under_kills(
    server, start: Start, folder: Path, name: str, limit: int | None = None
) -> int:
    """Fetch and be killed at some moment, again and again; return how often that was in time."""
    rng, num_killed = np.random.default_rng(), 0
    for _ in range(NUM_KILLS):
        before, process = server.asked.total(), start(folder, name, limit)
        while process.poll() is None and server.asked.total() == before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        num_killed += process.poll() is None
        process.kill()
        process.communicate()
    return num_killed


def test_the_starter_killed_again_and_again_is_the_same_and_fills_every_class_and_split(
    server, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert fetch_under_kills(server, start, killed, STARTER)
    for folder in (killed, whole):
        told = fetch(start, folder, STARTER)
        assert told.startswith("MILK10k\nPage: ")  # its terms, before anything is fetched
    assert contents(killed) == contents(whole)
    assert statuses(killed) == statuses(whole)
    monkeypatch.chdir(tmp_path)
    folders = ("--all-data", str(whole), "--output", "DATASET")
    create_dataset.main([*folders, "--no-download", "--image-size", "64", "--workers", "1"])
    rows = list(read_manifest(Path("DATASET")))
    assert {(row.split, row.label) for row in rows} == {
        (split, label) for split in SPLITS for label in CLASSES
    }
    assert any(row.degradation == REAL for row in rows)
    pictures = [path for path in contents(whole) if is_picture(path)]
    assert Counter(row.source for row in rows if row.original in pictures)["scin"]


def test_all_that_is_open_with_a_limit_is_the_same_however_often_it_was_killed(
    server, start: Start, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    fetched = functools.partial(fetch, start, name=OPEN)
    few = fetched(whole, limit=1)
    assert "Not everything came" not in few
    little = contents(whole)
    single = [path for path in little if path.startswith(("scin/images", "fitzpatrick17k/"))]
    assert fetch_under_kills(server, start, killed, OPEN, limit=50)
    for folder in (killed, whole):
        fetched(folder, limit=50)
    assert contents(killed) == contents(whole)
    assert statuses(killed) == statuses(whole)
    assert little.items() <= contents(whole).items()  # a larger limit adds to a smaller one
    more = [path for path in contents(whole) if path.startswith(("scin/images", "fitzpatrick17k/"))]
    assert len(single) < len(more)
    names = {source.name for source in choose_downloads([OPEN], tmp_path)}
    rows = {
        source.name: source.read(FileTree.scan(whole)) for source in choose_downloads([OPEN], whole)
    }
    assert {name for name, reading in rows.items() if reading and reading.records} == names
