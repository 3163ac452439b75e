"""A training beside others: what is read of it, when it is stopped, what is said if it fails."""

import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.peers import contenders
from utils.common.errors import ProjectError

ENDS_GROUPS = pytest.mark.skipif(sys.platform == "win32", reason="ends groups of processes")

EPOCHS = """
import json, sys, time
for epoch in range(1, 6):
    row = {"epoch": epoch, "seconds": 0.1 * epoch, "val_balanced_accuracy": 0.2 * epoch}
    with open(sys.argv[-1], "a") as stream:
        stream.write(json.dumps({**row, "peak_gpu_bytes": 10 * epoch}) + "\\n")
    if LASTS and epoch == 3:
        time.sleep(600)
"""


@pytest.fixture
def run_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(code: str, target: float | None = None):
        def command(self, contender, output: Path) -> list[str]:
            return [sys.executable, "-c", code, str(output / "report.jsonl")]

        monkeypatch.setattr(contenders.Task, "command", command)
        task = contenders.Task(tmp_path, "net", "", 8, 4, 0, 0, sys.executable)
        peer = contenders.Contender("timm", contenders.FLOAT32)
        return contenders.run(peer, task, tmp_path / "output", target)

    return run


def test_each_epoch_is_read_and_none_beyond_those_asked_for(run_peer) -> None:
    outcome = run_peer(f"LASTS = False{EPOCHS}")
    assert outcome.accuracies == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert outcome.epoch_seconds == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert outcome.peak_gpu_bytes == 50
    assert not outcome.has_reached


def test_it_is_stopped_as_soon_as_the_target_is_seen(run_peer) -> None:
    outcome = run_peer(f"LASTS = True{EPOCHS}", target=0.6)
    assert outcome.has_reached
    assert len(outcome.accuracies) == 3
    assert 0 < outcome.seconds < 300


def test_one_that_fails_is_one_line(run_peer) -> None:
    with pytest.raises(ProjectError, match=r"^timm failed: ValueError: no such network\. Read "):
        run_peer("raise ValueError('no such network')")


STEPS = """
import json, pathlib, sys, time
report = pathlib.Path(sys.argv[-1])
for epoch in range(1, 5):
    for _ in range(20):
        time.sleep(0.02)
        with open(report.parent.parent / "steps.txt", "a") as stream:
            stream.write(report.parent.name)
    row = {"epoch": epoch, "seconds": 1000, "val_balanced_accuracy": 0.1, "peak_gpu_bytes": 0}
    with open(report, "a") as stream:
        stream.write(json.dumps(row) + "\\n")
"""
TURN_S = 0.5


@pytest.fixture
def run_peers_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(codes: dict[str, str]):
        def command(self, contender, output: Path) -> list[str]:
            return [sys.executable, "-c", codes[contender.name], str(output / "report.jsonl")]

        monkeypatch.setattr(contenders.Task, "command", command)
        task = contenders.Task(tmp_path, "net", "", 8, 4, 0, 0, sys.executable)
        peers = [contenders.Contender(name, contenders.FLOAT32) for name in codes]
        outputs = [tmp_path / name for name in "ab"]
        return contenders.run_in_turns(peers, task, outputs, TURN_S)

    return run


@pytest.mark.slow
@ENDS_GROUPS
def test_in_turns_one_stands_still_while_another_trains(run_peers_in_turns, tmp_path: Path) -> None:
    started = time.perf_counter()
    outcomes = run_peers_in_turns({"timm": STEPS, "fastai": STEPS})
    total = sum(outcome.seconds for outcome in outcomes)
    assert total <= time.perf_counter() - started
    steps = (tmp_path / "steps.txt").read_text()
    assert steps.count("a") == steps.count("b") == 80
    changes = sum(one != other for one, other in pairwise(steps))
    assert 2 <= changes <= total / TURN_S + 2  # as many as there are turns; some 80 at once
    for outcome in outcomes:
        assert len(outcome.epoch_seconds) == 4
        assert max(outcome.epoch_seconds) < 1000  # their own clocks do not stand still
        assert sum(outcome.epoch_seconds) <= outcome.seconds


@ENDS_GROUPS
def test_in_turns_one_that_fails_ends_all(run_peers_in_turns) -> None:
    with pytest.raises(ProjectError, match=r"^fastai failed: ZeroDivisionError: "):
        run_peers_in_turns({"timm": "import time; time.sleep(600)", "fastai": "1 / 0"})


def test_ours_is_told_the_same_as_a_peer(tmp_path: Path) -> None:
    task = contenders.Task(tmp_path, "net", "weights.pth", 8, 4, 3, 5, "another-python")
    ours = task.command(contenders.Contender(contenders.OURS, contenders.FLOAT32), tmp_path)
    peer = task.command(contenders.Contender("timm", contenders.FLOAT32), tmp_path)
    for command in (ours, peer):
        text = " ".join(command)
        assert "--model net --batch-size 8 --epochs 4 --workers 3 --seed 5" in text
        assert "weights.pth" in text
    assert "--no-amp" in ours
    assert peer[0] == "another-python"


@pytest.mark.parametrize("asked", [("--ema", "--freeze-epochs", "20"), ("--freeze-epochs=20",)])
def test_frozen_epochs_come_on_top(tmp_path: Path, asked: tuple[str, ...]) -> None:
    with_probe = contenders.Contender(contenders.OURS, contenders.FLOAT32, asked)
    plain = contenders.Contender(contenders.OURS, contenders.FLOAT32, ("--ema",))
    assert (with_probe.frozen_epochs, plain.frozen_epochs) == (20, 0)
    task = contenders.Task(tmp_path, "net", "weights.pth", 8, 4, 3, 5, "another-python")
    for contender, most in ((with_probe, 24), (plain, 4)):
        training = contenders.Training(contender, task, tmp_path / contender.name)
        training._found.accuracies[:] = [0.5] * 30
        training._found.has_reached = True
        assert len(training.outcome().accuracies) == most
