"""A question in, a valid answer out: asked again until it is one, never for ever."""

import re
from collections.abc import Mapping
from typing import TypeVar

from utils.common.errors import SettingsError
from utils.common.terminal import printable

Answer = TypeVar("Answer")

NOT_POSITIVE = "Please enter a number greater than 0."
NOT_A_NUMBER = "That's not a valid number. Please enter a valid integer."


def ask(question: str, flag: str) -> str:
    """Ask once and return the answer without surrounding blanks.

    Raises:
        SettingsError: If the input ends before the answer; it names the flag to use instead.
    """
    try:
        return input(printable(question, "\n")).strip()
    except EOFError:
        print()
        raise SettingsError(
            f"The input ended at the question '{question.splitlines()[0].strip()}'",
            expected="an answer",
            todo=f"Answer it, or give {flag}",
        ) from None


def ask_positive_integer(question: str, flag: str) -> int:
    """Ask until the answer is a whole number greater than 0."""
    while True:
        answer = ask(question, flag)
        if not re.fullmatch(r"[+-]?[0-9]+", answer):
            print(NOT_A_NUMBER)
        elif int(answer) <= 0:
            print(NOT_POSITIVE)
        else:
            return int(answer)


def ask_choice(question: str, choices: Mapping[str, Answer], flag: str) -> Answer:
    """Ask until the answer is one of the keys of `choices`; return what stands behind it."""
    while True:
        answer = ask(question, flag)
        if answer in choices:
            return choices[answer]
