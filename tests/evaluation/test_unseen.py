"""A report on collections that training never saw, and what any other says of its own."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.common.labels import CLASSES
from utils.evaluation.external import AS_HERE
from utils.evaluation.files import write_report
from utils.evaluation.report import Report
from utils.evaluation.text import as_text, unseen_table
from utils.evaluation.unseen import AS_LAID_OUT, AS_TRAINED, SHARED

FACTS = {
    "collections": ["both", "things"],
    "pictures": {"both": 20, "things": 12},
    "sharing": {"train": 2, "val": 1},
    "unused": 4,
}
HEADING = "Tested on collections that training never saw: both, things"
SAID = [
    "All pictures of these collections are test, whatever their split: 20 of both, 12 of things.",
    "Not used are the test pictures of the other collections (4).",
    SHARED,
    "Training and validation also went without 3 pictures of the others, which share a group "
    "(patient, lesion, copy, look-alike) with one of these.",
]


@pytest.fixture(scope="module")
def unseen(make_report: Callable[..., Report]) -> Report:
    return make_report(left_out=FACTS)


def test_it_is_headed_so_everywhere(unseen: Report, data_folder: Path, tmp_path: Path) -> None:
    write_report(tmp_path / "run-1", unseen, data_folder)
    page = (tmp_path / "run-1" / "report.html").read_text()
    assert f"<h1>run-1: {HEADING}</h1>" in page
    assert as_text(unseen).splitlines()[:5] == [HEADING, *SAID]
    start = as_text(unseen).splitlines().index(header := unseen_table(unseen).splitlines()[0])
    assert header.split() == ["collection", "accuracy", "balanced", "accuracy", "pictures"]
    named = as_text(unseen).splitlines()[start + 1 : start + 3]
    assert [line.split()[0] for line in named] == FACTS["collections"]
    for told in (page, as_text(unseen)):
        assert "--leave-out NAME" not in told
        assert all(sentence in told for sentence in SAID)


def test_each_collection_is_measured_by_itself(unseen: Report) -> None:
    rows = {row["of"][0]: row for row in unseen.slices.to_dict()["by_source"]}
    for name, found in json.loads(json.dumps(unseen.to_dict()))["unseen_collections"].items():
        assert found["pictures"] == rows[name]["pictures"]
        assert found["accuracy"] == rows[name]["right"]
        recalls = [one["value"] for one in found["recall"].values() if one["value"] is not None]
        assert found["balanced_accuracy"]["value"] == pytest.approx(np.mean(recalls))
    assert list(unseen.unseen) == FACTS["collections"]
    assert unseen.unseen["things"].per_class["DERM"]["recall"].value is None


def test_its_mix_of_classes_is_no_fault_of_the_model(unseen: Report, report: Report) -> None:
    assert unseen.figures()["calibration"]["prior_of_the_errors"] == AS_HERE
    assert report.figures()["calibration"]["prior_of_the_errors"] != AS_HERE
    assert unseen.by_temperature is None
    assert set(unseen.called) == set(CLASSES)


def test_any_other_report_names_the_flag(report: Report, data_folder: Path, tmp_path: Path) -> None:
    write_report(tmp_path / "run-1", report, data_folder)
    page = (tmp_path / "run-1" / "report.html").read_text()
    assert "<h1>run-1</h1>" in page
    assert "launch_training_test.py --leave-out NAME" in page.replace("<wbr>", "")
    assert AS_TRAINED in as_text(report).splitlines()
    assert AS_LAID_OUT in as_text(replace(report, collections=())).splitlines()
    assert "unseen_collections" not in report.to_dict()
