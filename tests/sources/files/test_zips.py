"""Zips as the world writes them are read, and what their tables of contents hide is told."""

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.sources.files.conftest import (
    CENTRAL,
    DEFLATED,
    FILES,
    STORED,
    contents,
    linked,
    patched,
    twice,
    zip64,
    zipped,
)
from utils.prediction.inputs import find_inputs
from utils.sources.files.archives import zip_tables
from utils.sources.files.tree import FileTree

LOCAL, END = b"PK\x03\x04", b"PK\x05\x06"


def renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    return content.replace(old, new)


def named(raw: bytes, flags: int = 0, extra: bytes = b"") -> bytes:
    """Zip one file whose name is of these bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("n" * len(raw))
        info.extra = extra
        archive.writestr(info, b"content")
    content = stream.getvalue().replace(b"n" * len(raw), raw)
    return patched(content, 8, "<H", flags)


NESTED = {"a/b/x.jpg": b"x", "a/y.jpg": b"y", "z.jpg": b"z"}


class TestBackslashes:
    """PowerShell 5 and .NET wrote them for strokes."""

    @pytest.mark.parametrize("method", [STORED, DEFLATED])
    def test_they_part_folders_where_there_are_no_strokes(self, plant, method: int) -> None:
        content = zipped(NESTED, method)
        for name in NESTED:
            content = content.replace(name.encode(), name.replace("/", "\\").encode())
        tree = plant({"got/x.zip": content})
        assert contents(tree) == {f"got/{name}": text for name, text in NESTED.items()}
        assert tree.notes == tree.unread == []

    def test_a_folder_ends_with_one(self, plant) -> None:
        tree = plant({"got/x.zip": zipped({"a\\": b"", "a\\b\\": b"", "a\\b\\x.jpg": b"x"})})
        assert tree.files == ["got/a/b/x.jpg"]

    def test_beside_strokes_they_part_folders_if_it_was_made_on_windows(self, plant) -> None:
        content = zipped({"a\\x.jpg": b"x", "b/y.jpg": b"y"})
        assert plant({"got/x.zip": content}).files == ["got/a\\x.jpg", "got/b/y.jpg"]
        on_dos = patched(content, 5, "<B", 0)
        assert plant({"got/x.zip": on_dos}).files == ["got/a/x.jpg", "got/b/y.jpg"]


class TestNames:
    """Their encoding is told in four ways, one of which is silence."""

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            (named("\u00e4.jpg".encode(), 0x800), "\u00e4.jpg"),
            (named("\u00e4.jpg".encode()), "\u00e4.jpg"),
            (named("a\u0308\u5199.jpg".encode()), "a\u0308\u5199.jpg"),
            (named("\u00e4\u00fc.jpg".encode("cp437")), "\u00e4\u00fc.jpg"),
            (named(b"\xe4.jpg", 0x800), "\udce4.jpg"),
            (
                named(
                    b"\x84.jpg",
                    extra=struct.pack("<HHBI", 0x7075, 12, 1, zlib.crc32(b"\x84.jpg"))
                    + "\u5199.jpg".encode(),
                ),
                "\u5199.jpg",
            ),
            (
                named(b"\x84.jpg", extra=struct.pack("<HHBI", 0x7075, 9, 1, 7) + b".jpg"),
                "\u00e4.jpg",
            ),
        ],
    )
    def test_each_is_understood(self, plant, content: bytes, name: str) -> None:
        assert contents(plant({"got/x.zip": content})) == {f"got/{name}": b"content"}

    def test_those_that_differ_in_capitals_only_stay_apart(self, plant) -> None:
        files = {"a/x.jpg": b"1", "A/X.JPG": b"2", "a/X.jpg": b"3"}
        inner = zipped({"i.jpg": b"i", "I.jpg": b"I"})
        tree = plant({"got/x.zip": zipped(files | {"a/in.zip": inner})})
        expected = files | {"a/i.jpg": b"i", "a/I.jpg": b"I"}
        assert contents(tree) == {f"got/{name}": text for name, text in expected.items()}
        assert tree.notes == []
        for name in ("got/a/x.jpg", "got/A/X.JPG", "got/a/X.jpg"):
            assert tree.find(name) == name

    def test_archives_that_differ_in_capitals_only_are_unpacked_apart(
        self, plant, tmp_path: Path
    ) -> None:
        inner = {f"{name}.zip": zipped({f"{ord(name)}.jpg": b""}) for name in ("n", "N")}
        tree = plant({"x.zip": zipped(inner)})
        again = FileTree.scan(tree.root, tmp_path / ".state")
        assert contents(again) == contents(tree) == {"x/110.jpg": b"", "x/78.jpg": b""}

    def test_of_one_path_the_last_counts_and_that_is_told(self, plant) -> None:
        tree = plant({"got/x.zip": twice(zipped({"a.jpg": b"1", "b.jpg": b"2", "c.jpg": b"3"}))})
        assert contents(tree) == {"got/a.jpg": b"2", "got/c.jpg": b"3"}
        assert tree.notes == [
            f"{tree.root / 'got' / 'x.zip'} holds 1 paths more than once; the last file of each is "
            "read"
        ]

    def test_an_archive_in_it_twice_is_read_as_the_last(self, plant) -> None:
        one, two = zipped({"1.jpg": b"1"}), zipped({"2.jpg": b"2"})
        outer = zipped({"a.zip": one, "b.zip": two}).replace(b"b.zip", b"a.zip")
        assert contents(plant({"x.zip": outer})) == {"2.jpg": b"2"}


class TestTheTableOfContents:
    """What lies in a zip and is not listed is told; so is what the end says otherwise."""

    @pytest.mark.parametrize("make", [zipped, zip64])
    def test_a_good_zip_says_nothing(self, plant, make) -> None:
        assert plant({"x.zip": make(FILES)}).notes == []

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"#!/bin/sh\n" + zipped(FILES), "has 10 bytes that belong to none of its files"),
            (bytes(999) + zipped(FILES), "has 999 bytes that belong to none of its files"),
            (zipped(FILES) + b"\n", "has 1 bytes behind its end, which are not read"),
            (zipped(FILES) + bytes(70), "has 70 bytes behind its end, which are not read"),
        ],
    )
    def test_data_around_it(self, plant, content: bytes, words: str) -> None:
        tree = plant({"got/x.zip": content})
        assert contents(tree) == {f"got/{name}": text for name, text in FILES.items()}
        assert tree.notes == [f"{tree.root / 'got' / 'x.zip'} {words}"]

    def test_another_zip_before_it(self, plant) -> None:
        other = zipped({"hidden.jpg": b"h" * 500}, STORED)
        tree = plant({"got/x.zip": other + zipped(FILES)})
        assert contents(tree) == {f"got/{name}": text for name, text in FILES.items()}
        assert tree.notes == [
            f"{tree.root / 'got' / 'x.zip'} has {len(other):,} bytes, files among them, that its "
            "table of contents does not list; these are not read"
        ]

    @pytest.mark.parametrize("wrap", [600, 1_000, 2_000])
    def test_offsets_that_begin_anew_are_followed(
        self, plant, monkeypatch: pytest.MonkeyPatch, wrap: int
    ) -> None:
        """The Finder writes zips of more than 4 GB so."""
        monkeypatch.setattr(zip_tables, "WRAP", wrap)
        files = {f"{n}.jpg": bytes([n]) * 500 for n in range(9)}
        content = bytearray(zipped(files, STORED))
        places = [found.start() + 42 for found in re.finditer(CENTRAL, content)]
        for place in (*places, content.index(END) + 16):
            (offset,) = struct.unpack_from("<I", content, place)
            struct.pack_into("<I", content, place, offset % wrap)
        tree = plant({"got/x.zip": bytes(content)})
        assert contents(tree) == {f"got/{name}": text for name, text in files.items()}
        assert tree.notes == tree.unread == []
        before = plant({"got/x.zip": bytes(wrap) + zipped(files)})
        assert contents(before) == {f"got/{name}": text for name, text in files.items()}

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_a_file_struck_from_the_list(self, plant, number: int) -> None:
        files = {f"{n}.jpg": bytes([n]) * 600 for n in range(3)}
        content = zipped(files, STORED)
        starts = [content.index(CENTRAL)]
        starts += [content.index(CENTRAL, starts[0] + 1), content.rindex(CENTRAL)]
        starts.append(content.index(END))
        size = starts[number + 1] - starts[number]
        changed = content[: starts[number]] + content[starts[number + 1] :]
        for offset, layout, value in ((8, "<H", 2), (10, "<H", 2), (12, "<I", size * 2)):
            changed = patched(changed, offset, layout, value, END)
        tree = plant({"got/x.zip": changed})
        assert len(tree.files) == 2
        (line,) = tree.notes
        assert "bytes, files among them, that its table of contents does not list" in line

    def test_alignment_and_descriptors_are_no_hidden_bytes(self, plant) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def tell(self) -> int:
                raise OSError

        stream = Pipe()
        with zipfile.ZipFile(stream, "w") as archive:  # writes a descriptor behind each file
            for n in range(3):
                info = zipfile.ZipInfo(f"{n}.jpg")
                info.extra = struct.pack("<HH", 0xD935, 4000 * n) + bytes(4000 * n)
                archive.writestr(info, b"x" * 500, DEFLATED)
        assert plant({"x.zip": stream.getvalue()}).notes == []

    @pytest.mark.slow
    def test_a_count_that_had_no_room_is_none_to_complain_of(self, plant) -> None:
        """Of more than 65,535 files some programs write the last 16 bits."""
        one = zipped({"00000": b""}, STORED)
        table, end = one.index(CENTRAL), one.index(END)
        line = one[table:end]
        lines = [line.replace(b"00000", f"{n:05}".encode()) for n in range(2**16 + 2)]
        rest = struct.pack("<HHII", 2, 2, len(line) * len(lines), table)
        content = b"".join((one[:table], *lines, one[end : end + 8], rest, bytes(2)))
        tree = plant({"x.zip": content})
        assert len(tree.files) == 2**16 + 2
        assert tree.notes == []

    def test_an_archive_without_files_is_told_wherever_it_lies(self, plant) -> None:
        around = zipped({"b/in.zip": zipped({}), "b/x.jpg": b"x"})
        tree = plant({"x.zip": zipped({}), "y.zip": zipped({"a/": b""}), "z.zip": around})
        assert (tree.files, tree.notes) == (["b/x.jpg"], [])
        assert tree.unread == [
            *((name, "an archive without files") for name in ("x.zip", "y.zip", "z.zip/b/in.zip")),
        ]

    def test_a_comment_is_none_of_its_bytes(self, plant) -> None:
        content = patched(zipped(FILES), 20, "<H", 4, END) + b"text"
        assert plant({"x.zip": content}).notes == []


class TestLinks:
    """Links that stay in the archive lead to what they name."""

    def test_to_files_and_folders(self, plant) -> None:
        links = {
            "l.jpg": "a/b/x.jpg",
            "a/l.jpg": "../a/./b/x.jpg",
            "over/l.jpg": "../l.jpg",
            "folder": "a/b",
            "through.jpg": "folder/x.jpg",
            "back.jpg": "folder/../y.jpg",
        }
        tree = plant({"got/x.zip": linked({"a/b/x.jpg": b"x", "a/y.jpg": b"y"}, links)})
        assert contents(tree) == {
            "got/a/b/x.jpg": b"x",
            "got/a/y.jpg": b"y",
            "got/l.jpg": b"x",
            "got/a/l.jpg": b"x",
            "got/over/l.jpg": b"x",
            "got/folder/x.jpg": b"x",
            "got/through.jpg": b"x",
            "got/back.jpg": b"y",
        }
        assert tree.notes == []

    def test_astray_or_in_a_circle_they_alone_are_left_out(self, plant) -> None:
        links = {"l.jpg": "none.jpg", "c": "d", "d": "c", "a/self": ".", "root": ".", "e": "e"}
        tree = plant({"got/x.zip": linked({"a/x.jpg": b"x"}, links, STORED)})
        assert tree.files == ["got/a/x.jpg"]
        circle, astray = "a link in a circle", "a link to what is not in the archive"
        assert sorted(tree.unread) == [
            ("got/x.zip/a/self", circle),
            *((f"got/x.zip/{name}", circle) for name in "cde"),
            ("got/x.zip/l.jpg", astray),
            ("got/x.zip/root", circle),
        ]
        assert f"{tree.root / 'got' / 'x.zip'}: 1 of its 7 files left out ({astray}), such as " in (
            "".join(tree.notes)
        )

    def test_whose_target_cannot_be_read_they_alone_are_left_out(self, plant) -> None:
        content = patched(linked({}, {"l.jpg": "x.jpg"}), 16, "<I", 7)
        tree = plant({"got/x.zip": content, "got/y.zip": linked({}, {"m": "a" * 2_000})})
        assert [path for path, _ in tree.unread] == ["got/x.zip/l.jpg", "got/y.zip/m"]

    def test_a_chain_of_links_costs_no_square(self, plant) -> None:
        links = {f"l{n}": f"l{n + 1}" for n in range(3_000)}
        tree = plant({"got/x.zip": linked({"l3000": b"x"}, links)})
        assert len(tree.files) + len(tree.unread) == 3_001

    def test_a_link_to_an_archive_is_read_once_more(self, plant) -> None:
        tree = plant(
            {"x.zip": linked({"a/i.zip": zipped({"i.jpg": b"i"})}, {"b/i.zip": "../a/i.zip"})}
        )
        assert contents(tree) == {"x/a/i.jpg": b"i", "x/b/i.jpg": b"i"}


class TestParts:
    """A zip that was cut into numbered parts is read when all are there."""

    @pytest.mark.parametrize("size", [1, 700, 3_300, 10_000])
    def test_they_are_joined(self, plant, size: int) -> None:
        content = zipped(FILES)
        size = max(size, len(content) // 900 + 1)
        cuts = range(0, len(content), size)
        parts = {f"got/x.zip.{n:03}": content[c : c + size] for n, c in enumerate(cuts, 1)}
        tree = plant(parts)
        assert contents(tree) == {f"got/{name}": text for name, text in FILES.items()}
        assert tree.notes == []
        assert tree.unread == [(part, "a part of 'x.zip.001'") for part in list(parts)[1:]]

    def test_they_are_joined_for_predict_py(self, tmp_path: Path) -> None:
        content = zipped(FILES)
        (tmp_path / "x.zip.001").write_bytes(content[:900])
        (tmp_path / "x.zip.002").write_bytes(content[900:])
        found = find_inputs([str(tmp_path / "x.zip.001")])
        assert [one.location.read() for one in found] == list(FILES.values())
        assert [one.file for one in found] == [str(tmp_path / f"x.zip.001/{n}") for n in FILES]

    def test_a_changed_part_is_noticed(self, plant, tmp_path: Path) -> None:
        def parts(text: bytes) -> dict[str, bytes]:
            content = zipped({"a.jpg": text * 600, "b.jpg": text * 600}, STORED)
            return {"x.zip.001": content[:300], "x.zip.002": content[300:]}

        root = plant(parts(b"1")).root
        before = contents(FileTree.scan(root, tmp_path / ".state"))
        plant(parts(b"2"))
        after = contents(FileTree.scan(root, tmp_path / ".state"))
        assert before != after == {"x/a.jpg": b"2" * 600, "x/b.jpg": b"2" * 600}
        assert len(list((tmp_path / ".state/unpacked").iterdir())) == 1

    def test_a_missing_part_is_named(self, plant) -> None:
        content = zipped(FILES)
        tree = plant({"x.zip.001": content[:900], "x.zip.003": content[1800:]})
        assert tree.files == []
        assert tree.unread == [
            ("x.zip.001", "is cut: a part behind it is missing"),
            ("x.zip.003", "is a part of 'x.zip.002', which is not there"),
        ]


def test_a_file_where_a_local_header_is_missing_is_one_damaged_file(plant) -> None:
    tree = plant({"got/x.zip": renamed(zipped(FILES), LOCAL, b"PK\3\5")})
    assert len(tree.files) == 3
