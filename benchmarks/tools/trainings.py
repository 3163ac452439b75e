"""Trainings that differ in a flag or in their pictures: several at once, each one only once."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from utils.common.cli.console import progress
from utils.common.errors import ModelError
from utils.training.state.runs import REPORT_NAME

ROOT = Path(__file__).resolve().parents[2]
LOG_NAME = "training.log"
STEADY = ("--ema",)
"""For small sets of pictures: what is compared is then less a matter of chance."""


@dataclass(frozen=True, slots=True)
class Training:
    """One run of launch_training_test.py.

    Attributes:
        name: Of what distinguishes it, besides the seed.
        data_dir: Its data set.
        seed: Its seed.
        flags: Besides those that all have in common.
    """

    name: str
    data_dir: Path
    seed: int
    flags: tuple[str, ...]

    @property
    def folder_name(self) -> str:
        """The name and the seed as the name of a folder."""
        return f"{self.name.replace(' ', '-').replace('/', 'over')}-{self.seed}"


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """Add what all trainings of a benchmark have in common."""
    parser.add_argument("--output", type=Path, required=True, help="gets data sets and runs")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--pretrained-path", default="")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument(
        "--jobs", type=int, default=1,
        help="trainings at once; each is the same for any number (default: 1)",
    )  # fmt: skip


def train_all(given: argparse.Namespace, trainings: Sequence[Training]) -> dict[Training, Path]:
    """Train what was not trained yet, and return the folder of each run.

    Raises:
        ModelError: If one of them fails; those that run by then are finished first.
    """
    with ThreadPoolExecutor(given.jobs) as pool:
        runs = pool.map(partial(train, given), trainings)
        shown = progress(runs, total=len(trainings), desc="Training", unit="trainings")
        return dict(zip(trainings, shown, strict=True))


def train(given: argparse.Namespace, training: Training) -> Path:
    """Train one model, or go on with it where it was left; return the folder of its run."""
    runs = given.output / training.folder_name
    if finished := _finished(runs):
        return finished
    command = [sys.executable, str(ROOT / "launch_training_test.py"), "--model", given.model]
    command += ["--data-dir", str(training.data_dir), "--output-dir", str(runs)]
    command += ["--seed", str(training.seed), "--epochs", str(given.epochs), "--patience", "0"]
    command += ["-b", str(given.batch_size), "-j", "1", "--resume", "auto", *training.flags]
    start = ["--pretrained-path", given.pretrained_path]
    command += start if given.pretrained_path else ["--no-pretrained"]
    runs.mkdir(parents=True, exist_ok=True)
    log = runs / LOG_NAME
    with log.open("a") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False)
    finished = _finished(runs)
    if done.returncode or not finished:
        last = log.read_text().strip().splitlines()[-1:]
        raise ModelError(f"A training failed: {''.join(last)}", todo=f"Read {log}")
    return finished


def _finished(runs: Path) -> Path | None:
    """Return the run among these that has its report, which is written last."""
    return next((report.parent for report in sorted(runs.glob(f"*/{REPORT_NAME}"))), None)
