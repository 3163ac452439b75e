"""The eight turns are different, and one turn is what two turns come to."""

from itertools import product

import numpy as np

from utils.dataset.leakage.orientations import NUM_TURNS, UNDONE_AFTER, turned, turned_each

PICTURES = np.arange(2 * 9).reshape(2, 3, 3)


def test_eight_turns_are_different_and_the_first_is_none() -> None:
    views = {turned(PICTURES, turn)[0].tobytes() for turn in range(NUM_TURNS)}
    assert len(views) == NUM_TURNS
    assert np.array_equal(turned(PICTURES, 0), PICTURES)


def test_the_table_lays_a_picture_over_its_turned_copy() -> None:
    for one, other in product(range(NUM_TURNS), repeat=2):
        laid = turned(PICTURES, UNDONE_AFTER[other, one])
        assert np.array_equal(turned(laid, other), turned(PICTURES, one))


def test_each_picture_has_a_turn_of_its_own() -> None:
    each = turned_each(PICTURES, np.array([6, 1]))
    assert np.array_equal(each[0], turned(PICTURES[:1], 6)[0])
    assert np.array_equal(each[1], turned(PICTURES[1:], 1)[0])
