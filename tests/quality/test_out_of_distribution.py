"""Scores of the benchmark of out-of-distribution detection tell what lies far from training."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.strangers.drawn import MAKERS, find
from benchmarks.quality.strangers.scores import COMBINATIONS, METHODS, NEIGHBOURS, Seen
from utils.common.errors import SettingsError

NUM_CLASSES, WIDTH = 5, 30


def draw(count: int, strange: bool, seed: int) -> Seen:
    """Draw pictures of five classes, or what lies where none of them does, unsure of its class."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 3, (NUM_CLASSES, WIDTH))
    labels = rng.integers(0, NUM_CLASSES, count)
    places = np.where(strange, -centres.sum(axis=0), centres[labels])
    embeddings = places + rng.normal(size=(count, WIDTH))
    logits = rng.normal(size=(count, NUM_CLASSES)) + 9 * (not strange) * np.eye(NUM_CLASSES)[labels]
    columns = (array.astype(np.float32) for array in (logits, embeddings, embeddings[:, :8]))
    return Seen(*columns, labels, np.arange(count))


@pytest.mark.parametrize("name", METHODS)
def test_a_stranger_scores_higher(name: str) -> None:
    score = METHODS[name](draw(200, False, 0))
    good, strange = score(draw(100, False, 1)), score(draw(100, True, 2))
    assert good.shape == (100,)
    assert np.isfinite(good).all()
    assert (strange[:, None] > good).mean() > 0.9


@pytest.mark.parametrize("name", COMBINATIONS)
def test_two_scores_together_tell_what_either_tells(name: str) -> None:
    val, strange = draw(200, False, 1), draw(100, True, 2)
    telling, silent = METHODS["kNN"](draw(200, False, 0)), lambda seen: seen.texture[:, 0] ** 2
    for pair in ((telling, silent), (silent, telling)):
        score = COMBINATIONS[name](*pair, val)
        assert (score(strange)[:, None] > score(val)).mean() > 0.7  # 0.5 tells nothing


def test_neighbours_are_counted_by_direction_alone() -> None:
    train = draw(60, False, 0)
    score = METHODS["kNN"](train)
    longer = Seen(train.logits, 7 * train.embeddings, train.texture, train.labels, train.groups)
    assert score(longer) == pytest.approx(score(train), abs=1e-6)
    few = METHODS["kNN"](train[np.arange(60) < NEIGHBOURS - 1])
    assert np.isfinite(few(train)).all()


@pytest.mark.parametrize("kind", MAKERS)
def test_strangers_are_made_alike_each_time(kind: str) -> None:
    one, same, other = (MAKERS[kind](np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one.mode == "RGB"
    assert min(one.size) >= 200
    assert one.tobytes() == same.tobytes() != other.tobytes()


def test_a_folder_without_strangers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "near" / "x-rays").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x-rays").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x-rays" / "one.png").touch()
    with pytest.raises(SettingsError, match="No strangers in"):
        find(tmp_path)
    (tmp_path / "near" / "x-rays" / "one.png").touch()
    assert list(find(tmp_path)) == [("near", "x-rays")]
