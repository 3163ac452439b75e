"""What a number of seconds is called: monotone, and near enough to it."""

import re

import pytest

from utils.common.cli.durations import in_short, in_words

UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def seconds_of(words: str) -> int:
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+) (\w+)", words))


def test_a_longer_time_is_never_told_as_a_shorter_one() -> None:
    told = [seconds_of(in_short(1.03**power)) for power in range(500)]
    assert told == sorted(told)


def test_what_is_told_is_near_enough() -> None:
    for power in range(100, 500):
        seconds = 1.03**power
        assert seconds_of(in_short(seconds)) == pytest.approx(seconds, rel=0.34)
        if seconds > 600:
            assert seconds_of(in_short(seconds)) == pytest.approx(seconds, rel=0.21)


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        (0, "10 seconds", "10 s"),
        (56, "1 minute", "1 min"),
        (89, "1 minute", "1 min"),
        (91, "2 minutes", "2 min"),
        (3_590, "1 hour", "1 h"),
        (7_500, "2 hours 5 minutes", "2 h 5 min"),
        (86_400, "24 hours", "24 h"),
        (172_799, "2 days", "2 d"),
    ],
)
def test_units_are_those_that_one_says(seconds: float, words: str, short: str) -> None:
    assert (in_words(seconds), in_short(seconds)) == (words, short)
