"""The drawn pictures: sharp, well lit, each its own, and the same for the same numbers."""

import itertools

import cv2
import numpy as np
import pytest

from utils.common.labels import CLASSES, COLLECTED_CLASSES, LOW_QUALITY, OTHER
from utils.common.seeds import generator
from utils.quality.measures import brightness, contrast, sharpness
from utils.standins.sketches import SKETCHES
from utils.standins.sketches.fields import extent, lay
from utils.standins.sketches.scene import SIGHTS
from utils.standins.sketches.solids import SHADOW, solid

NUM_EACH = 8


def draw(label: str, number: int, width: int = 240, height: int = 180) -> np.ndarray:
    return SKETCHES[label](generator("sketch", label, number), width, height, None)


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[np.ndarray]]:
    return {
        label: [draw(label, number) for number in range(NUM_EACH)] for label in COLLECTED_CLASSES
    }


def small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA).astype(float)


def test_every_class_has_a_sketch() -> None:
    assert sorted(SKETCHES) == sorted(CLASSES)


@pytest.mark.parametrize("number", range(6))
def test_a_poor_picture_is_poor_by_what_is_measured(number: int) -> None:
    picture = draw(LOW_QUALITY, number)
    is_lit = 40 < brightness(picture) < 200
    assert not is_lit or sharpness(picture) < 0.5 * sharpness(draw(OTHER, number))


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize(("width", "height"), [(240, 180), (135, 181), (64, 64)])
def test_a_sketch_has_the_size_asked_for(label: str, width: int, height: int) -> None:
    picture = draw(label, 0, width, height)
    assert picture.dtype == np.uint8
    assert picture.shape == (height, width, 3)


@pytest.mark.parametrize("label", CLASSES)
def test_the_same_numbers_give_the_same_picture(label: str) -> None:
    assert np.array_equal(draw(label, 3), draw(label, 3))


@pytest.mark.parametrize("label", CLASSES)
def test_a_sketch_leaves_the_global_generators_alone(label: str) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(label, 0)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("label", COLLECTED_CLASSES)
def test_sketches_are_sharp_and_well_lit(label: str, drawn: dict[str, list[np.ndarray]]) -> None:
    for picture in drawn[label]:
        blurred = cv2.GaussianBlur(picture, (0, 0), 2)
        assert sharpness(picture) > 30
        assert sharpness(picture) > 4 * sharpness(blurred), "there is nothing that a blur takes"
        assert 40 < brightness(picture) < 230
        assert contrast(picture) > 5


def test_no_two_sketches_are_alike(drawn: dict[str, list[np.ndarray]]) -> None:
    thumbnails = [small(picture) for pictures in drawn.values() for picture in pictures]
    for one, other in itertools.combinations(thumbnails, 2):
        assert np.abs(one - other).mean() > 4


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: sight.__name__)
def test_every_sight_can_be_seen_from_any_number(sight) -> None:  # type: ignore[no-untyped-def]
    for number in range(6):
        canvas = sight(generator("sight", number), 96, 72)
        assert canvas.shape == (3, 72, 96)
        assert np.isfinite(canvas).all()


def test_one_subject_gives_different_pictures_of_one_skin() -> None:
    first, second = (
        SKETCHES["DERM_CLINIC"](generator("picture", number), 240, 180, generator("lesion"))
        for number in range(2)
    )
    assert np.abs(small(first) - small(second)).mean() > 4
    assert np.abs(np.median(first, (0, 1)) - np.median(second, (0, 1))).max() < 70


@pytest.mark.parametrize("rows", [slice(0), slice(3, 4), slice(5, 20), slice(None)])
@pytest.mark.parametrize("columns", [slice(0), slice(0, 1), slice(7, 15), slice(None)])
def test_laying_over_a_part_is_laying_over_all_where_the_mask_is_0(
    rows: slice, columns: slice
) -> None:
    rng = generator("laid", rows, columns)
    canvas, other = rng.random((2, 3, 20, 30), dtype=np.float32)
    mask = np.zeros((20, 30), np.float32)
    mask[rows, columns] = rng.uniform(0.1, 1, mask[rows, columns].shape)
    expected = canvas + (other - canvas) * mask
    lay(canvas, other, mask)
    assert np.array_equal(canvas, expected)
    assert mask[extent(mask)].size == np.count_nonzero(mask)


def test_bones_are_worked_out_as_far_as_their_shadow_reaches() -> None:
    width, height, radius = 240, 180, 12.0
    start, end = np.array([60.0, 50.0]), np.array([170.0, 120.0])
    bone = (*start.tolist(), radius, *end.tolist(), radius)
    body = solid(generator("bone"), width, height, [bone])
    y, x = np.indices((height, width)) - 0.5
    run = end - start
    along = np.clip(((x - start[0]) * run[0] + (y - start[1]) * run[1]) / (run @ run), 0, 1)
    away = np.hypot(x - start[0] - along * run[0], y - start[1] - along * run[1])
    near = away < radius + SHADOW * width
    assert np.abs(body.depth - (radius - away))[near].max() < 1
    assert (body.depth[~near] < 1 - SHADOW * width).all()
