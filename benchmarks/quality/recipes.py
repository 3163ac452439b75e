"""Which recipe of fine-tuning does best on pictures of an origin that it never saw.

    python -m benchmarks.quality.recipes --data-dir DATASET --output runs/recipes \
        --model mobilenetv1_100 --pretrained-path FILE --input-size 112 --poor FOLDER \
        --hold-out isic_2019 pad_ufes_20:!300x300 --hold-out isic_2018 pad_ufes_20:300x300
    python -m benchmarks.quality.recipes ... --only table          of what was trained so far
    python -m benchmarks.quality.recipes ... --whole mixup         a whole run, on all of DATASET

Each --hold-out names origins that a training goes without, by collection and, after a colon, the
size of their originals (! for any other). The epoch is chosen on val as always, and its weights say
what the pictures of three sets are, by their largest logit: the test pictures of the origins that
were trained on, those held out, and really poor ones in a folder, none of which was ever trained
on. "Other origins" is the mean recall of the classes, for each on pictures of another origin; for
those that have none (they are named) on the test pictures. Told are means, and differences from
plain fine-tuning with the same seed and origins, with the standard error of their mean.

What was trained is appended to results.jsonl in the output folder and not trained again, so that
it can be stopped at any time, and run with other --seeds or --recipes by another process. Another
--data-dir needs another --output.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import launch_training_test
from benchmarks.quality.real_quality import find_pictures, recall_at
from benchmarks.tools.holding_out import (
    HeldOut,
    Origin,
    judged_pictures,
    link_data_set,
    read_parts,
)
from benchmarks.tools.measuring import machine
from benchmarks.tools.recipe_trainers import (
    AugmentingTrainer,
    CornersTrainer,
    CutMixTrainer,
    FewerPixelsTrainer,
    MixupTrainer,
    PulledTrainer,
    StillNormsTrainer,
)
from benchmarks.tools.trainings import STEADY, add_training_flags
from models.device import Compute, choose_device, choose_precision
from models.inference import outputs_of
from models.outputs import class_logits
from models.reading import Reading
from models.zoo import FROM_SCRATCH, PROBE, resolve
from utils.common.cli.console import table
from utils.common.errors import SettingsError, run_script
from utils.common.labels import CLASSES, LOW_QUALITY, TRAIN, VAL
from utils.training import trainer_setup
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer
from utils.training.figures import val_figures
from utils.training.network import build_network
from utils.training.predictions import best_epoch
from utils.training.processes.world import World
from utils.training.settings import read_settings
from utils.training.step.device import prepare

PLAIN = "plain"
RESULTS_NAME = "results.jsonl"
RATE = 0.05
"""False alarms at which the recall of poor pictures is told, as a share of the good ones."""

OWN, HELD, POOR = SETS = "own", "held", "poor"
Said = dict[str, dict[str, list[int]]]
"""For each set and true class the predicted classes of its pictures."""

Views = Sequence[tuple[int, ...]]
"""Axes along which each view is mirrored."""

AS_IT_IS: Views = ((),)
Answers = dict[str, tuple[list[str], NDArray[np.float32]]]
"""For each set the true classes of its pictures, and their logits, N x classes."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is fine-tuned.

    Attributes:
        flags: Of launch_training_test.py, besides those that all recipes have in common.
        kind: The trainer.
        start_share: How much of the weights after the frozen epochs is mixed into those that are
            kept (WiSE-FT: Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022).
    """

    flags: tuple[str, ...] = ()
    kind: type[Trainer] = Trainer
    start_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Training:
    """Which training it is.

    Attributes:
        model: Its architecture.
        held: The origins that it goes without.
        recipe: Name of its recipe.
        seed: Its seed.
        epochs: Of the whole network, before a recipe changes it.
        input_size: In pixels.
    """

    model: str
    held: str
    recipe: str
    seed: int
    epochs: int
    input_size: int


@dataclass(frozen=True, slots=True)
class Result(Training):
    """What a training came to.

    Attributes:
        said: The predicted classes, as indices into `labels.CLASSES`.
        poor_found: Share of the really poor pictures that are told at `RATE`; NaN without any.
        best_epoch: The epoch that was kept, from 1.
        seconds: What the training took, val included.
    """

    said: Said
    poor_found: float
    best_epoch: int
    seconds: float

    @property
    def training(self) -> Training:
        """Which training it is of."""
        fields = dataclasses.fields(Training)
        return Training(*(getattr(self, field.name) for field in fields))

    def recall(self, name: str, label: str) -> float:
        """Return the share of a class's pictures in a set that are told right; NaN for none."""
        said = self.said.get(name, {}).get(label, [])
        return float(np.mean([one == CLASSES.index(label) for one in said])) if said else math.nan

    def elsewhere(self, label: str) -> float:
        """Return the recall on pictures of another origin, or on test where there are none."""
        first = self.recall(POOR if label == LOW_QUALITY else HELD, label)
        return self.recall(OWN, label) if math.isnan(first) else first

    @property
    def other_origins(self) -> float:
        """The mean of these recalls."""
        return mean_of_known(map(self.elsewhere, CLASSES))

    @property
    def own_test(self) -> float:
        """Balanced accuracy on the test pictures of the origins that were trained on."""
        return mean_of_known(self.recall(OWN, label) for label in CLASSES)


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of what is not NaN; NaN if all are."""
    known = [value for value in values if not math.isnan(value)]
    return mean(known) if known else math.nan


def main() -> None:
    """Train what was not trained yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_flags(parser)
    parser.add_argument("--recipes", nargs="+", help="some of the table's first column")
    parser.add_argument("--only", choices=["table"], help="train nothing")
    parser.add_argument("--whole", metavar="RECIPE", help="train it on all origins, in whole runs")
    given = parser.parse_args()
    lr = (resolve(given.model).recipe if given.pretrained_path else FROM_SCRATCH).lr
    known = recipes(given.epochs, lr)
    for name in [*(given.recipes or []), *([given.whole] if given.whole else [])]:
        if name not in known:
            raise SettingsError(f"There is no recipe {name}", expected="; ".join(known))
    if given.whole:
        for seed in given.seeds:
            train_whole(given, known[given.whole], seed)
        return
    if given.only is None:
        print(machine(choose_device("auto")))
        train_missing(given, known)
    results = read_results(given.output / RESULTS_NAME)
    asked = (given.model, given.epochs, given.input_size)
    print(as_table([r for r in results if (r.model, r.epochs, r.input_size) == asked]))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what tells which trainings there are, recipes apart."""
    parser.add_argument("--data-dir", type=Path, required=True, help="a data set")
    add_training_flags(parser)
    parser.add_argument("--input-size", type=int, default=112, help="in pixels (default: 112)")
    parser.add_argument(
        "--hold-out", nargs="+", action="append", metavar="SOURCE[:[!]WxH]", default=[],
        help="origins that one training goes without; may be repeated",
    )  # fmt: skip
    parser.add_argument("--poor", type=Path, help="folder of really poor pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])


def recipes(epochs: int, lr: float) -> dict[str, Recipe]:
    """Return the recipes by name, plain fine-tuning first.

    Args:
        epochs: Of plain fine-tuning.
        lr: The default learning rate.
    """
    frozen = ("--freeze-epochs", str(PROBE))
    return {
        PLAIN: Recipe(("--freeze-epochs", "0")),
        "linear probe": Recipe((*frozen, "--epochs", "0")),
        "LP-FT": Recipe(frozen),
        "LP-FT, epochs x 2": Recipe((*frozen, "--epochs", str(2 * epochs))),
        "LP-FT, lr / 3": Recipe((*frozen, "--lr", f"{lr / 3:g}")),
        "LP-FT, layer decay 0.75": Recipe((*frozen, "--layer-decay", "0.75")),
        "LP-FT, L2 towards the start": Recipe(frozen, PulledTrainer),
        "LP-FT, still norms": Recipe(frozen, StillNormsTrainer),
        "LP-FT, still norms, half way": Recipe(frozen, StillNormsTrainer, 0.5),
        "LP-FT, mixup": Recipe(frozen, MixupTrainer),
        "LP-FT, CutMix": Recipe(frozen, CutMixTrainer),
        "LP-FT, stronger augmentation": Recipe(frozen, AugmentingTrainer),
        "LP-FT, exchanged corners": Recipe(frozen, CornersTrainer),
        "LP-FT, fewer pixels": Recipe(frozen, FewerPixelsTrainer),
    }


def train_missing(given: argparse.Namespace, known: Mapping[str, Recipe]) -> None:
    """Train what is not among the results yet."""
    path = given.output / RESULTS_NAME
    for held in given.hold_out:
        name = " ".join(held)
        parts, folder = without(given, held)
        for seed in given.seeds:
            for recipe in given.recipes or known:
                asked = Training(given.model, name, recipe, seed, given.epochs, given.input_size)
                if asked in {result.training for result in read_results(path)}:
                    continue
                print(f"{given.model} without {name}: {recipe}, seed {seed}", flush=True)
                result = train(given, folder, asked, known[recipe], parts)
                with path.open("a", encoding="utf-8") as stream:
                    stream.write(f"{json.dumps(dataclasses.asdict(result))}\n")


def without(given: argparse.Namespace, held: Sequence[str]) -> tuple[HeldOut, Path]:
    """Return what is held out, and where the data set without it lies."""
    parts = read_parts(given.data_dir, [Origin(text) for text in held])
    name = " ".join(held).replace(":", "-").replace("!", "not-")
    folder = given.output / "data" / name
    link_data_set(parts.kept, given.data_dir, folder)
    return parts, folder


def read_results(path: Path) -> list[Result]:
    """Read what was trained so far.

    Raises:
        SettingsError: If another version wrote it.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    try:
        return [Result(**json.loads(line)) for line in lines]
    except TypeError:
        raise SettingsError(
            f"{path} holds results of another version", todo="Give another --output"
        ) from None


def flags_of(given: argparse.Namespace, recipe: Recipe, data_dir: Path, seed: int) -> list[str]:
    """Return the flags of launch_training_test.py for one training."""
    start = ["--pretrained-path", given.pretrained_path]
    return [
        "--model", given.model, *(start if given.pretrained_path else ["--no-pretrained"]),
        "--data-dir", str(data_dir), "-b", str(given.batch_size), "-j", "0", "--cache", "ram",
        "--seed", str(seed), "--epochs", str(given.epochs), "--patience", "0",
        "--input-size", str(given.input_size), *STEADY, *recipe.flags,
    ]  # fmt: skip


def train_whole(given: argparse.Namespace, recipe: Recipe, seed: int) -> None:
    """Train one whole run of launch_training_test.py, with the recipe's trainer."""
    output = given.output / f"{given.whole.replace(' ', '-').replace('/', 'over')}-{seed}"
    flags = flags_of(given, recipe, given.data_dir, seed)
    with patch.object(trainer_setup, "Trainer", recipe.kind):
        launch_training_test.main([*flags, "--output-dir", str(output), "--resume", "auto"])


def train(
    given: argparse.Namespace,
    data_dir: Path,
    training: Training,
    recipe: Recipe,
    parts: HeldOut,
) -> Result:
    """Train once; return what the weights of the best epoch say of all sets."""
    with trainer_of(given, data_dir, training, recipe) as trainer:
        started = time.perf_counter()
        best_epoch = train_to_best(trainer, recipe.start_share)
        seconds = time.perf_counter() - started
        return result_of(training, answers(given, trainer, parts), best_epoch, seconds)


@contextlib.contextmanager
def trainer_of(
    given: argparse.Namespace, data_dir: Path, training: Training, recipe: Recipe
) -> Iterator[Trainer]:
    """Yield a trainer that has not trained yet."""
    asked, _ = read_settings(flags_of(given, recipe, data_dir, training.seed))
    device = choose_device("auto")
    prepare(device, deterministic=False)
    built = build_network(asked, World())
    settings, preprocessing = built.settings, built.preprocessing
    loader = PictureLoader(
        read_folder(data_dir), preprocessing, settings.batch_size, settings.workers, training.seed,
        cache=settings.cache, fresh_low_quality=settings.fresh_low_quality,
    )  # fmt: skip
    compute = Compute(device, choose_precision(device, None))
    try:
        yield recipe.kind(built.network, preprocessing, compute, settings, loader)
    finally:
        loader.close()


def answers(
    given: argparse.Namespace, trainer: Trainer, parts: HeldOut, views: Views = AS_IT_IS
) -> Answers:
    """Return what the evaluated network says of the pictures of each set."""
    return {
        which: (list(judged.values()), logits_of(trainer, list(judged), views))
        for which, judged in pictures_of(given, parts).items()
    }


def result_of(training: Training, answered: Answers, best_epoch: int, seconds: float) -> Result:
    """Return what such answers come to."""
    said: Said = {}
    poor: dict[bool, list[float]] = {True: [], False: []}
    for which, (labels, logits) in answered.items():
        said[which] = {}
        shares = torch.from_numpy(logits).softmax(dim=1)[:, CLASSES.index(LOW_QUALITY)].tolist()
        for label, predicted, share in zip(labels, logits.argmax(axis=1), shares, strict=True):
            said[which].setdefault(label, []).append(int(predicted))
            if which == POOR or label != LOW_QUALITY:
                poor[which == POOR].append(share)
    scores = np.array(poor[True]), np.array(poor[False])
    found = recall_at(RATE, *scores) if poor[True] else math.nan
    return Result(*dataclasses.astuple(training), said, found, best_epoch, seconds)


def train_to_best(trainer: Trainer, start_share: float) -> int:
    """Train all epochs, and give the evaluated network the weights of the best; return which.

    The best is chosen as by launch_training_test.py.

    Args:
        trainer: Has not trained yet.
        start_share: As of a `Recipe`; of the weights when all of them begin to learn.
    """
    losses: list[float | None] = []
    weights = start = None
    for epoch in range(trainer.settings.epochs):
        if epoch == trainer.settings.probe_epochs:
            start = cloned(trainer.network)
        for _ in trainer.train_epoch(epoch):
            pass
        if epoch >= trainer.settings.probe_epochs:
            predictions = trainer.predictor().predict(VAL, "Validation")
            losses.append(val_figures(trainer, epoch, predictions)["val_calibrated_loss"])
            if best_epoch(losses) == len(losses) - 1:
                weights = cloned(trainer.evaluated)
        trainer.sums = trainer.sums.of_next_epoch()
    best = best_epoch(losses)
    if best is None or weights is None:
        raise SettingsError("In no epoch were all outputs on val finite", expected="a lower rate")
    if start is not None and start_share:
        weights = mixed(weights, start, start_share)
    trainer.evaluated.load_state_dict(weights)
    return trainer.settings.probe_epochs + best + 1


def mixed(
    end: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return weights on the line from `end` (share 0) to `start` (share 1); counts stay `end`'s."""
    return {
        key: value.lerp(start[key].to(value), share) if value.is_floating_point() else value
        for key, value in end.items()
    }


def cloned(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of a network's weights and statistics."""
    return {key: value.clone() for key, value in network.state_dict().items()}


def pictures_of(given: argparse.Namespace, parts: HeldOut) -> dict[str, dict[Path, str]]:
    """Return the pictures of each set with their classes."""
    judged = judged_pictures(given.data_dir, parts)
    if given.poor:
        judged[POOR] = dict.fromkeys(find_pictures(given.poor), LOW_QUALITY)
    return judged


@cache
def read(reading: Reading, path: Path) -> NDArray[np.uint8]:
    """Return a picture's pixels as a gate reads them."""
    return reading.pixels(path.read_bytes())


def pixels_of(trainer: Trainer, paths: Sequence[Path]) -> Iterator[torch.Tensor]:
    """Yield batches of pictures as a gate sees them, N x 3 x H x W, uint8."""
    pictures = trainer.loader.pictures
    sizes = (picture.size for picture in pictures.splits[TRAIN])
    reading = Reading.of_sizes(sizes, pictures.keeps_bytes)
    for start in range(0, len(paths), trainer.settings.batch_size):
        some = paths[start : start + trainer.settings.batch_size]
        crops = np.stack([trainer.preprocessing.centre_crop(read(reading, path)) for path in some])
        yield torch.from_numpy(crops).to(trainer.compute.device)


@torch.inference_mode()
def logits_of(
    trainer: Trainer, paths: Sequence[Path], views: Views = AS_IT_IS
) -> NDArray[np.float32]:
    """Return the logits of the evaluated network, N x classes, in float32 as a gate computes.

    Of several views it is the logarithm of their mean probability.
    """
    network = trainer.evaluated.eval()
    rows = []
    for pixels in pixels_of(trainer, paths):
        logits = torch.stack(
            [
                class_logits(outputs_of(network, trainer.normalise, pixels.flip(axes)))
                for axes in views
            ]
        )
        found = logits[0] if len(views) == 1 else logits.softmax(dim=2).mean(dim=0).log()
        rows.append(found.cpu().numpy())
    return np.concatenate(rows)


def as_table(results: Sequence[Result]) -> str:
    """Return means of each recipe, and differences from plain with the same seed and origins."""
    plain = {(one.held, one.seed): one for one in results if one.recipe == PLAIN}
    by_recipe: dict[str, list[Result]] = defaultdict(list)
    for one in results:
        if (one.held, one.seed) in plain:
            by_recipe[one.recipe].append(one)
    rows = []
    for name, some in by_recipe.items():
        pairs = [(one, plain[one.held, one.seed]) for one in some]
        row: list[object] = [name, len(some)]
        for figure in ("other_origins", "own_test", "poor_found"):
            values = [getattr(one, figure) for one in some]
            gains = [getattr(one, figure) - getattr(other, figure) for one, other in pairs]
            row += [shown(values), "" if name == PLAIN else with_error(gains)]
        row += [shown([one.elsewhere(label) for one in some]) for label in CLASSES]
        row.append(f"{mean(one.seconds for one in some):.0f}")
        rows.append(row)
    header: list[Any] = ["recipe", "trainings", "other origins", "difference", "own test"]
    header += ["difference", f"poor at {RATE:.0%}", "difference", *CLASSES, "seconds"]
    return table(header, rows) + f"\n{without_other(results)}"


def without_other(results: Sequence[Result]) -> str:
    """Name the classes that have no pictures of another origin."""
    names = [
        label for label in CLASSES if label != LOW_QUALITY
        and all(math.isnan(one.recall(HELD, label)) for one in results)
    ]  # fmt: skip
    return f"Of the origins that were trained on: {', '.join(names) or 'none'}."


def shown(values: Iterable[float]) -> str:
    """Return the mean of what is known, "-" of nothing."""
    value = mean_of_known(values)
    return "-" if math.isnan(value) else f"{value:.1%}"


def with_error(gains: Sequence[float]) -> str:
    """Return the mean of differences with its standard error, in points."""
    known = [100 * gain for gain in gains if not math.isnan(gain)]
    if not known:
        return "-"
    error = f"{stdev(known) / len(known) ** 0.5:.1f}" if len(known) > 1 else "?"
    return f"{mean(known):+.1f} +- {error}"


if __name__ == "__main__":
    run_script(main)
