"""A folder is listed once; no name, however written, leads out of it."""

import errno
import os
import random
from pathlib import Path

import pytest

from utils.common.errors import SourceError
from utils.sources.files.tree import FileTree, is_picture, stem


def test_no_folder_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        FileTree.scan(tmp_path / "ALL_DATA")
    assert str(caught.value) == (
        f"No folder {tmp_path / 'ALL_DATA'}. Expected the downloaded collections in it. "
        "Make it and put the collections there (see ALL_DATA/README.md), name another with "
        "--all-data, or try --demo."
    )


def test_a_file_in_place_of_the_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "ALL_DATA").write_text("")
    with pytest.raises(SourceError, match="No folder"):
        FileTree.scan(tmp_path / "ALL_DATA")


def test_clutter_is_not_listed(plant) -> None:
    tree = plant(
        {
            "a/x.jpg": "",
            "a/.DS_Store": "",
            "a/._x.jpg": "",
            "__MACOSX/a/x.jpg": "",
            ".git/x.jpg": "",
            "a/Thumbs.db": "",
            "a/desktop.ini": "",
        }
    )
    assert tree.files == ["a/x.jpg"]


def test_links_to_folders_are_followed_and_circles_are_not(plant) -> None:
    tree = plant({"a/x.jpg": ""})
    try:
        (tree.root / "a" / "back").symlink_to(tree.root, target_is_directory=True)
        (tree.root.parent / "elsewhere").mkdir()
        (tree.root.parent / "elsewhere" / "y.jpg").write_bytes(b"")
        (tree.root / "b").symlink_to(tree.root.parent / "elsewhere", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert FileTree.scan(tree.root).files == ["a/x.jpg", "b/y.jpg"]


def test_folders_are_found_at_any_depth_in_any_case_and_outermost(plant) -> None:
    tree = plant(
        {
            "Release_V0/images/x.jpg": "",
            "unzipped/release_v0/release_v0/images/y.jpg": "",
            "release_v0.txt": "",
            "release_v01/z.jpg": "",
        }
    )
    assert tree.folders("release_v0") == ["Release_V0", "unzipped/release_v0"]
    assert tree.folders("release_v0", "release_v01") == [
        "Release_V0",
        "release_v01",
        "unzipped/release_v0",
    ]
    assert tree.folders("nowhere") == []


def test_below_is_exactly_what_starts_with_the_folder() -> None:
    rng = random.Random(0)
    names = ["a", "a-b", "a0", "a b", "a.b", "A", "\u00e4", "aa"]
    for _ in range(200):
        files = {
            "/".join([*rng.choices(names, k=rng.randrange(1, 4)), f"{rng.randrange(9)}.jpg"])
            for _ in range(30)
        }
        tree = FileTree(Path("x"), files)
        folder = "/".join(rng.choices(names, k=rng.randrange(1, 3)))
        assert tree.below(folder) == sorted(f for f in files if f.startswith(f"{folder}/"))


def test_pictures_are_known_by_their_ending_in_any_case(plant) -> None:
    names = ["x.jpg", "x.JPG", "x.JpEg", "x.PNG", "x.tif", "x.bmp", "x.webp"]
    others = ["x.txt", "x.csv", "x", "jpg", "x.jpg.part", "LICENSE", "x.doc"]
    tree = plant({f"a/{name}": "" for name in names + others})
    assert tree.pictures("a") == sorted(f"a/{name}" for name in names)
    assert not any(is_picture(name) for name in others)


def test_files_are_found_by_name_wherever_they_lie(plant) -> None:
    tree = plant({"Meta.csv": "", "a/b/meta.CSV": "", "a/other.csv": ""})
    assert tree.named("meta.csv") == ["Meta.csv", "a/b/meta.CSV"]
    assert tree.named("other.csv", "meta.csv") == ["Meta.csv", "a/b/meta.CSV", "a/other.csv"]


@pytest.mark.parametrize(
    "path",
    [
        "../outside.jpg",
        "a/../../outside.jpg",
        "a/../../../../../../etc/passwd",
        "/etc/passwd",
        "a/../a/x.jpg",
        "..\\outside.jpg",
        "",
        ".",
        "a",
        "a//x.jpg",
    ],
)
def test_no_written_path_leads_anywhere_but_to_a_listed_file(plant, path: str) -> None:
    tree = plant({"a/x.jpg": ""})
    (tree.root.parent / "outside.jpg").write_bytes(b"secret")
    assert tree.find(path) is None
    assert tree.find(os.path.join(str(tree.root), "a/x.jpg")) is None


def test_a_path_is_found_however_its_case_and_its_strokes_are_written(plant) -> None:
    tree = plant({"images/NEL/Nel026.JPG": ""})
    for path in ("images/NEL/Nel026.JPG", "IMAGES/nel/nel026.jpg", "images\\nel\\Nel026.jpg"):
        assert tree.find(path) == "images/NEL/Nel026.JPG"


def test_a_stem_is_the_name_without_its_last_ending() -> None:
    assert [stem(path) for path in ("a/b.c.JPG", "x", "a/.b")] == ["b.c", "x", ".b"]


def test_a_folder_that_cannot_be_listed_does_not_pass_for_an_empty_one(
    plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = plant({"shut/a.jpg": b"", "open/b.jpg": b""})
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match=r"shut cannot be listed \(Permission denied\)"):
        FileTree.scan(tree.root)
