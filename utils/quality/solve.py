"""Find the least strength from which on a condition holds."""

from collections.abc import Callable

STEPS = 9
"""Halvings of the range: 1/512 of it is left, less than any picture shows."""


def least(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return about the least number at which a condition holds; `high` if it never does.

    >>> round(least(lambda number: number * number >= 2, 0, 8), 2)
    1.42
    """
    if holds(low):
        return low
    for _ in range(STEPS):
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
