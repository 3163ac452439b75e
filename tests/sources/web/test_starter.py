"""The starter, from a server that speaks like the real hosts, fills every class and split."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import create_dataset
from utils.common.labels import CLASSES, SPLITS
from utils.dataset.output.manifest import REAL, read_manifest
from utils.sources.files.tree import FileTree, is_picture
from utils.sources.web.delivery import STARTER, choose_downloads
from utils.sources.web.download import LOCK_NAME
from utils.sources.web.ledger import LEDGER_NAME, read_ledger
from utils.sources.web.listed import ListedPictures
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
from utils.sources.web.listed import ListedPictures
from utils.sources.web.manners import Manners
url, all_data, *names = sys.argv[1:]
manners = Manners(pause_s=0.005, backoff_s=0.01, private_hosts=True)

def there(address):
    return url + urlsplit(address).path

def moved(source):
    bundles = tuple(
        tuple(
            replace(file, mirrors=(there(file.mirrors[0]),), size=0, md5="", sha256="")
            for file in bundle
        )
        for bundle in source.bundles
    )
    fetcher = source.fetcher
    if isinstance(fetcher, ListedPictures):
        fetcher = replace(fetcher, base=there(fetcher.base), manners=manners)
    return replace(source, bundles=bundles, fetcher=fetcher)

root = Path(all_data)
chosen = [moved(source) for source in choose_downloads(names, root)]
for line in deliver(chosen, root, limit=limit_for(names, None), manners=manners):
    print(line)
"""

Run = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def start(server, reply, drawn_all_data: Path, tmp_path: Path) -> Run:
    """Serve the stand-ins as the hosts of the collections do; give what begins to fetch them.

    Of all answers some come late, some break off, and one picture is gone.
    """
    packed = tmp_path / "packed"
    pack_all_data(drawn_all_data, packed)
    files = {path.name: path for path in drawn_all_data.rglob("*") if path.is_file()}
    files |= {path.name: path for path in packed.iterdir()}
    number = 0

    def serve(address: str, path: Path) -> None:
        nonlocal number
        body, number = path.read_bytes(), number + 1
        whole = reply(body, etag='"one"')
        cut = reply(body, etag='"one"', cut=len(body) // 2)
        first = {1: [reply(b"", 429)], 2: [cut], 3: [cut, reply(b"", 503)]}.get(number % 5, [])
        server.serve(urlsplit(address).path, *first, whole)

    for source in choose_downloads([STARTER], tmp_path):
        for file in (file for bundle in source.bundles for file in bundle):
            serve(file.mirrors[0], files[file.name])
        if isinstance(source.fetcher, ListedPictures):
            tree = FileTree.scan(drawn_all_data)
            for cell in source.fetcher.reader.written(tree):
                if cell:
                    serve(source.fetcher.base + cell, files[cell.rpartition("/")[2]])
    images = sorted(path for path in server.replies if path.startswith("/VizWiz_"))
    server.serve(images[0], reply(b"gone", 404, "text/plain"))

    def begin(all_data: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", CHILD, server.url, str(all_data), STARTER]
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


def test_killed_again_and_again_it_fetches_the_same_and_fills_every_class_and_split(
    server, start: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    rng, num_killed = np.random.default_rng(), 0
    for _ in range(NUM_KILLS):
        before, process = server.asked.total(), start(killed)
        while process.poll() is None and server.asked.total() == before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        num_killed += process.poll() is None
        process.kill()
        process.communicate()
    for folder in (killed, whole):
        process = start(folder)
        told, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        assert told.startswith("MILK10k\nPage: ")  # its terms, before anything is fetched
    assert num_killed
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
