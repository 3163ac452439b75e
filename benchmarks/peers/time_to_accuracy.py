"""Time until val balanced accuracy first reaches a target: ours and its peers.

All at their defaults, but that ours trains no frozen epochs first, so that all take as many, unless
--ours-flags="--freeze-epochs 20" says so.

    python -m benchmarks.peers.time_to_accuracy --data-dir DATASET --target 0.7 --python PATH
    python -m benchmarks.peers.time_to_accuracy ... --model mobilenetv1_100 --weights FILE
    python -m benchmarks.peers.time_to_accuracy ... --ours-flags="--ema 0.99"  another default
    python -m benchmarks.peers.time_to_accuracy ... --give-up 3                wait less for peers

From the start of each process to the end of the epoch that reaches it; the process is stopped then.
Choose a target that all can reach. `compare.py` tells how to install them.
With `--give-up N` a peer that takes more than N times as long as ours did with the same seed is
stopped, and the time it has had is taken for what it needs: to its advantage.
"""

import argparse
import math
import shlex
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.peers.contenders import OURS, Contender, Outcome, Task, installed, run
from benchmarks.tools.measuring import machine, verdict
from models.device import BFLOAT16, FLOAT32, choose_device, choose_precision
from utils.common.cli.console import table
from utils.common.errors import run_script

LIMIT = 0.5


def main() -> None:
    """Print each time as it comes, then the table."""
    given = parse_arguments()
    device = choose_device("auto")
    print(machine(device))
    how = f"at most {given.max_epochs} epochs, batches of {given.batch_size}"
    print(f"Time until val balanced accuracy reaches {given.target:g}, {how}")
    ours = FLOAT32 if choose_precision(device, None) == FLOAT32 else BFLOAT16
    names = [name for name in installed(given.python) if given.peers is None or name in given.peers]
    contenders = [Contender(OURS, ours, tuple(shlex.split(given.ours_flags)))]
    contenders += [Contender(name, FLOAT32) for name in names if name != "naive"]
    found: dict[Contender, list[Outcome]] = {contender: [] for contender in contenders}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in given.seeds:
            task = Task(
                given.data_dir, given.model, given.weights, given.batch_size, given.max_epochs,
                given.workers, seed, given.python,
            )  # fmt: skip
            longest_s = math.inf
            for contender in contenders:
                output = Path(scratch) / f"{contender.name}-{seed}"
                outcome = run(contender, task, output, given.target, longest_s)
                found[contender].append(outcome)
                if contender.name == OURS:
                    longest_s = given.give_up * least_seconds(outcome)
                best = max(outcome.accuracies, default=0.0)
                print(
                    f"{contender.name}, seed {seed}: {shown(outcome)} s, "
                    f"{len(outcome.accuracies)} epochs, best {best:.3f}",
                    flush=True,
                )
    print(summary(found, given.seeds))


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--target", type=float, required=True, help="val balanced accuracy, 0-1")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", default="", help="file to start from (default: random)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--python", default=sys.executable, help="an interpreter with the peers")
    parser.add_argument("--peers", nargs="+", help="default: all that it has")
    parser.add_argument(
        "--give-up", type=float, default=math.inf, metavar="N",
        help="stop peers after N x the time of ours (default: never)",
    )  # fmt: skip
    parser.add_argument("--ours-flags", default="", help="flags of launch_training_test.py")
    return parser.parse_args()


def summary(found: dict[Contender, list[Outcome]], seeds: list[int]) -> str:
    """Return the table, and ours against the best peer."""
    times = {one: median(map(least_seconds, outcomes)) for one, outcomes in found.items()}
    own = next(one for one in found if one.name == OURS)
    rows = [
        [one.name, one.precision, *map(shown, outcomes), shown_median(outcomes),
         round(times[own] / times[one], 2)]
        for one, outcomes in found.items()
    ]  # fmt: skip
    header = [
        "contender",
        "precision",
        *(f"seed {seed} s" for seed in seeds),
        "median",
        "ours / it",
    ]
    lines = [table(header, rows)]
    peers = [one for one in found if one != own]
    if peers:
        best = min(peers, key=lambda one: times[one])
        ratio = times[own] / times[best]
        lines.append(
            f"Ours takes {ratio:.2f} x the time of {best.name}, the best peer: "
            f"{verdict(ratio, LIMIT, at_most=True)}"
        )
    return "\n".join(lines)


def least_seconds(outcome: Outcome) -> float:
    """Return the seconds until the target, at least; infinity if all epochs did not reach it."""
    return outcome.seconds if outcome.has_reached or outcome.was_stopped else math.inf


def shown(outcome: Outcome) -> str:
    """Return the seconds of a run, with > where the target was not reached."""
    return f"{'' if outcome.has_reached else '> '}{outcome.seconds:.1f}"


def shown_median(outcomes: list[Outcome]) -> str:
    """Return the median as text, with > where a run that was stopped might make it longer."""
    middle = median(map(least_seconds, outcomes))
    if middle == math.inf:
        return "not reached"
    may_be_longer = any(one.was_stopped and one.seconds <= middle for one in outcomes)
    return f"{'> ' if may_be_longer else ''}{middle:.1f}"


if __name__ == "__main__":
    run_script(main)
