"""The page: whatever comes from outside is text on it, wherever it stands."""

from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from utils.common.labels import CLASSES
from utils.evaluation import page
from utils.evaluation.page import as_page
from utils.evaluation.report import Collection, Report

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


def test_it_says_why_no_picture_can_be_unlike(report: Report, data_folder: Path) -> None:
    reason = "9 val pictures are too few"
    novelty = replace(report.calibration.novelty, threshold=None, reason=reason)
    told = replace(report, calibration=replace(report.calibration, novelty=novelty))
    assert f"({reason})" in as_page("run", told, data_folder)
    assert "(2 % was aimed at)" in as_page("run", report, data_folder)
