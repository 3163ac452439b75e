"""What a file or a flag gives is taken only if it has the type and the range that are wanted."""

import sys
from typing import Any

import pytest

from utils.common.values import (
    MAX_TEXT,
    above,
    at_least,
    between,
    expected_of,
    shown,
)

NAN, INFINITY, HUGE = float("nan"), float("inf"), 10**400
NOT_A_NUMBER = (None, True, "1", [1], {"a": 1}, (1,), b"1", NAN, INFINITY, -INFINITY, HUGE)


@pytest.mark.parametrize("value", NOT_A_NUMBER)
def test_no_number_is_taken_for_one(value: Any) -> None:
    assert expected_of(value, float, check=above(0)) != ""
    assert expected_of(value, float) != ""
    assert expected_of(value, int, check=at_least(0, 9)) != ""


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (at_least(1), (1, 2.5, sys.float_info.max), (0, 0.999, -1)),
        (at_least(1, 64), (1, 64), (0, 65)),
        (above(0), (5e-324, 1), (0, -1)),
        (above(0, at_most=1), (0.1, 1), (0, 1.1)),
        (between(0, 1), (0.1, 0.9), (0, 1)),
        (between(0, 1, with_lowest=True), (0, 0.9), (-0.1, 1)),
    ],
)
def test_ranges_end_where_they_say(check, good: tuple[float, ...], bad: tuple[float, ...]) -> None:
    assert [expected_of(value, float, check=check) for value in good] == [""] * len(good)
    assert all(expected_of(value, float, check=check) for value in (*bad, *NOT_A_NUMBER))


def test_a_bound_that_nobody_meets_by_chance_is_named_only_beyond_it() -> None:
    assert expected_of(0, int, check=at_least(1, 1024)) == "a number of at least 1"
    assert expected_of(2000, int, check=at_least(1, 1024)) == "a number of at most 1,024"
    assert expected_of(NAN, float, check=above(0)) == "a number above 0"
    assert expected_of(INFINITY, float, check=above(0)) == "a number above 0"
    assert expected_of("x", int, check=at_least(1)) == "a whole number of at least 1"


@pytest.mark.parametrize("value", [1, 0, "true", None, [], NAN])
def test_only_true_and_false_are_either(value: Any) -> None:
    assert expected_of(value, bool) == "true or false"


@pytest.mark.parametrize("value", [1, None, ["a"], b"a", "a\0b", "a" * (MAX_TEXT + 1)])
def test_texts_are_texts_that_a_system_takes(value: Any) -> None:
    assert expected_of(value, str) == "a text"
    assert expected_of(value, str, choices=("a", "b")) == "one of a, b"
    assert expected_of([value], tuple[str, ...]) == "a list of texts"


def test_none_is_taken_where_the_type_allows_it_and_nothing_was_to_be_settled() -> None:
    assert expected_of(None, int | None) == ""
    assert expected_of(None, int) == "a whole number"


def test_whatever_is_shown_is_one_short_line() -> None:
    nested: list[Any] = []
    nested.append(nested)
    for value in (*NOT_A_NUMBER, nested, "a\nb\x1b[2J" * 100, "\udcff"):
        line = shown(value)
        assert len(line) < 80
        assert line.isprintable()
        assert line.isascii()
