"""Every file read is accounted for exactly once, or the assembly stops."""

import pytest

from utils.common.labels import PAN
from utils.dataset.accounting import account, describe_accounts
from utils.sources.record import NOT_UNDERSTOOD, LeftOut, Record


def record(number: int, source: str = "atlas") -> Record:
    return Record(source, f"{number}.jpg", f"{number}", PAN, f"{number}")


RECORDS = [record(1), record(2), record(3), record(4, "other")]


def test_each_file_has_one_fate_and_the_sums_are_shown() -> None:
    left_out = [LeftOut("atlas", "0.jpg", "a rule")]
    accounts = account(RECORDS, left_out, {"1.jpg", "4.jpg"}, {"2.jpg"}, {"3.jpg"}, has_limit=False)
    header, first, second = describe_accounts(accounts).splitlines()
    assert first.split() == ["atlas", "4", "1", "1", "1", "0", "1"]
    assert second.split() == ["other", "1", "1", "0", "0", "0", "0"]
    assert header.startswith("collection")


def test_what_a_limit_leaves_aside_is_counted_as_such() -> None:
    accounts = account(RECORDS[:2], [], {"1.jpg"}, (), (), has_limit=True)
    assert accounts["atlas", "over the limit"] == 1


@pytest.mark.parametrize(
    ("kept", "copies", "message"),
    [({"1.jpg"}, set(), "2.jpg was lost"), ({"1.jpg", "2.jpg"}, {"2.jpg"}, "kept and copies")],
)
def test_a_file_lost_sight_of_or_counted_twice_stops_the_run(kept, copies, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        account(RECORDS[:2], [], kept, copies, set(), has_limit=False)


def test_what_is_not_understood_has_a_column_where_there_is_any() -> None:
    left_out = [LeftOut("no collection", "x.npy", NOT_UNDERSTOOD), LeftOut("atlas", "0.jpg", "a")]
    originals = {record.original for record in RECORDS}
    accounts = account(RECORDS, left_out, originals, (), (), has_limit=False)
    header, *rows = describe_accounts(accounts).splitlines()
    assert header.endswith("+ left out by a rule  + not understood")
    assert [row.split()[-3:] for row in rows] == [["0", "1", "0"], ["0", "0", "0"], ["0", "0", "1"]]
    assert rows[-1].startswith("no collection     1")


def test_a_file_that_two_rows_of_a_table_name_is_counted_once() -> None:
    accounts = account([record(1), record(1)], [], {"1.jpg"}, (), (), has_limit=False)
    assert accounts == {("atlas", "kept"): 1}
