"""First bytes tell a picture, wherever they lie; nothing is opened that is no file."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from utils.common.disk.location import Location
from utils.common.reading.formats import HEAD_BYTES
from utils.common.reading.heads import read_head, shows_picture
from utils.sources.files.archives.listing import list_archive
from utils.sources.files.archives.unpacked import Unpacked


@pytest.mark.parametrize("kind", ["stored", "deflated", "tar"])
def test_the_head_of_a_member_is_that_of_the_file(
    tmp_path: Path, encode, make_picture, kind: str
) -> None:
    content = encode(make_picture(1, 300, 200), "PNG")
    path = tmp_path / ("x.tar" if kind == "tar" else "x.zip")
    if kind == "tar":
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo("photo")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    else:
        method = zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("photo", content)
    found = list_archive(path, path.name, Unpacked())
    assert found is not None
    head = read_head(found.files["photo"])
    assert head == content[: len(head)]
    assert 0 < len(head) <= HEAD_BYTES
    assert shows_picture(found.files["photo"])


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"some words", bytes(5000), b"\x89PNG"),
        *(b"\x89HDF\r\n\x1a\n" + bytes(99), b"GRIB\0\0\0\1" + bytes(99)),
        *(b"BUFR\0\0\0\4" + bytes(99), b"\0\0\1\xb3" + bytes(99)),
    ],
)
def test_what_is_no_picture_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert not shows_picture(Location(str(tmp_path / "x")))


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    for name in ("gone", ".", "x.zip/y"):
        assert read_head(Location(str(tmp_path / name))) == b""
    (tmp_path / "short.zip").write_bytes(b"PK")
    assert read_head(Location(str(tmp_path / "short.zip"), 0, 9, 9, 1, True)) == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_head(Location(str(tmp_path / "pipe"))) == b""
