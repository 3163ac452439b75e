"""Which defaults of training do best on given pictures: one setting varied at a time.

    python -m benchmarks.quality.defaults --data-dir DATASET --output runs/defaults \
        --model mobilenetv1_100 --pretrained-path FILE

Each variant is a whole run of launch_training_test.py that differs from the defaults in one flag.
Told are the best val balanced accuracy, the val loss of that epoch, and how much both differ from
the defaults on the same seeds, with the standard error of the mean difference. Val decides; what
test says plays no part. What is in the output folder already is not trained again, so a run that
was cut short goes on.
"""

import argparse
import csv
from pathlib import Path
from statistics import mean, stdev

from benchmarks.tools.trainings import Training, add_training_flags, train_all
from models.zoo import FROM_SCRATCH, resolve
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.training.state.runs import HISTORY_NAME

DEFAULTS = "defaults"


def main() -> None:
    """Train what was not trained yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="a data set")
    add_training_flags(parser)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", help="some of the table's first column")
    given = parser.parse_args()
    recipe = resolve(given.model).recipe if given.pretrained_path else FROM_SCRATCH
    flags = variants(recipe.lr)
    trainings = [
        Training(name, given.data_dir, seed, flags[name])
        for seed in range(given.seeds)
        for name in (DEFAULTS, *(given.variants or list(flags)[1:]))
    ]
    found = {
        (training.name, training.seed): best_epoch(run)
        for training, run in train_all(given, trainings).items()
    }
    print(as_table(found, given.seeds))


def variants(lr: float) -> dict[str, tuple[str, ...]]:
    """Return the flags of each variant, given the default learning rate."""
    return {
        DEFAULTS: (),
        "lr / 3": ("--lr", f"{lr / 3:g}"),
        "lr x 3": ("--lr", f"{lr * 3:g}"),
        "label smoothing 0.1": ("--label-smoothing", "0.1"),
        "EMA 0.99": ("--ema", "0.99"),
        "layer decay 0.75": ("--layer-decay", "0.75"),
        "none frozen": ("--freeze-epochs", "0"),
        "1 epoch frozen": ("--freeze-epochs", "1"),
        "no weight decay": ("--weight-decay", "0"),
        "LOW_QUALITY from disk": ("--no-fresh-low-quality",),
    }


def best_epoch(run: Path) -> tuple[float, float]:
    """Return the best val balanced accuracy of a run, and the val loss of that epoch."""
    with (run / HISTORY_NAME).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    best = max(rows, key=lambda row: float(row["val_balanced_accuracy"]))
    return float(best["val_balanced_accuracy"]), float(best["val_loss"])


def as_table(found: dict[tuple[str, int], tuple[float, float]], num_seeds: int) -> str:
    """Return means over the seeds, and differences from the defaults on the same seeds."""
    rows = []
    for name in dict.fromkeys(name for name, _ in found):
        row: list[object] = [name]
        for place, digits in ((0, "{:.1%}"), (1, "{:.3f}")):
            values = [found[name, seed][place] for seed in range(num_seeds)]
            gains = [
                found[name, seed][place] - found[DEFAULTS, seed][place] for seed in range(num_seeds)
            ]
            error = stdev(gains) / num_seeds**0.5 if num_seeds > 1 else float("nan")
            row += [
                digits.format(mean(values)),
                f"{digits.format(mean(gains))} +- {digits.format(error)}",
            ]
        rows.append(row)
    header = ["variant", "val balanced accuracy", "difference", "val loss", "difference"]
    return f"Means of {num_seeds} seeds\n{table(header, rows)}"


if __name__ == "__main__":
    run_script(main)
