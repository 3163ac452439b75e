"""Who asks a run to stop: the user, the system, or the end of torchrun."""

import os

import pytest

from utils.training.processes import stopping
from utils.training.processes.launch import LAUNCHED
from utils.training.processes.stopping import StopRequest, listening


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "POLL_S", 0.001)


def test_a_run_stops_when_the_torchrun_that_started_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in LAUNCHED:
        monkeypatch.setenv(name, "1")
    parents = iter([7, 7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    request = StopRequest()
    with listening(request):
        assert request.wait(60)
    assert request.exit_code == 143


def test_a_run_that_a_shell_started_outlives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getppid", None)
    request = StopRequest()
    with listening(request):
        assert not request.is_set()
