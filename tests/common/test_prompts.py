"""Questions are asked in the agreed words, again until the answer will do, never for ever."""

import io
import random
import sys

import pytest

from utils.common.cli.prompts import ask, ask_choice, ask_positive_integer, can_be_asked
from utils.common.errors import SettingsError
from utils.common.values import at_least

MENU = "Choose a model:\n1 - ResNet-18\n2 - ResNet-50\nYour choice: "


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    def set_answers(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return set_answers


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("0", "Please enter a number greater than 0."),
        ("-3", "Please enter a number greater than 0."),
        ("abc", "That's not a valid number. Please enter a valid integer."),
        ("", "That's not a valid number. Please enter a valid integer."),
        ("2.5", "That's not a valid number. Please enter a valid integer."),
        ("9" * 5000, "That's not a valid number. Please enter a valid integer."),
        ("1e3", "That's not a valid number. Please enter a valid integer."),
    ],
)
def test_a_wrong_number_is_asked_for_again(typed, capsys, answer: str, complaint: str) -> None:
    typed(answer, "16")
    assert ask_positive_integer("Choose batch_size: ", "-b") == 16
    assert capsys.readouterr().out == f"Choose batch_size: {complaint}\nChoose batch_size: "


def test_a_number_out_of_its_range_is_asked_for_again(typed, capsys) -> None:
    typed("0", "300", "1", "256")
    check = at_least(2, 256)
    assert ask_positive_integer("Choose num_workers: ", "-j", check) == 256
    complaints = (
        "Please enter a number greater than 0.",
        "Please enter a number of at most 256.",
        "Please enter a number of at least 2.",
    )
    asked = [f"Choose num_workers: {complaint}\n" for complaint in complaints]
    assert capsys.readouterr().out == "".join(asked) + "Choose num_workers: "


def test_any_row_of_wrong_answers_ends_at_the_first_right_one(typed) -> None:
    rng = random.Random(0)
    for _ in range(30):
        wrong = rng.choices(["", "x", "0", "-1", "3.0", "two"], k=rng.randrange(6))
        typed(*wrong, " 7 ", "8")
        assert ask_positive_integer("? ", "-b") == 7


def test_an_unknown_choice_gets_the_menu_again(typed, capsys) -> None:
    typed("", "9", "ResNet-18", " 2 ")
    assert ask_choice(MENU, {"1": "resnet18", "2": "resnet50"}, "--model") == "resnet50"
    assert capsys.readouterr().out == 4 * MENU


@pytest.mark.parametrize("lines", [(), ("0",), ("x", "x", "x")])
def test_the_end_of_input_names_question_and_flag(typed, lines: tuple[str, ...]) -> None:
    typed(*lines)
    with pytest.raises(SettingsError) as caught:
        ask_positive_integer("Choose batch_size: ", "-b or --batch-size")
    assert str(caught.value) == (
        "The input ended at the question 'Choose batch_size:'. Expected an answer. "
        "Answer it, or give -b or --batch-size."
    )


def test_the_end_of_input_at_a_menu_names_its_first_line(typed) -> None:
    typed("9")
    with pytest.raises(SettingsError, match=r"^The input ended at the question 'Choose a model:'"):
        ask_choice(MENU, {"1": 1}, "--model")


def test_blanks_around_an_answer_do_not_count(typed) -> None:
    typed("  a b \t")
    assert ask("? ", "--x") == "a b"


@pytest.mark.parametrize("answer", ["y", "Y", "y.", " y "])
def test_neither_case_nor_a_full_stop_matters_in_a_choice(typed, answer: str) -> None:
    typed(answer)
    assert ask_choice("? [y/n]: ", {"y": True, "n": False}, "--x") is True
    typed("N")
    assert ask_choice("? [y/n]: ", {"y": True, "n": False}, "--x") is False


def closed() -> io.StringIO:
    stream = io.StringIO("16\n")
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed()])
@pytest.mark.parametrize("has_output", [True, False])
def test_no_input_at_all_is_the_end_of_input(monkeypatch, stream, has_output: bool) -> None:
    monkeypatch.setattr(sys, "stdin", stream)
    if not has_output:
        monkeypatch.setattr(sys, "stdout", None)
    assert not can_be_asked()
    with pytest.raises(SettingsError) as caught:
        ask_positive_integer("Choose batch_size: ", "-b")
    assert str(caught.value) == (
        "The input ended at the question 'Choose batch_size:'. Expected an answer. "
        "Answer it, or give -b."
    )


def test_an_answer_in_no_known_letters_is_a_wrong_one(monkeypatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)
    assert ask("? ", "--x") == ""
