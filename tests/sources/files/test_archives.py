"""Archives are listed as if unpacked; hostile ones are refused in one line, nothing touched."""

import bz2
import contextlib
import functools
import gzip
import lzma
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

import create_dataset
from tests.sources.files.conftest import (
    FILES,
    STORED,
    ZEROS,
    contents,
    linked,
    patched,
    tarred,
    zip64,
    zipped,
)
from utils.common.disk.location import DamagedError
from utils.common.errors import OutputError, SourceError, run_script
from utils.sources.files.tables import read_table
from utils.sources.files.tree import FileTree

HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "absolute": (
        "x.zip",
        lambda: zipped({"/etc/x.jpg": b""}),
        "holds '/etc/x.jpg'. Expected paths that stay in the archive's folder. Nothing was read; "
        "take it out of the folder, or download it again.",
    ),
    "above": ("x.zip", lambda: zipped({"../x.jpg": b""}), "holds '../x.jpg'. Expected paths"),
    "above later": ("x.zip", lambda: zipped({"a/../../x.jpg": b""}), "holds 'a/../../x.jpg'."),
    "folder above": ("x.zip", lambda: zipped({"../": b"", "a.jpg": b""}), "holds '../'."),
    "drive": ("x.zip", lambda: zipped({"C:/x.jpg": b""}), "holds 'C:/x.jpg'."),
    "backslash": ("x.zip", lambda: zipped({"..\\x.jpg": b""}), r"holds '..\\x.jpg'."),
    "backslash drive": ("x.zip", lambda: zipped({"C:\\x.jpg": b""}), r"holds 'C:\\x.jpg'."),
    "backslash server": ("x.zip", lambda: zipped({"\\\\s\\x": b""}), r"holds '\\\\s\\x'."),
    "backslash folder": ("x.zip", lambda: zipped({"a\\..\\": b""}), r"holds 'a\\..\\'."),
    "zero byte": ("x.zip", lambda: zipped({"aXb.jpg": b""}).replace(b"aXb", b"a\0b"), r"a\x00b"),
    "escape sequence": ("x.zip", lambda: zipped({"../\x1b[2J": b""}), r"holds '../\x1b[2J'."),
    "very long": ("x.zip", lambda: zipped({"a/" * 30_000 + "../x": b""}), "holds 'a/a/a/"),
    "clutter above": ("x.zip", lambda: zipped({"__MACOSX/../../x": b""}), "holds '__MACOSX/.."),
    "link": (
        "x.zip",
        lambda: linked({}, {"a.jpg": "/etc/passwd"}),
        "holds 'a.jpg', a link to '/etc/passwd'. Expected links that stay in the archive.",
    ),
    "link above": ("x.zip", lambda: linked({}, {"b/a.jpg": "../../c.jpg"}), "to '../../c.jpg'."),
    "link drive": ("x.zip", lambda: linked({}, {"a.jpg": "C:\\x.jpg"}), "a link to 'C:"),
    "link over a link": (
        "x.zip",
        lambda: linked({"b/c/d.jpg": b""}, {"a": "b/c", "x.jpg": "a/../../../y.jpg"}),
        "holds 'x.jpg', a link to 'a/../../../y.jpg'.",
    ),
    "bomb": ("x.zip", lambda: zipped({"a.bmp": ZEROS}), "holds a file that unpacks from "),
    "bomb of many": (
        "x.zip",
        lambda: zipped({f"{n}.bmp": ZEROS[: 2**24] for n in range(6)}),
        "unpacks to 83,886,080 bytes or more. Expected at most 7",
    ),
    "bomb in a zip": (
        "x.zip",
        lambda: zipped({"b.zip": zipped({"a.bmp": ZEROS})}, STORED),
        "that unpacks from ",
    ),
    "bomb of zips": (
        "x.zip",
        lambda: zipped({f"{n}.zip": zipped({"a.bmp": ZEROS[: 2**24]}) for n in range(6)}),
        "unpacks to ",
    ),
    "bomb of links": (
        "x.zip",
        lambda: linked({"a": ZEROS[: 2**22]}, {f"l{n}": "a" for n in range(20)}),
        "unpacks to ",
    ),
    "bomb of folders that are links": (
        "x.zip",
        lambda: linked({"a/b": ZEROS[: 2**22]}, {f"l{n}": "a" for n in range(20)}),
        "unpacks to ",
    ),
    "bomb as tar.gz": (
        "x.tgz",
        lambda: gzip.compress(tarred({"a.bmp": ZEROS})),
        "unpacks to ",
    ),
    "bomb behind a tar": (
        "x.tar.gz",
        lambda: gzip.compress(tarred(FILES) + ZEROS),
        "unpacks to ",
    ),
    "hostile inside": (
        "x.zip",
        lambda: zipped({"a/b.zip": zipped({"../x.jpg": b""})}),
        "b.zip holds '../x.jpg'.",
    ),
    "tar above": ("x.tar", lambda: tarred({"../x.jpg": b""}), "holds '../x.jpg'."),
    "tar absolute": ("x.tar", lambda: tarred({"/x.jpg": b""}), "holds '/x.jpg'."),
    "tar link": (
        "x.tar",
        lambda: tarred({"a.jpg": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "holds 'a.jpg', a link to '/etc/passwd'.",
    ),
    "tar hard link": (
        "x.tgz",
        lambda: tarred({"a.jpg": b""}, "w:gz", type=tarfile.LNKTYPE, linkname="../x"),
        "holds 'a.jpg', a link to '../x'.",
    ),
    "tar.bz2 above": ("x", lambda: tarred({"../x.jpg": b""}, "w:bz2"), "holds '../x.jpg'."),
    "parts above": ("x.zip.001", lambda: zipped({"../x.jpg": b""}), "holds '../x.jpg'."),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line_and_nothing_is_touched(
    plant, tmp_path: Path, monkeypatch, capfd, snapshot, case: str
) -> None:
    name, make, words = HOSTILE[case]
    plant({"imagenet-mini/train/n1/x.jpg": b"", "a.tar.gz": tarred({"a/x.jpg": b"x"}, "w:gz")})
    (tmp_path / "ALL_DATA" / name).write_bytes(make())
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path), sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(SystemExit) as left:
        run_script(functools.partial(create_dataset.main, ["--no-download"]))
    printed = capfd.readouterr()
    assert left.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    shown = name.removesuffix(".001")
    assert printed.err.startswith(f"Error: {Path('ALL_DATA', shown)}")
    assert words in printed.err
    assert (snapshot(tmp_path), sorted(map(str, tmp_path.rglob("*")))) == before


PUBLISHED = {"top/a.jpg": b"a" * 9_000, "top/b/c.csv": b"x,y\n1,2\n", "top/\u00e4.jpg": b""}


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.zip", lambda: zipped(PUBLISHED)),
        ("x.ZIP", lambda: zipped(PUBLISHED, STORED)),
        ("x.zip", lambda: zip64(PUBLISHED)),
        ("download", lambda: zipped(PUBLISHED)),
        ("x.zip", lambda: b"#!/bin/sh\n" + zipped(PUBLISHED)),
        ("x.zip", lambda: zipped({"in.zip": zipped(PUBLISHED)})),
        ("x.zip", lambda: zipped({"in.zip": zipped(PUBLISHED)}, STORED)),
        ("x.zip", lambda: zipped({"in": zipped({"in.zip": zipped(PUBLISHED)}, STORED)}, STORED)),
        ("x.zip", lambda: zipped({"in.zip": zipped({"in": zipped(PUBLISHED)})}, STORED)),
        ("x.zip", lambda: zipped({"in.tgz": tarred(PUBLISHED, "w:gz")})),
        ("x.tar", lambda: tarred(PUBLISHED)),
        ("x.tar", lambda: tarred({f"./{name}": text for name, text in PUBLISHED.items()})),
        ("x.tar", lambda: tarred({"in.zip": zipped(PUBLISHED)})),
        ("x.tar.gz", lambda: tarred(PUBLISHED, "w:gz")),
        ("x.tgz", lambda: tarred({"in.tar": tarred(PUBLISHED)}, "w:gz")),
        ("x.tar.bz2", lambda: bz2.compress(tarred(PUBLISHED))),
        ("x.1", lambda: lzma.compress(tarred(PUBLISHED))),
        ("download.bin", lambda: tarred(PUBLISHED)),
    ],
)
def test_members_appear_as_if_unpacked_where_the_archive_lies(
    plant, name: str, make: Callable[[], bytes]
) -> None:
    tree = plant({f"got/{name}": make()})
    assert contents(tree) == {f"got/{path}": text for path, text in PUBLISHED.items()}
    assert tree.folders("TOP") == ["got/top"]
    assert read_table(tree, "got/top/b/c.csv", ("x",)) == [{"x": "1", "y": "2"}]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"text\n", b"\x1f\x8b\x08 no gzip", gzip.compress(b"no tar", mtime=0), b"BZh9"],
)
@pytest.mark.parametrize("name", ["HAM10000_metadata", "x.csv", "x.gz", "LICENSE.rtf"])
def test_what_is_no_archive_stays_a_file(plant, name: str, content: bytes) -> None:
    assert plant({name: content}).files == [name]


def test_what_cannot_be_opened_is_no_archive(plant) -> None:
    tree = plant({"a/x.jpg": b""})
    try:
        os.mkfifo(tree.root / "pipe")
        (tree.root / "dangling").symlink_to("nowhere")
    except (AttributeError, OSError):
        pytest.skip("no pipes or links here")
    assert FileTree.scan(tree.root).files == ["a/x.jpg", "dangling", "pipe"]


def test_a_spreadsheet_and_a_download_in_progress_are_no_archives(plant) -> None:
    content = zipped(FILES)
    tree = plant({"x.xlsx": content, "x.zip.part": content[:900], "x.crdownload": content[:900]})
    assert tree.files == ["x.crdownload", "x.xlsx", "x.zip.part"]


def test_loose_things_directly_in_the_folder_get_one_of_their_own(plant) -> None:
    loose = {"metadata.csv": b"x\n", "images/a.jpg": b"a", "__MACOSX/._a": b""}
    tree = plant({"set.tar.gz": tarred(loose, "w:gz"), "own/set.zip": zipped(loose)})
    assert tree.files == [
        "own/images/a.jpg", "own/metadata.csv", "set/images/a.jpg", "set/metadata.csv",
    ]  # fmt: skip


def test_what_lies_there_unpacked_wins_and_that_is_said_once(plant) -> None:
    tree = plant(
        {
            "x.zip": zipped({"top/a.jpg": b"zip", "top/B.jpg": b"zip", "top/c.jpg": b"zip"}),
            "top/a.jpg": b"disk",
            "Top/b.JPG": b"disk",
            "y.zip": zipped({"other/a.jpg": b"zip"}),
        }
    )
    assert contents(tree) == {
        "Top/b.JPG": b"disk", "other/a.jpg": b"zip", "top/a.jpg": b"disk", "top/c.jpg": b"zip",
    }  # fmt: skip
    assert tree.notes == [
        "x.zip: 2 of its 3 files lie there unpacked, or in another archive, too, and those are "
        "read; the others are read from this one"
    ]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_side_by_side_whose_files_have_the_same_names_lose_none(
    plant, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    weeks = {
        f"own/week{n}.zip": pack({"1.jpg": b"week %d" % n, f"{n}.jpg": b"x"}) for n in (2, 3, 4)
    }
    tree = plant(weeks)
    assert contents(tree) == {
        "own/1.jpg": b"week 2", "own/week3.zip/1.jpg": b"week 3", "own/week4.zip/1.jpg": b"week 4",
        "own/2.jpg": b"x", "own/3.jpg": b"x", "own/4.jpg": b"x",
    }  # fmt: skip
    assert tree.left_out == []
    assert tree.notes[0] == (
        "own/week3.zip: 1 of its 2 files have the paths of others in another archive, and are read "
        "as own/week3.zip/1.jpg ..."
    )


def test_a_second_download_of_other_files_loses_none(plant) -> None:
    files = {"a.jpg": b"a", "b.jpg": b"same"}
    again = {"a.jpg": b"other", "B.jpg": b"same", "c.jpg": b"c"}
    tree = plant({"download.zip": zipped(files), "download (1).zip": zipped(again)})
    assert contents(tree) == {
        "download/a.jpg": b"other", "download/B.jpg": b"same", "download/c.jpg": b"c",
        "download.zip/download/a.jpg": b"a",
    }  # fmt: skip
    assert [left.original for left in tree.left_out] == ["download.zip: download/b.jpg"]


def test_archives_in_an_archive_whose_files_have_the_same_names_lose_none(plant) -> None:
    parts = {f"{name}.zip": zipped({"1.jpg": name.encode(), "README": b"same"}) for name in "ab"}
    more = {"c.zip": zipped({"2.jpg": b"c", "readme": b"same"})}
    tree = plant({"x.zip": zipped({**parts, **more})})
    assert contents(tree) == {
        "x/1.jpg": b"a", "x/README": b"same", "x/b.zip/1.jpg": b"b", "x/b.zip/README": b"same",
        "x/2.jpg": b"c",
    }  # fmt: skip


def test_unpacked_folders_and_tables_go_before_those_in_archives(plant) -> None:
    tree = plant(
        {
            "a.zip": zipped({"release_v0/images/x.jpg": b"", "release_v0/meta.csv": b""}),
            "b/release_v0/images/x.jpg": b"",
            "b/meta.csv": b"",
        }
    )
    assert tree.folders("release_v0") == ["b/release_v0", "release_v0"]
    assert tree.named("meta.csv") == ["b/meta.csv", "release_v0/meta.csv"]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda zip_: patched(zip_, 16, "<I", 1), "its checksum in the archive is another"),
        (lambda zip_: patched(zip_, 24, "<I", 499), "500 bytes in the archive, 499 announced"),
        (lambda zip_: patched(zip_, 24, "<I", 501), "500 bytes in the archive, 501 announced"),
        (lambda zip_: patched(zip_, 42, "<I", 1), "it is not where the archive says"),
        (lambda zip_: zip_.replace(b"PK\x03\x04", b"PK\x03\x05", 1), "PK"),
        (lambda zip_: patched(zip_, 35, "<I", 2**32 - 1, b"PK\x03\x04"), "invalid"),
    ],
)
def test_a_damaged_member_is_one_damaged_file(
    plant, harm: Callable[[bytes], bytes], words: str
) -> None:
    content = harm(zipped(FILES))
    if words == "PK":  # without its mark it is a zip by its end only
        words = "it is not where the archive says"
    tree = plant({"got/x.zip": content})
    with pytest.raises(DamagedError, match=words):
        tree.originals.locate("got/a.jpg").read()
    for name in ("b.jpg", "c.jpg"):
        assert tree.originals.locate(f"got/{name}").read() == FILES[name]


def test_a_table_that_is_damaged_in_its_archive_is_one_line(plant) -> None:
    tree = plant({"got/x.zip": patched(zipped({"t.csv": b"x\n1\n"}), 16, "<I", 1)})
    with pytest.raises(SourceError, match=r"t\.csv cannot be read \(its checksum in the archive"):
        read_table(tree, "got/t.csv", ("x",))


def test_facts_change_with_the_archive_and_with_the_member(plant) -> None:
    tree = plant({"x.zip": zipped(FILES), "y.jpg": b"y"})
    places = [tree.originals.locate(path) for path in ("x/a.jpg", "x/b.jpg", "y.jpg")]
    assert len({place.facts() for place in places}) == 3
    before = [place.facts() for place in places]
    os.utime(tree.root / "x.zip", ns=(1, 1))
    assert [place.facts() == old for place, old in zip(places, before, strict=True)] == [
        False, False, True,
    ]  # fmt: skip
    (tree.root / "x.zip").unlink()
    assert places[0].facts() == (0, 0)


class TestUnpacking:
    """What cannot be read in place is unpacked once, into the output's working state."""

    @pytest.fixture
    def state(self, tmp_path: Path) -> Path:
        return tmp_path / "DATASET" / ".state"

    @pytest.fixture
    def root(self, plant) -> Path:
        return plant(
            {"x.tgz": tarred(FILES, "w:gz"), "y.zip": zipped({"n.zip": zipped(FILES)})}
        ).root

    def files(self, state: Path) -> dict[str, tuple[int, int]]:
        found = (state / "unpacked").iterdir()
        return {path.name: (path.stat().st_size, path.stat().st_ino) for path in found}

    def test_once(self, root: Path, state: Path) -> None:
        first = FileTree.scan(root, state)
        before = self.files(state)
        second = FileTree.scan(root, state)
        assert (len(before), self.files(state)) == (2, before)
        assert contents(first) == contents(second)
        facts = [[tree.originals.locate(p).facts() for p in tree.files] for tree in (first, second)]
        assert facts[0] == facts[1]

    def test_what_a_checksum_tells_is_known_when_it_is_unpacked_again(
        self, root: Path, state: Path
    ) -> None:
        """A tar keeps no checksums, so its files are read again."""
        first = FileTree.scan(root, state)
        facts = {path: first.originals.locate(path).facts() for path in first.files}
        for path in (state / "unpacked").iterdir():
            path.rename(path.with_suffix(".old"))
        second = FileTree.scan(root, state)
        again = {path: second.originals.locate(path).facts() for path in second.files}
        assert facts.keys() == again.keys()
        same = {path for path in facts if facts[path] == again[path]}
        assert same == {path for path in facts if path.startswith("y/")}

    def test_what_a_kill_or_a_change_left_is_swept_up(self, root: Path, state: Path) -> None:
        FileTree.scan(root, state)
        (state / "unpacked" / ".0123456789abcdef.77.partial").write_bytes(b"half")
        (root / "y.zip").unlink()
        FileTree.scan(root, state)
        assert len(self.files(state)) == 1

    def test_an_interruption_leaves_no_half_file(
        self, root: Path, state: Path, monkeypatch
    ) -> None:
        monkeypatch.setattr("utils.sources.files.archives.unpacked.os.utime", interrupt)
        with pytest.raises(KeyboardInterrupt):
            FileTree.scan(root, state)
        assert self.files(state) == {}
        monkeypatch.undo()
        assert len(contents(FileTree.scan(root, state))) == 6

    def test_without_room_is_one_line(self, root: Path, state: Path, monkeypatch) -> None:
        usage = type("Usage", (), {"free": 10})
        monkeypatch.setattr(
            "utils.sources.files.archives.unpacked.shutil.disk_usage", lambda _: usage
        )
        with pytest.raises(OutputError, match=r"x\.tgz must be unpacked to .* are free"):
            FileTree.scan(root, state)

    def test_while_another_run_writes_there_is_one_line(self, root: Path, state: Path) -> None:
        state.mkdir(parents=True)
        with (
            FileLock(state / "lock"),
            pytest.raises(
                OutputError, match=r"^Another create_dataset\.py is writing to .*DATASET\."
            ),
        ):
            FileTree.scan(root, state)

    def test_a_place_is_all_that_another_process_needs(self, root: Path, state: Path) -> None:
        tree = FileTree.scan(root, state)
        for path in tree.files:
            place = pickle.loads(pickle.dumps(tree.originals.locate(path)))
            assert place.read() == FILES[path.rpartition("/")[2]]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_links_in_the_folder_are_the_users_own_and_followed(plant, tmp_path: Path) -> None:
    tree = plant({})
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "x.zip").write_bytes(zipped({"top/a.jpg": b"a"}))
    with contextlib.suppress(OSError):
        (tree.root / "linked").symlink_to(tmp_path / "disk", target_is_directory=True)
        assert FileTree.scan(tree.root).files == ["linked/top/a.jpg"]
