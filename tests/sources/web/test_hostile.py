"""A list whose hosts do all that hosts do wrong is worked off, and every URL has its status."""

import hashlib
import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from utils.common.cli.console import table
from utils.common.labels import PAN
from utils.sources.files.tree import FileTree
from utils.sources.readers.gallery import UrlGallery
from utils.sources.web.hosts import FAILED, MISSED, OK
from utils.sources.web.ledger import LEDGER_NAME, read_ledger
from utils.sources.web.manners import Manners
from utils.sources.web.online import GalleryPictures
from utils.sources.web.remote import RemoteFile

FOLDER = "fitzpatrick17k"
GALLERY = UrlGallery((FOLDER,), "fitzpatrick17k.csv", "fitzpatrick.csv", PAN)
HTML = b"<!DOCTYPE html><html>" + b"Welcome. " * 100
NUM_OF_EACH = 3


def picture(seed: int, file_format: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, file_format)
    return stream.getvalue()


PICTURE = picture(1)


@dataclass(frozen=True)
class Trouble:
    """One thing that hosts do wrong.

    Attributes:
        replies: What is answered in turn, made from a picture's bytes.
        status: What must become of the picture.
        requests: How often its URL must be asked for.
    """

    replies: list
    status: str
    requests: int


def troubles(reply, quick: Manners) -> dict[str, Trouble]:
    """Return all troubles by name; bodies are put in later."""
    most, hops = 1 + quick.max_retries, 1 + quick.max_redirects
    moved = {
        "file": {"Location": "file:///etc/passwd"},
        "loop": {"Location": "/loop"},
    }
    return {
        "none": Trouble([{}], OK, 1),
        "429 with Retry-After": Trouble(
            [{"status": 429, "headers": {"Retry-After": "1"}}, {}], OK, 2
        ),
        "503, then fine": Trouble([{"status": 503}, {"status": 503}, {}], OK, 3),
        "503 for ever": Trouble([{"status": 503}], MISSED, most),
        "cut, then fine": Trouble([{"cut": 700}, {}], OK, 2),
        "cut for ever": Trouble([{"cut": 700}], MISSED, most),
        "promises too much": Trouble([{"announced": len(PICTURE) + 999}], MISSED, most),
        "promises too little": Trouble([{"announced": 999}], MISSED, most),
        "cut, no promise": Trouble([{"announced": -1, "cut": 999}], MISSED, most),
        "slow drip": Trouble([{"drip_s": 0.01}], MISSED, most),
        "redirect loop": Trouble([{"status": 302, "headers": moved["loop"]}], FAILED, 1),
        "redirect to itself": Trouble([{}], FAILED, hops),
        "redirect to a file": Trouble([{"status": 302, "headers": moved["file"]}], FAILED, 1),
        "web page": Trouble([{"body": HTML}], FAILED, 1),
        "another picture": Trouble([{"body": picture(2)}], FAILED, 1),
        "too large": Trouble([{"body": PICTURE * 100}], FAILED, 1),
        **{f"HTTP {s}": Trouble([{"status": s}], FAILED, 1) for s in (401, 403, 404, 410)},
    }


@pytest.mark.slow
def test_it_ends_by_itself_and_every_url_has_a_status(
    server, reply, plant, dead_url: str, quick: Manners
) -> None:
    manners = Manners(
        connect_s=5, read_s=5, file_s=1, backoff_s=0, max_retry_after_s=2, pause_s=0,
        note_s=0.05, max_host_failures=100, max_bytes=100 * len(PICTURE) - 1, private_hosts=True,
    )  # fmt: skip
    rows, expected = ["md5hash,url"], {}
    server.serve("/loop", reply(b"", 302, headers={"Location": "/loop2"}))
    server.serve("/loop2", reply(b"", 302, headers={"Location": "/loop"}))
    for name, trouble in troubles(reply, manners).items():
        for number in range(NUM_OF_EACH):
            body = PICTURE + f"{name} {number}".encode()
            path = f"/img?imageId={len(expected)}"
            replies = [reply(**{"body": body, **facts}) for facts in trouble.replies]
            if name == "redirect to itself":
                replies = [reply(b"", 302, headers={"Location": path})]
            rows.append(f"{hashlib.md5(body).hexdigest()},{server.serve(path, *replies)}")
            expected[path] = (name, trouble.status, trouble.requests)
    num_lost = len(expected) * 2 // 3  # so that 40 % of the links of this host are dead
    for number in range(num_lost):
        rows.append(f"{hashlib.md5(f'lost {number}'.encode()).hexdigest()},{server.url}/{number}")
        expected[f"/{number}"] = ("dead link", FAILED, 1)
    for number in range(200):
        rows.append(f"{hashlib.md5(f'dead {number}'.encode()).hexdigest()},{dead_url}/d{number}")
        expected[f"/d{number}"] = ("dead host", MISSED, 0)
    tree = plant({f"{FOLDER}/fitzpatrick17k.csv": "\n".join(rows)})
    fetcher = GalleryPictures(GALLERY, RemoteFile(f"{FOLDER}/t.csv", ()), manners)

    notes = fetcher(tree)
    ledger = read_ledger(tree.root / FOLDER / LEDGER_NAME)
    found = {f"/{entry.url.split('/', 3)[3]}": entry for entry in ledger.values()}
    counts = Counter(
        (expected[path][0], entry.status, entry.detail, server.asked[path])
        for path, entry in found.items()
    )
    header = ["trouble", "status", "detail", "requests each", "URLs"]
    print("\n" + table(header, [[*key, count] for key, count in counts.items()]))
    print("\n".join(notes))

    assert len(found) == len(expected) == len(rows) - 1
    assert {path: (entry.status, server.asked[path]) for path, entry in found.items()} == {
        path: (status, requests) for path, (_, status, requests) in expected.items()
    }
    assert all(entry.detail for entry in found.values() if entry.status != OK)
    come = sorted(path for path in (tree.root / FOLDER).iterdir() if path.suffix != ".csv")
    assert [hashlib.md5(path.read_bytes()).hexdigest() for path in come] == [p.stem for p in come]
    assert len(come) == sum(entry.status == OK for entry in found.values())

    before = server.asked.copy()
    fetcher(FileTree.scan(tree.root))
    again = {path for path, count in server.asked.items() if count > before[path]}
    assert again == {
        path for path, (name, status, _) in expected.items()
        if status == MISSED and name != "dead host"
    }  # fmt: skip
    assert not list(tree.root.rglob("*.partial"))
