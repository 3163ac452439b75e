"""Whatever a server drips, and whatever it keeps back, no thread waits longer than was allowed."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.errors import DownloadError
from utils.sources.web import hosts
from utils.sources.web.download import fetch_file
from utils.sources.web.guard.watchdog import Watchdog
from utils.sources.web.hosts import MISSED, Job, fetch_all
from utils.sources.web.manners import Manners
from utils.sources.web.remote import RemoteFile

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = itertools.repeat
GONE, SLOW = "host does not answer", "too slow"
DRIPS: dict[str, tuple[Callable[[], Iterable[bytes]], str]] = {
    "nothing": (lambda: ENDLESS(b""), GONE),
    "status line": (lambda: ENDLESS(b"H"), GONE),
    "reason": (lambda: [b"HTTP/1.1 200 ", *[b"O"] * 10**5], GONE),
    "1xx answers": (lambda: ENDLESS(b"HTTP/1.1 100 Continue\r\n\r\n"), GONE),
    "header lines": (lambda: itertools.chain([OK], ENDLESS(b"X: y\r\n")), GONE),
    "one header": (lambda: itertools.chain([OK, b"X: "], ENDLESS(b"y")), GONE),
    "redirects": (
        lambda: itertools.chain([b"HTTP/1.1 302 Go\r\nLocation: /a.jpg\r\n"], ENDLESS(b"X: y\r\n")),
        GONE,
    ),
    "length of a chunk": (lambda: itertools.chain([CHUNKED], ENDLESS(b"0")), SLOW),
    "note on a chunk": (lambda: itertools.chain([CHUNKED, b"5;"], ENDLESS(b"x")), SLOW),
    "chunk": (lambda: itertools.chain([CHUNKED, b"FFFFFF\r\n"], ENDLESS(b"x")), SLOW),
    "end of a chunk": (lambda: itertools.chain([CHUNKED, b"3\r\nabc"], ENDLESS(b"")), SLOW),
    "trailers": (
        lambda: itertools.chain([CHUNKED, b"3\r\nabc\r\n0\r\n"], ENDLESS(b"X: y\r\n")),
        SLOW,
    ),
    "body": (lambda: itertools.chain([OK + b"Content-Length: 9999\r\n\r\n"], ENDLESS(b"x")), SLOW),
    "body without length": (lambda: itertools.chain([OK + b"\r\n"], ENDLESS(b"x")), SLOW),
    "no body": (lambda: itertools.chain([OK + b"Content-Length: 9\r\n\r\n"], ENDLESS(b"")), SLOW),
}


@pytest.fixture
def hurried(quick: Manners) -> Manners:
    """Return manners that wait for a fraction of a second only."""
    return replace(quick, connect_s=0.1, read_s=0.1, file_s=0.15, max_retries=0)


@pytest.mark.parametrize("name", DRIPS)
class TestDrips:
    def test_a_picture_is_given_up(
        self, raw_server, hurried: Manners, tmp_path: Path, name: str
    ) -> None:
        speak, reason = DRIPS[name]
        raw_server.speak = lambda request: speak()
        job = Job(raw_server.url(), tmp_path / "a.jpg")
        outcome = fetch_all([job], hurried)[job]
        assert (outcome.status, outcome.detail) in [
            (MISSED, reason),
            (MISSED, "broke off"),  # one read was silent for as long as all may take
        ]
        assert list(tmp_path.iterdir()) == []

    def test_a_file_is_given_up(
        self, raw_server, hurried: Manners, tmp_path: Path, name: str
    ) -> None:
        speak, _ = DRIPS[name]
        raw_server.speak = lambda request: speak()
        with pytest.raises(DownloadError, match=r"a\.zip could not be downloaded"):
            fetch_file(RemoteFile("a.zip", (raw_server.url(),)), tmp_path, hurried)
        assert not (tmp_path / "a.zip").exists()


def test_a_proxy_that_drips_is_given_up(
    raw_server, hurried: Manners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("https_proxy", f"http://{raw_server.host}")
    raw_server.speak = lambda request: DRIPS["header lines"][0]()
    job = Job("https://example.org/a.jpg", tmp_path / "a.jpg")
    assert fetch_all([job], hurried)[job].detail == GONE
    assert raw_server.heard[0].startswith("CONNECT example.org:443 HTTP/1.")


def test_a_large_file_may_take_as_long_as_it_likes_if_it_comes_fast_enough(
    raw_server, quick: Manners, tmp_path: Path
) -> None:
    piece = b"x" * 2**18
    length = f"Content-Length: {20 * len(piece)}\r\n\r\n".encode()
    raw_server.speak = lambda request: [OK + length, *[piece] * 20]
    fetch_file(RemoteFile("a.bin", (raw_server.url(),)), tmp_path, replace(quick, file_s=30))
    assert (tmp_path / "a.bin").stat().st_size == 20 * len(piece)


def test_ctrl_c_waits_for_no_server(
    raw_server, quick: Manners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw_server.speak = lambda request: DRIPS["trailers"][0]()
    waiting, interrupted = hosts.wait, []

    def interrupt(threads: set, timeout: float | None = None) -> object:
        if not interrupted and raw_server.heard:
            interrupted.extend(threads)
            raise KeyboardInterrupt
        return waiting(threads, timeout)

    monkeypatch.setattr(hosts, "wait", interrupt)
    jobs = [Job(raw_server.url(f"/{number}"), tmp_path / f"{number}.jpg") for number in range(9)]
    with pytest.raises(KeyboardInterrupt):
        fetch_all(jobs, quick)  # which would wait for 90 seconds for each
    waiting(interrupted, timeout=60)
    assert all(thread.done() for thread in interrupted)
    assert len(raw_server.heard) <= quick.threads_per_host


class TestWatchdog:
    @pytest.fixture
    def pair(self) -> Iterable[tuple[socket.socket, socket.socket]]:
        """Return two ends of a connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
        with near, far:
            yield near, far

    def test_it_cuts_what_it_watches(self, pair) -> None:
        dog = Watchdog()
        dog.begin()
        dog.watch(pair[0])
        dog.allow(0.01)
        assert pair[0].recv(1) == b""
        assert dog.is_late
        dog.close()

    def test_it_cuts_what_comes_too_late_at_once(self, pair) -> None:
        dog = Watchdog()
        dog.stop()
        dog.begin()
        dog.watch(pair[0])
        assert pair[0].recv(1) == b""
        dog.close()

    def test_it_leaves_alone_what_is_in_time_and_lets_go_of_it(self, pair) -> None:
        near, far = pair
        dog = Watchdog()
        dog.begin()
        dog.watch(near)
        dog.allow(1000)
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        dog.begin()
        near.close()
        assert far.recv(1) == b""
        assert not dog.is_late
        dog.close()

    def test_it_leaves_no_thread(self) -> None:
        before = threading.active_count()
        dog = Watchdog()
        dog.allow(1000)
        dog.close()
        dog.close()
        assert threading.active_count() <= before
