"""Whether means of trainings, views or statistics hold better elsewhere, with nothing trained anew.

    python -m benchmarks.quality.soups --data-dir DATASET --output runs/soups \
        --model mobilenetv1_100 --pretrained-path FILE --input-size 112 --poor FOLDER \
        --hold-out isic_2019 pad_ufes_20:!300x300 --hold-out isic_2018 pad_ufes_20:300x300

Trains as `benchmarks.quality.recipes` does, and judges by the same sets: each seed by itself, the
uniform mean of their weights (model soup: Wortsman et al., ICML 2022), whose batch norm is averaged
anew over the training pictures, and the mean of their probabilities (deep ensemble), which costs as
many networks. Each seed is judged in two more ways, which are told as means over the seeds: by the
mean probability of a picture and its mirror images; and with statistics of batch norm that are in
part those of the judged pictures themselves (Schneider et al., NeurIPS 2020), which takes no labels
of theirs, but many of them. There is a table for each pair of origins.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.quality.recipes import (
    HELD,
    OWN,
    Answers,
    HeldOut,
    Result,
    Training,
    add_flags,
    answers,
    cloned,
    pictures_of,
    pixels_of,
    recipes,
    result_of,
    train_to_best,
    trainer_of,
    without,
)
from benchmarks.tools.measuring import machine
from models.device import choose_device
from models.inference import outputs_of
from models.zoo import resolve
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.labels import LOW_QUALITY
from utils.common.seeds import generator
from utils.training.engine import Trainer

EACH, MIRRORED, ADAPTED = "each", "each, with mirror images", "each, batch norm {:.0%} of theirs"
SOUP, ENSEMBLE = "their mean weights", "their mean answers"
MIRRORS = ((), (2,), (3,), (2, 3))
SHARES = (0.25, 1.0)
"""Shares of the judged pictures in the statistics of batch norm."""

FIGURES = ("other_origins", "own_test", "poor_found")


def main() -> None:
    """Train all, and print a table for each pair of origins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_flags(parser)
    parser.add_argument("--recipe", default="LP-FT", help="one of the recipes (default: LP-FT)")
    given = parser.parse_args()
    print(machine(choose_device("auto")))
    for held in given.hold_out:
        results = judge(given, held)
        rows = [
            [name, *(f"{mean(getattr(one, figure) for one in some):.1%}" for figure in FIGURES)]
            for name, some in results.items()
        ]
        print(f"{given.model}, {given.recipe}, {len(given.seeds)} seeds, without {' '.join(held)}")
        print(table(["judged", "other origins", "own test", "poor at 5%"], rows), flush=True)


def judge(given: argparse.Namespace, held: Sequence[str]) -> dict[str, list[Result]]:
    """Train without some origins, and return what each kind of mean comes to."""
    recipe = recipes(given.epochs, resolve(given.model).recipe.lr)[given.recipe]
    parts, folder = without(given, held)
    first = Training(
        given.model, " ".join(held), given.recipe, given.seeds[0], given.epochs, given.input_size
    )
    weights, answered = [], []
    alone: dict[str, list[Result]] = {}
    for seed in given.seeds:
        training = replace(first, seed=seed)
        with trainer_of(given, folder, training, recipe) as trainer:
            best = train_to_best(trainer, recipe.start_share)
            weights.append(cloned(trainer.evaluated))
            answered.append(answers(given, trainer, parts))
            ways = {EACH: answered[-1], MIRRORED: answers(given, trainer, parts, MIRRORS)}
            strangers = strangers_of(given, parts)
            for share in SHARES:
                trainer.evaluated.load_state_dict(weights[-1])
                adapt_norms(trainer, strangers, share)
                ways[ADAPTED.format(share)] = answers(given, trainer, parts)
            for name, way in ways.items():
                alone.setdefault(name, []).append(result_of(training, way, best, 0.0))
    with trainer_of(given, folder, first, recipe) as trainer:
        trainer.evaluated.load_state_dict(mean_weights(weights))
        average_norms(trainer)
        soup = result_of(first, answers(given, trainer, parts), 0, 0.0)
    together = result_of(first, mean_answers(answered), 0, 0.0)
    return {**alone, SOUP: [soup], ENSEMBLE: [together]}


def strangers_of(given: argparse.Namespace, parts: HeldOut) -> list[Path]:
    """Return the pictures of other origins, and those of test whose class has no others."""
    judged = pictures_of(given, parts)
    known = {LOW_QUALITY, *judged[HELD].values()}
    return [
        path
        for which, labels in judged.items()
        for path, label in labels.items()
        if which != OWN or label not in known
    ]


def mean_weights(weights: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the mean of each tensor of floats; counts are those of the first."""
    return {
        key: torch.stack([each[key] for each in weights]).mean(dim=0)
        if first.is_floating_point()
        else first
        for key, first in weights[0].items()
    }


def mean_answers(answered: Sequence[Answers]) -> Answers:
    """Return the logarithms of the mean probabilities."""
    means: Answers = {}
    for which, (labels, _) in answered[0].items():
        logits = torch.from_numpy(np.stack([each[which][1] for each in answered]))
        means[which] = labels, logits.softmax(dim=2).mean(dim=0).log().numpy()
    return means


def average_norms(trainer: Trainer) -> None:
    """Average batch norm's statistics over one epoch of training pictures."""
    batches = trainer.loader.training_batches(trainer.settings.epochs)
    _average(trainer, (batch.pixels for batch in batches))


def adapt_norms(trainer: Trainer, paths: Sequence[Path], share: float) -> None:
    """Move batch norm's statistics towards those of other pictures, which are shuffled first.

    Args:
        trainer: Its evaluated network is changed.
        paths: The pictures.
        share: How far, 0-1.
    """
    network = trainer.evaluated
    norms = norms_of(network)
    before = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
    order = generator("adapt", len(paths)).permutation(len(paths))
    _average(trainer, pixels_of(trainer, [paths[position] for position in order]))
    for norm, (mean_before, var_before) in zip(norms, before, strict=True):
        norm.running_mean.lerp_(mean_before, 1 - share)
        norm.running_var.lerp_(var_before, 1 - share)


def norms_of(network: nn.Module) -> list[Any]:
    """Return the modules of batch norm."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@torch.no_grad()
def _average(trainer: Trainer, batches: Iterable[torch.Tensor]) -> None:
    """Average batch norm's statistics over batches of pixels, of which none holds one alone."""
    network = trainer.evaluated
    norms = norms_of(network)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    count = 0
    for pixels in batches:
        if len(pixels) > 1:
            outputs_of(network, trainer.normalise, pixels.to(trainer.compute.device))
            count += 1
    network.eval()
    assert all(norm.num_batches_tracked == count for norm in norms)


if __name__ == "__main__":
    run_script(main)
