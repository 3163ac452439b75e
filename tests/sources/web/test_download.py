"""A large file arrives whole over any number of interruptions, or not at all."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from utils.common.errors import DownloadError, OutputError
from utils.sources.web.download import (
    LOCK_NAME,
    fetch_file,
    only_downloader,
)
from utils.sources.web.manners import Manners
from utils.sources.web.partial import Origin, Partial, remove_leftovers
from utils.sources.web.remote import RemoteFile
from utils.sources.web.transport import CHUNK_BYTES

CONTENT = np.random.default_rng(0).bytes(3 * CHUNK_BYTES + 1234)
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HTML = b"<!DOCTYPE html><html><body>" + b"Please log in. " * 100 + b"</body></html>"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def fetch(tmp_path: Path, quick: Manners) -> Callable[..., bytes]:
    """Give a function that fetches `deep/a.bin` from some mirrors and returns its bytes."""

    def fetched(*mirrors: str, **facts) -> bytes:
        fetch_file(RemoteFile("deep/a.bin", mirrors, **facts), tmp_path, quick)
        assert files_in(tmp_path) == ["a.bin"]
        return (tmp_path / "deep" / "a.bin").read_bytes()

    return fetched


@pytest.fixture
def begun(tmp_path: Path) -> Callable[..., None]:
    """Give a function that leaves what a killed download from some URL leaves."""

    def leave(url: str, num_bytes: int, validator: str = '"one"', content: bytes = CONTENT) -> None:
        folder = tmp_path / "deep"
        folder.mkdir()
        (folder / ".a.bin.part").write_bytes(content[:num_bytes])
        note = {"url": url, "validator": validator, "size": len(content)}
        (folder / ".a.bin.part.json").write_text(json.dumps(note))

    return leave


def test_it_arrives_whole_and_checked(server, fetch) -> None:
    url = server.serve("/a", CONTENT)
    assert fetch(url, size=len(CONTENT), sha256=SHA256) == CONTENT
    assert server.asked["/a"] == 1


class TestResuming:
    def test_it_goes_on_at_the_very_next_byte(self, server, reply, fetch, begun) -> None:
        url = server.serve("/a", reply(CONTENT, etag='"one"'))
        begun(url, 777_777)
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.ranges == [("bytes=777777-", '"one"')]
        assert server.sent["/a"] == len(CONTENT) - 777_777

    def test_nothing_is_asked_for_where_all_is_there(self, server, reply, fetch, begun) -> None:
        url = server.serve("/a", reply(CONTENT, etag='"one"'))
        begun(url, len(CONTENT))
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.asked.total() == 0

    def test_a_broken_connection_is_taken_up_again(self, server, reply, fetch) -> None:
        cut = CHUNK_BYTES + 99
        url = server.serve("/a", reply(CONTENT, etag='"one"', cut=cut))
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.ranges == [
            (None, None),
            (f"bytes={cut}-", '"one"'),
            (f"bytes={2 * cut}-", '"one"'),
            (f"bytes={3 * cut}-", '"one"'),
        ]
        assert server.sent["/a"] == len(CONTENT)

    def test_a_file_that_changes_between_two_parts_starts_over(self, server, reply, fetch) -> None:
        old = reply(OTHER, etag='"old"', cut=CHUNK_BYTES * 2)
        url = server.serve("/a", old, reply(CONTENT, etag='"new"'))
        assert fetch(url) == CONTENT
        assert server.ranges == [(None, None), (f"bytes={CHUNK_BYTES * 2}-", '"old"')]

    def test_a_server_that_knows_no_ranges_starts_over(self, server, reply, fetch, begun) -> None:
        url = server.serve("/a", CONTENT)
        begun(url, 777_777)
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.sent["/a"] == len(CONTENT)

    @pytest.mark.parametrize(
        "span", ["bytes 5-9/3", "bytes 777776-999999/{}", "bytes 777777-999999/99", "", "junk"]
    )
    def test_a_piece_that_does_not_fit_is_not_taken(
        self, server, reply, fetch, begun, span: str
    ) -> None:
        headers = {"Content-Range": span.format(len(CONTENT))}
        wrong = reply(b"x" * 1000, 206, headers=headers)
        url = server.serve("/a", wrong, CONTENT)
        begun(url, 777_777)
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.asked["/a"] == 2

    def test_a_piece_of_another_version_is_not_taken(self, server, reply, fetch, begun) -> None:
        headers = {"Content-Range": f"bytes 777777-{len(CONTENT) - 1}/{len(CONTENT)}"}
        wrong = reply(OTHER[777_777:], 206, headers={**headers, "Last-Modified": "yesterday"})
        url = server.serve("/a", wrong, CONTENT)
        begun(url, 777_777)
        assert fetch(url, sha256=SHA256) == CONTENT

    def test_a_range_beyond_the_end_starts_over(self, server, reply, fetch, begun) -> None:
        url = server.serve("/a", reply(b"", 416), CONTENT)
        begun(url, 777_777)
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.ranges[1] == (None, None)

    @pytest.mark.parametrize(
        ("headers", "condition"),
        [
            ({"ETag": '"strong"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}, '"strong"'),
            (
                {"ETag": 'W/"weak"', "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"},
                "Sat, 01 Jan 2022 00:00:00 GMT",
            ),
            ({"ETag": 'W/"weak"'}, None),
            ({}, None),
        ],
    )
    def test_only_what_can_be_told_to_be_the_same_is_built_on(
        self, server, reply, fetch, headers: dict[str, str], condition: str | None
    ) -> None:
        url = server.serve("/a", reply(CONTENT, headers=headers, cut=2 * CHUNK_BYTES), CONTENT)
        assert fetch(url, sha256=SHA256) == CONTENT
        span = f"bytes={2 * CHUNK_BYTES}-" if condition else None
        assert server.ranges == [(None, None), (span, condition)]

    @pytest.mark.parametrize(
        "note",
        [
            *("", "{}", "[1]", '{"url": 3', '{"strange": 1}', "null", '{"url": 3}'),
            *(f'{{"url": "{{}}", "validator": {wrong}}}' for wrong in ("5", "null", "[]")),
            *(f'{{"url": "{{}}", "validator": "1", "size": {wrong}}}' for wrong in ('"5"', "-1")),
        ],
    )
    def test_a_part_without_its_note_is_not_built_on(
        self, server, reply, fetch, begun, tmp_path: Path, note: str
    ) -> None:
        url = server.serve("/a", reply(CONTENT, etag='"one"'))
        begun(url, 777_777)
        (tmp_path / "deep" / ".a.bin.part.json").write_text(note.replace("{}", url))
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.ranges == [(None, None)]

    def test_a_note_that_was_cut_is_swept(self, server, fetch, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "..a.bin.part.json.4711.partial").write_text("{")
        assert fetch(server.serve("/a", CONTENT), sha256=SHA256) == CONTENT
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.bin"]

    def test_a_note_beside_the_whole_file_is_swept(self, tmp_path: Path) -> None:
        partial = Partial(tmp_path / "a.bin")
        partial.begin(Origin("http://x/a", '"one"', 5))
        partial.path.write_bytes(b"12345")
        partial.path.replace(tmp_path / "a.bin")  # and a kill
        assert Partial(tmp_path / "a.bin").size == 0
        remove_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]

    def test_a_part_beside_the_whole_file_is_swept_and_one_without_it_is_kept(
        self, tmp_path: Path
    ) -> None:
        for name in ("whole.bin", "cut.bin"):
            partial = Partial(tmp_path / name)
            partial.begin(Origin("http://x/a", '"one"', 5))
            partial.path.write_bytes(b"123")
        (tmp_path / "whole.bin").write_bytes(b"12345")  # put there by hand
        remove_leftovers(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            ".cut.bin.part", ".cut.bin.part.json", "whole.bin"
        ]  # fmt: skip

    def test_no_note_is_ever_left_with_bytes_of_another_file(self, tmp_path: Path) -> None:
        partial = Partial(tmp_path / "a.bin")
        partial.begin(Origin("http://x/a", '"one"', 10))
        partial.path.write_bytes(b"12345")
        partial.begin(Origin("http://x/a", '"two"', 10))
        assert (partial.size, Partial(tmp_path / "a.bin").origin.validator) == (0, '"two"')


class TestGivingUp:
    def test_requests_are_bounded_where_nothing_new_comes(
        self, server, reply, fetch, tmp_path: Path, quick: Manners
    ) -> None:
        url = server.serve("/a", reply(CONTENT, cut=2 * CHUNK_BYTES))  # each time from the start
        with pytest.raises(DownloadError, match="broke off"):
            fetch(url)
        assert server.asked["/a"] == 1 + 1 + quick.max_retries
        assert not (tmp_path / "deep" / "a.bin").exists()

    def test_what_came_is_kept_for_the_next_time(
        self, server, reply, fetch, tmp_path: Path, quick: Manners
    ) -> None:
        cut = reply(CONTENT, etag='"one"', cut=CHUNK_BYTES)
        url = server.serve("/a", cut, reply(b"busy", 503))
        with pytest.raises(DownloadError, match="HTTP 503"):
            fetch(url)
        assert server.asked["/a"] == 1 + 1 + quick.max_retries
        server.serve("/a", reply(CONTENT, etag='"one"'))
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.sent["/a"] == len(CONTENT) + 4 * len(b"busy")

    def test_a_crawl_is_given_up(self, server, reply, quick: Manners, tmp_path: Path) -> None:
        url = server.serve("/a", reply(CONTENT, drip_s=0.02))
        with pytest.raises(DownloadError, match="too slow"):
            fetch_file(RemoteFile("a.bin", (url,)), tmp_path, replace(quick, file_s=0.1))
        assert server.asked["/a"] == 1 + quick.max_retries

    @pytest.mark.parametrize(
        ("body", "facts", "reason"),
        [
            (HTML, {}, "a web page in place of the file"),
            (b"\xef\xbb\xbf\r\n <!-- hello -->" + HTML, {}, "a web page in place of the file"),
            (CONTENT, {"size": 99}, f"{len(CONTENT):,} bytes in place of 99"),
            (CONTENT, {"md5": "0" * 32}, "other content than published"),
            (CONTENT, {"sha256": "0" * 64}, "other content than published"),
        ],
    )
    def test_what_is_not_the_file_is_not_kept(
        self, server, fetch, tmp_path: Path, body: bytes, facts: dict, reason: str
    ) -> None:
        with pytest.raises(DownloadError) as caught:
            fetch(server.serve("/a", body), **facts)
        assert reason in str(caught.value)
        assert (files_in(tmp_path), server.asked["/a"]) == ([], 1)

    def test_a_web_page_that_comes_byte_by_byte_is_one_all_the_same(
        self, server, reply, fetch, tmp_path: Path
    ) -> None:
        with pytest.raises(DownloadError, match="a web page in place of the file"):
            fetch(server.serve("/a", reply(HTML[:80], drip_s=0.001)))
        assert files_in(tmp_path) == []

    def test_an_answer_with_nothing_in_it_is_no_file(
        self, server, reply, fetch, tmp_path: Path
    ) -> None:
        with pytest.raises(DownloadError, match="nothing in it"):
            fetch(server.serve("/a", b""))
        assert files_in(tmp_path) == []
        assert fetch(server.serve("/a", b"", CONTENT)) == CONTENT

    @pytest.mark.parametrize("body", [HTML, b"small"])
    def test_what_is_not_the_file_does_not_cost_what_was_there(
        self, server, fetch, begun, tmp_path: Path, body: bytes
    ) -> None:
        url = server.serve("/a", body)
        begun(url, 777_777)
        with pytest.raises(DownloadError):
            fetch(url, size=len(CONTENT))
        assert (tmp_path / "deep" / ".a.bin.part").read_bytes() == CONTENT[:777_777]

    def test_an_archive_that_is_none_is_not_kept(self, server, quick, tmp_path: Path) -> None:
        file = RemoteFile("a.zip", (server.serve("/a", CONTENT),))
        with pytest.raises(DownloadError, match="no zip archive"):
            fetch_file(file, tmp_path, quick)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("x", CONTENT)
        server.serve("/a", stream.getvalue())
        fetch_file(file, tmp_path, quick)
        assert files_in(tmp_path) == ["a.zip"]

    def test_what_does_not_fit_on_the_disk_is_not_begun(
        self, server, fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = shutil.disk_usage(tmp_path)._replace(free=10**6)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
        with pytest.raises(OutputError, match=r"has 0\.0 GB free"):
            fetch(server.serve("/a", CONTENT))
        assert not (tmp_path / "deep" / "a.bin").exists()

    def test_a_file_without_end_does_not_fill_the_disk(
        self, server, reply, fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(tmp_path)
        free = iter([10**10, 10**10])
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=next(free, 0)))
        with pytest.raises(OutputError, match=r"has 0\.0 GB free"):
            fetch(server.serve("/a", reply(CONTENT, announced=-1)))
        assert not (tmp_path / "deep" / "a.bin").exists()


class TestTooMuch:
    """What is published, announced or to be expected bounds what is written."""

    @pytest.fixture
    def most_written(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Return how much was there each time that something was thrown away."""
        sizes: list[int] = []
        discard = Partial.discard

        def noted(partial: Partial) -> None:
            sizes.append(partial.size)
            discard(partial)

        monkeypatch.setattr(Partial, "discard", noted)
        return sizes

    @pytest.mark.parametrize("facts", [{}, {"announced": -1}])
    @pytest.mark.parametrize("size", [1, 500, CHUNK_BYTES, len(CONTENT) - 1])
    def test_no_more_is_written_than_was_published(
        self, server, reply, fetch, tmp_path: Path, most_written: list[int], facts, size: int
    ) -> None:
        url, spare = server.serve("/a", reply(CONTENT, **facts)), f"{server.url}/spare"
        with pytest.raises(DownloadError) as caught:
            fetch(url, spare, size=size)
        host = server.url.removeprefix("http://")
        reason = (
            f"more than the {size:,} bytes that were published"
            if facts
            else f"{len(CONTENT):,} bytes in place of {size:,}"
        )
        assert str(caught.value) == (
            f"a.bin could not be downloaded ({host}: {reason}; {host}: HTTP 404)."
        )
        assert server.asked == {"/a": 1, "/spare": 1}
        assert max(most_written, default=0) <= size
        assert files_in(tmp_path) == []

    def test_what_fits_exactly_comes_without_a_promise_too(self, server, reply, fetch) -> None:
        url = server.serve("/a", reply(CONTENT, announced=-1))
        assert fetch(url, size=len(CONTENT)) == CONTENT

    @pytest.mark.parametrize("announced", [None, -1])
    def test_without_a_published_length_there_is_a_limit_all_the_same(
        self, server, reply, tmp_path: Path, quick: Manners, announced: int | None
    ) -> None:
        url = server.serve("/a", reply(CONTENT, announced=announced))
        reason = r"more than 99,999 bytes, the limit where no length is published\)\.$"
        with pytest.raises(DownloadError, match=reason):
            fetch_file(RemoteFile("a", (url,)), tmp_path, replace(quick, max_file_bytes=99_999))
        with pytest.raises(DownloadError, match="more than 2,000 bytes"):
            fetch_file(RemoteFile("a", (url,), roughly=1000), tmp_path, quick)
        assert (server.asked["/a"], files_in(tmp_path)) == (2, [])

    def test_a_piece_that_is_longer_than_it_says_is_not_kept(
        self, raw_server, tmp_path: Path, quick: Manners, begun, most_written: list[int]
    ) -> None:
        url = raw_server.url("/a")
        begun(url, 1000, content=CONTENT[:1100])
        raw_server.speak = lambda request: [
            b'HTTP/1.1 206 Partial Content\r\nETag: "one"\r\nTransfer-Encoding: chunked\r\n'
            b"Content-Range: bytes 1000-1099/1100\r\n\r\nFF\r\n" + b"x" * 255 + b"\r\n0\r\n\r\n"
        ]
        with pytest.raises(DownloadError, match="more than"):
            fetch_file(RemoteFile("deep/a.bin", (url,)), tmp_path, quick)
        assert most_written == [1000]

    @pytest.mark.parametrize(
        "headers",
        [
            "Content-Range: bytes 1000-999/1100",
            "Content-Range: bytes 1000-1100/1100",
            "Content-Range: bytes 1000-1099/*\r\nContent-Length: 101",
            f"Content-Range: bytes 1000-{'9' * 5000}/1100",
            "Content-Range: bytes 1000-1099/1101",
            "Content-Range: bytes */1100",
            "Content-Range: items 1000-1099/1100",
            'Content-Range: bytes 1000-1099/1100\r\nETag: "two"',
        ],
        ids=lambda headers: headers[:60],
    )
    def test_a_piece_that_contradicts_itself_is_not_taken(
        self, raw_server, tmp_path: Path, quick: Manners, begun, headers: str
    ) -> None:
        whole, url = CONTENT[:1100], raw_server.url("/a")
        begun(url, 1000, content=whole)
        raw_server.speak = lambda request: [
            f"HTTP/1.1 206 Partial Content\r\n{headers}\r\n\r\n".encode() + b"x" * 100
            if "range:" in request.lower()
            else b"HTTP/1.1 200 OK\r\nContent-Length: 1100\r\n\r\n" + whole
        ]
        fetch_file(RemoteFile("deep/a.bin", (url,)), tmp_path, quick)
        assert (tmp_path / "deep" / "a.bin").read_bytes() == whole
        assert len(raw_server.heard) == 2

    def test_what_an_earlier_version_left_is_thrown_away_where_it_is_too_much(
        self, server, reply, fetch, begun
    ) -> None:
        url = server.serve("/a", reply(CONTENT[:500], etag='"one"'))
        begun(url, 777_777)
        assert fetch(url, size=500) == CONTENT[:500]

    def test_a_host_that_wants_to_be_left_alone_for_years_is(
        self, server, reply, fetch, quick: Manners
    ) -> None:
        url = server.serve("/a", reply(b"", 503, headers={"Retry-After": "315360000"}))
        with pytest.raises(DownloadError, match="HTTP 503"):
            fetch(url)
        assert server.asked["/a"] == 1

    @pytest.mark.parametrize("etag", ['"a\tb"', '"\x80"'])
    def test_a_mark_of_its_version_that_cannot_be_sent_back_is_none(
        self, server, reply, fetch, etag: str
    ) -> None:
        cut = reply(CONTENT, headers={"ETag": etag}, cut=CHUNK_BYTES)
        url = server.serve("/a", cut, reply(CONTENT))
        assert fetch(url, sha256=SHA256) == CONTENT
        assert server.ranges == [(None, None), (None, None)]


class TestMirrors:
    def test_the_first_that_gives_the_right_file_is_enough(
        self, server, reply, dead_url: str, fetch
    ) -> None:
        urls = [
            f"{dead_url}/t.csv",
            server.serve("/missing.csv", reply(b"", 404)),
            server.serve("/wrong.csv", OTHER),
            server.serve("/right.csv", CONTENT),
            server.serve("/spare.csv", CONTENT),
        ]
        assert fetch(*urls, sha256=SHA256) == CONTENT
        assert server.asked["/spare.csv"] == 0

    def test_the_one_that_was_begun_with_goes_on(self, server, reply, fetch, begun) -> None:
        first = server.serve("/first", reply(CONTENT, etag='"one"'))
        second = server.serve("/second", reply(CONTENT, etag='"one"'))
        begun(second, 777_777)
        assert fetch(first, second, sha256=SHA256) == CONTENT
        assert server.asked == {"/second": 1}

    def test_another_starts_over(self, server, reply, fetch, begun) -> None:
        gone = server.serve("/gone", reply(b"", 404))
        there = server.serve("/there", reply(CONTENT, etag='"one"'))
        begun(gone, 777_777, content=OTHER)
        assert fetch(gone, there, sha256=SHA256) == CONTENT
        assert server.ranges[-1] == (None, None)

    def test_where_none_does_each_reason_is_named_in_one_line(
        self, server, dead_url: str, fetch, tmp_path: Path
    ) -> None:
        urls = [f"{dead_url}/t.csv", server.serve("/t.csv", CONTENT), f"{server.url}/gone.csv"]
        with pytest.raises(DownloadError) as caught:
            fetch(*urls, md5="0" * 32)
        dead, alive = dead_url.removeprefix("http://"), server.url.removeprefix("http://")
        assert str(caught.value) == (
            f"a.bin could not be downloaded ({dead}: host does not answer; "
            f"{alive}: other content than published; {alive}: HTTP 404)."
        )
        assert files_in(tmp_path) == []


class TestTwoProcesses:
    def test_the_second_is_told_in_one_line(self, tmp_path: Path) -> None:
        with (
            FileLock(tmp_path / LOCK_NAME),
            pytest.raises(DownloadError) as caught,
            only_downloader(tmp_path),
        ):
            raise AssertionError("both are let in")
        assert str(caught.value) == (
            f"Another process is downloading into {tmp_path}. Wait until it has ended, or stop it."
        )

    def test_one_after_the_other_is_fine(self, tmp_path: Path) -> None:
        for _ in range(2):
            with only_downloader(tmp_path):
                pass

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path: Path, monkeypatch) -> None:
        def refused(*_: object) -> None:
            raise PermissionError(13, "no")

        monkeypatch.setattr(FileLock, "acquire", refused)
        with pytest.raises(DownloadError) as caught, only_downloader(tmp_path):
            pass
        assert str(caught.value) == f"{tmp_path} cannot be written to (no)."
