"""What it costs in a training step to learn as well what is wrong with a picture.

    python -m benchmarks.speed.assessing_step DATASET
    python -m benchmarks.speed.assessing_step DATASET --model resnet18 --input-size 224 --pairs 40

Two networks, with and without, take the same step on the same random pixels in turns, on one
thread; told is the median ratio of the processor time of each pair, with the quartiles.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.tools.measuring import machine
from models.classifier import let_assess
from models.device import Compute
from models.outputs import NUM_TARGETS
from models.pretrained import build
from models.zoo import resolve
from utils.common.cli.console import progress
from utils.common.errors import run_script
from utils.common.labels import CLASSES
from utils.training.data.batches import Batch
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer
from utils.training.settings import RunSettings

WEIGHT = 0.2
NUM_WARM_UP = 3


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="any data set; its pictures are not read")
    parser.add_argument("--model", default="resnet18", help="a timm name")
    parser.add_argument("--input-size", type=int, default=96, help="in pixels")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=60, help="steps of each")
    given = parser.parse_args()
    torch.set_num_threads(1)
    plain, assessing = (trainer(given, weight) for weight in (0.0, WEIGHT))
    side, size = given.input_size, given.batch_size
    pixels = torch.randint(0, 256, (size, 3, side, side), dtype=torch.uint8)
    batch = Batch(
        pixels.contiguous(memory_format=torch.channels_last),
        torch.arange(size) % len(CLASSES),
        torch.ones(size, NUM_TARGETS, dtype=torch.int8),
    )
    ratios = []
    for pair in progress(range(NUM_WARM_UP + given.pairs), desc="Stepping", unit="pairs"):
        order = (plain, assessing) if pair % 2 else (assessing, plain)
        spent = {id(one): seconds(one, batch, pair) for one in order}
        if pair >= NUM_WARM_UP:
            ratios.append(spent[id(assessing)] / spent[id(plain)])
    low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    print(machine(torch.device("cpu")))
    print(
        f"{given.model} at {side} pixels, batches of {size}: a step that assesses as well takes "
        f"{median:.3f} of the time (quartiles {low:.3f} and {high:.3f})"
    )


def trainer(given: argparse.Namespace, weight: float) -> Trainer:
    """Return a trainer of a network with random weights, in training mode."""
    settings = RunSettings(
        batch_size=given.batch_size, workers=0, model=given.model, epochs=1, lr=1e-3,
        weight_decay=0.05, freeze_epochs=0, assessment_weight=weight,
    )  # fmt: skip
    size = given.input_size, given.input_size
    network, preprocessing = build(resolve(given.model), len(CLASSES), pretrained=False, size=size)
    if weight:
        let_assess(network)
    loader = PictureLoader(read_folder(given.data_dir), preprocessing, given.batch_size, 0, 0)
    made = Trainer(
        network, preprocessing, Compute(torch.device("cpu"), "float32"), settings, loader
    )
    made.network.train()
    return made


def seconds(made: Trainer, batch: Batch, seed: int) -> float:
    """Return the processor time of one step."""
    started = time.process_time()
    made.train_step(batch, seed)
    return time.process_time() - started


if __name__ == "__main__":
    run_script(main)
