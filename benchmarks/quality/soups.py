"""Whether the mean of several trainings' weights, or of their answers, holds better elsewhere.

    python -m benchmarks.quality.soups --data-dir DATASET --output runs/soups \
        --model mobilenetv1_100 --pretrained-path FILE --input-size 112 --poor FOLDER \
        --hold-out isic_2019 pad_ufes_20:!300x300 --hold-out isic_2018 pad_ufes_20:300x300

Trains as `benchmarks.quality.recipes` does, and judges by the same sets: each seed by itself, the
uniform mean of their weights (model soup: Wortsman et al., ICML 2022), whose batch norm is averaged
anew over the training pictures, and the mean of their probabilities (deep ensemble), which costs as
many networks. There is a table for each pair of origins,
in which the seeds by themselves are told as their mean.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.quality.recipes import (
    Answers,
    Result,
    Training,
    add_flags,
    answers,
    cloned,
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
from utils.common.labels import TRAIN
from utils.training.engine import Trainer

SOUP, ENSEMBLE = "their mean weights", "their mean answers"
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
    alone: list[Result] = []
    for seed in given.seeds:
        training = replace(first, seed=seed)
        with trainer_of(given, folder, training, recipe) as trainer:
            best = train_to_best(trainer, recipe.start_share)
            weights.append(cloned(trainer.evaluated))
            answered.append(answers(given, trainer, parts))
            alone.append(result_of(training, answered[-1], best, 0.0))
    with trainer_of(given, folder, first, recipe) as trainer:
        trainer.evaluated.load_state_dict(mean_weights(weights))
        average_norms(trainer)
        soup = result_of(first, answers(given, trainer, parts), 0, 0.0)
    together = result_of(first, mean_answers(answered), 0, 0.0)
    return {"each": alone, SOUP: [soup], ENSEMBLE: [together]}


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


@torch.no_grad()
def average_norms(trainer: Trainer) -> None:
    """Average batch norm's statistics over one epoch of training pictures."""
    network = trainer.evaluated
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for batch in trainer.loader.training_batches(trainer.settings.epochs):
        outputs_of(network, trainer.normalise, batch.pixels.to(trainer.compute.device))
    network.eval()
    assert all(norm.num_batches_tracked == trainer.loader.steps(TRAIN) for norm in norms)


if __name__ == "__main__":
    run_script(main)
