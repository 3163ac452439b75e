"""A download killed at any moment goes on at the next byte; at most a chunk is sent twice."""

import functools
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from utils.sources.web.transport import CHUNK_BYTES

ROOT = Path(__file__).resolve().parents[3]
NUM_KILLS = int(os.environ.get("SKIN_NUM_KILLS", "2"))
STEP_BYTES, STEP_S, MAX_DELAY_S = 2**15, 0.002, 0.15
CONTENT = np.random.default_rng(0).bytes((NUM_KILLS + 2) * 2_400_000 + 1)
BUFFER_BYTES = 2**15
"""The kernel holds as much again, on both sides: small, so that what is on the way is little."""

CHILD = f"""
import socket, sys
from pathlib import Path
from urllib3.connection import HTTPConnection
from utils.sources.web.download import fetch_file
from utils.sources.web.remote import RemoteFile
from utils.sources.web.manners import POLITE
HTTPConnection.default_socket_options += [(socket.SOL_SOCKET, socket.SO_RCVBUF, {BUFFER_BYTES})]
fetch_file(RemoteFile("big.bin", (sys.argv[1],)), Path(sys.argv[2]), POLITE.towards(True))
"""

GALLERY_CHILD = """
import sys
from pathlib import Path
from utils.common.labels import PAN
from utils.sources.web.remote import RemoteFile
from utils.sources.readers.gallery import UrlGallery
from utils.sources.web.online import GalleryPictures
from utils.sources.web.manners import Manners
from utils.sources.files.tree import FileTree
gallery = UrlGallery(("gallery",), "list.csv", "own.csv", PAN)
manners = Manners(pause_s=0.01, private_hosts=True)
fetch = GalleryPictures(gallery, RemoteFile("gallery/list.csv", ()), manners)
print(fetch(FileTree.scan(Path(sys.argv[1]))))
"""


@dataclass
class SlowServer:
    """Sends one large file slowly, and notes where each answer began and how far it came.

    The last bytes are kept back until `may_end`, so that no download ends before its kill.
    """

    url: str = ""
    starts: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    may_end: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def slow_server() -> Iterator[SlowServer]:
    """Run the server while the test lasts."""
    slow = SlowServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            span = self.headers.get("Range")
            known = span and self.headers.get("If-Range") == '"one"'
            start = int(span.removeprefix("bytes=").removesuffix("-")) if known else 0
            self.send_response(206 if known else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.end_headers()
            number = len(slow.starts)
            slow.sent.append(0)
            slow.starts.append(start)
            try:
                while start < len(CONTENT):
                    if start + STEP_BYTES >= len(CONTENT) and not slow.may_end.is_set():
                        slow.may_end.wait()
                        return
                    count = self.connection.send(CONTENT[start : start + STEP_BYTES])
                    slow.sent[number] += count
                    start += count
                    time.sleep(STEP_S)
            except ConnectionError:
                pass

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        slow.url = f"http://127.0.0.1:{running.server_port}/big.bin"
        thread = threading.Thread(target=functools.partial(running.serve_forever, 0.01))
        thread.start()
        yield slow
        slow.may_end.set()
        running.shutdown()
        thread.join()


def test_killed_at_random_moments_it_goes_on_at_the_next_byte(
    slow_server: SlowServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CHILD, slow_server.url, str(tmp_path)]
    environment = {**os.environ, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    start = functools.partial(subprocess.Popen, command, cwd=ROOT, env=environment)
    target, part = tmp_path / "big.bin", tmp_path / ".big.bin.part"
    rng = np.random.default_rng()
    kept: list[int] = []
    while len(kept) < NUM_KILLS:
        process = start()
        while process.poll() is None and len(slow_server.starts) <= len(kept):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, MAX_DELAY_S))
        process.kill()
        process.wait()
        assert not target.exists()
        kept.append(part.stat().st_size if part.exists() else 0)
    slow_server.may_end.set()
    with start() as process:
        assert process.wait(timeout=120) == 0
    twice = sum(slow_server.sent) - len(CONTENT)
    print(f"\n{NUM_KILLS} kills of {len(CONTENT):,} bytes; kept {kept}; sent twice {twice:,}")
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]
    assert slow_server.starts == [0, *kept]
    assert 0 <= twice <= NUM_KILLS * CHUNK_BYTES


@pytest.mark.slow
def test_of_a_gallery_only_what_was_on_the_way_is_asked_for_twice(
    server, plant, tmp_path: Path
) -> None:
    contents = [b"picture" * 100 + str(number).encode() for number in range(300)]
    names = [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in contents]
    rows = ["md5hash,url"]
    for number, (name, content) in enumerate(zip(names, contents, strict=True)):
        rows.append(f"{name},{server.serve(f'/img?imageId={number}', content)}")
    folder = plant({"gallery/list.csv": "\n".join(rows)}).root / "gallery"
    command = [sys.executable, "-c", GALLERY_CHILD, str(folder.parent)]
    start = functools.partial(subprocess.Popen, command, cwd=ROOT, stdout=subprocess.DEVNULL)
    rng, num_killed = np.random.default_rng(), 0
    for _ in range(NUM_KILLS):
        before, process = server.asked.total(), start()
        while process.poll() is None and server.asked.total() == before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, MAX_DELAY_S))
        num_killed += process.poll() is None
        process.kill()
        process.wait()
        come = {path.stem: path for path in folder.glob("*.jpg")}
        assert set(come) <= set(names)
        assert all(hashlib.md5(come[name].read_bytes()).hexdigest() == name for name in come)
    with start() as process:
        assert process.wait(timeout=120) == 0
    print(f"\n{num_killed} kills; {server.asked.total()} requests for {len(names)} pictures")
    assert num_killed
    assert {path.stem for path in folder.glob("*.jpg")} == set(names)
    assert server.asked.total() <= len(names) + 4 * NUM_KILLS
    assert not list(folder.glob(".*"))
