"""A text is read by its mark, else as UTF-8, else as what Windows wrote; its mark goes."""

import pytest

from utils.common.disk.text import decode_text, marked_encoding, tidy

TEXT = "image,site\nISIC_1,l\u00e4nge\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (TEXT.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("cp1252"), "cp1252"),
    ],
)
def test_every_encoding_gives_the_same_text(content: bytes, encoding: str) -> None:
    assert decode_text(content) == (TEXT, encoding)


def test_bytes_that_windows_has_no_letter_for_are_read_all_the_same() -> None:
    assert decode_text(b"a\x81b\xff") == ("a\x81b\xff", "latin-1")


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xef\xbb\xbf\xff", b"\xff\xfe\0\0abc"])
def test_what_is_not_what_its_mark_says_is_told(content: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(content)


@pytest.mark.parametrize("content", [b"", b"a\0b", b"\0\0\0\0", b"ab\0\0\0\0\0\0"])
def test_zeros_alone_make_no_utf_16(content: bytes) -> None:
    assert decode_text(content)[1] == "utf-8"


def test_no_mark_is_no_encoding() -> None:
    assert marked_encoding(b"a.jpg\n") is None


@pytest.mark.parametrize("around", [" ", "\t", "\u00a0", "\u200b", "\ufeff", "\u3000", "\u00ad\r"])
def test_no_blank_of_any_kind_stays_at_the_ends(around: str) -> None:
    assert tidy(f"{around}IP_0 a{around}") == "IP_0 a"
