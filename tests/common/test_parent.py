"""A worker ends with the process that started it, whichever sign of that it sees."""

import os

import pytest

from utils.common.system import parent


class Parent:
    def __init__(self, answers: list[bool]) -> None:
        self.answers = answers

    def is_alive(self) -> bool:
        return self.answers.pop(0)

    def join(self, timeout: float) -> None:
        assert timeout == parent.LOOK_EVERY_S


@pytest.mark.parametrize(
    ("alive", "starters"), [([True, True, False], [7, 7, 7]), ([True, True, True], [7, 7, 1])]
)
def test_either_sign_of_the_end_will_do(
    monkeypatch: pytest.MonkeyPatch, alive: list[bool], starters: list[int]
) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(parent, "parent_process", lambda: Parent(alive))
    monkeypatch.setattr(os, "getppid", lambda: starters.pop(0))
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as raised:
        parent._wait_for_end(7)
    assert raised.value.code == 1
    assert len(starters) <= 1


def test_a_process_of_its_own_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "threading", None)
    parent.end_with_parent()
