"""Calibrated probabilities, sets and doubts: what they are, and that they survive a file."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.calibration import UNSURE, Calibration
from models.novelty import Novelty
from models.scaling import Scaling
from utils.common.errors import ModelError
from utils.common.labels import CLASSES

NUM_CLASSES = len(CLASSES)


def calibration(
    temperature: float = 2.0,
    quantiles: tuple[float | None, ...] = (0.5,) * NUM_CLASSES,
    threshold: float | None = 3.0,
) -> Calibration:
    """Return one whose features are distances from 0 and from 10, stretched twofold."""
    novelty = Novelty(
        threshold, "", np.array([[2], [0]], np.float32), np.array([[0], [20]], np.float32)
    )
    return Calibration(Scaling(temperature), 0.95, quantiles, {}, novelty)


def features(*places: float) -> np.ndarray:
    return np.array([[place, 99] for place in places], np.float32)


def logits_of(*rows: tuple[float, ...]) -> np.ndarray:
    """Return logits whose softmax at temperature 1 are these probabilities."""
    return np.log(np.array(rows)).astype(np.float32)


def test_what_is_said_follows_from_set_and_distance() -> None:
    sure = (0.9, 0.04, 0.02, 0.02, 0.02)
    torn = (0.1, 0.44, 0.42, 0.02, 0.02)
    lost = (0.31, 0.29, 0.2, 0.1, 0.1)  # no class reaches its quantile: the likeliest stays
    verdicts = calibration(temperature=1, quantiles=(0.65, 0.6, 0.6, 0.6, 0.6)).judge(
        logits_of(sure, torn, lost, sure, torn), features(1, 10, 11.4, 5, -2)
    )
    assert verdicts.labels == ["DERM", "DERM_CLINIC", "DERM", UNSURE, UNSURE]
    assert verdicts.abstained == ["", "ambiguous", "", "unlike", "unlike"]
    assert verdicts.possible == [
        ("DERM",), ("DERM_CLINIC", "LOW_QUALITY"), ("DERM",), ("DERM",),
        ("DERM_CLINIC", "LOW_QUALITY"),
    ]  # fmt: skip
    assert verdicts.is_answered.tolist() == [True, False, True, False, False]


def test_the_distance_is_to_the_nearest_centre() -> None:
    assert calibration().novelty.distances(features(1, 8, -2)).tolist() == [2, 4, 4]
    assert calibration().novelty.is_unlike(features(1, 8, 1.5)).tolist() == [False, True, False]


def test_another_prior_moves_probabilities_and_labels_but_no_promise() -> None:
    one = calibration(temperature=1, quantiles=(0.65,) * 5)
    torn = (0.1, 0.44, 0.42, 0.02, 0.02), (0.9, 0.04, 0.02, 0.02, 0.02)
    known = logits_of(*torn), features(0, 0)
    equal, other = one.judge(*known), one.judge(*known, prior=np.array([1.0, 1, 1, 100, 1]))
    assert equal.labels == ["DERM_CLINIC", "DERM"]
    assert other.labels == ["OTHER", "OTHER"]
    assert other.possible == [
        ("DERM_CLINIC", "LOW_QUALITY", "OTHER"), ("DERM", "OTHER")
    ]  # fmt: skip
    never = one.judge(*known, prior=np.array([1.0, 0, 1, 1, 1]))
    assert never.labels == ["LOW_QUALITY", "DERM"]
    assert never.possible == [("LOW_QUALITY",), ("DERM",)]


def test_nothing_excludes_a_class_without_quantile() -> None:
    one = calibration(temperature=1, quantiles=(None, 0.9, None, 0.9, 0.9))
    sets = one.possible(np.array([[0.5, 0.2, 0.3, 0, 0], [0.4, 0.05, 0.45, 0.1, 0], [0] * 5]))
    assert sets[:, [0, 2]].all()
    assert sets[:, [1, 3, 4]].tolist() == [[True, False, False], [False, True, False], [False] * 3]


def test_two_classes_that_are_as_likely_and_promise_nothing_are_ambiguous() -> None:
    one = calibration(temperature=1, quantiles=(0.85, None, None, 0.94, None))
    verdicts = one.judge(logits_of((0.499, 0.495, 0.001, 0.001, 0.004)), features(0))
    assert verdicts.possible == [("DERM", "DERM_CLINIC", "LOW_QUALITY", "PAN")]
    assert verdicts.abstained == ["ambiguous"]


def test_with_one_class_without_quantile_only_that_class_is_answered() -> None:
    one = calibration(temperature=1, quantiles=(0.5, 0.5, None, 0.5, 0.5))
    sure = (0.01, 0.01, 0.96, 0.01, 0.01), (0.96, 0.01, 0.01, 0.01, 0.01)
    verdicts = one.judge(logits_of(*sure), features(0, 0))
    assert verdicts.possible == [("LOW_QUALITY",), ("DERM", "LOW_QUALITY")]
    assert verdicts.abstained == ["", "ambiguous"]


def test_a_model_says_in_one_line_what_it_does_not_promise() -> None:
    few = {"PAN": "7 val pictures; 95% takes at least 19", "OTHER": "none"}
    caveats = [
        replace(calibration(quantiles=quantiles), reasons=few).caveat
        for quantiles in ((0.5,) * 5, (0.5, 0.5, 0.5, 0.5, None), (0.5, None, 0.5, None, None))
    ]
    assert caveats == [
        "",
        "PAN (7 val pictures; 95% takes at least 19) has no promised coverage, so it stays "
        "possible for every picture: every answer but PAN is ambiguous",
        "DERM_CLINIC (not told), OTHER (none), PAN (7 val pictures; 95% takes at least 19) have no "
        "promised coverage, so they stay possible for every picture: every answer is ambiguous",
    ]


def test_without_a_threshold_nothing_is_unlike() -> None:
    assert not calibration(threshold=None).novelty.is_unlike(features(1e6)).any()


def test_it_survives_a_json_file() -> None:
    one = calibration(quantiles=(0.1, None, 0.3, 0.4, 1.0))
    stored = json.loads(json.dumps(one.to_dict()))
    again = Calibration.from_dict(stored, one.arrays())
    logits = np.random.default_rng(0).normal(0, 2, (20, NUM_CLASSES)).astype(np.float32)
    places = features(*np.linspace(-5, 15, 20))
    for before, after in zip(
        (one.judge(logits, places).labels, one.judge(logits, places).possible),
        (again.judge(logits, places).labels, again.judge(logits, places).possible),
        strict=True,
    ):
        assert before == after
    assert again.to_dict() == one.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0},
        {"temperature": "1"},
        {"temperature": None},
        {"biases": {"DERM": 0.5}},
        {"biases": dict.fromkeys(CLASSES, "0")},
        {"class_shares": dict.fromkeys(CLASSES, 1)},
        {"class_shares": {**dict.fromkeys(CLASSES, 0.5), "DERM": -1}},
        {"quantiles": {"DERM": 0.5}},
        {"quantiles": dict.fromkeys(CLASSES, float("nan"))},
        {"unlike": None},
        {"reasons": []},
    ],
)
def test_what_a_stranger_wrote_is_one_line(change: dict[str, object]) -> None:
    one = calibration()
    with pytest.raises(ModelError) as raised:
        Calibration.from_dict({**one.to_dict(), **change}, one.arrays())
    assert str(raised.value).startswith("The calibration cannot be used: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("array", [np.zeros((2, 3)), np.zeros(2), np.full((2, 1), np.nan)])
def test_arrays_that_do_not_fit_are_one_line(array: np.ndarray) -> None:
    one = calibration()
    for name in one.arrays():
        with pytest.raises(ModelError, match="calibration cannot be used"):
            Calibration.from_dict(one.to_dict(), {**one.arrays(), name: array})
    with pytest.raises(ModelError, match="calibration cannot be used"):
        Calibration.from_dict(one.to_dict(), {})
