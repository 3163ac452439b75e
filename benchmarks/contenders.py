"""A training by ours or by a peer as one process: what it took, and when val reached what."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from measuring import ROOT
from memory import proportional_bytes

from models.device import FLOAT32
from utils.common.errors import ProjectError
from utils.training.runs import HISTORY_NAME, REPORT_NAME

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
            own = ["--output-dir", str(output), "--patience", "0", *start, *narrow]
            return [*script, *shared, *own, *contender.flags]
        script = [self.python, str(ROOT / "benchmarks" / "peer_run.py"), contender.name]
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
    """

    seconds: float = 0.0
    epoch_seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    peak_gpu_bytes: int = 0
    has_reached: bool = False


def installed(python: str) -> list[str]:
    """Return the peers that an interpreter can import, in the order of PACKAGES."""
    lines = "".join(f"print(find_spec({package!r}) is not None)\n" for package in PACKAGES.values())
    command = [python, "-c", f"from importlib.util import find_spec\n{lines}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [name for name, found in zip(PACKAGES, told, strict=True) if found == "True"]


def run(contender: Contender, task: Task, output: Path, target: float | None = None) -> Outcome:
    """Let a contender train, from the start of its process on.

    Args:
        contender: Who.
        task: What.
        output: Empty folder for what it writes.
        target: Balanced accuracy on val at which it is stopped.

    Raises:
        ProjectError: If it fails.
    """
    output.mkdir(parents=True)
    read = _read_ours if contender.name == OURS else _read_peer
    command, outcome = task.command(contender, output), Outcome()
    log = output / "log.txt"
    with log.open("w") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for number in itertools.count():
                if process.poll() is not None or outcome.has_reached:
                    break
                if target is None and number % MEMORY_EVERY == 0:
                    outcome.peak_bytes = max(outcome.peak_bytes, proportional_bytes(process.pid))
                time.sleep(POLL_S)
                read(output, outcome)
                best = max(outcome.accuracies, default=0.0)
                outcome.has_reached = target is not None and best >= target
            outcome.seconds = time.perf_counter() - started
        finally:
            _end(process)
    if process.returncode and not outcome.has_reached:
        last = "".join(log.read_text(errors="replace").strip().splitlines()[-1:])
        raise ProjectError(f"{contender.name} failed: {last}", todo=f"Read {log}")
    if not outcome.has_reached:
        read(output, outcome)
    outcome.epoch_seconds = outcome.epoch_seconds[: task.epochs]
    outcome.accuracies = outcome.accuracies[: task.epochs]
    return outcome


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those it started, first by asking."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _signal(process, number)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                continue
    _signal(process, signal.SIGKILL)  # workers that were left


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


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
