"""What is said of a picture beside its class: by rules that a hand can follow."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.assessment import SUBJECT, Assessment, FaultScale, severities, sigmoid
from models.calibration import Verdicts
from models.outputs import NUM_ASSESSMENTS, SUBJECTS
from utils.common.errors import ModelError
from utils.common.faults import FAULT_NAMES, FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES, DERM, LOW_QUALITY, OTHER, PAN

EVEN = (FaultScale(),) * len(FAULTS)
PLAIN = Assessment(1.0, 0.6, 0.9, EVEN, {})


def outputs(subject: str, sure: float = 4.0, level: float = -9.0, **faults: float) -> np.ndarray:
    """Return the assessments of one picture, with the logits of its faults, -5 else."""
    subjects = [sure * (name == subject) for name in SUBJECTS]
    found = [faults.get(name, -5.0) for name in FAULT_NAMES]
    return np.array([[*subjects, *found, *[level] * MAX_SEVERITY]], dtype=np.float32)


def called(*labels: str, unlike: bool = False) -> Verdicts:
    probabilities = np.array([[float(name == label) for name in CLASSES] for label in labels])
    return Verdicts(probabilities, probabilities > 0, np.full(len(labels), unlike))


def test_all_columns_are_used_and_mean_what_they_are_called() -> None:
    assessed = np.arange(NUM_ASSESSMENTS, dtype=np.float32)[None]
    found = PLAIN.judge(assessed, called(DERM))
    assert found.subject_probabilities.shape == (1, len(SUBJECTS))
    assert found.fault_probabilities.shape == found.has_fault.shape == (1, len(FAULTS))
    assert found.severities == pytest.approx(MAX_SEVERITY)


def test_a_fault_is_told_from_its_threshold_on_the_likeliest_first() -> None:
    assessed = outputs(PAN, dark=1.0, blurred=2.0, noisy=0.0, glare=-0.01)
    found = PLAIN.judge(assessed, called(LOW_QUALITY))
    assert found.faults == [("blurred", "dark", "noisy")]
    assert found.advice == [FAULTS[FAULT_NAMES.index("blurred")].advice]
    assert found.first_faults.tolist() == [FAULT_NAMES.index("blurred")]


@pytest.mark.parametrize(
    ("label", "unlike", "told"),
    [(LOW_QUALITY, False, ("glare",)), (LOW_QUALITY, True, ()), (PAN, False, ())],
)
def test_a_poor_picture_is_not_left_without_a_reason(
    label: str, unlike: bool, told: tuple[str, ...]
) -> None:
    found = PLAIN.judge(outputs(PAN, glare=-1.0), called(label, unlike=unlike))
    assert found.faults == [told]
    assert bool(found.advice[0]) == bool(told)
    assert (found.first_faults >= 0).tolist() == [bool(told)]


@pytest.mark.parametrize("label", [LOW_QUALITY, OTHER])
def test_a_fault_beyond_its_threshold_is_told_whatever_the_label(label: str) -> None:
    assert PLAIN.judge(outputs(OTHER, dark=3.0), called(label)).faults == [("dark",)]


@pytest.mark.parametrize(
    ("label", "sure", "unlike", "subject", "untold"),
    [
        (PAN, 4.0, False, PAN, ""),
        (LOW_QUALITY, 4.0, False, PAN, ""),
        (LOW_QUALITY, 0.5, False, "", "unsure"),
        (LOW_QUALITY, 0.5, True, "", "unlike"),
        (PAN, 4.0, True, "", "unlike"),
        (DERM, 4.0, False, "", "not the label"),
    ],
)
def test_a_subject_is_told_or_the_reason_why_not(
    label: str, sure: float, unlike: bool, subject: str, untold: str
) -> None:
    found = PLAIN.judge(outputs(PAN, sure), called(label, unlike=unlike))
    assert (found.subjects, found.untold) == ([subject], [untold])
    assert found.is_subject_told.tolist() == [bool(subject)]


def test_scales_and_temperature_are_applied() -> None:
    scales = (FaultScale(2.0, -1.0, 0.3), *EVEN[1:])
    found = Assessment(2.0, 0.6, 0.9, scales, {}).judge(outputs(DERM, blurred=0.25), called(DERM))
    assert found.fault_probabilities[0, 0] == pytest.approx(1 / (1 + np.exp(0.5)))
    assert found.has_fault[0, 0]
    assert found.subject_probabilities[0, 0] == pytest.approx(np.exp(2) / (np.exp(2) + 3))


def test_the_severity_is_from_0_to_5_and_grows_with_every_level() -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(size=(50, MAX_SEVERITY)) * 6
    assessed = np.zeros((50, NUM_ASSESSMENTS), dtype=np.float32)
    assessed[:, -MAX_SEVERITY:] = levels
    found = severities(assessed)
    assert (found >= 0).all() and (found <= MAX_SEVERITY).all()
    for column in range(NUM_ASSESSMENTS - MAX_SEVERITY, NUM_ASSESSMENTS):
        more = assessed.copy()
        more[:, column] += 1
        assert (severities(more) >= found).all()
    # Level 3 without level 1 is no severity: nothing is likelier than what it includes.
    assessed[:, -MAX_SEVERITY:] = [-50, 50, 50, 50, 50]
    assert severities(assessed) == pytest.approx(0)


def test_sigmoids_of_any_number_are_shares() -> None:
    found = sigmoid(np.array([-3e38, -1, 0, 1, 3e38], dtype=np.float32))
    assert found.tolist() == sorted(found.tolist())
    assert (found[0], found[2], found[-1]) == (pytest.approx(0), 0.5, pytest.approx(1))


def test_what_was_stored_comes_back() -> None:
    scales = tuple(FaultScale(0.5 + n, -n / 3, n / 20) for n in range(len(FAULTS)))
    stored = Assessment(1.5, 0.7, 0.9, scales, {"dark": "2 groups", SUBJECT: "3 groups"})
    fields = json.loads(json.dumps(stored.to_dict()))
    assert Assessment.from_dict(fields) == stored
    assert {name: one["advice"] for name, one in fields["faults"]["outputs"].items()} == {
        fault.name: fault.advice for fault in FAULTS
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: fields.pop("subject"),
        lambda fields: fields["subject"].update(temperature=0),
        lambda fields: fields["subject"].update(threshold=1.5),
        lambda fields: fields["subject"].update(right="most"),
        lambda fields: fields["subject"].update(reason=None),
        lambda fields: fields["subject"].update(outputs=["DERM"]),
        lambda fields: fields["faults"]["outputs"].pop("dark"),
        lambda fields: fields["faults"]["outputs"].update(ugly={}),
        lambda fields: fields["faults"]["outputs"]["dark"].update(slope=-1),
        lambda fields: fields["faults"]["outputs"]["dark"].update(slope=True),
        lambda fields: fields["faults"]["outputs"]["dark"].update(bias=float("nan")),
        lambda fields: fields["faults"]["outputs"]["dark"].update(threshold=-0.1),
        lambda fields: fields["faults"].update(outputs=[1]),
        lambda fields: fields.update(faults=None),
    ],
)
def test_a_strangers_values_are_checked(damage: Callable[[dict[str, Any]], object]) -> None:
    fields = json.loads(json.dumps(PLAIN.to_dict()))
    damage(fields)
    with pytest.raises(ModelError, match=r"^The assessment cannot be used: "):
        Assessment.from_dict(fields)


def test_what_rests_on_few_pictures_is_said_in_one_line() -> None:
    assert PLAIN.caveat == ""
    few = Assessment(1.0, 0.9, 0.9, EVEN, {"dark": "3 groups", SUBJECT: "2 poor val pictures"})
    assert few.caveat == (
        "1 of 12 faults had too few val pictures for a calibration of their own and mostly share "
        "that of all: dark; no promise holds for subjects: 2 poor val pictures"
    )
