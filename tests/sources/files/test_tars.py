"""Tars as the world writes them are read: links, repeated members, long names, several streams."""

import bz2
import gzip
import io
import lzma
import tarfile
from itertools import pairwise

import pytest

from tests.sources.files.conftest import FILES, contents, tarred


def linked(*members: tuple[str, bytes, bytes | str]) -> bytes:
    """Tar files (by their content) and links (by kind and target)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, str):
                info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


FILE, SOFT, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def test_links_lead_to_what_they_name(plant) -> None:
    content = linked(
        *(("a/x.jpg", FILE, b"x"), ("a/hard.jpg", HARD, "a/x.jpg")),
        *(("b/soft.jpg", SOFT, "../a/x.jpg"),),
        *(("c", SOFT, "a"), ("lost.jpg", HARD, "a/y.jpg"), ("./d.jpg", SOFT, "./b/soft.jpg")),
    )  # fmt: skip
    tree = plant({"got/x.tar": content})
    assert tree.files == [
        *("got/a/hard.jpg", "got/a/x.jpg", "got/b/soft.jpg", "got/c/hard.jpg"),
        *("got/c/x.jpg", "got/d.jpg"),
    ]
    assert set(contents(tree).values()) == {b"x"}
    assert tree.unread == [("got/x.tar/lost.jpg", "a link to what is not in the archive")]


def test_of_one_path_the_last_counts(plant) -> None:
    content = linked(
        *(("a.jpg", FILE, b"1"), ("b.jpg", FILE, b"b"), ("a.jpg", FILE, b"2")),
        *(("c.jpg", SOFT, "a.jpg"), ("c.jpg", FILE, b"3"), ("b.jpg", SOFT, "a.jpg")),
    )
    tree = plant({"got/x.tar": content})
    assert contents(tree) == {"got/a.jpg": b"2", "got/b.jpg": b"2", "got/c.jpg": b"3"}
    assert tree.notes == [
        f"{tree.root / 'got' / 'x.tar'} holds 3 paths more than once; the last file of each is read"
    ]


@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_those_that_are_no_text(plant, layout: int) -> None:
    names = ["a/" * 30 + "b" * 200 + ".jpg", "\u5199.jpg", "na\udce4vus.jpg"]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=layout, encoding="utf-8") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    assert plant({"got/x.tar": stream.getvalue()}).files == sorted(f"got/{name}" for name in names)


def test_what_lies_behind_the_end_is_told(plant) -> None:
    tree = plant({"got/x.tar": tarred(FILES) + tarred({"d.jpg": b"d"}), "y/y.tar": tarred(FILES)})
    assert sorted(tree.files) == [
        f"{folder}/{name}.jpg" for folder in ("got", "y") for name in "abc"
    ]
    assert len(tree.notes) == 1
    assert tree.notes[0].startswith(
        f"{tree.root / 'got' / 'x.tar'} has 10,240 bytes behind its end"
    )


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_several_streams_in_a_row_are_one_file(plant, compress) -> None:
    content = tarred(FILES)
    cuts = (0, 1, 700, 701, 5_000, len(content))
    pieces = [content[a:b] for a, b in pairwise(cuts)]
    packed = b"".join(compress(piece) for piece in (b"", *pieces, b""))
    tree = plant({"got/x.tgz": packed + bytes(999)})
    assert contents(tree) == {f"got/{name}": text for name, text in FILES.items()}


def test_many_empty_streams_cost_no_square(plant) -> None:
    empty = gzip.compress(b"")
    tree = plant({"got/x.tgz": empty * 20_000 + gzip.compress(tarred(FILES))})
    assert len(tree.files) == 3
