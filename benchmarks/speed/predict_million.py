"""Memory and time of predict.py itself with very many pictures, as ratios measured in one run.

    python -m benchmarks.speed.predict_million                     1,000,000 against 100,000
    python -m benchmarks.speed.predict_million --pictures 60000    60,000 against 6,000

Pictures are hard links to a hundred small JPEGs that are read as they are, and the network is tiny
and sees 32 pixels: each picture is found, opened, checked, decoded, judged and gets its row, and
nothing else takes long. Two
shards run at once, each on one thread without workers, and are then joined. Time is that of
processors; memory is the largest of all processes together. `predict_scale.py` tells the steps
apart, without pictures and network.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.predict import ROOT, TINY, draw, pss_kib, store
from models.reading import Reading
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script

NUM_PICTURES = 1_000_000
GROWTH = 10
SHARDS = 2
WIDTH, HEIGHT, INPUT = 80, 64, 32
PER_FOLDER = 10_000
LIMIT_MEMORY, LIMIT_TIME = 1.1, 1.2
LOOK_S = 0.5
"""Seconds between two looks at the memory."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What processes that ran at once have taken.

    Attributes:
        processor_s: Seconds of processors, of all together.
        wall_s: Seconds until the last one ended.
        peak_mib: Largest memory of all together, in MiB.
    """

    processor_s: float
    wall_s: float
    peak_mib: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=NUM_PICTURES, help="the larger number")
    pictures = parser.parse_args().pictures
    if pictures < GROWTH:
        raise SettingsError(f"--pictures is {pictures}", expected=f"at least {GROWTH}")
    counts = [pictures // GROWTH, pictures]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store(folder / "run", TINY, (INPUT, INPUT), Reading(HEIGHT, is_written=False))
        paths = draw(folder / "drawn", WIDTH, HEIGHT)
        measured = []
        for count in counts:
            link(folder / f"inbox-{count}", paths, count)
            measured.append(measure(folder, count))
    print(" and ".join(f"{count:,}" for count in counts), f"pictures in {SHARDS} shards at once")
    rows = [row_of(step, counts, [each[step] for each in measured]) for step in measured[0]]
    header = [
        "step", "peak MiB", "peak MiB", f"ratio (limit {LIMIT_MEMORY})", "us/picture",
        "us/picture", f"ratio (limit {LIMIT_TIME})", "wall s",
    ]  # fmt: skip
    print(table(header, rows))


def row_of(step: str, counts: Sequence[int], spent: Sequence[Spent]) -> list[object]:
    """Compare what few and many pictures took in one step."""
    few, many = spent
    each = [1e6 * one.processor_s / count for one, count in zip(spent, counts, strict=True)]
    return [
        step, round(few.peak_mib), round(many.peak_mib), round(many.peak_mib / few.peak_mib, 3),
        round(each[0], 1), round(each[1], 1), round(each[1] / each[0], 2), round(many.wall_s),
    ]  # fmt: skip


def link(inbox: Path, paths: Sequence[Path], count: int) -> None:
    """Make so many files of these few, in folders."""
    for number in progress(range(count), desc="Files", unit="files"):
        folder = inbox / f"collection-{number // PER_FOLDER:03}"
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        target = folder / f"ISIC_2026_{number:010}_close_up_of_a_lesion.jpg"
        os.link(paths[number % len(paths)], target)


def measure(folder: Path, count: int) -> dict[str, Spent]:
    """Answer all pictures and join the rows; return what each step took."""
    inbox, output = folder / f"inbox-{count}", folder / f"rows-{count}.csv"
    command = [sys.executable, str(ROOT / "predict.py"), str(folder / "run"), str(inbox)]
    command += ["--output", str(output), "--workers", "0", "--device", "cpu"]
    shards = [[*command, "--shard", f"{number}/{SHARDS}"] for number in range(1, SHARDS + 1)]
    spent = {"answer": run(shards), "join": run([[*command, "--join", str(SHARDS)]])}
    with output.open("rb") as rows:
        num_rows = sum(1 for _ in rows) - 1
    if num_rows != count:
        raise SystemExit(f"{num_rows:,} rows for {count:,} pictures")
    return spent


def run(commands: Sequence[Sequence[str]]) -> Spent:
    """Run commands at once, each on one thread, and return what they took."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started, processor_s, peak = time.perf_counter(), 0.0, 0
    living = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for command in commands
    ]
    try:
        while living:
            peak = max(peak, sum(pss_kib(process.pid) for process in living))
            time.sleep(LOOK_S)
            for process in tuple(living):
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                if ended:
                    living.remove(process)
                    process.returncode = os.waitstatus_to_exitcode(status)
                    processor_s += usage.ru_utime + usage.ru_stime
                    if process.returncode:
                        raise SystemExit("predict.py failed")
    finally:
        for process in living:
            process.kill()
            process.wait()
    return Spent(processor_s, time.perf_counter() - started, peak / 1024)


if __name__ == "__main__":
    run_script(main)
