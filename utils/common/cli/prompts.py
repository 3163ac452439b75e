"""Ask a question until the answer is valid, but not for ever."""

import re
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from utils.common.cli.terminal import printable
from utils.common.errors import SettingsError
from utils.common.values import Range, at_least

Answer = TypeVar("Answer")

MAX_DIGITS = 9
POSITIVE = at_least(1)
NOT_POSITIVE = "Please enter a number greater than 0."
NOT_A_NUMBER = "That's not a valid number. Please enter a valid integer."


def ask(question: str, flag: str) -> str:
    """Ask once and return the answer without surrounding blanks.

    Raises:
        SettingsError: If the input ends before the answer; it names the flag to use instead.
    """
    try:
        return input(printable(question, "\n")).strip()
    except UnicodeDecodeError:
        return ""  # no answer that anybody can read is a wrong one
    except (EOFError, OSError, RuntimeError, ValueError) as error:
        # RuntimeError where there is no input at all, as of a service; the others where it is shut.
        if sys.stdout is not None:
            print()
        raise SettingsError(
            f"The input ended at the question '{question.splitlines()[0].strip()}'",
            expected="an answer",
            todo=f"Answer it, or give {flag}",
        ) from error


def can_be_asked() -> bool:
    """Return whether somebody sits at a terminal; services have no input at all."""
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # it is shut
        return False


def ask_positive_integer(question: str, flag: str, check: Range = POSITIVE) -> int:
    """Ask until the answer is a whole number greater than 0.

    Args:
        question: What is asked.
        flag: What may be given instead.
        check: Range that the number is in as well.
    """
    while True:
        answer = ask(question, flag)
        if not re.fullmatch(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}", answer):
            print(NOT_A_NUMBER)
        elif int(answer) <= 0:
            print(NOT_POSITIVE)
        elif expected := check.expected(int(answer)):
            print(f"Please enter {expected}.")
        else:
            return int(answer)


def ask_choice(question: str, choices: Mapping[str, Answer], flag: str) -> Answer:
    """Ask until the answer is one of the keys of `choices`; return what stands behind it.

    Neither case nor a full stop behind it matters.
    """
    return ask_until(question, lambda answer: choices.get(answer.casefold().rstrip(".")), flag)


def ask_until(question: str, pick: Callable[[str], Answer | None], flag: str) -> Answer:
    """Ask until `pick` makes something of the answer, which it tells by not returning None."""
    while True:
        picked = pick(ask(question, flag))
        if picked is not None:
            return picked
