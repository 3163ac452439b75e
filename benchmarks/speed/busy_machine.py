"""How much longer an epoch takes on a CPU beside one busy process for each processor.

    python -m benchmarks.speed.busy_machine                   ours and OpenMP's default, five rounds
    python -m benchmarks.speed.busy_machine --ways all        everything that was tried
    python -m benchmarks.speed.busy_machine --workers 2       pictures read by two processes
    python -m benchmarks.speed.busy_machine --quick           to see that it works

Each way trains in a process of its own, which takes the steps of an epoch when it is told to: by
turns alone and beside processes that do nothing but count. These have the training's own priority,
so half of the processors are left to it, and 2.0 times as long is its fair share. `others` are the
processors that the rest of the computer took meanwhile: where that is not about 0, no turn was
alone, so no limit is judged, and only figures of the same column can be compared.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import active_children
from pathlib import Path
from statistics import median
from time import perf_counter

from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.system.openmp import NUM_THREADS, WAITING, share_processors
from utils.common.system.processors import available_processors

OURS, DEFAULT = "ours", "default"
ALONE, BUSY = "alone", "busy"
LIMIT_BUSY, LIMIT_ALONE = 2.2, 1.01
COUNTING = "while True: pass"
DISTURBED, FEW = "disturbed", 0.2
"""What is said instead of a verdict where others took more processors than that in any turn."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to share processors.

    Attributes:
        variables: Of the environment.
        threads: That compute; 0 leaves their number as it is.
        nice: Added to the training's priority, workers included.
        worker_nice: Added to that of workers only.
        is_batch: Whether the system may let it wait longer, for longer turns (Linux).
    """

    variables: dict[str, str] = field(default_factory=dict)
    threads: int = 0
    nice: int = 0
    worker_nice: int = 0
    is_batch: bool = False


ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}
WAYS = {
    OURS: Way(),
    DEFAULT: Way(),
    "asleep": Way(ASLEEP),
    "100 spins": Way({"GOMP_SPINCOUNT": "100"}),
    "1,000 spins": Way({"GOMP_SPINCOUNT": "1000"}),
    "3,000 spins": Way({"GOMP_SPINCOUNT": "3000"}),
    "10,000 spins": Way({"GOMP_SPINCOUNT": "10000"}),
    "bound": Way({"OMP_PROC_BIND": "true"}),
    "asleep, bound": Way({**ASLEEP, "OMP_PROC_BIND": "true"}),
    "one thread": Way(ASLEEP, threads=1),
    "one thread less": Way(ASLEEP, threads=max(1, available_processors() - 1)),
    "twice the threads": Way(ASLEEP, threads=2 * available_processors()),
    "asleep, nice 5": Way(ASLEEP, nice=5),
    "asleep, nice workers": Way(ASLEEP, worker_nice=5),
    "asleep, SCHED_BATCH": Way(ASLEEP, is_batch=True),
}


def main() -> None:
    """Print the table."""
    arguments = parse_arguments()
    if arguments.way:
        train(arguments)
        return
    ways = list(WAYS) if "all" in arguments.ways else arguments.ways
    epoch = f"{arguments.steps} batches of {arguments.batch_size}, {arguments.workers} workers"
    print(f"{available_processors()} processors; {epoch}; medians after each round", flush=True)
    with contextlib.ExitStack() as stack:
        runs = {way: stack.enter_context(training(way, arguments)) for way in ways}
        for found in in_turns(runs, arguments.rounds):
            print(table(*compare(found, ways)), flush=True)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--ways", nargs="+", default=[OURS, DEFAULT], choices=["all", *WAYS],
        help=f"default: {OURS} {DEFAULT}",
    )  # fmt: skip
    parser.add_argument("--model", default="resnet18", help="default: resnet18")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--steps", type=int, default=6, help="of an epoch (default: 6)")
    parser.add_argument("--batch-size", type=int, default=16, help="default: 16")
    parser.add_argument("--workers", type=int, default=0, help="default: 0")
    parser.add_argument("--quick", action="store_true", help="one round of one small step")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.steps, arguments.batch_size = 1, 1, 4
    return arguments


@dataclass(frozen=True, slots=True)
class Turn:
    """One epoch.

    Attributes:
        seconds: That it took.
        others: Processors that neither it nor the busy processes had, on average; NaN if unknown.
        digest: Of the weights after it.
    """

    seconds: float
    others: float
    digest: str


@contextlib.contextmanager
def training(way: str, arguments: argparse.Namespace) -> Iterator[Callable[[list[int]], Turn]]:
    """Start a process that trains; give what lets it train an epoch beside processes of ours."""
    command = [
        sys.executable, "-m", "benchmarks.speed.busy_machine",
        "--way", way, "--model", arguments.model,
        "--steps", str(arguments.steps), "--batch-size", str(arguments.batch_size),
        "--workers", str(arguments.workers),
    ]  # fmt: skip
    ruled = {NUM_THREADS, *WAITING, "OMP_PROC_BIND", "GOMP_CPU_AFFINITY"}
    environment = {name: value for name, value in os.environ.items() if name not in ruled}
    environment.update(WAYS[way].variables)
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    told, asked = process.stdout, process.stdin

    def turn(busy: list[int]) -> Turn:
        before, theirs = used_by_all(), used_by(busy)
        print(file=asked, flush=True)
        answer = told.readline().split()
        if len(answer) != 3:
            raise RuntimeError(f"The training of {way} has ended")
        seconds, own, digest = float(answer[0]), float(answer[1]), answer[2]
        others = used_by_all() - before - own - (used_by(busy) - theirs)
        return Turn(seconds, others / seconds, digest)

    try:
        yield turn
    finally:
        asked.close()  # which ends it
        process.wait()


def in_turns(
    runs: dict[str, Callable[[list[int]], Turn]], rounds: int
) -> Iterator[dict[tuple[str, str], list[Turn]]]:
    """Let all ways train once to warm up, then in turns, alone and busy; yield after each round."""
    for run in runs.values():
        run([])
    found: dict[tuple[str, str], list[Turn]] = {
        (way, beside): [] for way in runs for beside in (ALONE, BUSY)
    }
    for _ in range(rounds):
        for way, run in runs.items():
            found[way, ALONE].append(run([]))
            with busy_processes() as busy:
                found[way, BUSY].append(run(busy))
        yield found


@contextlib.contextmanager
def busy_processes() -> Iterator[list[int]]:
    """Keep as many processes busy as there are processors, and give their ids."""
    started = [
        subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(available_processors())
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def compare(
    found: dict[tuple[str, str], list[Turn]], ways: list[str]
) -> tuple[list[str], list[list[object]]]:
    """Return header and rows; ratios are medians of those within each round."""
    from benchmarks.tools.measuring import median_ratio, verdict

    seconds = {key: [turn.seconds for turn in turns] for key, turns in found.items()}
    reference = DEFAULT if DEFAULT in ways else ways[0]
    header = [
        "way", "alone s", "others", "busy s", "others", "x alone", "asked",
        f"alone x {reference}", "asked", f"busy x {reference}", "same weights",
    ]  # fmt: skip
    others = [turn.others for turns in found.values() for turn in turns]

    def judged(ratio: float, limit: float) -> str:
        return DISTURBED if max(others) > FEW else verdict(ratio, limit, at_most=True)

    rows: list[list[object]] = []
    for way in ways:
        row: list[object] = [way]
        for beside in (ALONE, BUSY):
            row.append(round(median(seconds[way, beside]), 2))
            row.append(round(median(turn.others for turn in found[way, beside]), 2))
        slower = median_ratio(seconds[way, BUSY], seconds[way, ALONE])
        cost = median_ratio(seconds[way, ALONE], seconds[reference, ALONE])
        gain = median_ratio(seconds[way, BUSY], seconds[reference, BUSY])
        same = all(
            one.digest == other.digest
            for beside in (ALONE, BUSY)
            for one, other in zip(found[way, beside], found[reference, beside], strict=True)
        )
        row += [
            round(slower, 2), judged(slower, LIMIT_BUSY), round(cost, 3),
            judged(cost, LIMIT_ALONE), round(gain, 3), "yes" if same else "no",
        ]  # fmt: skip
        rows.append(row)
    return header, rows


def used_by_all() -> float:
    """Return the seconds of processors that anybody has used; NaN where the system is not Linux."""
    try:
        user, nice, system, _, _, irq, softirq = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
        )
    except OSError:
        return float("nan")
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def used_by(processes: list[int]) -> float:
    """Return the seconds of processors that some have used; NaN where the system is not Linux."""
    try:
        cells = [
            Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in processes
        ]
    except OSError:
        return float("nan")
    return sum(int(row[11]) + int(row[12]) for row in cells) / os.sysconf("SC_CLK_TCK")


def train(arguments: argparse.Namespace) -> None:
    """Train an epoch for each line that comes; print its seconds, those of processors, a digest."""
    way = WAYS[arguments.way]
    if arguments.way == OURS:
        share_processors()
    if way.nice:
        os.nice(way.nice)
    if way.is_batch:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with tempfile.TemporaryDirectory() as scratch:
        trainer = make_trainer(way, Path(scratch), arguments)
        for epoch, _ in enumerate(sys.stdin):
            processes = [os.getpid(), *(one.pid for one in active_children() if one.pid)]
            before = used_by(processes)
            started = perf_counter()
            for _ in trainer.train_epoch(epoch):
                pass
            seconds = perf_counter() - started
            for one in active_children():
                if way.worker_nice and one.pid and epoch == 0:
                    os.setpriority(os.PRIO_PROCESS, one.pid, way.nice + way.worker_nice)
            print(seconds, used_by(processes) - before, digest_of(trainer.network), flush=True)


def make_trainer(way: Way, scratch: Path, arguments: argparse.Namespace):
    """Return a trainer on drawn pictures, as launch_training_test.py makes it."""
    # Not before: OpenMP reads its variables when PyTorch is imported.
    import torch

    from benchmarks.tools.measuring import draw_dataset
    from models.device import FLOAT32, Compute
    from models.pretrained import build
    from models.zoo import resolve
    from utils.common.labels import CLASSES
    from utils.training.data.loader import PictureLoader
    from utils.training.data.pictures import read_folder
    from utils.training.engine import Trainer
    from utils.training.settings import Settings, complete
    from utils.training.step.device import prepare

    if way.threads:
        torch.set_num_threads(way.threads)
    device = torch.device("cpu")
    prepare(device, deterministic=False)
    model = resolve(arguments.model)
    asked = Settings(
        batch_size=arguments.batch_size, workers=arguments.workers, model=model.name,
        pretrained=False,
    )  # fmt: skip
    settings = complete(asked, model, pretrained=asked.pretrained)
    torch.manual_seed(0)
    network, preprocessing = build(model, len(CLASSES), pretrained=False)
    pictures = read_folder(draw_dataset(scratch, arguments.steps * arguments.batch_size))
    loader = PictureLoader(
        pictures, preprocessing, settings.batch_size, settings.workers, 0, pin_memory=False
    )
    return Trainer(network, preprocessing, Compute(device, FLOAT32), settings, loader)


def digest_of(network) -> str:
    """Return a hash of its weights and statistics."""
    import hashlib

    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    run_script(main)
