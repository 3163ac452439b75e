"""What is kept on disk comes back as it was, and names are sorted as if all were in memory."""

import random
from itertools import islice

import pytest

from utils.prediction import spool
from utils.prediction.spool import CHUNK, Spool, in_order

VALUES = [("ü\udcff.jpg", None, number) for number in range(3 * CHUNK + 7)]


@pytest.fixture(params=[2**24, 100], ids=["in memory", "on disk"])
def filled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setattr(spool, "IN_MEMORY", request.param)
    made = Spool()
    for value in VALUES:
        made.append(value)
    return made


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, len(VALUES)), (0, 0), (3, 5), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (1_500, 1_543)],
)
def test_every_stretch_is_what_was_put_in(filled: Spool, start: int, stop: int) -> None:
    assert len(filled) == len(VALUES)
    assert list(filled.read(start, stop)) == VALUES[start:stop]


def test_readers_take_turns_and_more_may_be_added_meanwhile(filled: Spool) -> None:
    one, other = filled.read(0, len(VALUES)), filled.read(0, len(VALUES))
    ahead = list(islice(one, CHUNK + 3))
    assert list(islice(other, 5)) == VALUES[:5]
    filled.append("more")
    assert ahead + list(one) == VALUES
    assert list(other) == VALUES[5:]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
def test_any_number_of_runs_gives_the_order_of_all(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(spool, "RUN", 10)
    names = [f"{number % 7}/\udc80{number}ü\U0001f600" for number in range(count)]
    random.Random(0).shuffle(names)
    assert list(in_order(iter(names))) == sorted(names)
