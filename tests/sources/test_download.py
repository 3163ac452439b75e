"""What is fetched is whole and what was asked for, or it is not there and the reason is known."""

import hashlib
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from utils.common.errors import DownloadError
from utils.sources import download
from utils.sources.download import ARRIVED, GIVEN_UP, HOST_GONE, Job, fetch_all, fetch_file

pytestmark = pytest.mark.usefixtures("no_pauses")

PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 8
HTML = b"<!DOCTYPE html><html><body>" + b"Please log in. " * 100 + b"</body></html>"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def outcome(url: str, target: Path, md5: str = "") -> str:
    (result,) = fetch_all([Job(url, target, md5)]).values()
    return result


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Return the URL of a port at which nobody answers, and which nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_file_arrives_whole(server, tmp_path: Path) -> None:
    url = server.serve("/a.jpg", PICTURE)
    assert outcome(url, tmp_path / "deep" / "a.jpg", md5(PICTURE)) == ARRIVED
    assert (tmp_path / "deep" / "a.jpg").read_bytes() == PICTURE
    assert files_in(tmp_path) == ["a.jpg"]


def test_many_files_arrive_each_in_its_place(server, tmp_path: Path) -> None:
    contents = {f"/{number}.jpg": PICTURE + bytes([number]) for number in range(40)}
    jobs = [
        Job(server.serve(path, content), tmp_path / path[1:], md5(content))
        for path, content in contents.items()
    ]
    assert set(fetch_all(jobs).values()) == {ARRIVED}
    assert {f"/{name}": (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == contents
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize(
    ("body", "wanted", "reason"),
    [
        (PICTURE, md5(b"another"), "other content than published"),
        (HTML, "", "a web page in place of the file"),
        (b"  \n<html>" + HTML, "", "a web page in place of the file"),
        (HTML, md5(HTML), "a web page in place of the file"),
        (b"", "", "too small"),
        (b"tiny", "", "too small"),
    ],
)
def test_what_is_not_the_picture_is_refused(
    server, tmp_path: Path, body: bytes, wanted: str, reason: str
) -> None:
    assert outcome(server.serve("/a.jpg", body), tmp_path / "a.jpg", wanted) == reason
    assert files_in(tmp_path) == []


def test_an_old_file_survives_a_refused_new_one(server, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"old")
    outcome(server.serve("/a.jpg", HTML), tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == b"old"


def test_too_much_is_refused(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    assert outcome(server.serve("/a.jpg", PICTURE), tmp_path / "a.jpg") == "too large"
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_final_answer_is_counted_and_not_asked_for_again(
    server, reply, tmp_path: Path, status: int
) -> None:
    url = server.serve("/a.jpg", reply(PICTURE, status))
    assert outcome(url, tmp_path / "a.jpg") == f"HTTP {status}"
    assert server.asked["/a.jpg"] == 1
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_asked_for_again(server, reply, tmp_path: Path, status: int) -> None:
    url = server.serve("/a.jpg", reply(b"busy", status), reply(b"busy", status), reply(PICTURE))
    assert outcome(url, tmp_path / "a.jpg") == ARRIVED
    assert server.asked["/a.jpg"] == 3


def test_a_failure_that_does_not_pass_is_counted(server, reply, tmp_path: Path) -> None:
    url = server.serve("/a.jpg", reply(b"busy", 503))
    assert outcome(url, tmp_path / "a.jpg") == "HTTP 503"
    assert server.asked["/a.jpg"] == 1 + download.MAX_RETRIES


@pytest.mark.parametrize("wanted", ["", md5(PICTURE)])
def test_a_body_that_breaks_off_leaves_no_file(server, reply, tmp_path: Path, wanted: str) -> None:
    url = server.serve("/a.jpg", reply(PICTURE, announced=len(PICTURE) + 1000))
    assert outcome(url, tmp_path / "a.jpg", wanted).startswith("broken reply")
    assert files_in(tmp_path) == []


def test_a_dead_host_is_given_up_after_a_few_tries_and_the_others_are_not(
    server, dead_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    connect = urllib3.connection.HTTPConnection._new_conn

    def counted(connection):
        tries.append(connection.port)
        return connect(connection)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "_new_conn", counted)
    # The same machine under another name is another host.
    alive = server.url.replace("127.0.0.1", "localhost")
    dead = [Job(f"{dead_url}/{number}.jpg", tmp_path / f"{number}.jpg") for number in range(500)]
    live = [
        Job(f"{alive}/{number}.png", tmp_path / f"{number}.png", md5(PICTURE))
        for number in range(20)
    ]
    for job in live:
        server.serve(job.url.removeprefix(alive), PICTURE)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    outcomes = fetch_all(
        [job for pair in zip(dead, live, strict=False) for job in pair] + dead[20:]
    )
    reasons = Counter(outcomes[job] for job in dead)
    assert set(reasons) == {HOST_GONE, GIVEN_UP}
    assert reasons[HOST_GONE] <= 8
    assert reasons.total() == 500
    assert tries.count(int(dead_url.rpartition(":")[2])) <= 2 * reasons[HOST_GONE]
    assert {outcomes[job] for job in live} == {ARRIVED}
    assert files_in(tmp_path) == sorted(job.target.name for job in live)


def test_a_host_that_lacks_many_files_is_not_given_up(server, tmp_path: Path) -> None:
    server.serve("/59.jpg", PICTURE)
    jobs = [Job(f"{server.url}/{number}.jpg", tmp_path / f"{number}.jpg") for number in range(60)]
    assert Counter(fetch_all(jobs).values()) == {"HTTP 404": 59, ARRIVED: 1}


@pytest.mark.parametrize(
    "url", ["no scheme at all", "ftp://127.0.0.1/a.jpg", "http://", "http://[broken/a.jpg", ""]
)
def test_a_url_that_is_none_does_not_stop_the_others(server, tmp_path: Path, url: str) -> None:
    jobs = [
        Job(url, tmp_path / "bad.jpg"),
        Job(server.serve("/a.jpg", PICTURE), tmp_path / "a.jpg"),
    ]
    outcomes = fetch_all(jobs)
    assert outcomes[jobs[1]] == ARRIVED
    assert outcomes[jobs[0]] not in (ARRIVED, "")
    assert files_in(tmp_path) == ["a.jpg"]


def test_nothing_to_fetch_is_no_work() -> None:
    assert fetch_all([]) == {}


class TestMirrors:
    def test_the_first_that_gives_the_right_file_is_enough(
        self, server, reply, dead_url: str, tmp_path: Path
    ) -> None:
        urls = [
            f"{dead_url}/t.csv",
            server.serve("/missing.csv", reply(b"", 404)),
            server.serve("/wrong.csv", PICTURE),
            server.serve("/right.csv", PICTURE + b"!"),
            server.serve("/spare.csv", PICTURE + b"!"),
        ]
        fetch_file(urls, tmp_path / "t.csv", md5(PICTURE + b"!"))
        assert (tmp_path / "t.csv").read_bytes() == PICTURE + b"!"
        assert server.asked["/spare.csv"] == 0

    def test_where_none_does_each_reason_is_named_in_one_line(
        self, server, dead_url: str, tmp_path: Path
    ) -> None:
        urls = [f"{dead_url}/t.csv", server.serve("/t.csv", PICTURE), f"{server.url}/gone.csv"]
        with pytest.raises(DownloadError) as caught:
            fetch_file(urls, tmp_path / "t.csv", "0" * 32)
        assert str(caught.value) == (
            "t.csv could not be downloaded (127.0.0.1: host does not answer; "
            "127.0.0.1: other content than published; 127.0.0.1: HTTP 404)."
        )
        assert files_in(tmp_path) == []


def test_nobody_waits_an_hour_because_a_host_asks_for_it(
    server, reply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waited.append)
    busy = reply(b"busy", 503, headers={"Retry-After": "3600"})
    assert outcome(server.serve("/a.jpg", busy), tmp_path / "a.jpg") == "HTTP 503"
    assert sum(waited) <= 60
