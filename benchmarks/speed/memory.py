"""Peak memory of training per model, with and without gradient checkpointing, and both speeds.

    python -m benchmarks.speed.memory                      the menu's models, batch 64, 4 workers
    python -m benchmarks.speed.memory --models resnet18    some models
    python -m benchmarks.speed.memory --jobs 8             so many at once: their speeds then suffer
    python -m benchmarks.speed.memory --quick              to see that it works

Each figure is a whole run of launch_training_test.py on drawn pictures. On a GPU it is what PyTorch
has reserved there; on a CPU what the process and its workers take together, shared pages once (PSS,
Linux only).
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.tools.measuring import ROOT, draw_dataset, machine, verdict
from models.device import choose_device
from models.zoo import MENU, resolve
from utils.common.cli.console import table
from utils.common.errors import ProjectError, run_script

GB = 10**9
LIMITS_GB = {"resnet18": 2.5, "resnet50": 4.5, "vit": 8.0, "swin": 10.0}
LIMIT_SHARE = 0.6
"""Of the plain run's memory, with checkpointing."""

Flags = tuple[str, ...]
KEPT: Flags = ()
RECOMPUTED: Flags = ("--grad-checkpointing",)

STEPS = 30


def main() -> None:
    """Print the table."""
    arguments = parse_arguments()
    device = choose_device(arguments.device)
    print(machine(device))
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(arguments.jobs) as crew:
        folder = draw_dataset(Path(scratch) / "DATASET", arguments.steps * arguments.batch_size)
        train = partial(run_training, folder, Path(scratch), arguments)
        wanted = [(name, flags) for name in arguments.models for flags in (KEPT, RECOMPUTED)]
        found = dict(zip(wanted, crew.map(train, wanted), strict=True))
    rows = [as_row(found, name, flags, device.type == "cuda") for name, flags in wanted]
    kind = "reserved on the GPU" if device.type == "cuda" else "of the process and its workers"
    print(f"Peak memory {kind}, batch {arguments.batch_size}, {arguments.workers} workers")
    print(table(["model", "activations", "GB", "share", "asked", "pictures/s"], rows))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [model.name for model in MENU]
    parser.add_argument("--models", nargs="+", help=f"default: {' '.join(names)}")
    parser.add_argument("--batch-size", type=int, default=64, help="default: 64")
    parser.add_argument("--workers", type=int, default=4, help="default: 4")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument("--device", default="auto", help="default: auto")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once (default: 1)")
    parser.add_argument("--quick", action="store_true", help="two steps of 16 pictures")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch_size, arguments.steps = 16, 2
    arguments.models = arguments.models or (names[:1] if arguments.quick else names)
    return arguments


def as_row(
    found: dict[tuple[str, Flags], tuple[float, float]], name: str, flags: Flags, on_gpu: bool
) -> list[object]:
    """Return a row of the table: a run beside the one that keeps all activations."""
    peak, speed = found[name, flags]
    share = peak / found[name, KEPT][0]
    limit = LIMITS_GB.get(name) if on_gpu else None
    asked = "-"
    if limit:
        value, most = (share, LIMIT_SHARE) if flags else (peak / GB, limit)
        asked = verdict(value, most, at_most=True)
    kind = "recomputed" if flags else "kept"
    return [name, kind, round(peak / GB, 2), round(share, 2), asked, round(speed, 1)]


def run_training(
    folder: Path, scratch: Path, arguments: argparse.Namespace, wanted: tuple[str, Flags]
) -> tuple[float, float]:
    """Run the script for two epochs; return its peak memory in bytes and pictures per second."""
    model, flags = wanted
    output = scratch / "-".join((model, *flags))
    output.mkdir()
    command = [
        sys.executable, str(ROOT / "launch_training_test.py"), "--data-dir", str(folder),
        "--output-dir", str(output), "--model", model, "-b", str(arguments.batch_size),
        "-j", str(arguments.workers), "--epochs", "2", "--no-pretrained", "--device",
        arguments.device, *flags,
    ]  # fmt: skip
    with (output / "log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        pss = 0
        while process.poll() is None:
            if choose_device(arguments.device).type == "cpu":
                pss = max(pss, proportional_bytes(process.pid))
            time.sleep(0.05)
        if process.returncode:
            log.seek(0)
            raise ProjectError(f"{model} was not trained: {log.read().splitlines()[-1:]}")
    run = output / f"{resolve(model).folder_name}-1"
    report = json.loads((run / "report.json").read_text())
    with (run / "history.csv").open() as stream:
        seconds = float(list(csv.DictReader(stream))[-1]["seconds"])  # all is warmed up
    pictures = sum(report["pictures"]["train"].values())
    return report["peak_gpu_bytes"] or pss, pictures / seconds


def proportional_bytes(pid: int) -> int:
    """Return what a process and all below it take, each shared page counted once (Linux only).

    Of files such as libraries it is what that process maps which maps most: others that map them as
    well, and belong to somebody else, change nothing.
    """
    own, files = 0, 0
    for process in (pid, *descendants(pid)):
        try:
            shares = _read_kib(Path(f"/proc/{process}/smaps_rollup"))
            mapped = _read_kib(Path(f"/proc/{process}/status"))
        except OSError:  # ended meanwhile, or another system
            continue
        own += shares.get("Pss_Anon", 0) + shares.get("Pss_Shmem", 0)
        files = max(files, mapped.get("RssFile", 0))
    return (own + files) * 1024


def _read_kib(path: Path) -> dict[str, int]:
    """Read the lines of a file of Linux that give a number of KiB."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[2:] == ["kB"]}


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


if __name__ == "__main__":
    run_script(main)
