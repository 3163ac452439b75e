"""Tables are aligned ASCII; progress keeps off stdout."""

import io
import random
import sys

import pytest

from utils.common.cli import console


def test_text_is_left_and_numbers_are_right() -> None:
    text = console.table(["class", "train", "share"], [["DERM", 12, 0.5], ["DERM_CLINIC", 3, 1]])
    assert text.splitlines() == [
        "class        train  share",
        "DERM            12    0.5",
        "DERM_CLINIC      3      1",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert console.table(["class", "train"], []) == "class  train"


def test_columns_stand_below_each_other_whatever_is_in_them() -> None:
    rng = random.Random(0)
    for _ in range(50):
        rows = [
            ["x" * rng.randrange(1, 20), rng.randrange(10**6)] for _ in range(rng.randrange(1, 9))
        ]
        lines = console.table(["name", "count"], rows).splitlines()
        assert len({len(line) for line in lines}) == 1
        assert all(line.isascii() for line in lines)


def test_progress_and_warnings_leave_stdout_alone(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(console.progress(range(3), desc="Counting", unit="numbers")) == [0, 1, 2]
    console.warn("the disk is nearly full")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "Warning: the disk is nearly full\n"


def test_without_stderr_nothing_is_told_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    console.warn("for nobody")
    assert list(console.progress("ab", desc="Counting", unit="letters")) == ["a", "b"]
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_takes_a_while_is_shown_as_long_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with console.doing("Loading"):
        assert sys.stderr.getvalue() == "\rLoading ..."
    assert sys.stderr.getvalue() == "\rLoading ...\r           \r"


def test_a_file_gets_nothing_of_what_takes_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    with console.doing("Loading"):
        pass
    console.say("a result")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a result\n", "")
