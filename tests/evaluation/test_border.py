"""How the confusion of the two clinical classes is told, and what it costs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from utils.common.labels import CLASSES, CLINIC_OR_PAN, DERM_CLINIC, PAN
from utils.evaluation.border import PAIR, measure_border, merge
from utils.evaluation.files import write_report
from utils.evaluation.report import Report
from utils.evaluation.text import as_text
from utils.training.predictions import balanced_accuracy, confusion_of

CLINIC, BODY = CLASSES.index(DERM_CLINIC), CLASSES.index(PAN)


def drawn(seed: int, num: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(CLASSES), size=num)
    predicted = np.where(rng.random(num) < 0.6, labels, rng.integers(len(CLASSES), size=num))
    return labels, predicted, np.arange(num) // 2


@pytest.mark.parametrize("seed", range(3))
def test_confusing_the_two_is_no_mistake_of_four_classes(seed: int) -> None:
    labels, predicted, groups = drawn(seed)
    swapped = np.select([predicted == CLINIC, predicted == BODY], [BODY, CLINIC], predicted)
    one, other = (measure_border(labels, given, groups) for given in (predicted, swapped))
    assert one.balanced_accuracy == other.balanced_accuracy
    recalls = [
        (merge(predicted) == merge(labels))[merge(labels) == label].mean() for label in range(4)
    ]
    figure = one.balanced_accuracy
    assert figure.value == pytest.approx(np.mean(recalls))
    assert figure.interval[0] < figure.value < figure.interval[1]


@pytest.mark.parametrize("seed", range(3))
def test_each_way_is_a_share_of_the_confusion_matrix(seed: int) -> None:
    labels, predicted, groups = drawn(seed)
    counts = confusion_of(labels, predicted)
    for (true, other), figure in measure_border(labels, predicted, groups).taken.items():
        row = counts[CLASSES.index(true)]
        assert figure.value == pytest.approx(row[CLASSES.index(other)] / row.sum())
        assert figure.groups == len(np.unique(groups[labels == CLASSES.index(true)]))


def test_without_the_two_five_classes_are_four() -> None:
    labels, predicted, groups = drawn(0)
    kept = (labels != CLINIC) & (labels != BODY)
    codes = np.unique(groups[kept], return_inverse=True)[1]
    border = measure_border(labels[kept], predicted[kept], codes)
    expected = balanced_accuracy(confusion_of(labels[kept], predicted[kept]))
    assert border.balanced_accuracy.value == pytest.approx(expected)
    for figure in border.taken.values():
        assert (figure.value, figure.interval) == (None, None)
        assert figure.reason == "there are no test pictures of this class"


def test_text_page_and_json_tell_it(
    make_report: Callable[..., Report], data_folder: Path, tmp_path: Path
) -> None:
    report = make_report()
    write_report(tmp_path, report, data_folder)
    page = (tmp_path / "report.html").read_text().replace("<wbr>", "")
    lines = as_text(report).splitlines()
    written = json.loads((tmp_path / "report.json").read_text())["border"]
    assert written["rule"] == CLINIC_OR_PAN
    assert CLINIC_OR_PAN.replace("'", "&#39;") in page
    for told, (true, other) in zip(written["confusion"], (PAIR, PAIR[::-1]), strict=True):
        assert (told["true"], told["predicted"]) == (true, other)
        assert any(
            line.startswith(f"{true} taken for {other}: {told['share']['value']:.1%}")
            for line in lines
        )
        assert f"{true} taken for {other}" in page
    merged = written["balanced_accuracy_merged"]
    assert merged["interval"][0] <= merged["value"] <= merged["interval"][1]
    (line,) = (line for line in lines if line.startswith("Four-way balanced: "))
    assert f"{merged['value']:.1%}" in line
    assert "balanced accuracy of four, both as one" in page
