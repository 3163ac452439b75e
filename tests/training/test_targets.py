"""What a picture is to be assessed as, from its row in the manifest or the folder it lies in."""

import dataclasses
import json

import numpy as np
import pytest

from models.outputs import (
    NUM_TARGETS,
    SUBJECTS,
    UNKNOWN,
    fault_targets,
    severity_targets,
    subject_targets,
)
from utils.common.faults import FAULT_NAMES, MAX_SEVERITY
from utils.common.labels import LOW_QUALITY, OTHER
from utils.dataset.output.manifest import REAL, ManifestRow
from utils.quality.kinds import KINDS
from utils.training.data.targets import NOTHING_KNOWN, of_degraded, of_good, targets_of

ROW = ManifestRow(
    "train/OTHER/a.jpg", "train", OTHER, "any", "a.jpg", "a", "a", "0" * 64, 9, 9, "0" * 64, "JPEG",
    9, 9,
)  # fmt: skip
POOR = dataclasses.replace(ROW, file=f"train/{LOW_QUALITY}/a.jpg", label=LOW_QUALITY)


def parts(row: ManifestRow) -> tuple[int, dict[str, int], int]:
    targets = np.array([targets_of(row)], np.int8)
    assert targets.shape == (1, NUM_TARGETS)
    faults = dict(zip(FAULT_NAMES, fault_targets(targets)[0].tolist(), strict=True))
    return int(subject_targets(targets)[0]), faults, int(severity_targets(targets)[0])


@pytest.mark.parametrize("label", SUBJECTS)
def test_a_good_picture_is_its_class_and_has_no_fault(label: str) -> None:
    subject, faults, severity = parts(dataclasses.replace(ROW, label=label))
    assert (SUBJECTS[subject], set(faults.values()), severity) == (label, {0}, 0)
    assert targets_of(dataclasses.replace(ROW, label=label)) == of_good(label)


@pytest.mark.parametrize("kind", KINDS)
def test_a_degraded_picture_has_the_faults_of_its_kinds(kind: str) -> None:
    for other in KINDS:
        row = dataclasses.replace(
            POOR, parent="train/PAN/b.jpg", degradation=f"{kind}+{other}", severity=3
        )
        subject, faults, severity = parts(row)
        assert (SUBJECTS[subject], severity) == ("PAN", 3)
        shown = {name for name, holds in faults.items() if holds == 1}
        assert shown == {*KINDS[kind].shows, *KINDS[other].shows}
        assert set(faults.values()) == {0, 1}


def test_of_a_kind_that_the_table_lacks_the_rest_is_known() -> None:
    row = dataclasses.replace(
        POOR, parent="train/DERM/b.jpg", degradation="haze+fog", severity=MAX_SEVERITY
    )
    subject, faults, severity = parts(row)
    assert (SUBJECTS[subject], severity) == ("DERM", MAX_SEVERITY)
    assert set(faults.values()) == {UNKNOWN}


def test_a_real_poor_picture_has_the_faults_that_most_people_saw() -> None:
    votes = {"blurred": 5, "dark": 4, "bright": 3, "unrecognizable": 5, "voters": 5}
    row = dataclasses.replace(POOR, degradation=REAL, parameters=json.dumps(votes))
    subject, faults, severity = parts(row)
    assert (SUBJECTS[subject], severity) == (OTHER, UNKNOWN)
    assert {name for name, holds in faults.items() if holds == 1} == {"blurred", "dark"}
    assert set(faults.values()) == {1, UNKNOWN}
    strange = dataclasses.replace(row, parameters=json.dumps({"blurred": "many", "dark": None}))
    assert set(parts(strange)[1].values()) == {UNKNOWN}


def test_nothing_is_known_of_other_poor_pictures() -> None:
    assert of_good(LOW_QUALITY) == NOTHING_KNOWN
    assert targets_of(dataclasses.replace(POOR, degradation=REAL)) == NOTHING_KNOWN
    assert targets_of(POOR) == of_degraded("", "", None) == NOTHING_KNOWN
