"""What tells the best epoch of a run from its history."""

import pytest

from utils.training.predictions import criterion


def best_of(*losses: float | None) -> int:
    reached = {
        count: found
        for count in range(1, len(losses) + 1)
        if (found := criterion(losses[:count])) is not None
    }
    return min(reached, key=reached.__getitem__)


def test_one_epoch_that_looks_good_by_chance_is_not_the_best() -> None:
    assert best_of(0.9, 0.64, 0.34, 0.49, 0.55, 0.45, 0.38, 0.40) == 8
    assert best_of(0.9, 0.5, 0.4, 0.6, 0.8, 1.0) == 3  # overfitting


@pytest.mark.parametrize("losses", [(None,), (0.5, None), (None, None)])
def test_an_epoch_without_numbers_is_none(losses: tuple[float | None, ...]) -> None:
    assert criterion(losses) is None


def test_an_epoch_after_one_without_numbers_stands_for_itself() -> None:
    assert criterion([0.1, None, 0.5]) == 0.5
