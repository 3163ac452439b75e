"""What tells the best epoch of a run from its history."""

import numpy as np
import pytest

from utils.training.predictions import best_epoch, criterion


def test_one_epoch_that_looks_good_by_chance_is_not_the_best() -> None:
    assert best_epoch([0.9, 0.64, 0.34, 0.49, 0.55, 0.45, 0.38, 0.40]) == 7
    assert best_epoch([0.9, 0.5, 0.4, 0.6, 0.8, 1.0]) == 2  # overfitting


def test_the_first_epoch_is_the_best_until_there_is_another() -> None:
    losses = [0.31, 0.34, 0.35, 0.33, 0.31, 0.30]
    kept = [best_epoch(losses[:count]) for count in range(1, 7)]
    assert kept == [0, 1, 1, 1, 4, 5]
    assert best_epoch([None, 0.3, 0.4, 0.4]) == 2
    assert best_epoch([0.3, None, None]) == 0
    assert best_epoch([None, None]) is None


@pytest.mark.parametrize("count", range(2, 9))
def test_an_epoch_becomes_the_best_when_it_is_done_or_never(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(100):
        losses = [None if rng.random() < 0.2 else float(rng.random()) for _ in range(count)]
        before, now = best_epoch(losses[:-1]), best_epoch(losses)
        assert now in (before, count - 1)


@pytest.mark.parametrize("losses", [(None,), (0.5, None), (None, None)])
def test_an_epoch_without_numbers_is_none(losses: tuple[float | None, ...]) -> None:
    assert criterion(losses) is None


def test_an_epoch_after_one_without_numbers_stands_for_itself() -> None:
    assert criterion([0.1, None, 0.5]) == 0.5
