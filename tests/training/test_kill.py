"""A run killed at random steps, again and again, ends as an undisturbed one, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.preloaded import Fork, Preloaded

ROOT = Path(__file__).resolve().parents[2]
NUM_KILLS = int(os.environ.get("SKIN_NUM_KILLS", "2"))
EPOCHS = 6 + 3 * NUM_KILLS
STEPS_PER_EPOCH = 6  # 25 pictures in batches of 4; the last one joins the sixth
PATIENCE_S = 120

Program = Fork | subprocess.Popen[str]


def script(preloaded: Preloaded, arguments: list[str]) -> Program:
    return preloaded.start(ROOT / "launch_training_test.py", *arguments)


def ending(program: Program) -> int:
    """Wait for a program, and show what it complained of where the test fails."""
    print(program.communicate(timeout=PATIENCE_S)[1])
    return program.returncode


def steps_done(run: Path) -> int:
    if not (run / "last.pt").exists():
        return -1
    progress = torch.load(run / "last.pt", weights_only=True)["progress"]
    return progress["epoch"] * STEPS_PER_EPOCH + progress["step"]


def disturb_at(run: Path, process: Program, step: int, number: int) -> int:
    """Send a signal once the run has come as far as `step`; return how far it then was."""
    deadline = time.monotonic() + PATIENCE_S
    while steps_done(run) < step:
        assert process.poll() is None, "the run ended before it was disturbed"
        assert time.monotonic() < deadline, "the run does not come on"
        time.sleep(0.02)  # reading the state takes time from the run
    process.send_signal(number)
    assert ending(process) == (-signal.SIGKILL if number == signal.SIGKILL else 143)
    assert not (run / "report.json").exists()
    return steps_done(run)


@pytest.mark.slow
def test_killed_at_random_steps_it_ends_the_same(
    command_line: Callable[..., list[str]],
    preloaded: Preloaded,
    tmp_path: Path,
    assert_same_run: Callable[[Path, Path], None],
) -> None:
    options = (
        "-b", "4", "--freeze-epochs", "1", "--epochs", str(EPOCHS - 1), "--patience", "0", "--ema",
        "0.9", "--checkpoint-minutes", "1e-9",
    )  # fmt: skip
    start = command_line(tmp_path / "runs", *options)
    assert ending(script(preloaded, start)) == 0
    whole, run = tmp_path / "runs" / "test_resnet-1", tmp_path / "runs" / "test_resnet-2"
    last = EPOCHS * STEPS_PER_EPOCH - 1
    rng = np.random.default_rng(NUM_KILLS)
    # A run comes some steps further before the signal reaches it, many where the machine is busy.
    steps = sorted(rng.choice(np.arange(1, last // 4), NUM_KILLS + 1, replace=False).tolist())
    numbers = [signal.SIGKILL] * NUM_KILLS
    numbers.insert(int(rng.integers(NUM_KILLS + 1)), signal.SIGTERM)
    places = []
    for count, (step, number) in enumerate(zip(steps, numbers, strict=True)):
        workers = ("--workers", str(count % 3))
        flags = [*start, *workers] if count == 0 else ["--resume", str(run), *workers]
        at_least = max(step, places[-1] + 1 if places else 0)
        places.append(disturb_at(run, script(preloaded, flags), at_least, number))
        assert places[-1] <= last, "the last step was already done"
    assert ending(script(preloaded, ["--resume", str(run)])) == 0
    assert_same_run(whole, run)
    print(f"\n{NUM_KILLS} kills and a SIGTERM, after steps {places} of {last + 1}: same bits")


@pytest.mark.slow
def test_a_run_with_workers_ends_by_itself(
    command_line: Callable[..., list[str]], tmp_path: Path
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "launch_training_test.py")]
    arguments = command_line(tmp_path / "runs", "-j", "2")
    with subprocess.Popen(
        [*command, *arguments], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            process.kill()
