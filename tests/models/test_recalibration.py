"""Where a calibration comes from is read as a stranger may have written it."""

from typing import Any

import pytest

from models.recalibration import MAX_NAME, Recalibration
from utils.common.labels import CLASSES

COUNTS = dict.fromkeys(CLASSES, 3)
WHOLE = Recalibration("run-1", "clinic", "2026-01-31", COUNTS, {**COUNTS, "PAN": 1})


def test_it_is_the_same_after_it_was_stored() -> None:
    assert Recalibration.from_dict(WHOLE.to_dict()) == WHOLE


def test_groups_are_told_where_they_are_fewer() -> None:
    told = WHOLE.describe()
    assert "15 pictures of clinic" in told
    assert "3 DERM," in told and "3 PAN of 1 groups" in told


@pytest.mark.parametrize(
    "change",
    [
        {"run": 1}, {"folder": "x" * (MAX_NAME + 1)}, {"date": "today"}, {"date": None},
        {"pictures": {**COUNTS, "PAN": -1}}, {"groups": {**COUNTS, "DERM": True}},
        {"groups": {"DERM": 1}}, {"pictures": {**COUNTS, "PAN": 1.5}},
    ],
)  # fmt: skip
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Recalibration.from_dict({**WHOLE.to_dict(), **change})
