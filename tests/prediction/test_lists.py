"""A list on stdin is read as any console writes it, or refused in one line."""

import io

import pytest

from utils.common.errors import SettingsError
from utils.prediction import lists
from utils.prediction.inputs import find_inputs


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_is_read_as_windows_writes_it(encoding: str, end: str) -> None:
    text = end.join(["a b.jpg", "\u00e4/\u4e8c.png", "", " ", "", ""])
    found = find_inputs(["-"], io.BytesIO(text.encode(encoding)))
    assert [one.file for one in found] == ["a b.jpg", "\u00e4/\u4e8c.png"]


def test_a_mark_alone_names_nothing() -> None:
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b""):
        with pytest.raises(SettingsError, match="No pictures in -"):
            find_inputs(["-"], io.BytesIO(mark))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a" * 2**16 + b"\nb.jpg\n", "The list on stdin has a line of 65,536 bytes or more. "
         "Expected one path in each line, in UTF-8."),
        (b"\xff\xfea\0b", "The list on stdin is not UTF-16, as its first bytes say. "
         "Expected one path in each line, in UTF-8."),
    ],
)  # fmt: skip
def test_what_is_no_list_is_refused_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        find_inputs(["-"], io.BytesIO(content))
    assert str(caught.value) == message


def test_a_list_in_utf_16_without_a_mark_is_told() -> None:
    with pytest.raises(SettingsError, match=r"a zero byte.*in UTF-8"):
        find_inputs(["-"], io.BytesIO("a.jpg\n".encode("utf-16-le")))


def test_too_long_a_list_in_utf_16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_LIST_BYTES", 9)
    with pytest.raises(SettingsError, match=r"more than 9 bytes in UTF-16\. Save it as UTF-8"):
        find_inputs(["-"], io.BytesIO("a.jpg\nb.jpg\nc.jpg\n".encode("utf-16")))
