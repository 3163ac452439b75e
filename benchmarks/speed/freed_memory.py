"""What keeping freed memory gains a training step on a CPU, and what it costs in memory.

    python -m benchmarks.speed.freed_memory                        the menu's models, five rounds
    python -m benchmarks.speed.freed_memory --models resnet18      some models
    python -m benchmarks.speed.freed_memory --quick                to see that it works

Each figure is that of a process of its own, which takes our steps on one batch that is there
already: once as glibc does by default, once as training tells it to.
"""

import argparse
import subprocess
import sys
from statistics import median
from time import perf_counter

import torch

from benchmarks.tools.measuring import machine, median_ratio
from models.device import Compute, choose_precision
from models.pretrained import build
from models.zoo import MENU, resolve
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.labels import CLASSES
from utils.common.system.memory import keep_large_freed_memory
from utils.training.step.optimisation import balanced_loss, make_optimizer

CPU = torch.device("cpu")
WARM_UP = 2
KEPT, RETURNED = WAYS = ("kept", "returned")


def main() -> None:
    """Print the table."""
    arguments = parse_arguments()
    if arguments.way:
        print(*steps_of_one_process(arguments))
        return
    print(machine(CPU))
    rows = []
    for name in arguments.models:
        speeds: dict[str, list[float]] = {way: [] for way in WAYS}
        peaks: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            for way in WAYS:
                speed, peak = in_own_process(name, way, arguments)
                speeds[way].append(speed)
                peaks[way].append(peak)
        rows.append(
            [
                name,
                *(round(median(speeds[way]), 1) for way in WAYS),
                round(median_ratio(speeds[KEPT], speeds[RETURNED]), 2),
                round(median_ratio(peaks[KEPT], peaks[RETURNED]), 2),
            ]
        )
    print(f"Batches of {arguments.batch_size}, {arguments.rounds} rounds")
    print(table(["model", *(f"{way}/s" for way in WAYS), "x speed", "x peak memory"], rows))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [model.name for model in MENU]
    parser.add_argument("--models", nargs="+", help=f"default: {' '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--steps", type=int, default=4, help="default: 4")
    parser.add_argument("--batch-size", type=int, default=32, help="default: 32")
    parser.add_argument("--quick", action="store_true", help="one round of one small step")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.steps, arguments.batch_size = 1, 1, 4
    arguments.models = arguments.models or (names[:1] if arguments.quick else names)
    return arguments


def in_own_process(model: str, way: str, arguments: argparse.Namespace) -> tuple[float, float]:
    """Return pictures per second and peak memory in bytes of a process that does just this."""
    command = [
        sys.executable, "-m", "benchmarks.speed.freed_memory", "--models", model, "--way", way,
        "--steps", str(arguments.steps), "--batch-size", str(arguments.batch_size),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    speed, peak = map(float, done.stdout.split())
    return speed, peak


def steps_of_one_process(arguments: argparse.Namespace) -> tuple[float, int]:
    """Take some steps; return pictures per second and this process's peak memory in bytes."""
    import resource  # not on Windows, where there is no glibc either

    if arguments.way == KEPT:
        keep_large_freed_memory()
    model = resolve(arguments.models[0])
    network, preprocessing = build(model, len(CLASSES), pretrained=False)
    network.to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(network, 1e-4, 0.05, 1.0)
    compute = Compute(CPU, choose_precision(CPU, None))
    size = arguments.batch_size
    pixels = torch.rand(size, 3, preprocessing.height, preprocessing.width)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    labels, weights = torch.arange(size) % len(CLASSES), torch.ones(len(CLASSES))
    for step in range(WARM_UP + arguments.steps):
        if step == WARM_UP:
            started = perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with compute.autocast():
            answers = network(pixels)
        (balanced_loss(answers, labels, weights, 0.0) / size).backward()
        optimizer.step()
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return size * arguments.steps / seconds, peak


if __name__ == "__main__":
    run_script(main)
