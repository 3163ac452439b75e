"""Whatever is named on the command line, each picture in it becomes one input, and none is lost."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from utils.common.errors import SettingsError
from utils.prediction.inputs import find_inputs


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    found = find_inputs([str(folder)])
    start = len(str(folder)) + 1
    return {one.file[start:].replace(os.sep, "/"): one.location.read() for one in found}


def test_archives_in_a_folder_whose_pictures_have_the_same_names_lose_none(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "b", "sub/a"):
        picture = {"DCIM/1.jpg": name.encode(), "readme.txt": b""}
        (tmp_path / f"{name}.zip").write_bytes(zipped(picture))
    parts = {"a.zip": zipped({"1.jpg": b"inner a"}), "b.zip": zipped({"1.jpg": b"inner b"})}
    (tmp_path / "outer.zip").write_bytes(zipped(parts))
    (tmp_path / "sub" / "1.JPG").write_bytes(b"file")
    (tmp_path / "notes.txt").write_bytes(b"")
    (tmp_path / "unnamed").write_bytes(zipped({"1.png": b"unnamed"}))
    assert contents(tmp_path) == {
        "a.zip/DCIM/1.jpg": b"a", "b.zip/DCIM/1.jpg": b"b", "sub/a.zip/DCIM/1.jpg": b"sub/a",
        "outer.zip/1.jpg": b"inner a", "outer.zip/b.zip/1.jpg": b"inner b", "sub/1.JPG": b"file",
        "unnamed/1.png": b"unnamed",
    }  # fmt: skip


def test_the_order_is_that_of_the_names(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "c/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list(contents(tmp_path)) == ["a.jpg", "b.jpg", "c/a.jpg"]


def test_a_list_that_is_not_one_of_lines_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"a zero byte.*Expected one path in each line"):
        find_inputs(["-"], io.BytesIO(b"a.jpg\0b.jpg\0"))
