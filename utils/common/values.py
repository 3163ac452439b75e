"""Check types, ranges and choices of values that somebody else may have stored."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args, get_origin

MAX_TEXT = 32_768
"""Characters of a stored text; the longest path that any system takes has as many."""

MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that can be used.

    Attributes:
        lowest: Smallest of them, or the bound that all are above.
        highest: Largest of them, or the bound that all are below.
        is_above: Whether `lowest` itself is out of the range.
        is_below: Whether `highest` itself is out of the range.
        words: What they are called.
        is_open: Whether they are called so without `highest`, which nobody meets by chance.
    """

    lowest: float
    highest: float
    is_above: bool
    is_below: bool
    words: str
    is_open: bool = False

    def expected(self, value: float) -> str:
        """Return "" for a number of the range, else what was expected; NaN is in none."""
        is_low = value > self.lowest if self.is_above else value >= self.lowest
        is_high = value < self.highest if self.is_below else value <= self.highest
        if is_low and is_high:
            return ""
        if self.is_open and self.highest < value < sys.float_info.max:
            return f"a number of at most {self.highest:,}"
        return self.words


def at_least(lowest: float, most: float = sys.float_info.max) -> Range:
    """Return the range from a number on; what is beyond `most` is a mistake or an attack.

    >>> at_least(1).expected(0), at_least(1, 64).expected(65), at_least(1).expected(1)
    ('a number of at least 1', 'a number of at most 64', '')
    """
    return Range(lowest, most, False, False, f"a number of at least {lowest}", is_open=True)


def above(lowest: float, at_most: float | None = None) -> Range:
    """Return the range above a number.

    >>> above(0).expected(float("nan")), above(0, at_most=1).expected(1)
    ('a number above 0', '')
    """
    if at_most is None:
        words = f"a number above {lowest}"
        return Range(lowest, sys.float_info.max, True, False, words, is_open=True)
    return Range(lowest, at_most, True, False, f"a number above {lowest}, at most {at_most}")


def between(lowest: float, highest: float, *, with_lowest: bool = False) -> Range:
    """Return the range below a number, and above another one.

    >>> between(0, 1).expected(1), between(0, 1, with_lowest=True).expected(-1)
    ('a number between 0 and 1', 'a number of at least 0, below 1')
    """
    words = f"a number between {lowest} and {highest}"
    if with_lowest:
        words = f"a number of at least {lowest}, below {highest}"
    return Range(lowest, highest, not with_lowest, True, words)


def expected_of(
    value: Any,
    kind: Any,
    *,
    check: Range | None = None,
    choices: Collection[str] | None = None,
) -> str:
    """Return "" for a value that can be used, else what was expected in its place.

    No value is converted: what is stored by this suite has its type already. Only a whole number
    does for a float.

    Args:
        value: Anything.
        kind: A field's type: bool, int, float, str, a tuple of str, or one of them or None.
        check: Range of a number.
        choices: All that a text may be.

    >>> expected_of(True, int), expected_of(2, float), expected_of("x", str, choices=("a", "b"))
    ('a whole number', '', 'one of a, b')
    """
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and type(None) in kinds:
        return ""
    (kind,) = (one for one in kinds if one is not type(None))
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind in (int, float):
        return _expected_number(value, kind, check)
    if get_origin(kind) is tuple:
        is_list = isinstance(value, tuple | list) and all(map(_is_text, value))
        return "" if is_list else "a list of texts"
    if choices is not None:
        return "" if _is_text(value) and value in choices else f"one of {', '.join(choices)}"
    return "" if _is_text(value) else "a text"


def _expected_number(value: Any, kind: type, check: Range | None) -> str:
    is_one = type(value) is int or (kind is float and isinstance(value, float))
    if not is_one:
        whole = "a whole number" if kind is int else "a number"
        return whole if check is None else check.words.replace("a number", whole, 1)
    if check is not None:
        return check.expected(value)
    return "" if abs(value) <= sys.float_info.max else "a finite number"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value


def shown(value: Any) -> str:
    """Return how a stranger's value is told in one short line of a message.

    >>> shown(float("nan")), shown("x" * 100)[-9:], shown([1, [2]])
    ('nan', 'xxxxxx...', 'a list')
    """
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a number of more than 20 digits"
    if isinstance(value, str):
        text = ascii(value[: MAX_SHOWN + 1])
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return f"a {type(value).__name__}"


def in_words(value: object) -> str:
    """Return the value of a setting as a message tells it.

    >>> in_words(("hiba", "scin")), in_words(()), in_words(0.5)
    ('hiba scin', 'nothing', '0.5')
    """
    return (" ".join(value) or "nothing") if isinstance(value, tuple) else str(value)
