"""The same training by ours and by its peers: time, memory, and ratios measured in one run.

    pip install fastai lightning accelerate ultralytics          into any environment, then
    python -m benchmarks.peers.compare --python PATH             its python; the default is this one
    python -m benchmarks.peers.compare --data-dir DATASET        on your own pictures
    python -m benchmarks.peers.compare --peers timm lightning    some of them
    python -m benchmarks.peers.compare --precisions bfloat16     in one precision
    python -m benchmarks.peers.compare --turn-s 3                on a computer whose speed changes
    python -m benchmarks.peers.compare --quick                   to see that it works

Same folder, network, batch size, epochs and workers; all else as each project's examples have it.
Ultralytics trains its own, smaller network. Each is a process of its own, from its start to its
end; ours also looks at train, tests and writes its report in that time. All take turns, and each
round begins with another of them. Where speed changes from one run to the next, `--turn-s` lets
all train at once, each for some seconds while the others stand still, so that it changes for all;
that needs memory for all, so choose some by `--peers` and `--precisions`.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

import torch

from benchmarks.peers.contenders import (
    CUDA_ONLY_BFLOAT16,
    OURS,
    Contender,
    Outcome,
    Task,
    installed,
    run,
    run_in_turns,
)
from benchmarks.tools.measuring import draw_dataset, machine, median_ratio, verdict
from models.device import BFLOAT16, FLOAT32, choose_device, choose_precision
from utils.common.cli.console import table
from utils.common.errors import SettingsError, run_script

LIMIT_LEVEL, LIMIT_DEFAULT, LIMIT_MEMORY = 1.0, 1.8, 1.1
OTHER_NETWORK = "ultralytics"
"""Its times are shown; its network is another one, so nothing is asked of them."""

Found = dict[Contender, list[Outcome]]


def main() -> None:
    """Print the table after each round."""
    given = parse_arguments()
    print(machine(choose_device("auto")))
    contenders = list_contenders(given.peers, given.python, given.precisions)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.data_dir or draw_dataset(Path(scratch) / "DATASET", given.pictures)
        task = Task(
            folder, given.model, "", given.batch_size, given.epochs, given.workers, 0, given.python
        )
        found: Found = {contender: [] for contender in contenders}
        for number in range(given.rounds):
            order = turned(contenders, number)
            outputs = [Path(scratch) / f"{one.name}-{one.precision}-{number}" for one in order]
            if given.turn_s:
                outcomes = run_in_turns(order, task, outputs, given.turn_s)
            else:
                outcomes = [
                    run(one, task, output) for one, output in zip(order, outputs, strict=True)
                ]
            for contender, outcome in zip(order, outcomes, strict=True):
                found[contender].append(outcome)
            print(f"\nRound {number + 1} of {given.rounds}: medians so far")
            print(show(found), flush=True)
    print()
    print("\n".join(verdicts(found)))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter with the peers")
    parser.add_argument("--peers", nargs="+", help="default: all that it has")
    parser.add_argument(
        "--precisions", nargs="+", choices=(FLOAT32, BFLOAT16), help="default: all that are fast"
    )
    parser.add_argument("--data-dir", type=Path, help="default: drawn pictures")
    parser.add_argument("--pictures", type=int, default=320, help="drawn ones (default: 320)")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--workers", type=int, help="default: 2 on a CPU, 4 on a GPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--turn-s", type=float, default=0.0, metavar="S",
        help="all train at once, S seconds each in turn (default: one after another)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="one round of two small steps")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.pictures, given.batch_size, given.epochs = 1, 16, 8, 2
    if given.workers is None:
        given.workers = 4 if torch.cuda.is_available() else 2
    return given


def list_contenders(
    names: list[str] | None, python: str, wanted: list[str] | None
) -> list[Contender]:
    """Return ours and all peers that are there, in float32 and, where that is fast, bfloat16."""
    found = installed(python)
    if missing := sorted(set(names or found) - set(found)):
        print(f"Not installed, left out: {', '.join(missing)}")
    device = choose_device("auto")
    fast = [FLOAT32] if choose_precision(device, None) == FLOAT32 else [FLOAT32, BFLOAT16]
    precisions = [precision for precision in fast if wanted is None or precision in wanted]
    if not precisions:
        raise SettingsError(f"{', '.join(wanted or [])} is not fast here", expected=fast[0])
    return [
        Contender(name, precision)
        for name in (OURS, *(name for name in found if names is None or name in names))
        for precision in precisions
        if precision == FLOAT32 or device.type == "cuda" or name not in CUDA_ONLY_BFLOAT16
    ]


def turned(contenders: list[Contender], number: int) -> list[Contender]:
    """Return who trains when in a round: another begins each, and ours is not always the first."""
    first = number % len(contenders)
    return contenders[first:] + contenders[:first]


def show(found: Found) -> str:
    """Return the table of the rounds so far."""
    best = our_best(found)
    rows = [
        [
            one.name,
            one.precision,
            round(median(whole(outcomes)), 1),
            round(median(per_epoch(outcomes)), 2),
            round(median(peaks(outcomes)) / 2**20),
            round(median(outcome.peak_gpu_bytes for outcome in outcomes) / 1e9, 2),
            round(median_ratio(whole(outcomes), whole(found[best])), 2),
            round(median_ratio(per_epoch(outcomes), per_epoch(found[best])), 2),
        ]
        for one, outcomes in found.items()
    ]
    header = [
        "contender", "precision", "whole s", "epoch s", "peak MiB", "GPU GB",
        f"x {OURS} {best.precision}", "x per epoch",
    ]  # fmt: skip
    return table(header, rows)


def verdicts(found: Found) -> list[str]:
    """Compare ours with the fastest peer, with each at its default, and with the smallest."""
    peers = [one for one in found if one.name not in (OURS, OTHER_NETWORK)]
    lines = []
    for precision in dict.fromkeys(one.precision for one in found):
        own = found[Contender(OURS, precision)]
        for measure, title in ((whole, "whole process"), (per_epoch, "epoch")):
            same = [one for one in peers if one.precision == precision]
            if not same:
                continue
            ratios = {one: median_ratio(measure(found[one]), measure(own)) for one in same}
            fastest = min(ratios, key=lambda one: ratios[one])
            ratio = ratios[fastest]
            lines.append(
                f"{precision}, {title}: {fastest.name}, the fastest peer, takes {ratio:.2f} x the "
                f"time of ours: {verdict(ratio, LIMIT_LEVEL)}"
            )
    own = found[our_best(found)]
    for one in peers:
        if one.precision == FLOAT32:
            ratio = median_ratio(whole(found[one]), whole(own))
            lines.append(
                f"{one.name} at its default takes {ratio:.2f} x the time of ours at its default: "
                f"{verdict(ratio, LIMIT_DEFAULT)}"
            )
    smallest = min(peers, key=lambda one: median(peaks(found[one])), default=None)
    if smallest:
        ratio = median_ratio(peaks(own), peaks(found[smallest]))
        lines.append(
            f"Peak memory of ours against {smallest.name} in {smallest.precision}, the smallest: "
            f"{ratio:.2f} x: {verdict(ratio, LIMIT_MEMORY, at_most=True)}"
        )
    return lines


def our_best(found: Found) -> Contender:
    """Return ours as it runs by default."""
    return [one for one in found if one.name == OURS][-1]


def whole(outcomes: list[Outcome]) -> list[float]:
    """Return the seconds of each run's process."""
    return [outcome.seconds for outcome in outcomes]


def per_epoch(outcomes: list[Outcome]) -> list[float]:
    """Return each run's seconds per epoch, without the first, which warms up."""
    return [median(outcome.epoch_seconds[1:]) for outcome in outcomes]


def peaks(outcomes: list[Outcome]) -> list[float]:
    """Return each run's peak memory in bytes; 1 where the system does not tell."""
    return [float(outcome.peak_bytes or 1) for outcome in outcomes]


if __name__ == "__main__":
    run_script(main)
