"""Names of files survive being written into a table and read back, whatever is in them."""

import os

import pytest

from utils.common.disk.escapes import escape, unescape

PLAIN = (
    *("a/b.jpg", "n\u00e4vus (1).jpg", "C:\\photos\\xab1.jpg", "\\\\server\\x\\e4.jpg"),
    *("m%C3%A4l.jpg", "a=b.jpg", "a-b+c@d.jpg", " =a.jpg", "a\nb.jpg", "\\x{E4}.jpg", "\U0001f600"),
)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_name_is_written_as_it_is(name: str) -> None:
    assert escape(name) == unescape(name) == name


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        (os.fsdecode(b"na\xe4vus/\xff.jpg") if os.sep == "/" else "na\udce4vus/\udcff.jpg",
         r"na\x{e4}vus/\x{ff}.jpg"),
        ("a\rb.jpg", r"a\x{0d}b.jpg"),
        ("=1+1.jpg", r"\x{3d}1+1.jpg"),
        ("+1.jpg", r"\x{2b}1.jpg"),
        ("-1.jpg", r"\x{2d}1.jpg"),
        ("@SUM(1).jpg", r"\x{40}SUM(1).jpg"),
        ("\t=1.jpg", r"\x{09}=1.jpg"),
        ("half\ud83d.jpg", r"half\x{d83d}.jpg"),
        (r"\x{e4}.jpg", r"\x{5c}x{e4}.jpg"),
        (r"\x{5c}x{e4}.jpg", r"\x{5c}x{5c}x{e4}.jpg"),
        ("\\\udce4\\x{\udce4}", r"\\x{e4}\x{\x{e4}}"),
    ],
)  # fmt: skip
def test_what_is_no_plain_text_is_escaped_and_comes_back(name: str, cell: str) -> None:
    assert escape(name) == cell
    assert unescape(cell) == name
    assert cell.encode("utf-8").decode("utf-8") == cell


def test_two_names_never_become_one_cell() -> None:
    pieces = ("\\", "x{", "e4", "}", "\udce4", "5c", "=", "\r")
    names = {a + b + c + d + e for a in pieces for b in pieces for c in pieces
             for d in pieces for e in pieces}  # fmt: skip
    assert len({escape(name) for name in names}) == len(names)
    assert all(unescape(escape(name)) == name for name in names)
