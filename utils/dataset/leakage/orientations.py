"""The eight ways to lay a square picture: four quarter turns, mirrored or not."""

import numpy as np

NUM_TURNS = 8
"""Turn t transposes if t & 4, then flips left to right if t & 1, then top to bottom if t & 2."""


def turned(pictures: np.ndarray, turn: int) -> np.ndarray:
    """Turn square pictures, shape (n, side, side); a view."""
    if turn & 4:
        pictures = pictures.transpose(0, 2, 1)
    return pictures[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def turned_each(pictures: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Turn each picture by a turn of its own.

    Args:
        pictures: Shape (n, side, side).
        turns: Shape (n,), 0 to 7.
    """
    result = np.empty_like(pictures)
    for turn in range(NUM_TURNS):
        chosen = turns == turn
        result[chosen] = turned(pictures[chosen], turn)
    return result


def _undone_after() -> np.ndarray:
    """Return which turn `first` and then the inverse of `second` come to, [second, first]."""
    corners = np.arange(4).reshape(1, 2, 2)
    table = np.empty((NUM_TURNS, NUM_TURNS), np.uint8)
    for first in range(NUM_TURNS):
        for single in range(NUM_TURNS):
            for second in range(NUM_TURNS):
                if np.array_equal(turned(turned(corners, single), second), turned(corners, first)):
                    table[second, first] = single
    return table


UNDONE_AFTER = _undone_after()
"""[b, a]: the turn that lays one picture over another, where turn a of it equals turn b of that."""
