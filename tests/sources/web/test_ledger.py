"""What became of each URL is remembered exactly, and a table that is none is no obstacle."""

from pathlib import Path

import pytest

from utils.sources.web.hosts import FAILED, MISSED, OK, Outcome
from utils.sources.web.ledger import COLUMNS, Entry, read_ledger, write_ledger

ENTRIES = [
    Entry("http://a/img?imageId=1", "a.jpg", OK, "", 2, 1234),
    Entry('http://a/"b",c.jpg', "b.jpg", FAILED, "HTTP 404", 1),
    Entry("http://\u00e4/\u4e2d.jpg", "c.jpg"),
    Entry("two\nlines", "d.jpg", MISSED, "broke off", 4),
]


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "downloads.csv"
    write_ledger(path, ENTRIES)
    assert list(read_ledger(path).values()) == ENTRIES
    assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert [file.name for file in tmp_path.iterdir()] == ["downloads.csv"]


@pytest.mark.parametrize(
    "line",
    [
        "http://a/e,e.jpg,perhaps,,0,0",
        "http://a/e,e.jpg,ok,,many,0",
        "http://a/e,e.jpg,ok,,-1,0",
        "http://a/e,e.jpg,ok,,1," + "9" * 5000,
        "http://a/e,e.jpg,ok,,1",
        "http://a/e,e.jpg,ok,,1,2,3",
        "http://a/e,../e.jpg,ok,,1,2",
        "http://a/e,,ok,,1,2",
        "http://a/e,a.jpg,ok,,1,2",
        'http://a/e,"e"x,ok,,1,2',
        "",
    ],
)
def test_a_damaged_line_is_told_and_the_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    path = tmp_path / "downloads.csv"
    write_ledger(path, ENTRIES[:2])
    with path.open("a") as stream:
        stream.write(f"{line}\nhttp://a/z,z.jpg,missed,broke off,2,0\n")
    assert list(read_ledger(path)) == ["a.jpg", "b.jpg", "z.jpg"]
    assert capsys.readouterr().err == (
        f"Warning: {path}: passed over what is damaged (line 4); these pictures count as not "
        "asked for.\n"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ""),
        (b"\xff\xfe", " cannot be read; it is written anew."),
        (b"a,b\n1,2\n", ": passed over what is damaged (lines 1, 2); "),
        (
            b"url,file,status,detail,attempts,bytes\nx,y\n",
            ": passed over what is damaged (line 2); ",
        ),
    ],
)
def test_what_is_no_ledger_has_no_entries_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, told: str
) -> None:
    path = tmp_path / "downloads.csv"
    path.write_bytes(content)
    assert read_ledger(path) == {}
    assert capsys.readouterr().err.startswith(f"Warning: {path}{told}" if told else "")
    assert read_ledger(tmp_path / "absent.csv") == {}


def test_attempts_add_up_and_the_rest_is_replaced() -> None:
    entry = ENTRIES[3].after(Outcome(OK, "", 3, 99))
    assert entry == Entry("two\nlines", "d.jpg", OK, "", 7, 99)
    assert entry.lost() == Entry("two\nlines", "d.jpg", MISSED, "not asked for yet", 7, 0)


def test_only_what_failed_for_good_waits_to_be_told() -> None:
    assert [entry.to_ask(False) for entry in ENTRIES] == [True, False, True, True]
    assert all(entry.to_ask(True) for entry in ENTRIES)
