"""Parts of test: by collection, within collections of two classes, by degradation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.evaluation.rows import group_codes, read_rows, rows_of
from utils.evaluation.slices import Slice, Slices, cut
from utils.training.predictions import EvaluationInputs


@pytest.fixture
def found(data_folder: Path, inputs: EvaluationInputs) -> Slices:
    """Return the parts if every second picture of a class was recognised, and all of PAN."""
    rows = rows_of(read_rows(data_folder), inputs.test.files)
    right = np.array([int(row.file[-5]) % 2 == 0 or row.label == "PAN" for row in rows])
    return cut(rows, right, group_codes(rows))


def one(parts: tuple[Slice, ...], *of: str) -> tuple[int, float]:
    part = next(part for part in parts if part.of == of)
    return part.pictures, part.right.value


def test_every_picture_is_in_its_collection(found: Slices) -> None:
    assert [part.of for part in found.by_source] == [("bodies",), ("both",), ("things",)]
    assert one(found.by_source, "bodies") == (8, 1)
    assert sum(part.pictures for part in found.by_source) == 40


def test_only_collections_of_two_photographed_classes_are_looked_into(found: Slices) -> None:
    assert [part.of for part in found.within] == [
        ("both", "DERM"), ("both", "DERM_CLINIC"), ("both", "all"),
    ]  # fmt: skip
    assert one(found.within, "both", "all") == (16, 0.5)


def test_two_kinds_count_for_both(found: Slices) -> None:
    assert one(found.by_degradation, "haze")[0] == 3 + 2
    assert one(found.by_degradation, "glare")[0] == 3 + 2
    assert [part.of for part in found.by_severity] == [("1",), ("2",), ("3",), ("4",), ("5",)]
    assert sum(part.pictures for part in found.by_severity) == 8


def test_real_poor_pictures_stand_apart_and_by_their_flaws(
    data_folder: Path, inputs: EvaluationInputs
) -> None:
    rows = rows_of(read_rows(data_folder), inputs.test.files)
    votes = (
        '{"blurred": 5, "dark": 4, "unrecognizable": 5}',
        '{"blurred": 3, "bright": 4}',
        '{"blurred": "5", "dark": null}',
        "",
    )
    poor = [position for position, row in enumerate(rows) if row.label == "LOW_QUALITY"]
    for position, text in zip(poor, votes, strict=False):
        rows[position] = replace(
            rows[position], parent="", degradation="real", severity=None, parameters=text
        )
    found = cut(rows, np.ones(len(rows), bool), group_codes(rows))
    counts = {part.of[0]: part.pictures for part in found.by_degradation}
    assert {kind: count for kind, count in counts.items() if kind.startswith(("real", "syn"))} == {
        "real": 4,
        "real, blurred": 1,
        "real, dark": 1,
        "real, bright": 1,
        "synthesized": len(poor) - 4,
    }
    assert sum(part.pictures for part in found.by_severity) == len(poor) - 4


def test_without_a_manifest_there_are_no_parts(inputs: EvaluationInputs, tmp_path: Path) -> None:
    rows = rows_of(read_rows(tmp_path), inputs.test.files)
    right = np.ones(len(rows), bool)
    assert not any(cut(rows, right, group_codes(rows)).to_dict().values())
    assert len(set(group_codes(rows))) == len(rows)
