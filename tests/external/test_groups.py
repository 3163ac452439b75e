"""A table of groups is read however a spreadsheet saved it, and never guessed."""

from pathlib import Path

import pytest

from utils.common.errors import SettingsError
from utils.external.groups import read_groups

FILES = ["DERM/1.jpg", "PAN/a/2.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "file,group\nDERM/1.jpg,p1\nPAN/a/2.jpg,p2\n",
        "\ufeffFile;age;Group\r\nDERM\\1.jpg;40;p1\r\n./PAN/a/2.jpg;50;p2\r\n",
        "group\tfile\np1\tDERM/1.jpg\np2\tPAN/a/2.jpg\np1\tDERM/1.jpg",
    ],
)
def test_every_common_form_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "groups.csv").write_text(text, encoding="utf-8", newline="")
    assert read_groups(tmp_path, FILES) == dict(zip(FILES, ("p1", "p2"), strict=True))


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read_groups(tmp_path, FILES) is None


def test_rows_of_other_files_are_counted(tmp_path: Path, capsys) -> None:
    text = "file,group\nDERM/1.jpg,p1\nPAN/a/2.jpg,p2\nPAN/gone.jpg,p3\n"
    (tmp_path / "groups.csv").write_text(text)
    read_groups(tmp_path, FILES)
    assert "rows for 1 files that are not among the pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no column file and no column group"),
        ("file,patient\nDERM/1.jpg,p1\n", "has no column group"),
        ("file,group\nDERM/1.jpg,p1\n", r"no group of 1 of 2 pictures: PAN/a/2\.jpg"),
        ("file,group\nDERM/1.jpg,p1\nPAN/a/2.jpg,\n", r"no group of 1 of 2 pictures"),
        ("file,group\nDERM/1.jpg,p1\nDERM/1.jpg,p2\n", r"tells two groups of DERM/1\.jpg"),
        ('file,group\n"DERM/1.jpg,p1\n', "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(SettingsError, match=told):
        read_groups(tmp_path, FILES)
