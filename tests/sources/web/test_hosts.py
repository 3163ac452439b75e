"""A picture is fetched whole and as it was listed, or it is not there and the reason is known."""

import hashlib
import io
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import urllib3
from PIL import Image

from utils.common.errors import OutputError
from utils.sources.web import hosts
from utils.sources.web.failures import HostGoneError
from utils.sources.web.hosts import FAILED, GIVEN_UP, MISSED, OK, Job, Outcome, fetch_all
from utils.sources.web.manners import Manners

HTML = b"<!DOCTYPE html><html><body>" + b"Please log in. " * 100 + b"</body></html>"
HOST_GONE = str(HostGoneError())


def picture(seed: int, file_format: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, file_format)
    return stream.getvalue()


PICTURE = picture(1)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def fetch(tmp_path: Path, quick: Manners) -> Callable[..., Outcome]:
    """Give a function that fetches one URL to `a.jpg`."""

    def one(url: str, md5: str = "", **manners: float) -> Outcome:
        job = Job(url, tmp_path / "a.jpg", md5)
        return fetch_all([job], replace(quick, **manners))[job]

    return one


def test_a_file_arrives_whole(server, quick: Manners, tmp_path: Path) -> None:
    job = Job(server.serve("/a.jpg", PICTURE), tmp_path / "deep" / "a.jpg", md5(PICTURE))
    assert fetch_all([job], quick) == {job: Outcome(OK, "", 1, len(PICTURE))}
    assert job.target.read_bytes() == PICTURE
    assert files_in(tmp_path) == ["a.jpg"]


def test_many_files_arrive_each_in_its_place(server, quick: Manners, tmp_path: Path) -> None:
    contents = {f"/{number}.jpg": PICTURE + bytes([number]) for number in range(40)}
    jobs = [
        Job(server.serve(path, content), tmp_path / path[1:], md5(content))
        for path, content in contents.items()
    ]
    assert {outcome.status for outcome in fetch_all(jobs, quick).values()} == {OK}
    assert {f"/{name}": (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == contents
    assert set(server.asked.values()) == {1}


def test_some_of_the_disk_stays_free(
    server, fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(OutputError, match=r"has 0\.0 GB free"):
        fetch(server.serve("/a.jpg", PICTURE))
    assert files_in(tmp_path) == []


class TestOtherContent:
    @pytest.mark.parametrize(
        ("body", "wanted", "reason"),
        [
            (PICTURE, md5(b"another"), "other content than published"),
            (HTML, "", "a web page in place of the picture"),
            (b"  \n<html>" + HTML, "", "a web page in place of the picture"),
            (HTML, md5(HTML), "a web page in place of the picture"),
            (b"", "", "too small"),
            (b"tiny", "", "too small"),
            (b"no picture" * 100, "", "not a whole picture (not an image)"),
        ],
    )
    def test_it_is_refused_for_good(
        self, server, fetch, tmp_path: Path, body: bytes, wanted: str, reason: str
    ) -> None:
        outcome = fetch(server.serve("/a.jpg", body), wanted)
        assert outcome == Outcome(FAILED, reason, 1)
        assert (files_in(tmp_path), server.asked["/a.jpg"]) == ([], 1)

    def test_an_old_file_survives_a_refused_new_one(self, server, fetch, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(b"old")
        fetch(server.serve("/a.jpg", HTML))
        assert (tmp_path / "a.jpg").read_bytes() == b"old"

    @pytest.mark.parametrize("announced", [None, -1])
    def test_too_much_is_refused(self, server, reply, fetch, tmp_path: Path, announced) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, announced=announced))
        assert fetch(url, max_bytes=1000) == Outcome(FAILED, "too large", 1)
        assert files_in(tmp_path) == []

    def test_what_is_announced_as_too_much_is_not_even_read(self, server, reply, fetch) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, announced=10**15))
        assert fetch(url) == Outcome(FAILED, "too large", 1)

    def test_compressed_though_nobody_asked_is_refused(self, server, reply, fetch) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, headers={"Content-Encoding": "gzip"}))
        assert fetch(url) == Outcome(FAILED, "sent compressed, unasked", 1)


class TestRetries:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501])
    def test_a_final_answer_is_not_asked_for_again(
        self, server, reply, fetch, tmp_path: Path, status: int
    ) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, status))
        assert fetch(url) == Outcome(FAILED, f"HTTP {status}", 1)
        assert (server.asked["/a.jpg"], files_in(tmp_path)) == (1, [])

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_a_passing_failure_is_asked_for_again(self, server, reply, fetch, status: int) -> None:
        url = server.serve("/a.jpg", reply(b"busy", status), reply(b"busy", status), PICTURE)
        assert fetch(url) == Outcome(OK, "", 3, len(PICTURE))
        assert server.asked["/a.jpg"] == 3

    def test_a_failure_that_does_not_pass_is_counted(
        self, server, reply, fetch, quick: Manners
    ) -> None:
        url = server.serve("/a.jpg", reply(b"busy", 503))
        assert fetch(url) == Outcome(MISSED, "HTTP 503", 1 + quick.max_retries)
        assert server.asked["/a.jpg"] == 1 + quick.max_retries

    @pytest.mark.parametrize("wanted", ["", md5(PICTURE)])
    def test_a_body_that_breaks_off_is_asked_for_again_and_leaves_no_file(
        self, server, reply, fetch, tmp_path: Path, wanted: str
    ) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, cut=1000))
        assert fetch(url, wanted) == Outcome(MISSED, "broke off", 4)
        assert (server.asked["/a.jpg"], files_in(tmp_path)) == (4, [])
        server.serve("/a.jpg", reply(PICTURE, cut=1000), PICTURE)
        assert fetch(url, wanted) == Outcome(OK, "", 2, len(PICTURE))

    @pytest.mark.parametrize("wanted", ["", md5(PICTURE)])
    @pytest.mark.parametrize("announced", [len(PICTURE) - 100, -1])
    def test_a_picture_without_its_end_is_noticed_where_its_length_is_a_lie(
        self, server, reply, fetch, tmp_path: Path, wanted: str, announced: int
    ) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, announced=announced, cut=len(PICTURE) - 100))
        assert fetch(url, wanted) == Outcome(MISSED, "broke off", 4)
        assert files_in(tmp_path) == []


class TestWaiting:
    @pytest.fixture
    def waits(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Return what is waited for, instead of waiting."""
        waited: list[float] = []

        class Event(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                waited.append(timeout or 0)
                return super().wait(0)

        hurried = SimpleNamespace(Event=Event, Lock=threading.Lock)
        monkeypatch.setattr(hosts, "threading", hurried)
        return waited

    def test_a_host_is_left_alone_as_long_as_it_asks(
        self, server, reply, fetch, waits: list[float]
    ) -> None:
        busy = reply(b"busy", 429, headers={"Retry-After": "50"})
        assert fetch(server.serve("/a.jpg", busy, PICTURE), max_retry_after_s=60).status == OK
        assert waits.count(50) == 1
        assert server.asked["/a.jpg"] == 2

    def test_who_asks_for_an_hour_is_left_alone_altogether(
        self, server, reply, quick: Manners, tmp_path: Path, waits: list[float]
    ) -> None:
        busy = reply(b"busy", 503, headers={"Retry-After": "3600"})
        jobs = [
            Job(server.serve(f"/{n}.jpg", busy), tmp_path / f"{n}.jpg", md5(PICTURE))
            for n in range(50)
        ]
        outcomes = fetch_all(jobs, quick)
        assert {outcome.status for outcome in outcomes.values()} == {MISSED}
        assert server.asked.total() <= quick.threads_per_host
        assert max(waits) <= 10

    def test_a_wish_that_makes_no_sense_is_none(self, server, reply, fetch) -> None:
        busy = reply(b"busy", 503, headers={"Retry-After": "after lunch"})
        assert fetch(server.serve("/a.jpg", busy, PICTURE)).status == OK

    def test_pauses_before_a_retry_grow_and_differ(
        self, server, reply, fetch, waits: list[float]
    ) -> None:
        url = server.serve("/a.jpg", reply(b"busy", 503))
        fetch(url, backoff_s=10.0)
        pauses = [seconds for seconds in waits if seconds >= 10]
        assert 20 <= pauses[0] <= 30
        assert 40 <= pauses[1] <= 50

    def test_a_body_that_drips_is_given_up(self, server, reply, fetch, tmp_path: Path) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, drip_s=0.02))
        assert fetch(url, file_s=0.1, max_retries=1) == Outcome(MISSED, "too slow", 2)
        assert files_in(tmp_path) == []

    def test_headers_that_drip_are_given_up(self, server, reply, fetch) -> None:
        url = server.serve("/a.jpg", reply(PICTURE, slow_headers=True))
        assert fetch(url, read_s=0.2) == Outcome(MISSED, HOST_GONE, 2)
        assert server.asked["/a.jpg"] == 2


class TestRedirects:
    def to(self, reply, address: str):
        return reply(b"moved", 302, headers={"Location": address})

    def test_they_are_followed(self, server, reply, fetch) -> None:
        server.serve("/b.jpg", PICTURE)
        url = server.serve("/a.jpg", self.to(reply, "/b.jpg"))
        assert fetch(url) == Outcome(OK, "", 1, len(PICTURE))

    def test_a_circle_ends(self, server, reply, fetch, quick: Manners) -> None:
        server.serve("/b.jpg", self.to(reply, "/a.jpg"))
        url = server.serve("/a.jpg", self.to(reply, "/b.jpg"))
        assert fetch(url) == Outcome(FAILED, "too many redirects", 1)
        assert server.asked.total() == 1 + quick.max_redirects

    def test_a_chain_that_fails_at_its_end_is_walked_a_bounded_number_of_times(
        self, server, reply, fetch, quick: Manners
    ) -> None:
        server.serve("/b.jpg", reply(b"busy", 503))
        url = server.serve("/a.jpg", self.to(reply, "/b.jpg"))
        assert fetch(url).detail == "HTTP 503"
        assert server.asked == {"/a.jpg": 1 + quick.max_retries, "/b.jpg": 1 + quick.max_retries}

    @pytest.mark.parametrize("scheme", ["file", "ftp", "data", "gopher"])
    def test_none_leads_off_the_web(
        self, server, reply, fetch, tmp_path: Path, scheme: str
    ) -> None:
        secret = tmp_path.parent / "secret.jpg"
        secret.write_bytes(PICTURE)
        url = server.serve("/a.jpg", self.to(reply, f"{scheme}://{secret}"))
        assert fetch(url) == Outcome(FAILED, "leads to no http address", 1)
        assert files_in(tmp_path) == []

    def test_the_body_of_one_is_not_waited_for(self, server, reply, fetch) -> None:
        server.serve("/b.jpg", PICTURE)
        endless = reply(PICTURE, 302, headers={"Location": "/b.jpg"}, drip_s=5)
        assert fetch(server.serve("/a.jpg", endless)) == Outcome(OK, "", 1, len(PICTURE))


class TestHosts:
    def test_a_dead_one_is_given_up_after_a_few_tries_and_the_others_are_not(
        self, server, dead_url: str, quick: Manners, tmp_path: Path, monkeypatch
    ) -> None:
        tries = []
        connect = urllib3.connection.HTTPConnection._new_conn

        def counted(connection):
            tries.append(connection.port)
            return connect(connection)

        monkeypatch.setattr(urllib3.connection.HTTPConnection, "_new_conn", counted)
        dead = [
            Job(f"{dead_url}/{number}.jpg", tmp_path / f"{number}.jpg") for number in range(500)
        ]
        live = [
            Job(server.serve(f"/{number}.png", PICTURE), tmp_path / f"{number}.png", md5(PICTURE))
            for number in range(20)
        ]
        outcomes = fetch_all(
            [job for pair in zip(dead, live, strict=False) for job in pair] + dead[20:], quick
        )
        reasons = Counter(outcomes[job].detail for job in dead)
        assert set(reasons) == {HOST_GONE, GIVEN_UP}
        assert reasons[HOST_GONE] < quick.max_host_failures + quick.threads_per_host
        assert reasons.total() == 500
        assert tries.count(int(dead_url.rpartition(":")[2])) <= 2 * reasons[HOST_GONE]
        assert {outcomes[job].status for job in dead} == {MISSED}
        assert {outcomes[job].status for job in live} == {OK}
        assert files_in(tmp_path) == sorted(job.target.name for job in live)

    def test_one_that_lacks_many_files_is_not_given_up(
        self, server, quick: Manners, tmp_path: Path
    ) -> None:
        server.serve("/59.jpg", PICTURE)
        jobs = [Job(f"{server.url}/{n}.jpg", tmp_path / f"{n}.jpg") for n in range(60)]
        details = Counter(outcome.detail for outcome in fetch_all(jobs, quick).values())
        assert details == {"HTTP 404": 59, "": 1}

    def test_no_more_at_a_time_than_is_polite(
        self, server, quick: Manners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_once, most = Counter(), Counter()
        original = hosts.fetch_picture

        def watched(session, job, manners):
            at_once["now"] += 1
            most["now"] = max(most["now"], at_once["now"])
            try:
                return original(session, job, manners)
            finally:
                at_once["now"] -= 1

        monkeypatch.setattr(hosts, "fetch_picture", watched)
        jobs = [Job(server.serve(f"/{n}.jpg", PICTURE), tmp_path / f"{n}.jpg") for n in range(30)]
        fetch_all(jobs, replace(quick, threads_per_host=2))
        assert 1 <= most["now"] <= 2


@pytest.mark.parametrize(
    "url", ["no scheme at all", "ftp://127.0.0.1/a.jpg", "http://", "http://[broken/a.jpg", ""]
)
def test_a_url_that_is_none_does_not_stop_the_others(
    server, quick: Manners, tmp_path: Path, url: str
) -> None:
    jobs = [
        Job(url, tmp_path / "bad.jpg"),
        Job(server.serve("/a.jpg", PICTURE), tmp_path / "a.jpg"),
    ]
    outcomes = fetch_all(jobs, quick)
    assert outcomes[jobs[1]].status == OK
    assert outcomes[jobs[0]].status == FAILED
    assert outcomes[jobs[0]].detail
    assert files_in(tmp_path) == ["a.jpg"]


def test_nothing_to_fetch_is_no_work() -> None:
    assert fetch_all([]) == {}


def test_what_became_of_the_jobs_is_told_even_when_the_disk_is_full(
    server, quick: Manners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(target: Path, content: bytes) -> None:
        raise OutputError("The disk is full")

    monkeypatch.setattr(hosts, "write_bytes", full)
    jobs = [Job(server.serve(f"/{n}.jpg", PICTURE), tmp_path / f"{n}.jpg") for n in range(30)]
    noted: list[int] = []
    with pytest.raises(OutputError):
        fetch_all(jobs, quick, lambda outcomes: noted.append(len(outcomes)))
    assert noted
