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


def test_rows_with_another_status_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "downloads.csv"
    write_ledger(path, [*ENTRIES, Entry("http://a/e", "e.jpg", "perhaps")])
    assert set(read_ledger(path)) == {entry.file for entry in ENTRIES}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"a,b\n1,2\n", b"url,file,status,detail,attempts,bytes\nx,y\n"]
)
def test_what_is_no_ledger_has_no_entries(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "downloads.csv"
    path.write_bytes(content)
    assert read_ledger(path) == {}
    assert read_ledger(tmp_path / "absent.csv") == {}


def test_attempts_add_up_and_the_rest_is_replaced() -> None:
    entry = ENTRIES[3].after(Outcome(OK, "", 3, 99))
    assert entry == Entry("two\nlines", "d.jpg", OK, "", 7, 99)
    assert entry.lost() == Entry("two\nlines", "d.jpg", MISSED, "not asked for yet", 7, 0)


def test_only_what_failed_for_good_waits_to_be_told() -> None:
    assert [entry.to_ask(False) for entry in ENTRIES] == [True, False, True, True]
    assert all(entry.to_ask(True) for entry in ENTRIES)
