"""One odd archive is left out, named, with advice that can help; all else is read."""

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import create_dataset
from tests.sources.files.conftest import (
    CENTRAL,
    DEFLATED,
    FILES,
    STORED,
    contents,
    giant_header,
    nested,
    patched,
    tarred,
    zipped,
)
from utils.common.errors import SettingsError
from utils.prediction.inputs import find_inputs
from utils.sources.files.archives import allowance, explorer
from utils.sources.files.archives import listing as archives
from utils.sources.files.archives.findings import Fate, Finding
from utils.sources.files.archives.listing import list_archive
from utils.sources.files.archives.unpacked import Unpacked
from utils.sources.files.tree import FileTree

AGAIN = "it is left out. Download it again"
BY_HAND = "it is left out. Unpack it by hand (7-Zip can)"
END = b"PK\x05\x06"


def with_dictionary(size: int) -> bytes:
    """Return an xz whose header asks for a dictionary that its bytes have no use for."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**16}]
    packed = lzma.compress(tarred(FILES), lzma.FORMAT_XZ, filters=filters)
    bits = next(n for n in range(41) if (2 | n & 1) << n // 2 + 11 >= size or n == 40)
    header = packed[12:24]
    assert header[:4] == bytes((2, 0, 0x21, 1))
    changed = header[:4] + bytes((bits,)) + header[5:8]
    checksum = struct.pack("<I", zipfile.crc32(changed))  # type: ignore[attr-defined]
    return packed[:12] + changed + checksum + packed[24:]


def many_globals() -> bytes:
    headers = {f"COMMENT.{n}": "x" for n in range(200)}
    info = tarfile.TarInfo("a.jpg")
    return tarfile.TarInfo.create_pax_global_header(headers) + info.tobuf() + bytes(1024)


ODD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "encrypted": (
        "x.zip",
        lambda: patched(zipped(FILES), 8, "<H", 1),
        "is encrypted ('a.jpg'); it is left out. Unpack it by hand, with its password",
    ),
    "bzip2": (
        "x.zip",
        lambda: zipped(FILES, zipfile.ZIP_BZIP2),
        "holds 'a.jpg', compressed by method 12 (0 and 8 can be read: stored and deflated); "
        + BY_HAND,
    ),
    "lzma": ("x.zip", lambda: zipped(FILES, zipfile.ZIP_LZMA), "method 14 (0 and 8"),
    "deflate64": ("x.zip", lambda: patched(zipped(FILES), 10, "<H", 9), "by method 9 (0 and 8"),
    "zstandard": ("x.zip", lambda: patched(zipped(FILES), 10, "<H", 93), "by method 93 (0"),
    "cut at the end": (
        "x.zip",
        lambda: zipped(FILES)[:-30],
        f"has no table of contents at its end: it is cut; {AGAIN}",
    ),
    "cut in the middle": ("x.zip", lambda: zipped(FILES)[:1000], "it is cut; it is left out."),
    "cut at the beginning": (
        "x.zip", lambda: zipped(FILES)[99:], f"has a damaged table of contents; {AGAIN}",
    ),
    "empty file": ("x.zip", lambda: b"", "starts with b'', which is neither a zip nor a tar"),
    "web page": (
        "x.zip",
        lambda: b"<!DOCTYPE html><html>Log in</html>",
        "starts with b'<!DOCTYPE html><', which is neither",
    ),
    "web page as tar": ("x.tar.gz", lambda: b"<html>", "starts with b'<html>'"),
    "two sizes": (
        "x.zip",
        lambda: patched(zipped(FILES, STORED), 24, "<I", 7),
        f"tells two sizes of 'a.jpg', 500 and 7; {AGAIN}",
    ),
    "behind the end": (
        "x.zip",
        lambda: patched(zipped(FILES), 42, "<I", 10**6),
        "has no room for 'a.jpg': it is cut or damaged",
    ),
    "table of another kind": (
        "x.zip",
        lambda: zipped(FILES).replace(CENTRAL, b"PK\1\3"),
        "has a damaged table of contents",
    ),
    "names longer than the table": (
        "x.zip", lambda: patched(zipped(FILES), 28, "<H", 2**16 - 1), "has a damaged table",
    ),
    "forged, nothing listed": (
        "x.zip",
        lambda: (zip_ := zipped(FILES))[: zip_.index(CENTRAL)] + END + bytes(18),
        "lists no files, but 3,1",
    ),
    "forged, fewer listed": (
        "x.zip",
        lambda: patched(patched(zipped(FILES), 8, "<H", 2, END), 10, "<H", 2, END),
        f"says at its end that it holds 2 files, but lists 3; {AGAIN}",
    ),
    "forged, no table counted": (
        "x.zip",
        lambda: patched(patched(zipped(FILES), 8, "<H", 0, END), 10, "<H", 0, END),
        "says at its end that it holds 0 files, but lists 3;",
    ),
    "forged, an end in the comment": (
        "x.zip",
        lambda: patched(zipped(FILES), 20, "<H", 22, END) + END + bytes(18),
        f"has two ends, each with a table of contents; {AGAIN}",
    ),
    "last part of a split zip": (
        "x.zip",
        lambda: patched(patched(zipped(FILES), 4, "<H", 2, END), 6, "<H", 2, END),
        "x.zip is one of several parts of a split zip; it is left out. Join them (zip -s 0 ",
    ),
    "first part of a split zip": (
        "x.z01",
        lambda: b"PK\7\x08" + zipped(FILES)[:500],
        "x.z01 is a part of 'x.zip', which is not there; it is left out. Put all of its parts, ",
    ),
    "first part without the others": (
        "x.zip.001",
        lambda: zipped(FILES)[:900],
        "x.zip.001 is cut: a part behind it is missing; it is left out. Put all of its parts, as "
        "they were downloaded, into one folder",
    ),
    "second part without the first": (
        "x.zip.002",
        lambda: zipped(FILES)[900:],
        "x.zip.002 is a part of 'x.zip.001', which is not there; it is left out. Put all",
    ),
    "too deep": ("x.zip", lambda: nested(4), "inner.zip lies 4 archives deep, of at most 3"),
    "too deep, packed": ("x.zip", lambda: nested(5, DEFLATED), "inner.zip lies 4 archives deep"),
    "cut inside": (
        "x.zip",
        lambda: zipped({"b.zip": zipped(FILES)[:-40]}),
        f"x.zip/b.zip has no table of contents at its end: it is cut; {AGAIN}",
    ),
    "checksum of a zip inside": (
        "x.zip",
        lambda: patched(zipped({"b.zip": zipped(FILES)}), 16, "<I", 1),
        "x.zip/b.zip cannot be read as an archive (its checksum in the archive is another); it",
    ),
    "size of a zip inside": (
        "x.zip",
        lambda: patched(zipped({"b.zip": zipped(FILES)}), 24, "<I", 999),
        "b.zip cannot be read as an archive (its size is not the announced one, 999 bytes)",
    ),
    "tar cut": ("x.tar", lambda: tarred(FILES)[:2_000], "is cut within 'b.jpg'"),
    "tar without end": ("x.tar", lambda: tarred({"a.jpg": b"a" * 512})[:1024], "has no end; it"),
    "tar damaged": (
        "x.tar",
        lambda: tarred(FILES).replace(b"b.jpg", b"z.jpg"),
        f"x.tar has no end; {AGAIN}",
    ),
    "tar.gz cut": (
        "x.tar.gz",
        lambda: tarred(FILES, "w:gz")[:-200],
        "cannot be read as an archive (it ends within what is compressed)",
    ),
    "tar.gz and something": (
        "x.tar.gz",
        lambda: tarred(FILES, "w:gz") + b"something",
        "cannot be read as an archive (other bytes follow what is compressed)",
    ),
    "tar.gz checksum": (
        "x.tar.gz",
        lambda: tarred(FILES, "w:gz")[:-8] + bytes(8),
        "cannot be read as an archive (",
    ),
    "tar.bz2 damaged": (
        "x.tbz", lambda: bz2.compress(tarred(FILES))[:-20] + bytes(20), "cannot be read as an",
    ),
    "tar.xz damaged": (
        "x.txz",
        lambda: tarred(FILES, "w:xz")[:-60] + bytes(60),
        "cannot be read as an archive",
    ),
    "tar.xz with a large dictionary": (
        "x.tar.xz",
        lambda: with_dictionary(2**32 - 1),
        "needs more than 268,435,456 bytes of memory to be unpacked; it is left out. Unpack it by "
        "hand, or compress it again with a smaller dictionary (xz -6)",
    ),
    "a large dictionary later on": (
        "x.tar.xz",
        lambda: lzma.compress(tarred(FILES)) + with_dictionary(2**30),
        "needs more than 268,435,456 bytes",
    ),
    "tar giant header": (
        "x.tar", giant_header, "cannot be read as an archive (a header of 17,179,869,184 bytes)",
    ),
    "tar of many settings": ("x.tar", many_globals, "has more than 100 global headers"),
    "rar": ("x.RAR", lambda: b"Rar!", f"x.RAR cannot be read as it is (rar); {BY_HAND}"),
    "rar in parts": ("x.part1.rar", lambda: b"Rar!", "x.part1.rar cannot be read as it is (rar)"),
    "rar in old parts": ("x.r00", lambda: b"Rar!", "x.r00 cannot be read as it is (r00)"),
    "rar of another name": ("x", lambda: b"Rar!\x1a\7\1\0", "x cannot be read as it is (RAR)"),
    "7z": ("x.7z", lambda: b"7z", f"x.7z cannot be read as it is (7z); {BY_HAND}"),
    "7z in parts": ("x.7z.001", lambda: b"7z", "x.7z.001 cannot be read as it is (7z.001)"),
    "7z of another name": ("x.zip", lambda: b"7z\xbc\xaf\x27\x1c", "(7z); it is left out"),
    "tar.zst": ("x.tar.zst", lambda: b"\x28\xb5\x2f\xfd", "(Zstandard)"),
    "part in a zip": (
        "x.zip",
        lambda: zipped({"i.zip.001": zipped(FILES)[:900]}),
        f"x.zip/i.zip.001 has no table of contents at its end: it is cut; {AGAIN}",
    ),
    "7z in a zip": ("x.zip", lambda: zipped({"i.7z": b"7z" * 40}), "x.zip/i.7z cannot be read as"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_an_odd_archive_alone_is_left_out(plant, capsys, case: str) -> None:
    name, make, words = ODD[case]
    tree = plant({f"got/{name}": make(), "good.zip": zipped({"good/a.jpg": b"a"})})
    assert contents(tree)["good/a.jpg"] == b"a"
    (line,) = tree.notes
    assert words in line
    assert line.startswith(str(tree.root / "got" / name))
    assert capsys.readouterr().err == f"Warning: {line}\n"
    ((path, reason),) = tree.unread
    assert path.startswith(f"got/{name}")
    assert reason in line
    assert tree.files == ["good/a.jpg"]


def test_nothing_of_it_stays_unpacked(plant, tmp_path: Path) -> None:
    root = plant({}).root
    (root / "x.tgz").write_bytes(gzip.compress(tarred({"a.jpg": b"a" * 512})[:1024]))
    unpacked = Unpacked(tmp_path / ".state")
    found = list_archive(root / "x.tgz", "x.tgz", unpacked)
    assert found is not None
    assert found.left_out == [("", "has no end")]
    assert list((tmp_path / ".state" / "unpacked").iterdir()) == []


def test_the_run_ends_well_and_says_so_when_met_and_in_the_account(
    drawn_all_data: Path, tmp_path: Path, capsys
) -> None:
    all_data = tmp_path / "ALL_DATA"
    shutil.copytree(drawn_all_data, all_data)
    (all_data / "odd.zip").write_bytes(patched(zipped(FILES), 8, "<H", 1))
    create_dataset.main(["--all-data", str(all_data), "--dry-run", "--no-download"])
    printed = capsys.readouterr()
    line = (
        f"{all_data / 'odd.zip'} is encrypted ('a.jpg'); it is left out. Unpack it by hand, with "
        "its password"
    )
    assert line in printed.out.splitlines()
    assert f"Warning: {line}" in printed.err.splitlines()


def test_predicting_goes_on_without_it(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(FILES)[:-30])
    (tmp_path / "b.zip").write_bytes(zipped(FILES))
    found = find_inputs([str(tmp_path / "a.zip"), str(tmp_path / "b.zip")])
    assert {one.file.rpartition("/")[2] for one in found} >= FILES.keys()
    assert "a.zip has no table of contents at its end" in capsys.readouterr().err


def test_it_is_said_once_though_the_folder_is_listed_twice(plant, capsys) -> None:
    tree = plant({"x.zip": b"", "a.jpg": b""})
    capsys.readouterr()
    again = tree.scan_again()
    assert again.notes == tree.notes
    assert again.with_files(["b.jpg"]).unread == tree.unread == [
        ("x.zip", "starts with b'', which is neither a zip nor a tar")
    ]  # fmt: skip
    assert capsys.readouterr().err == ""


def test_many_odd_archives_in_one_are_a_few_lines(plant) -> None:
    tree = plant({"x.zip": zipped({f"{n}.zip": b"no zip, but as long as one" for n in range(20)})})
    assert len(tree.unread) == 20
    assert len(tree.notes) == 6
    assert f"{tree.root / 'x.zip'}: 15 more lines like these" in tree.notes


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.7z"])
def test_what_is_no_file_is_left_out_and_nothing_waits_for_it(plant, name: str) -> None:
    tree = plant({"a.jpg": b""})
    try:
        os.mkfifo(tree.root / name)
    except (AttributeError, OSError):
        pytest.skip("no pipes here")
    (line,) = tree.scan_again().notes
    assert line.startswith(str(tree.root / name))
    assert line.endswith(
        "cannot be opened (a named pipe, not a regular file); it is left out. Take it out of the "
        "folder, or put a file there that can be read"
    )


def test_what_must_not_be_read_is_left_out(plant, monkeypatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    root = plant({"a.jpg": b""}).root
    (root / "x.zip").write_bytes(zipped(FILES))
    monkeypatch.setattr(archives, "open_regular", forbid)
    tree = FileTree.scan(root)
    assert tree.files == ["a.jpg"]
    assert tree.unread == [("x.zip", "cannot be opened (Permission denied)")]


def test_memory_that_does_not_suffice_is_a_reason(plant, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    root = plant({"a.jpg": b""}).root
    (root / "x.zip").write_bytes(zipped(FILES))
    monkeypatch.setattr(explorer, "read_zip", fail)
    assert FileTree.scan(root).unread == [("x.zip", "cannot be read as an archive (MemoryError)")]


def test_the_parts_of_a_split_zip_are_one_line(plant) -> None:
    content = zipped(FILES)
    for offset in (4, 6):
        content = patched(content, offset, "<H", 2, END)
    tree = plant({"x.z01": content[:900], "x.z02": content[900:1800], "x.zip": content[1800:]})
    (line,) = tree.notes
    path = tree.root / "x.zip"
    assert line == (
        f"{path} is one of several parts of a split zip; it is left out. "
        f"Join them (zip -s 0 {path} --out whole.zip) or unpack them by hand"
    )
    assert [name for name, _ in tree.unread] == ["x.z01", "x.z02", "x.zip"]


def test_too_many_files_are_left_out(plant, monkeypatch) -> None:
    monkeypatch.setattr(allowance, "MAX_MEMBERS", 5)
    assert plant({"x.zip": zipped({f"a/{n}.jpg": b"" for n in range(5)})}).unread == []
    tree = plant({"x.zip": zipped({f"a/{n}.jpg": b"" for n in range(6)})})
    assert tree.unread == [("x.zip", "holds more than 5 files")]


def test_too_many_letters_are_left_out(plant, monkeypatch) -> None:
    monkeypatch.setattr(allowance, "MAX_PATHS_LENGTH", 99)
    tree = plant({"x.zip": zipped({f"{n}{'a' * 24}": b"" for n in range(4)})})
    assert tree.unread == [("x.zip", "has more than 99 characters of file names")]


class TestMembers:
    """One odd member is left out, counted and named; the others are read."""

    def test_devices_and_pipes(self, plant) -> None:
        kinds = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO, "s": stat.S_IFSOCK}
        files = {f"{kind}.zip": zipped({f"{kind}.jpg": b""}, mode=kinds[kind]) for kind in kinds}
        tree = plant({"x.zip": zipped(files | {"a.jpg": b"a"}, STORED)})
        assert contents(tree) == {"a.jpg": b"a"}
        assert len(tree.unread) == 4
        assert {reason for _, reason in tree.unread} == {"a device, a pipe or a sparse file"}

    def test_what_was_zipped_out_of_a_pipe_is_a_file(self, plant) -> None:
        tree = plant({"got/x.zip": zipped({"-": b"content"}, mode=stat.S_IFIFO)})
        assert contents(tree) == {"got/-": b"content"}

    @pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE])
    def test_devices_and_pipes_in_a_tar(self, plant, kind: bytes) -> None:
        tree = plant({"got/x.tar": tarred({"a.jpg": b""}, type=kind)})
        assert tree.files == []
        assert tree.unread == [("got/x.tar/a.jpg", "a device, a pipe or a sparse file")]
        assert tree.notes == [
            f"{tree.root / 'got' / 'x.tar'}: 1 of its 1 files left out (a device, a pipe or a "
            "sparse file), such as 'a.jpg'"
        ]

    def test_paths_too_long_or_too_deep(self, plant) -> None:
        names = ("a/" * 33 + "x.jpg", "a/" * 32 + "x.jpg", "b" * 1025, "b" * 1024, "c/" * 30_000)
        tree = plant({"got/x.zip": zipped(dict.fromkeys(names, b""))})
        assert tree.files == sorted(f"got/{name}" for name in (names[1], names[3]))
        reason = "a path of more than 1,024 characters or 32 folders"
        assert [why for _, why in tree.unread] == [reason] * 2  # the last is a folder

    def test_a_file_that_is_a_folder(self, plant) -> None:
        tree = plant({"got/x.zip": zipped({"a": b"file", "a/b.jpg": b"b", "c": b"", "c/d": b"d"})})
        assert contents(tree) == {"got/a/b.jpg": b"b", "got/c/d": b"d"}
        assert tree.unread == [("got/x.zip/a", "the name of a folder")]


def test_every_finding_says_what_to_do() -> None:
    for finding in Finding:
        assert bool(finding.advice) == (finding.fate in (Fate.RUN, Fate.ARCHIVE)), finding
        assert not finding.words.endswith(".")
    assert not {finding for finding in Finding if finding.fate is Fate.RUN} ^ {
        *(Finding.PATH_OUT, Finding.LINK_OUT, Finding.BOMB, Finding.BOMB_MEMBER)
    }


def test_no_picture_at_all_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(FILES)[:-30])
    with pytest.raises(SettingsError, match=r"^No pictures in .*a\.zip\. 1 file was not looked"):
        find_inputs([str(tmp_path / "a.zip")])
