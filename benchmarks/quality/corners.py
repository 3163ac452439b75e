"""Does a corner tell the class? Pictures judged with the corner of another class's picture.

    python -m benchmarks.quality.corners DATASET RUN...
    python -m benchmarks.quality.corners DATASET RUN... --size 0.3

Atlases print their mark into a corner, dermoscopes darken all four, phones write the date into one.
Where the pictures of a class come from few collections, a model can learn the mark instead of the
class, and the test pictures of the same collections do not show it. Each good picture of val and
test that is told right as it is gets one corner, each of the four in turn, from a picture
of each other good class. Told is how many of them are then taken for that class: what is high for
one corner and low for the others is a mark. Means over the runs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.tools.corners import CORNERS, exchange_corner
from models import load
from models.gate import Gate
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import CLASSES, COLLECTED_CLASSES, TEST, VAL
from utils.common.seeds import generator
from utils.dataset.output.manifest import read_manifest

SIZE = 0.4
"""Sides of a corner, as shares of the picture's."""

BATCH_SIZE = 32


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="made by create_dataset.py")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs on it")
    parser.add_argument("--size", type=float, default=SIZE, help=f"of a corner (default: {SIZE})")
    given = parser.parse_args()
    rows = [row for row in read_manifest(given.dataset) if row.split in (VAL, TEST)]
    rows = [row for row in rows if row.label in COLLECTED_CLASSES]
    labels = np.array([row.label for row in rows])
    taken: dict[tuple[str, str], list[float]] = {}
    for run in given.runs:
        gate = load(run)
        crops = read_crops(gate, [given.dataset / row.file for row in rows])
        is_right = classes_of(gate, crops) == labels
        for donor in progress(sorted({*labels}), desc=run.name, unit="classes"):
            chosen = np.flatnonzero(is_right & (labels != donor))
            donors = np.flatnonzero(labels == donor)
            for corner in CORNERS:
                changed = crops[chosen].copy()
                for picture, index in zip(changed, chosen, strict=True):
                    rng = generator(0, rows[index].file, donor)  # the same donor for all corners
                    exchange_corner(picture, crops[rng.choice(donors)], corner, *[given.size] * 2)
                share = float((classes_of(gate, changed) == donor).mean())
                taken.setdefault((donor, corner.name), []).append(share)
    print(describe(taken, len(rows)))


def read_crops(gate: Gate, paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Return what a gate sees of each picture, N x H x W x 3."""
    crops = [
        gate.sample(path.read_bytes()) for path in progress(paths, desc="Reading", unit="pictures")
    ]
    return np.stack(crops).transpose(0, 2, 3, 1)


def classes_of(gate: Gate, crops: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Return the likeliest class of each picture, N x H x W x 3."""
    batches = torch.from_numpy(crops).permute(0, 3, 1, 2).split(BATCH_SIZE)
    probabilities = [gate.judge(pixels).probabilities for pixels in batches]
    return np.array(CLASSES)[np.concatenate(probabilities).argmax(axis=1)]


def describe(taken: dict[tuple[str, str], list[float]], count: int) -> str:
    """Return the table: a row for each class that gives a corner, a column for each corner."""
    rows = [
        [donor, *(f"{np.mean(taken[donor, corner.name]):.1%}" for corner in CORNERS)]
        for donor in COLLECTED_CLASSES
        if (donor, CORNERS[0].name) in taken
    ]
    header = ["taken for", *(f"with its {corner.name} corner" for corner in CORNERS)]
    return f"{count} good pictures of val and test\n{table(header, rows)}"


if __name__ == "__main__":
    run_script(main)
