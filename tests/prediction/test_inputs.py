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


def test_every_file_is_a_row_or_counted(tmp_path: Path, encode, make_picture) -> None:
    jpeg = encode(make_picture(1))
    files = {
        "a.jpg": b"torn", "b": jpeg, "c.txt": jpeg, "d.txt": b"words", "e.pdf": b"%PDF",
        "f.HEIC": b"?", "g.avif": b"?", "h": b"", "sub/#recycle/i.jpg": jpeg, "._a.jpg": b"",
        "j.zip": zipped({"k.jpg": b"", "l": jpeg, "m.txt": b"", "__MACOSX/._k.jpg": b""}),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    inputs = find_inputs([str(tmp_path)])
    start = len(str(tmp_path)) + 1
    rows = [one.file[start:].replace(os.sep, "/") for one in inputs]
    assert rows == ["a.jpg", "b", "c.txt", "f.HEIC", "g.avif", "j.zip/k.jpg", "j.zip/l"]
    assert inputs.describe_others() == (
        "7 files were not looked at: 3 hidden files, recycle bins and previews, 2 .txt, 1 .pdf, "
        "1 without an ending."
    )


def test_what_is_named_is_a_row_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    names = [".hidden/notes.txt", ".x.jpg", "Thumbs.db"]
    for name in names:
        (tmp_path / name).write_bytes(b"words")
    paths = [str(tmp_path / name) for name in names]
    listed = find_inputs(["-"], io.BytesIO("\n".join(paths).encode()))
    for inputs in (find_inputs(paths), listed):
        assert [one.file for one in inputs] == paths
        assert inputs.describe_others() == ""


def test_a_folder_without_pictures_is_one_line_that_counts_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"words")
    with pytest.raises(SettingsError) as caught:
        find_inputs([str(tmp_path)])
    assert str(caught.value) == (f"No pictures in {tmp_path}. 1 file was not looked at: 1 .txt.")


def test_a_linked_folder_gives_each_picture_once(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "1.jpg").write_bytes(b"")
    try:
        (tmp_path / "a").symlink_to(tmp_path / "z", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert list(contents(tmp_path)) == ["z/1.jpg"]


def test_an_assembled_data_set_is_looked_at_like_any_folder(tmp_path: Path) -> None:
    (tmp_path / "test" / "PAN").mkdir(parents=True)
    (tmp_path / "test" / "PAN" / "1.jpg").write_bytes(b"")
    (tmp_path / "manifest.csv").write_text("file,split,label,source,original,group\n")
    assert list(contents(tmp_path)) == ["test/PAN/1.jpg"]
