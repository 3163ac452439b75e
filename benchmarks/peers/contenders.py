"""A training by ours or by a peer as one process: what it took, and when val reached what."""

import argparse
import contextlib
import csv
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.speed.memory import proportional_bytes
from benchmarks.tools.measuring import ROOT
from models.device import FLOAT32
from utils.common.errors import ProjectError
from utils.training.state.runs import HISTORY_NAME, REPORT_NAME

OURS = "ours"
PACKAGES = {
    "naive": "torchvision",
    "torchvision": "torchvision",
    "timm": "timm",
    "lightning": "lightning",
    "fastai": "fastai",
    "accelerate": "accelerate",
    "ultralytics": "ultralytics",
}
"""What each of peer_run.py's peers needs."""

CUDA_ONLY_BFLOAT16 = ("fastai", "ultralytics")
POLL_S = 0.2
MEMORY_EVERY = 25
"""Polls between two looks at memory, each of which takes some hundredths of a second from all."""

LOG_NAME = "log.txt"
PATIENCE_S = 60
"""That a process gets to end by itself."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Who trains, and in which precision.

    Attributes:
        name: OURS or one of PACKAGES.
        precision: Of matrix products and convolutions.
        flags: Of ours, besides those of the task.
    """

    name: str
    precision: str
    flags: tuple[str, ...] = ()

    @property
    def frozen_epochs(self) -> int:
        """Epochs before those of the whole network, which its flags may ask for."""
        parser = argparse.ArgumentParser(add_help=False)
        parser.add_argument("--freeze-epochs", type=int, default=0)
        return int(parser.parse_known_args(self.flags)[0].freeze_epochs)


@dataclass(frozen=True, slots=True)
class Task:
    """What all contenders train on, and how.

    Attributes:
        data_dir: The data set.
        model: timm's name.
        weights: A file to start from; random ones if empty.
        batch_size: Pictures per step.
        epochs: At most.
        workers: Processes that load pictures.
        seed: Of everything random.
        python: That has the peers.
    """

    data_dir: Path
    model: str
    weights: str
    batch_size: int
    epochs: int
    workers: int
    seed: int
    python: str

    def command(self, contender: Contender, output: Path) -> list[str]:
        """Return the command line of a contender; it writes below an empty folder."""
        shared = ["--data-dir", str(self.data_dir), "--model", self.model]
        shared += ["--batch-size", str(self.batch_size), "--epochs", str(self.epochs)]
        shared += ["--workers", str(self.workers), "--seed", str(self.seed)]
        if contender.name == OURS:
            start = ["--pretrained-path", self.weights] if self.weights else ["--no-pretrained"]
            narrow = ["--no-amp"] if contender.precision == FLOAT32 else []
            script = [sys.executable, str(ROOT / "launch_training_test.py")]
            # As many epochs as the others: none before those of the whole network.
            own = ["--output-dir", str(output), "--freeze-epochs", "0", *start, *narrow]
            return [*script, *shared, *own, *contender.flags]
        script = [self.python, str(ROOT / "benchmarks/peers/peer_run.py"), contender.name]
        own = ["--weights", self.weights, "--precision", contender.precision]
        return [*script, *shared, *own, "--report", str(output / "report.jsonl")]


@dataclass(slots=True)
class Outcome:
    """What a training took.

    Attributes:
        seconds: From the start of its process to the end, or until the target was seen.
        epoch_seconds: Of each epoch, as the contender counts: training and validation.
        accuracies: Balanced accuracy on val after each epoch.
        peak_bytes: Of all its processes, shared pages once; 0 with a target, and where the system
            does not tell.
        peak_gpu_bytes: Reserved on a GPU.
        has_reached: Whether the target was reached.
        was_stopped: Whether it was ended before that for taking too long.
    """

    seconds: float = 0.0
    epoch_seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    peak_gpu_bytes: int = 0
    has_reached: bool = False
    was_stopped: bool = False


def installed(python: str) -> list[str]:
    """Return the peers that an interpreter can import, in the order of PACKAGES."""
    lines = "".join(f"print(find_spec({package!r}) is not None)\n" for package in PACKAGES.values())
    command = [python, "-c", f"from importlib.util import find_spec\n{lines}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [name for name, found in zip(PACKAGES, told, strict=True) if found == "True"]


def run(
    contender: Contender,
    task: Task,
    output: Path,
    target: float | None = None,
    longest_s: float = math.inf,
) -> Outcome:
    """Let a contender train, from the start of its process on.

    Args:
        contender: Who.
        task: What.
        output: Folder for what it writes, to be made.
        target: Balanced accuracy on val at which it is stopped.
        longest_s: Seconds after which it is stopped as well.

    Raises:
        ProjectError: If it fails.
    """
    training = Training(contender, task, output, target)
    try:
        training.go_on(longest_s)
    finally:
        training.end()
    return training.outcome()


def run_in_turns(
    contenders: Sequence[Contender], task: Task, outputs: Sequence[Path], turn_s: float
) -> list[Outcome]:
    """Let contenders train for some seconds each in turn, while all others stand still.

    Where a computer's speed changes from minute to minute, it so changes for all alike. All of them
    are in memory at once.

    Args:
        contenders: Who, in the order of turns.
        task: What.
        outputs: A folder for what each writes, to be made.
        turn_s: Seconds of a turn.

    Returns:
        What each took, without the time in which it stood still.

    Raises:
        ProjectError: If one fails.
    """
    trainings = [
        Training(contender, task, output)
        for contender, output in zip(contenders, outputs, strict=True)
    ]
    try:
        while waiting := [training for training in trainings if not training.is_over]:
            for training in waiting:
                training.go_on(turn_s)
                training.stand_still()
    finally:
        for training in trainings:
            training.end()
    return [training.outcome(in_turns=True) for training in trainings]


class Training:
    """The processes of a contender, started by its first turn.

    Args:
        contender: Who.
        task: What.
        output: Folder for what it writes, to be made.
        target: Balanced accuracy on val at which it is over.
    """

    def __init__(
        self, contender: Contender, task: Task, output: Path, target: float | None = None
    ) -> None:
        self._contender = contender
        self._task = task
        self._output = output
        self._target = target
        self._read = _read_ours if contender.name == OURS else _read_peer
        self._process: subprocess.Popen[bytes] | None = None
        self._epoch_ends: list[float] = []
        self._found = Outcome()

    @property
    def is_over(self) -> bool:
        """Whether it has ended or reached the target."""
        has_ended = self._process is not None and self._process.poll() is not None
        return has_ended or self._found.has_reached

    def go_on(self, longest_s: float) -> None:
        """Let it train until it is over, or for so many seconds.

        Raises:
            ProjectError: If it failed.
        """
        started, before = time.perf_counter(), self._found.seconds
        if self._process is None:
            self._process = self._start()
        else:
            _signal(self._process, signal.SIGCONT)
        for number in itertools.count(1):
            self._found.seconds = before + time.perf_counter() - started
            left_s = before + longest_s - self._found.seconds
            if self.is_over or left_s <= 0:
                break
            if self._target is None and number % MEMORY_EVERY == 0:
                self._look_at_memory()
            time.sleep(min(POLL_S, left_s))
            self._look_at_epochs()
        if self._process.poll() and not self._found.has_reached:
            log = self._output / LOG_NAME
            last = "".join(log.read_text(errors="replace").strip().splitlines()[-1:])
            raise ProjectError(f"{self._contender.name} failed: {last}", todo=f"Read {log}")

    def stand_still(self) -> None:
        """Let it do nothing until it goes on."""
        if self._process is not None and not self.is_over:
            _signal(self._process, signal.SIGSTOP)
            self._look_at_memory()

    def end(self) -> None:
        """End what still runs, first by asking."""
        process = self._process
        if process is None:
            return
        self._found.was_stopped = not self.is_over
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                _signal(process, number)
                _signal(process, signal.SIGCONT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE_S)
        _signal(process, signal.SIGKILL)  # workers that were left

    def outcome(self, in_turns: bool = False) -> Outcome:
        """Return what it took, after its end.

        Args:
            in_turns: Whether it stood still at times, which its own clock does not know.
        """
        found, epochs = self._found, self._task.epochs + self._contender.frozen_epochs
        if not found.has_reached:
            self._look_at_epochs()
        if in_turns:
            found.epoch_seconds = [b - a for a, b in itertools.pairwise([0.0, *self._epoch_ends])]
        found.epoch_seconds = found.epoch_seconds[:epochs]
        found.accuracies = found.accuracies[:epochs]
        return found

    def _start(self) -> subprocess.Popen[bytes]:
        self._output.mkdir(parents=True)
        with (self._output / LOG_NAME).open("w") as stream:
            return subprocess.Popen(
                self._task.command(self._contender, self._output),
                stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _look_at_epochs(self) -> None:
        found = self._found
        self._read(self._output, found)
        new = len(found.accuracies) - len(self._epoch_ends)
        self._epoch_ends += [found.seconds] * new
        best = max(found.accuracies, default=0.0)
        found.has_reached = self._target is not None and best >= self._target

    def _look_at_memory(self) -> None:
        if self._process is not None:
            taken = proportional_bytes(self._process.pid)
            self._found.peak_bytes = max(self._found.peak_bytes, taken)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _read_ours(output: Path, outcome: Outcome) -> None:
    """Read what our training has written so far."""
    for history in output.glob(f"*/{HISTORY_NAME}"):
        with history.open() as stream:
            rows = list(csv.DictReader(stream))
        outcome.epoch_seconds = [float(row["seconds"]) for row in rows]
        outcome.accuracies = [float(row["val_balanced_accuracy"]) for row in rows]
    for report in output.glob(f"*/{REPORT_NAME}"):
        outcome.peak_gpu_bytes = json.loads(report.read_text())["peak_gpu_bytes"] or 0


def _read_peer(output: Path, outcome: Outcome) -> None:
    """Read what a peer has written so far."""
    report = output / "report.jsonl"
    if not report.exists():
        return
    written = report.read_text().splitlines(keepends=True)
    rows = [json.loads(line) for line in written if line.endswith("\n")]
    outcome.epoch_seconds = [row["seconds"] for row in rows]
    outcome.accuracies = [row["val_balanced_accuracy"] for row in rows]
    outcome.peak_gpu_bytes = max((row["peak_gpu_bytes"] for row in rows), default=0)
