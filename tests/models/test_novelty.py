"""Out-of-distribution detection by texture and by neighbours among embeddings."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.novelty import NUM_NEIGHBOURS, Neighbours, Novelty, Scale, unit

WIDTH = 4


def detection(seed: int = 0, count: int = 30) -> Novelty:
    """Return one of one number of texture, whose distance is that number, and some neighbours."""
    rows = unit(np.random.default_rng(seed).normal(size=(count, WIDTH))).astype(np.float16)
    neighbours = Neighbours(rows.astype(np.float32), Scale(2.0, 1.0), Scale(0.1, 0.05))
    one = np.ones((1, 1), np.float32)
    return Novelty(3.0, "", one, 0 * one, neighbours)


def features(texture: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    return np.column_stack([texture, embeddings]).astype(np.float32)


def test_neighbours_are_those_of_all_pairs() -> None:
    neighbours = detection().neighbours
    assert neighbours is not None
    embeddings = np.random.default_rng(1).normal(0, 5, (50, WIDTH)).astype(np.float32)
    cosines = np.array(
        [[one @ other / np.linalg.norm(one) for other in neighbours.bank] for one in embeddings]
    )
    expected = 1 - np.sort(cosines, axis=1)[:, -NUM_NEIGHBOURS]
    assert neighbours.distances(embeddings) == pytest.approx(expected, abs=1e-5)
    assert neighbours.distances(9 * embeddings) == pytest.approx(expected, abs=1e-5)


def test_a_small_bank_has_its_farthest_picture_in_place_of_the_tenth() -> None:
    neighbours = detection(count=3).neighbours
    assert neighbours is not None
    distances = neighbours.distances(neighbours.bank)
    expected = 1 - (neighbours.bank @ neighbours.bank.T).min(axis=1)
    assert distances == pytest.approx(expected, abs=1e-3)  # rows have a length of about 1


def test_either_distance_is_enough_and_neither_makes_up_for_the_other() -> None:
    one = detection()
    assert one.neighbours is not None
    near = one.neighbours.bank[one.neighbours.distances(one.neighbours.bank).argmin()]
    calm = replace(one, neighbours=replace(one.neighbours, embedding=Scale(2.0, 1.0)))
    textures = np.array([0, 2, 3, 7], np.float32)
    assert calm.scores(features(textures, np.tile(near, (4, 1)))).tolist() == [0, 0, 1, 5]
    far = -one.neighbours.bank.mean(axis=0)
    score = one.scores(features(np.array([0.0, 2.0]), np.tile(far, (2, 1))))
    assert score[0] == score[1] > 3
    assert one.is_unlike(features(np.array([0.0]), far[None])).all()


def test_what_is_between_texture_and_embeddings_counts_for_nothing() -> None:
    rng = np.random.default_rng(3)
    rows = features(rng.normal(3, 2, 40), rng.normal(size=(40, WIDTH)))
    one = detection()
    wide = np.insert(rows, [1], rng.normal(size=(40, 6)), axis=1)
    assert np.array_equal(one.scores(wide), one.scores(rows))
    assert one.scores(rows).any()


def test_without_neighbours_texture_alone_decides() -> None:
    one = replace(detection(), neighbours=None)
    rows = features(np.array([1.0, 4.0]), np.full((2, WIDTH), np.nan))
    assert one.scores(rows).tolist() == [1, 4]
    assert one.is_unlike(rows).tolist() == [False, True]


@pytest.mark.parametrize("has_neighbours", [True, False])
def test_it_survives_a_file(has_neighbours: bool) -> None:
    one = detection() if has_neighbours else replace(detection(), neighbours=None)
    again = Novelty.from_dict(json.loads(json.dumps(one.to_dict())), one.arrays())
    rng = np.random.default_rng(2)
    rows = features(rng.normal(3, 2, 40), rng.normal(size=(40, WIDTH)))
    assert np.array_equal(again.scores(rows), one.scores(rows))
    assert again.to_dict() == one.to_dict()


@pytest.mark.parametrize(
    "scale", [{"mean": 1}, {"mean": 1, "spread": 0}, {"mean": float("nan"), "spread": 1}]
)
def test_a_scale_that_cannot_be_used(scale: dict[str, float]) -> None:
    one = detection()
    fields = one.to_dict()
    fields["scales"]["embedding"] = scale
    with pytest.raises((KeyError, ValueError)):
        Novelty.from_dict(fields, one.arrays())


def test_a_bank_takes_two_bytes_a_number() -> None:
    one = detection()
    assert one.neighbours is not None
    bank = one.arrays()["novelty.bank"]
    assert bank.nbytes == 2 * one.neighbours.bank.size
    assert np.array_equal(bank.astype(np.float32), one.neighbours.bank)  # nothing is rounded twice


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1e300]]), np.array([[np.nan]], np.float32), np.array([[1]]),
        np.array([[True]]), np.array([[1j]]),
    ],
    ids=["beyond float32", "NaN", "int", "bool", "complex"],
)  # fmt: skip
def test_an_array_that_cannot_be_used(array: np.ndarray) -> None:
    one = detection()
    with pytest.raises(ValueError, match="is not"):
        Novelty.from_dict(one.to_dict(), {**one.arrays(), "novelty.projection": array})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_no_number_is_unlike(value: float) -> None:
    rows = features(np.array([0.0]), np.full((1, WIDTH), value))
    assert detection().is_unlike(rows).all()


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), "2%"])
def test_a_share_that_cannot_be_used(share: object) -> None:
    one = detection()
    with pytest.raises(ValueError):
        Novelty.from_dict({**one.to_dict(), "refused": share}, one.arrays())


def test_equal_distances_have_a_scale() -> None:
    scale = Scale.of(np.full(5, 2, np.float32))
    assert scale.excess(np.array([1, 2], np.float32)).tolist() == [0, 0]
