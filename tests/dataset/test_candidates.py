"""Candidates come in every turn, with a frame near the true one, and strangers are few."""

import cv2
import numpy as np
import pytest

from utils.common.seeds import generator
from utils.dataset.leakage import candidates
from utils.dataset.leakage.candidates import Candidates
from utils.dataset.leakage.orientations import NUM_TURNS, turned
from utils.dataset.leakage.thumbnails import SIDE

NUM = 40
LARGE = 256


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    """Pictures with detail at all scales, float32 of shape (n, 256, 256)."""
    row = np.maximum(1, np.hypot(*np.mgrid[:64, :64]))
    drawn = []
    for number in range(NUM):
        terms = np.zeros((LARGE, LARGE), np.float32)
        terms[:64, :64] = generator("candidates", number).normal(0, 12 * LARGE / row)
        terms[0, 0] = 128 * LARGE
        drawn.append(np.clip(cv2.idct(terms), 0, 255))
    return np.array(drawn, np.float32)


def shrunk(pictures: np.ndarray) -> np.ndarray:
    small = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in pictures]
    return np.array(small).round().astype(np.uint8)


def find_candidates(pictures: np.ndarray) -> Candidates:
    return candidates.find_candidates([one.tobytes() for one in pictures])


@pytest.mark.parametrize("turn", range(NUM_TURNS))
def test_a_turned_crop_is_found_with_its_turn_and_frame(large: np.ndarray, turn: int) -> None:
    left, width, top, height = 10, 236, 4, 240
    crops = large[:, top : top + height, left : left + width]
    copies = turned(shrunk(crops), turn)
    found = find_candidates(np.concatenate([shrunk(large), copies]))
    is_true = found.outer + NUM == found.inner
    assert len(set(found.outer[is_true].tolist())) >= 0.95 * NUM
    upright = [turned(copies, turned_by)[0] for turned_by in found.turn[is_true][:1]]
    assert np.abs(upright[0].astype(int) - shrunk(crops[:1])[0]).max() <= 1
    frame = np.array([left, width, top, height]) / LARGE
    assert np.abs(found.frame[is_true] - frame).max() <= 0.08
    assert np.median(np.abs(found.frame[is_true] - frame)) <= 0.03


def test_brightness_and_contrast_change_no_candidate(large: np.ndarray) -> None:
    calm = shrunk(np.clip(large, 60, 190))
    dim = (calm // 2 + 10).astype(np.uint8)
    found = find_candidates(np.concatenate([calm, dim]))
    pairs = set(zip(found.outer.tolist(), found.inner.tolist(), strict=True))
    assert {(one, one + NUM) for one in range(NUM)} <= pairs


def test_how_many_are_looked_at_together_changes_nothing(
    large: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = np.concatenate([shrunk(large), shrunk(large[:, 6:, 9:])])
    whole = find_candidates(pictures)
    monkeypatch.setattr(candidates, "CHUNK", 7)
    monkeypatch.setattr(candidates, "MOST_MATCHES", 5)
    parts = find_candidates(pictures)
    for name in ("outer", "inner", "turn", "frame"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_no_picture_has_no_candidates() -> None:
    assert len(find_candidates(np.empty((0, SIDE, SIDE), np.uint8)).outer) == 0
