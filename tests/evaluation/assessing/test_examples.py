"""Poor pictures that a report shows: always the same, and none but poor ones."""

from collections.abc import Callable

from models.outputs import SUBJECTS
from utils.common.labels import CLASSES, LOW_QUALITY
from utils.evaluation.assessing.examples import MOST, choose_examples
from utils.evaluation.assessing.fitting import fit_assessment
from utils.evaluation.assessing.truths import Truths


def choose(one, truths: Truths | None = None):
    findings = fit_assessment(one.assessments, one.truths, one.groups).judge(
        one.assessments, one.verdicts
    )
    files = [f"{CLASSES[label]}/{row}.jpg" for row, label in enumerate(one.labels)]
    called = one.verdicts.labels
    return choose_examples(files, one.labels, called, findings, truths or one.truths), findings


def test_they_are_poor_and_few_and_say_what_is_true_and_what_was_said(draw: Callable) -> None:
    one = draw(200)
    examples, findings = choose(one)
    assert len(examples) == MOST
    for example in examples:
        row = int(example.file.split("/")[1].removesuffix(".jpg"))
        assert example.file.startswith(LOW_QUALITY)
        assert example.severity == one.truths.severities[row]
        assert example.shows == SUBJECTS[one.truths.subjects[row]]
        assert len(example.has) == (one.truths.faults[row] == 1).sum()
        assert example.faults == findings.faults[row]
        assert (example.subject == "") == bool(example.untold)
        assert example.advice == findings.advice[row]
    assert choose(one)[0] == examples


def test_what_nobody_knows_of_them_is_none(draw: Callable) -> None:
    one = draw(40, poor=1.0)
    examples, _ = choose(one, Truths.of_folders(one.labels))
    assert {(example.has, example.shows, example.severity) for example in examples} == {
        (None, None, None)
    }


def test_few_poor_pictures_are_all_shown(draw: Callable) -> None:
    one = draw(20)
    examples, _ = choose(one)
    assert {example.file for example in examples} == {
        f"{LOW_QUALITY}/{row}.jpg" for row in range(20) if one.truths.is_poor[row]
    }
