"""Every file below a folder is listed once for each of its names, or set apart with its kind."""

import os
from collections import Counter
from pathlib import Path

import pytest

from utils.common.disk.listing import MAX_NAMES, describe_counts, ending_of, list_folder
from utils.common.disk.writing import is_clutter
from utils.common.errors import SourceError

CLUTTER = (
    "#recycle/a.jpg", "@Recycle/a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", ".Trashes/501/a.jpg",
    ".Trash-1000/files/a.jpg", ".ipynb_checkpoints/a-checkpoint.jpg", "Thumbs/a.jpg", "Thumbs.db",
    ".hidden/a.jpg", "._a.jpg", "$RECYCLE.BIN/S-1-5/a.jpg", "System Volume Information/x.jpg",
    "__MACOSX/._a.jpg", "lost+found/a.jpg", ".DS_Store", "desktop.ini", "DESKTOP.INI",
    ".picasaoriginals/a.jpg", "Picasa.ini", "~$notes.docx", "RECYCLER/a.jpg",
)  # fmt: skip


@pytest.fixture
def lay(tmp_path: Path):
    """Give a function that writes empty files below a folder and returns it."""

    def write(*paths: str) -> Path:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"")
        return root

    return write


def link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")


def test_clutter_is_set_apart_and_nothing_else(lay) -> None:
    wanted = ["a.jpg", "recycle/a.jpg", "thumbs up/a.jpg", "x.hidden", "cycle#recycle/a.jpg"]
    root = lay(*(f"deep/{path}" for path in CLUTTER), *wanted)
    listing = list_folder(root)
    assert listing.files == sorted(wanted)
    on_disk = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert set(listing.clutter) == on_disk - set(wanted)
    assert len(listing.clutter) == len(on_disk) - len(wanted)


def test_a_recycle_bin_that_nobody_may_look_into_is_one_entry(
    lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay("lost+found/a.jpg", "b.jpg")
    walk = os.walk

    def refuse(top, **options):
        if str(top).endswith("lost+found"):
            options["onerror"](PermissionError(13, "Permission denied", str(top)))
            return iter(())
        return walk(top, **options)

    monkeypatch.setattr(os, "walk", refuse)
    listing = list_folder(root)
    assert (listing.files, listing.clutter) == (["b.jpg"], ["lost+found/"])


def test_of_very_full_bins_some_are_listed_and_that_is_said(lay, monkeypatch) -> None:
    monkeypatch.setattr("utils.common.disk.listing.MAX_CLUTTER", 3)
    listing = list_folder(lay(*(f"#recycle/{n}.jpg" for n in range(5)), ".x/1", ".x/2"))
    assert listing.clutter == [*(f"#recycle/{n}.jpg" for n in range(3)), ".x/1", ".x/2"]
    assert listing.notes == ["#recycle/ holds more than 3 files; these are counted"]


@pytest.mark.parametrize("real", ["a", "z"])
def test_a_folder_is_listed_under_every_name_whatever_their_order(lay, real: str) -> None:
    root = lay(f"{real}/x.jpg", f"{real}/deeper/y.jpg")
    link(root / "m", root / real)
    listing = list_folder(root)
    assert listing.files == sorted(
        f"{name}/{file}" for name in ("m", real) for file in ("x.jpg", "deeper/y.jpg")
    )
    assert listing.each_once() == [f"{real}/deeper/y.jpg", f"{real}/x.jpg"]


def test_circles_end_and_are_told(lay) -> None:
    root = lay("a/b/x.jpg")
    link(root / "a" / "b" / "up", root / "a")
    link(root / "a" / "self", root / "a" / "self")
    listing = list_folder(root)
    assert listing.files == ["a/b/x.jpg", "a/self"]
    assert listing.notes == ["a/b/up leads back to a folder above it; not followed"]


def test_folders_that_all_lead_to_each_other_do_not_go_on_for_ever(lay) -> None:
    names = [f"n{number}" for number in range(8)]
    root = lay(*(f"{name}/x.jpg" for name in names))
    for name in names:
        for other in names:
            link(root / name / f"to {other}", root / other)
    listing = list_folder(root)
    assert max(Counter(listing.folders.values()).values()) <= MAX_NAMES
    assert any(note.endswith("one name too many of its folder; not followed")
               for note in listing.notes)  # fmt: skip
    assert listing.each_once() == [f"{name}/x.jpg" for name in names]
    assert listing == list_folder(root)


def test_what_the_assembly_wrote_is_counted_and_nothing_of_it_listed(lay) -> None:
    root = lay(
        "old/train/PAN/a.jpg", "old/contact_sheet.png", "old/collection/b.jpg",
        "new/.state/prepared.jsonl", "new/test/PAN/a.jpg",
        "varese/train/a.jpg", "varese/manifest.csv", "other/.state/x",
    )  # fmt: skip
    (root / "old/manifest.csv").write_text("file,split,label,source,original,group\n")
    listing = list_folder(root)
    assert listing.files == ["old/collection/b.jpg", "varese/manifest.csv", "varese/train/a.jpg"]
    assert listing.outputs == {"new": 2, "old": 3}
    assert listing.clutter == ["other/.state/x"]
    assert "old/train/PAN/a.jpg" in list_folder(root, with_outputs=True).files


def test_a_data_set_in_the_folder_itself_leaves_what_lies_beside_it(lay) -> None:
    root = lay("train/PAN/a.jpg", "README.md", "varese/test/a.jpg", ".state/lock")
    listing = list_folder(root)
    assert (listing.files, listing.outputs) == (["README.md", "varese/test/a.jpg"], {"": 2})


def test_a_folder_that_cannot_be_listed_is_one_line(lay, monkeypatch) -> None:
    root = lay("a/x.jpg")
    monkeypatch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(
        PermissionError(13, "Permission denied", path)))  # fmt: skip
    with pytest.raises(SourceError, match=r"root cannot be listed \(Permission denied\)\."):
        list_folder(root)


def test_files_are_counted_by_ending() -> None:
    names = ["a.TXT", "b.txt", "c", "x.tar.gz", "y.", "z.a ending that is a sentence"]
    counts = Counter(ending_of(name) for name in names)
    assert describe_counts(counts) == "3 without an ending, 2 .txt, 1 .gz"
    assert not any(is_clutter(name) for name in names)


def test_a_data_set_in_a_hidden_folder_is_no_clutter(lay) -> None:
    root = lay(".out/.state/lock", ".out/train/PAN/a.jpg", ".out/manifest.csv", ".old/a.jpg")
    listing = list_folder(root)
    assert (listing.clutter, listing.outputs) == ([".old/a.jpg"], {".out": 3})
    assert len(list_folder(root, with_outputs=True).clutter) == 4
