"""The page: whatever comes from outside is text on it, wherever it stands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from utils.common.labels import CLASSES
from utils.evaluation import page
from utils.evaluation.conformal import fit_quantiles
from utils.evaluation.page import as_page
from utils.evaluation.report import Collection, Report
from utils.evaluation.text import as_text

HOSTILE = "<script>\"'&{{ 7 * 7 }}</script>"
ESCAPED = "&lt;script&gt;&#34;&#39;&amp;{{ 7 * 7 }}&lt;/script&gt;"


def test_what_comes_from_outside_is_text(report: Report, data_folder: Path) -> None:
    part = replace(report.slices.by_source[0], of=(HOSTILE,))
    figure = replace(report.answered, value=None, interval=None, reason=HOSTILE)
    told = replace(
        report,
        facts={
            "model": HOSTILE,
            "timm_name": HOSTILE,
            "data_hash": HOSTILE,
            "settings": {HOSTILE: HOSTILE},
            "versions": {HOSTILE: HOSTILE},
            "pictures": {HOSTILE: dict.fromkeys(CLASSES, 1)},
            "looks_at_test": [HOSTILE],
        },
        collections=[Collection(HOSTILE, HOSTILE, False, 1)],
        slices=replace(report.slices, by_source=(part,), by_degradation=(part,)),
        shortcuts={HOSTILE: figure},
    )
    text = as_page(HOSTILE, told, data_folder)
    assert "<script" not in text
    # Title and heading, model card, name of a split, collection, parts, shortcut and its reason.
    assert text.count(ESCAPED) == 2 + 8 + 1 + 3 + 2 + 2


def test_a_name_that_the_template_misspells_is_no_blank(
    report: Report, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.html.jinja").write_text("{{ report.metrics.acuracy }}")
    monkeypatch.setattr(page, "__file__", str(tmp_path / "page.py"))
    with pytest.raises(UndefinedError, match="acuracy"):
        as_page("run", report, data_folder)


@pytest.mark.parametrize(("coverage", "said"), [(0.95, "95"), (0.975, "97.5"), (0.999, "99.9")])
def test_a_promise_is_told_with_all_of_its_digits(
    report: Report, data_folder: Path, coverage: float, said: str
) -> None:
    told = replace(report, calibration=replace(report.calibration, coverage=coverage))
    of_page = f"so that {said}\N{NO-BREAK SPACE}% of each class's"
    assert of_page in as_page("run", told, data_folder).replace("\n", " ")
    assert f"{said}% coverage:" in as_text(told)
    _, reasons = fit_quantiles(np.full((1, len(CLASSES)), 0.2), np.array([0]), coverage)
    assert reasons["DERM"].startswith(f"1 val pictures; {said}% takes at least ")


def test_it_says_why_no_picture_can_be_unlike(report: Report, data_folder: Path) -> None:
    reason = "9 val pictures are too few"
    novelty = replace(report.calibration.novelty, threshold=None, reason=reason)
    told = replace(report, calibration=replace(report.calibration, novelty=novelty))
    assert f"({reason})" in as_page("run", told, data_folder)
    for refused, said in ((0.02, "2"), (0.125, "12.5")):
        novelty = replace(report.calibration.novelty, refused=refused)
        told = replace(report, calibration=replace(report.calibration, novelty=novelty))
        aim = f"({said}\N{NO-BREAK SPACE}% was aimed at)"
        assert aim in as_page("run", told, data_folder)
