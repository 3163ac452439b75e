"""Recipes are compared class by class and origin by origin, on the same pictures."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import other_origins
from utils.common.errors import SettingsError
from utils.common.labels import CLASSES

PLACES = [
    ("DERM_CLINIC", "here"), ("DERM_CLINIC", "there"), ("PAN", "here"), ("PAN", "there"),
    ("LOW_QUALITY", "here"), ("LOW_QUALITY", "there"),
]  # fmt: skip


def probabilities(*called: str) -> np.ndarray:
    """Return probabilities of which the class called has 0.6."""
    rows = np.full((len(called), len(CLASSES)), 0.1)
    rows[np.arange(len(called)), [CLASSES.index(name) for name in called]] = 0.6
    return rows


def test_shares_are_means_over_runs_of_pictures_of_a_class_and_of_an_origin() -> None:
    right = probabilities(*(label for label, _ in PLACES))
    wrong = probabilities("PAN", "DERM_CLINIC", "PAN", "DERM", "OTHER", "LOW_QUALITY")
    printed = other_origins.describe(PLACES, {"good": [right, right], "mixed": [right, wrong]})
    rows = {line.split("  ")[0]: line for line in printed.splitlines()}
    assert rows["balanced accuracy"].split()[-6:] == ["100.0%", "+-", "0.0", "75.0%", "+-", "25.0"]
    assert rows["the same, DERM_CLINIC and PAN as one"].split()[-3:] == ["81.2%", "+-", "18.7"]
    assert rows["DERM_CLINIC"].split()[1:4] == ["2", "100.0%", "(16%-100%)"]
    assert "75.0% (" in rows["DERM_CLINIC"]
    assert "75.0% (" in rows["poor ones found at 5% false alarms"]
    assert "50.0% (" in rows["PAN, there"] and "50.0% (" not in rows["PAN, here"]


def test_a_picture_in_no_class_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "PAN" / "here").mkdir(parents=True)
    (tmp_path / "PAN" / "here" / "a.jpg").touch()
    found = other_origins.find_by_origin(tmp_path)
    assert list(found.values()) == [("PAN", "here")]
    (tmp_path / "b.jpg").touch()
    with pytest.raises(SettingsError, match=r"b\.jpg lies in no class folder"):
        other_origins.find_by_origin(tmp_path)
    with pytest.raises(SettingsError, match="--runs 'plain'"):
        other_origins.read_recipe("plain")
