"""Scores of the benchmark of out-of-distribution detection tell what lies far from training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from benchmarks.quality.strangers.drawn import DISTANCES, MAKERS, Place, find
from benchmarks.quality.strangers.scores import (
    COMBINATIONS,
    METHODS,
    NEIGHBOURS,
    Seen,
    as_taken,
    excess,
)
from benchmarks.quality.strangers.shipped import SHIPPED, find_shipped
from benchmarks.quality.strangers.views import Pictures, look
from models.bundle import read_bundle
from models.texture import NUM_FEATURES
from utils.common.errors import SettingsError
from utils.common.labels import CLASSES, SPLITS

NUM_CLASSES, WIDTH = 5, 30


def draw(count: int, strange: bool, seed: int) -> Seen:
    """Draw pictures of five classes, or what lies where none of them does, unsure of its class."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 3, (NUM_CLASSES, WIDTH))
    labels = rng.integers(0, NUM_CLASSES, count)
    places = np.where(strange, -centres.sum(axis=0), centres[labels])
    embeddings = places + rng.normal(size=(count, WIDTH))
    logits = rng.normal(size=(count, NUM_CLASSES)) + 9 * (not strange) * np.eye(NUM_CLASSES)[labels]
    parts = logits, embeddings, embeddings[:, :8], embeddings[:, 8:16]
    columns = (array.astype(np.float32) for array in parts)
    doubt = np.zeros(count, dtype=bool)
    return Seen(*columns, labels, np.arange(count), softmax(logits, axis=1), doubt)


def with_wide_stem(seen: Seen) -> Seen:
    """Return the same pictures with more features of texture and stem than texture has alone."""
    noise = np.random.default_rng(len(seen.labels)).normal(size=(len(seen.labels), NUM_FEATURES))
    return replace(seen, stem=np.hstack([seen.stem, noise.astype(np.float32)]))


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
        score = COMBINATIONS[name](pair, val)
        assert (score(strange)[:, None] > score(val)).mean() > 0.7  # 0.5 tells nothing


def test_what_is_taken_is_the_excess_of_neighbours_and_surface() -> None:
    train, val, strange = (
        with_wide_stem(draw(*which)) for which in ((200, False, 0), (200, False, 1), (100, True, 2))
    )
    taken = as_taken(train, val)
    parts = METHODS["kNN"](train), METHODS["texture and stem"](train)
    for seen in (val, strange):
        assert taken(seen) == pytest.approx(excess(parts, val)(seen), rel=0.01, abs=0.01)


def test_neighbours_are_counted_by_direction_alone() -> None:
    train = draw(60, False, 0)
    score = METHODS["kNN"](train)
    longer = replace(train, embeddings=7 * train.embeddings)
    assert score(longer) == pytest.approx(score(train), abs=1e-6)
    few = METHODS["kNN"](train[np.arange(60) < NEIGHBOURS - 1])
    assert np.isfinite(few(train)).all()


@pytest.mark.parametrize("place", MAKERS, ids=" ".join)
def test_strangers_are_drawn_alike_each_time(place: Place) -> None:
    one, same, other = (MAKERS[place](np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one.mode == "RGB"
    assert min(one.size) >= 200
    assert one.tobytes() == same.tobytes() != other.tobytes()


def test_packages_that_are_not_there_are_named(tmp_path: Path) -> None:
    found, missing = find_shipped(tmp_path)
    assert missing == sorted(set(missing))
    assert set(missing) < {entry.package for entry in SHIPPED}  # requirements ship some
    assert {place[0] for place in found} <= set(DISTANCES)
    for pictures in found.values():
        assert all(picture.mode == "RGB" and min(picture.size) >= 64 for picture in pictures)
    picture = tmp_path / "skimage" / "data" / "grass.png"
    picture.parent.mkdir(parents=True)
    Image.effect_noise((90, 80), 30).save(picture)
    cut = find_shipped(tmp_path)[0]["other", "surfaces"]
    assert [one.size for one in cut[:4]] == [(90, 80), *[(80, 80)] * 3]


def test_a_folder_without_strangers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "near" / "x-rays").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x-rays").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x-rays" / "one.png").touch()
    with pytest.raises(SettingsError, match="No strangers in"):
        find(tmp_path)
    (tmp_path / "near" / "x-rays" / "one.png").touch()
    assert list(find(tmp_path)) == [("near", "x-rays")]


def test_a_network_that_assesses_pictures_is_judged_by_its_classes(
    assessing_bundle: Path, make_picture: Callable[..., Image.Image]
) -> None:
    labels = np.repeat(np.arange(len(CLASSES)), 3)
    listed = {split: [make_picture(seed) for seed in range(len(labels))] for split in SPLITS}
    splits = dict.fromkeys(SPLITS, labels), dict.fromkeys(SPLITS, np.arange(len(labels)))
    strangers = {("far", "blank"): [Image.new("RGB", (96, 64))]}
    seen = look(*read_bundle(assessing_bundle), Pictures(listed | strangers, *splits, []), "it")
    assert seen["test"].logits.shape == (len(labels), len(CLASSES))
    assert seen["far", "blank"].labels.tolist() == [-1]
    assert np.isfinite(seen["far", "blank"].embeddings).all()
    assert np.isfinite(seen["test"].stem).all()
    assert seen["test"].stem.shape[1] > 0
