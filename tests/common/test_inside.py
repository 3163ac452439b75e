"""A stranger's paths stay inside the folder that they are read in, by name and by link."""

import os
from pathlib import Path

import pytest

from utils.common.disk.inside import is_inner_path, leading_out


@pytest.mark.parametrize(
    "path", ["a.jpg", "train/PAN/a.jpg", "train/PAN/..a.jpg", "a b/c-d_e.jpg", "\u00e4/\udcff.jpg"]
)
def test_paths_below_a_folder_are_inside(path: str) -> None:
    assert is_inner_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/", "/etc/passwd", "../a.jpg", "a/../../b.jpg", "a/..", "./a.jpg"),
        *("a//b.jpg", "a/", "C:/a.jpg", "C:a.jpg", "\\\\server\\share\\a.jpg", "a\\..\\b.jpg"),
        *("a/.. /b.jpg", "a/... /b.jpg", "a/b. ", "a\nb.jpg", "a\0b.jpg", "a\x1b[2J.jpg"),
    ],
)
def test_all_others_are_not(path: str) -> None:
    assert not is_inner_path(path)


def test_links_are_followed_and_told_where_they_lead_out(tmp_path: Path) -> None:
    private, folder = tmp_path / "private", tmp_path / "DATASET"
    private.mkdir()
    (private / "a.jpg").write_bytes(b"mine")
    for name in ("whole", "parts"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.jpg").write_bytes(b"theirs")
    try:
        os.symlink(private, folder / "linked")
    except OSError:
        pytest.skip("links need a right here")
    os.symlink(private / "a.jpg", folder / "parts" / "b.jpg")
    os.symlink(folder / "whole" / "a.jpg", folder / "parts" / "c.jpg")
    os.symlink(private / "a.jpg", folder / "parts" / "nobody-names-it.jpg")
    files = ["whole/a.jpg", "linked/a.jpg", "parts/a.jpg", "parts/b.jpg", "parts/c.jpg", "no/a.jpg"]
    assert leading_out(folder, files) == ["linked/", "parts/b.jpg"]
    os.symlink(folder, tmp_path / "elsewhere")
    assert leading_out(tmp_path / "elsewhere", files) == ["linked/", "parts/b.jpg"]
