"""What strangers call their pictures, and write into their models, forges no line of ours."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.cli.terminal import printable
from utils.common.disk.location import Location
from utils.prediction.pictures import Input
from utils.prediction.sorting import sort_pictures

WORDS = "\x1b]0;TITLE\x07\x1b[2J\nError: nothing is wrong, call 555"


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
@pytest.mark.parametrize("is_moving", [False, True])
def test_the_summary_of_a_sorting_has_the_lines_that_it_should_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_moving: bool
) -> None:
    inputs = []
    for number, name in enumerate((f"a{WORDS}.jpg", "b.jpg")):
        folder = tmp_path / str(number)
        for part in ("one", "two"):
            (folder / part).mkdir(parents=True)
            (folder / part / name).write_text(part + name)
            path = f"{folder / part / name}"
            inputs.append(Input(path, Location(path), path))
    Path(inputs[-1].file).unlink()
    path = f"{tmp_path}/lost{WORDS}"
    lost = Input(path, Location(path), path)
    text = sort_pictures([*inputs, lost], ["PAN"] * 5, tmp_path / "out", is_moving)
    told = capsys.readouterr().err
    first, second = text.splitlines()
    assert first.endswith("pictures into " + f"{tmp_path / 'out'}: PAN 3.")
    assert second.startswith("1 got another name, because theirs was taken or too long: ")
    assert printable(WORDS) in second
    assert second.isprintable()
    assert told.startswith("Warning: 2 could not be sorted: ")
    assert told[:-1].isprintable()


def test_the_reasons_that_a_model_gives_take_one_line_each(
    make_bundle: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.bundle import read_bundle
    from utils.prediction.classify import _warn_of_gaps

    card, _ = read_bundle(make_bundle(tmp_path / "run"))
    assert card.calibration is not None
    novelty = replace(card.calibration.novelty, threshold=None, reason=WORDS)
    calibration = replace(card.calibration, reasons={"PAN": WORDS}, novelty=novelty)
    _warn_of_gaps(replace(card, calibration=calibration))
    _warn_of_gaps(replace(card, calibration=None, uncalibrated=WORDS))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"Warning: PAN ({printable(WORDS)}) has no promised coverage, so it stays possible for "
        "every picture: every answer but PAN is ambiguous. Their labels are the likeliest classes "
        "all the same.",
        f"Warning: unlike pictures are not told: {printable(WORDS)}.",
        f"Warning: probabilities are as the model gives them: {printable(WORDS)}. Every class "
        "stays possible for every picture: every answer is ambiguous.",
    ]


def test_rows_on_a_terminal_take_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    from models.gate import Answer
    from utils.prediction.printed import table_writer

    table_writer([WORDS], True)([(WORDS, Answer(error=WORDS))])
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith("file")
    assert row.isprintable()
    assert row.count(printable(WORDS)) == 2


@pytest.mark.parametrize("has_faults", [True, False])
def test_the_first_fault_has_a_column_before_the_error(
    capsys: pytest.CaptureFixture[str], has_faults: bool
) -> None:
    from models.gate import Answer
    from utils.prediction.printed import table_writer

    answers = [Answer("PAN", 0.5, faults=("over_compressed", "dark"), severity=2.0), Answer("PAN")]
    table_writer(["a.jpg"], has_faults)([("a.jpg", one) for one in answers])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == (["fault", "error"] if has_faults else ["PAN", "error"])
    assert ["over_compressed" in row for row in rows] == [has_faults, False]
    assert not any("dark" in row for row in rows)
    if has_faults:
        assert rows[0].index("over_compressed") == header.index("fault")


def test_what_a_model_cannot_tell_beside_the_classes_takes_one_line(
    make_bundle: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.bundle import read_bundle
    from utils.prediction.classify import _warn_of_unassessed

    card, _ = read_bundle(make_bundle(tmp_path / "run", assessing=True))
    few = replace(card.assessment, reasons={"dark": WORDS, "subject": WORDS})
    for one in (few, replace(few, reasons={}), WORDS):
        _warn_of_unassessed(replace(card, assessment=one))
    assert capsys.readouterr().err.splitlines() == [
        "Warning: 1 of 12 faults had too few val pictures for a calibration of their own and "
        "mostly share that of all: dark; no promise holds for subjects: "
        f"{printable(WORDS)}.",
        f"Warning: subject, faults, severity and advice stay empty: {printable(WORDS)}. "
        "--no-faults leaves their columns out.",
    ]
