"""Any number of workers gives the same results in the same order, and hides no failure."""

import inspect
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from utils.common.errors import OutputError
from utils.common.system.processors import available_processors
from utils.dataset.images.pool import ProcessPool

ROOT = Path(__file__).parent.parent.parent


def results(pool: ProcessPool, function: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
    jobs = list(jobs)
    counts = [len(jobs)] if "num_jobs" in inspect.signature(pool.run).parameters else []
    return [result for batch in pool.run(function, jobs, *counts, "Working") for result in batch]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("num_jobs", [0, 1, 8, 9, 100])
def test_results_come_in_the_order_of_the_jobs(workers: int, num_jobs: int) -> None:
    with ProcessPool(workers) as pool:
        assert results(pool, math.sqrt, range(num_jobs)) == [math.sqrt(n) for n in range(num_jobs)]


def test_a_crew_works_off_one_task_after_the_other() -> None:
    with ProcessPool(2) as pool:
        assert results(pool, abs, range(-40, 0)) == list(range(40, 0, -1))
        assert results(pool, str, range(40)) == [str(number) for number in range(40)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_surfaces(workers: int) -> None:
    with (
        ProcessPool(workers) as pool,
        pytest.raises(ValueError, match=r"math domain error|nonnegative"),
    ):
        results(pool, math.sqrt, [*range(30), -1, *range(30)])


def test_a_worker_that_dies_is_one_clear_line() -> None:
    with ProcessPool(2) as pool, pytest.raises(OutputError) as caught:
        results(pool, os._exit, [1] * 40)
    assert str(caught.value) == (
        "A worker process died, perhaps for lack of memory. "
        "Run again with fewer --workers: it goes on where it was."
    )


AFTER_OPENCV = """
import inspect, sys
import numpy as np
from utils.dataset.images.pool import ProcessPool
from utils.quality.degrade import degrade

if __name__ == "__main__":
    picture = np.random.default_rng(0).integers(0, 256, (256, 320, 3), dtype=np.uint8)
    for seed in range(20):
        degrade(picture, seed)
    jobs = list(range(40))
    with ProcessPool(2) as pool:
        counts = [len(jobs)] if "num_jobs" in inspect.signature(pool.run).parameters else []
        print(sum(len(batch) for batch in pool.run(abs, jobs, *counts, "Working")))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="nothing is forked here")
def test_processes_can_be_started_after_this_one_has_worked_itself(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(AFTER_OPENCV)
    # A worker that inherits the state of OpenCV's threads, but not the threads, waits for ever.
    process = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail("the processes wait for ever")
    assert (process.returncode, printed) == (0, "40\n")


def test_zero_means_all_processors() -> None:
    assert ProcessPool(0).workers == available_processors() >= 1
