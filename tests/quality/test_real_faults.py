"""How often a fault that a person sees is named is counted right, and each row of it is usable."""

import csv
from pathlib import Path

import pytest

from benchmarks.quality import real_faults
from models.gate import Answer
from utils.common.errors import SettingsError
from utils.common.faults import FAULT_NAMES

SEEN = {
    Path("a.jpg"): ("dark", "blurred"),
    Path("b.jpg"): ("dark",),
    Path("c.jpg"): ("blurred",),
    Path("d.jpg"): (),
}
SAID = ("blurred", "dark"), ("dark",), (), ("glare",)


def answer(*said: str, dark: float = 0.0) -> Answer:
    probabilities = {**dict.fromkeys(FAULT_NAMES, 0.0), "dark": dark}
    return Answer(faults=said, fault_probabilities=probabilities)


def test_every_row_names_known_faults_of_one_picture() -> None:
    with real_faults.SEEN.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["file"] for row in rows}) == len(rows) > 100
    assert {name for row in rows for name in row["faults"].split()} <= set(FAULT_NAMES)


def test_named_and_named_first_are_counted_for_each_fault() -> None:
    poor = dict(
        zip(SEEN, (answer(*said, dark=0.9 * ("dark" in said)) for said in SAID), strict=True)
    )
    silent = dict.fromkeys(SEEN, answer())
    good = {Path("e.jpg"): answer("dark", dark=0.95), Path("f.jpg"): answer()}
    found = real_faults.count("dark", SEEN, [poor, silent], [good, good])
    area = (3 / 4 + 1.5 / 4) / 2  # of four others three below both; then three level, one above
    assert found == real_faults.Count(seen=2, first=0.5, named=1.0, false=0.5, area=area)
    lines = real_faults.describe(SEEN, [poor], [good]).splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["blurred", "dark", "any"]
    assert lines[-1].split()[:5] == ["any", "3", "67%", "9%-99%", "67%"]


def test_a_picture_without_a_row_is_not_judged_and_none_at_all_is_one_line(capsys) -> None:
    with real_faults.SEEN.open(newline="") as stream:
        known = next(csv.DictReader(stream))["file"]
    found = real_faults.faults_seen([Path(known), Path("unknown.jpg")])
    assert [path.name for path in found] == [known]
    assert "1 of 2 pictures have a row" in capsys.readouterr().out
    with pytest.raises(SettingsError, match="No picture has a row"):
        real_faults.faults_seen([Path("unknown.jpg")])
