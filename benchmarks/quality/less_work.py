"""Whether training pays that does less work: frozen features first, small pictures first.

    python -m benchmarks.quality.less_work --data-dir DATASET --output runs/less \
        --model mobilenetv1_100 --pretrained-path FILE --target 0.85 --unseen FOLDER
    python -m benchmarks.quality.less_work ... --only speed       the first table alone

First the same frozen epochs, val included, on features computed once and through the whole network
each time, by turns in one process. Then whole runs of launch_training_test.py for each seed: plain
training, --freeze-epochs before it, --progressive-resizing. Told are val by epoch, the time until
it first reaches a target, as history.csv has it, what the best weights reach on test and on
pictures of other origins, in a folder for each class, and how much each differs from plain training
on the same seeds, with the standard error of the mean difference. Times hold with --jobs 1 on a
computer that does nothing else. What is in the output folder already is not trained again.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev

import numpy as np

from benchmarks.quality.real_quality import find_pictures
from benchmarks.tools.measuring import machine, median_ratio, take_turns
from benchmarks.tools.trainings import Training, add_training_flags, train_all
from models import load
from models.device import Compute, choose_device, choose_precision
from models.pretrained import build
from models.zoo import FROM_SCRATCH, resolve
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import CLASSES, VAL
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import PictureFolder, read_folder
from utils.training.engine import Trainer
from utils.training.predictions import balanced_accuracy, confusion_of
from utils.training.settings import RunSettings
from utils.training.state.runs import HISTORY_NAME, REPORT_NAME
from utils.training.step.device import prepare

PLAIN = "plain"
SPEED, ACCURACY = PARTS = "speed", "accuracy"


class WholeNetworkTrainer(Trainer):
    """Sends each picture through the whole network in each frozen epoch."""

    def _frozen_features(self, _: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Reached:
    """What one training came to.

    Attributes:
        val: Balanced accuracy after each epoch.
        seconds: From the start of training to the end of each epoch.
        test: Balanced accuracy of the best weights.
        unseen: The same on pictures of other origins; NaN without any.
    """

    val: list[float]
    seconds: list[float]
    test: float
    unseen: float

    def seconds_to(self, target: float) -> float:
        """Return when val first reached a balanced accuracy; infinity if it never did."""
        pairs = zip(self.val, self.seconds, strict=True)
        return next((seconds for value, seconds in pairs if value >= target), math.inf)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="a data set")
    add_training_flags(parser)
    parser.add_argument("--frozen", type=int, default=3, help="frozen epochs (default: 3)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--target", type=float, default=0.8, help="val balanced accuracy, 0-1")
    parser.add_argument("--unseen", type=Path, help="pictures of other origins, by class")
    parser.add_argument("--variants", nargs="+", help="some of the table's first column")
    parser.add_argument("--rounds", type=int, default=2, help="of the first table (default: 2)")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    given = parser.parse_args()
    print(machine(choose_device("auto")))
    if given.only != ACCURACY:
        print(compare_speed(given))
    if given.only != SPEED:
        print(compare_accuracy(given))


def compare_speed(given: argparse.Namespace) -> str:
    """Let the same frozen epochs run both ways by turns; return a line on what they took."""
    pictures = read_folder(given.data_dir)
    kinds = {"features once": Trainer, "whole network": WholeNetworkTrainer}
    runs = {name: partial(frozen_seconds, given, pictures, kind) for name, kind in kinds.items()}
    found = take_turns(runs, given.rounds)
    once, whole = (found[name] for name in kinds)
    return (
        f"{given.frozen} frozen epochs of {given.model}, val included: {median(once):.1f} s on "
        f"features computed once, {median(whole):.1f} s through the whole network; "
        f"{median_ratio(once, whole):.2f} x"
    )


def frozen_seconds(
    given: argparse.Namespace, pictures: PictureFolder, kind: Callable[..., Trainer]
) -> float:
    """Return what all frozen epochs take a new trainer of a kind."""
    device, path = choose_device("auto"), given.pretrained_path
    settings = RunSettings(
        batch_size=given.batch_size, workers=1, model=given.model, epochs=given.frozen, lr=3e-4,
        weight_decay=0.05, freeze_epochs=given.frozen, pretrained=bool(path),
    )  # fmt: skip
    prepare(device, deterministic=False)
    network, preprocessing = build(resolve(given.model), len(CLASSES), False, path)
    loader = PictureLoader(pictures, preprocessing, given.batch_size, 1, 0, device.type == "cuda")
    compute = Compute(device, choose_precision(device, None))
    trainer = kind(network, preprocessing, compute, settings, loader)
    started = time.perf_counter()
    for epoch in range(given.frozen):
        for _ in trainer.train_epoch(epoch):
            pass
        trainer.predictor().predict(VAL, "Validation")
    took = time.perf_counter() - started
    loader.close()
    return took


def compare_accuracy(given: argparse.Namespace) -> str:
    """Train what was not trained yet, and return the tables."""
    recipe = resolve(given.model).recipe if given.pretrained_path else FROM_SCRATCH
    flags = variants(given.frozen, given.epochs, recipe.lr)
    trainings = [
        Training(name, given.data_dir, seed, flags[name])
        for seed in range(given.seeds)
        for name in (PLAIN, *(given.variants or list(flags)[1:]))
    ]
    found = {
        (training.name, training.seed): reached(run, given.unseen)
        for training, run in train_all(given, trainings).items()
    }
    return f"{as_course(found, given.seeds)}\n\n{as_table(found, given.seeds, given.target)}"


def variants(frozen: int, epochs: int, lr: float) -> dict[str, tuple[str, ...]]:
    """Return the flags of each variant.

    Args:
        frozen: Epochs.
        epochs: Of the whole network in plain training.
        lr: The default learning rate.
    """
    none, first = (("--freeze-epochs", str(number)) for number in (0, frozen))
    return {
        PLAIN: none,
        "progressive": (*none, "--progressive-resizing"),
        "LP-FT": first,
        "LP-FT, no more epochs": (*first, "--epochs", str(epochs - frozen)),
        "LP-FT, lr x 3": (*first, "--lr", f"{3 * lr:g}"),
        "LP-FT, lr / 3": (*first, "--lr", f"{lr / 3:g}"),
    }


def reached(run: Path, unseen: Path | None) -> Reached:
    """Return what a finished run came to."""
    with (run / HISTORY_NAME).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    seconds = np.cumsum([float(row["seconds"]) for row in rows]).tolist()
    test = json.loads((run / REPORT_NAME).read_text(encoding="utf-8"))["balanced_accuracy"]["value"]
    outside = on_folder(run, unseen) if unseen else math.nan
    return Reached([float(row["val_balanced_accuracy"]) for row in rows], seconds, test, outside)


def on_folder(run: Path, folder: Path) -> float:
    """Return the balanced accuracy of a run's best weights on folders named after classes."""
    found = find_pictures(folder)
    paths = [path for path, place in found.items() if place in CLASSES]
    answers = load(str(run))(progress(paths, desc="Judging", unit="pictures"))
    labels, predicted = [], []
    for path, answer in zip(paths, answers, strict=True):
        if answer.error:
            print(f"{path}: {answer.error}")
            continue
        labels.append(CLASSES.index(found[path]))
        predicted.append(int(np.argmax([answer.probabilities[name] for name in CLASSES])))
    return balanced_accuracy(confusion_of(np.array(labels), np.array(predicted)))


def as_course(found: dict[tuple[str, int], Reached], num_seeds: int) -> str:
    """Return the mean val balanced accuracy after each epoch."""
    names = dict.fromkeys(name for name, _ in found)
    most = max(len(one.val) for one in found.values())
    rows = []
    for name in names:
        courses = [found[name, seed].val for seed in range(num_seeds)]
        means = [f"{mean(column):.1%}" for column in zip(*courses, strict=True)]
        rows.append([name, *means, *[""] * (most - len(means))])
    header = ["val after epoch", *map(str, range(1, most + 1))]
    return f"Means of {num_seeds} seeds\n{table(header, rows)}"


def as_table(found: dict[tuple[str, int], Reached], num_seeds: int, target: float) -> str:
    """Return means over the seeds, and differences from plain on the same seeds."""
    figures: dict[str, Callable[[Reached], float]] = {
        "best val": lambda one: max(one.val), "test": lambda one: one.test,
        "unseen": lambda one: one.unseen,
    }  # fmt: skip
    seconds_to = f"seconds to {target:g} on val"
    rows = []
    for name in dict.fromkeys(name for name, _ in found):
        runs = [found[name, seed] for seed in range(num_seeds)]
        plain = [found[PLAIN, seed] for seed in range(num_seeds)]
        row: list[object] = [name]
        for figure in figures.values():
            values = list(map(figure, runs))
            gains = [a - b for a, b in zip(values, map(figure, plain), strict=True)]
            row += [f"{mean(values):.1%}", with_error(gains)]
        times = [one.seconds_to(target) for one in runs]
        ratios = [a / b.seconds_to(target) for a, b in zip(times, plain, strict=True)]
        row += [", ".join(f"{one:.0f}" for one in times), f"{median(ratios):.2f}"]
        rows.append(row)
    header = [part for name in figures for part in (name, "difference")]
    return table(["variant", *header, seconds_to, "ratio to plain"], rows)


def with_error(gains: Sequence[float]) -> str:
    """Return the mean of differences with its standard error."""
    error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else math.nan
    return f"{mean(gains):+.1%} +- {error:.1%}"


if __name__ == "__main__":
    run_script(main)
