"""Peak memory of training per model, with and without gradient checkpointing, and both speeds.

    python benchmarks/memory.py                        the four models, batch 64, 4 workers
    python benchmarks/memory.py --models resnet18      some models
    python benchmarks/memory.py --quick                to see that it works

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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from measuring import ROOT, draw_dataset, machine, verdict

from models.device import choose_device
from models.zoo import MENU, resolve
from utils.common.console import table
from utils.common.errors import ProjectError, run_script

GB = 10**9
LIMITS_GB = {"resnet18": 2.5, "resnet50": 4.5, "vit": 8.0, "swin": 10.0}
LIMIT_SHARE = 0.6
"""Of the plain run's memory, with checkpointing."""

STEPS = 30


def main() -> None:
    """Print the table."""
    arguments = parse_arguments()
    device = choose_device(arguments.device)
    print(machine(device))
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = draw_dataset(Path(scratch) / "DATASET", arguments.steps * arguments.batch_size)
        for name in arguments.models:
            peaks: list[float] = []
            for flags in ((), ("--grad-checkpointing",)):
                output = Path(scratch) / f"runs{len(rows)}"
                peak, speed = run_training(name, folder, output, arguments, flags)
                peaks.append(peak)
                share = peak / peaks[0]
                limit = LIMITS_GB.get(name) if device.type == "cuda" else None
                asked = "-"
                if limit and flags:
                    asked = verdict(share, LIMIT_SHARE, at_most=True)
                elif limit:
                    asked = verdict(peak / GB, limit, at_most=True)
                rows.append(
                    [
                        name,
                        "recomputed" if flags else "kept",
                        round(peak / GB, 2),
                        round(share, 2),
                        asked,
                        round(speed, 1),
                    ]
                )
    kind = "reserved on the GPU" if device.type == "cuda" else "of the process and its workers"
    print(f"Peak memory {kind}, batch {arguments.batch_size}, {arguments.workers} workers")
    print(table(["model", "activations", "GB", "share", "asked", "pictures/s, one epoch"], rows))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [model.name for model in MENU]
    parser.add_argument("--models", nargs="+", help=f"default: {' '.join(names)}")
    parser.add_argument("--batch-size", type=int, default=64, help="default: 64")
    parser.add_argument("--workers", type=int, default=4, help="default: 4")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument("--device", default="auto", help="default: auto")
    parser.add_argument("--quick", action="store_true", help="two steps of 16 pictures")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch_size, arguments.steps = 16, 2
    arguments.models = arguments.models or (names[:1] if arguments.quick else names)
    return arguments


def run_training(
    model: str, folder: Path, output: Path, arguments: argparse.Namespace, flags: tuple[str, ...]
) -> tuple[float, float]:
    """Run the script for one epoch; return its peak memory in bytes and pictures per second."""
    command = [
        sys.executable, str(ROOT / "launch_training_test.py"), "--data-dir", str(folder),
        "--output-dir", str(output), "--model", model, "-b", str(arguments.batch_size),
        "-j", str(arguments.workers), "--epochs", "1", "--no-pretrained", "--device",
        arguments.device, *flags,
    ]  # fmt: skip
    with (output.parent / "log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        pss = 0
        while process.poll() is None:
            pss = max(pss, proportional_bytes(process.pid))
            time.sleep(0.05)
        if process.returncode:
            log.seek(0)
            raise ProjectError(f"{model} was not trained: {log.read().splitlines()[-1:]}")
    run = output / f"{resolve(model).folder_name}-1"
    report = json.loads((run / "report.json").read_text())
    with (run / "history.csv").open() as stream:
        seconds = float(next(csv.DictReader(stream))["seconds"])
    pictures = sum(report["pictures"]["train"].values())
    return report["peak_gpu_bytes"] or pss, pictures / seconds


def proportional_bytes(pid: int) -> int:
    """Return what a process and all below it take, each shared page counted once (Linux only)."""
    total = 0
    for process in (pid, *descendants(pid)):
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:  # ended meanwhile, or another system
            continue
        lines = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
        total += int(lines.get("Pss", "0 kB").split()[0]) * 1024
    return total


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
