"""What lies under a stranger's path is looked at before it is read."""

import os
import socket
from pathlib import Path

import pytest

from utils.common.disk import location
from utils.common.disk.location import Location
from utils.common.disk.opening import NotRegularError, TooLargeError, open_regular, read_regular

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular(tmp_path / "x", 5) == b"12345"
    with open_regular(str(tmp_path / "x")) as stream:
        assert stream.read() == b"12345"


@needs_pipes
def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(NotRegularError, match=r"^a named pipe, not a regular file$"):
        open_regular(tmp_path / "x.jpg")
    (tmp_path / "y.jpg").symlink_to(tmp_path / "x.jpg")
    with pytest.raises(NotRegularError, match=r"^a named pipe, not a regular file$"):
        Location(str(tmp_path / "y.jpg")).read()


@needs_pipes
def test_a_pipe_that_takes_a_files_place_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    before = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda path: before)
    with pytest.raises(NotRegularError, match=r"a named pipe"):
        open_regular(tmp_path / "pipe")


@needs_pipes
def test_sockets_devices_and_folders_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotRegularError, match=r"^a folder, not a regular file$"):
        open_regular(tmp_path)
    with pytest.raises(NotRegularError, match=r"^a device, not a regular file$"):
        Location("/dev/zero").read()
    monkeypatch.chdir(tmp_path)  # a socket's path may have about 100 characters
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(NotRegularError, match=r"^a socket, not a regular file$"):
            open_regular("s")


def test_a_sparse_file_beyond_the_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    with open(tmp_path / "x.jpg", "wb") as stream:
        stream.truncate(2**33)
    with pytest.raises(TooLargeError, match=r"^8,589,934,592 bytes, limit 1,073,741,824$"):
        Location(str(tmp_path / "x.jpg")).read()
    assert open_regular(tmp_path / "x.jpg").close() is None


def test_a_file_that_grows_while_it_is_read_ends_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").write_bytes(b"1234")
    (tmp_path / "grown").write_bytes(bytes(100))
    small = os.stat(tmp_path / "small")
    monkeypatch.setattr(os, "stat", lambda path: small)
    monkeypatch.setattr(os, "fstat", lambda number: small)
    with pytest.raises(TooLargeError, match=r"^more than 50 bytes, the limit$"):
        read_regular(tmp_path / "grown", 50)
    assert read_regular(tmp_path / "grown", 100) == bytes(100)


def test_a_member_of_an_archive_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(2000))
    monkeypatch.setattr(location, "MAX_FILE_BYTES", 1000)
    assert Location(str(tmp_path / "a.tar"), 0, 1000, 1000).read() == bytes(1000)
    with pytest.raises(TooLargeError, match=r"^1,001 bytes, limit 1,000$"):
        Location(str(tmp_path / "a.tar"), 0, 1001, 1001).read()
