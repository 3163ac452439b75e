"""Do measured degradations teach more about really poor pictures than the six usual ones?

    python -m benchmarks.quality.usual_kinds --poor FOLDER --all-data ALL_DATA --data-dir DATASET \
        --model mobilenetv1_100 --pretrained-path FILE --epochs 15

The same model is trained on the same pictures twice for each seed; only LOW_QUALITY differs. Both
times the average of the weights is judged (--ema): on a few hundred pictures one epoch differs from
the next by as much as the two trainings do. What the usual ones are says
`tools/usual_degradations.py`. Told is the recall of really poor pictures where 5 % of the good ones
of val and test are called poor, and the 95 % interval of the difference by a paired bootstrap over
pictures and seeds: with the threshold of each model as it is, and with good pictures and thresholds
drawn anew as well.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.real_quality import find_pictures, judge, recall_at, scores_of
from benchmarks.tools.trainings import STEADY, Training, add_training_flags, train_all
from benchmarks.tools.usual_degradations import make_usual
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.labels import LOW_QUALITY, TEST, VAL

RATE = 0.05
NUM_RESAMPLES = 4000
USUAL, MEASURED = "usual", "measured"


def main() -> None:
    """Train, judge and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poor", type=Path, required=True, help="really poor pictures")
    parser.add_argument("--all-data", type=Path, required=True, help="the originals, unpacked")
    parser.add_argument("--data-dir", type=Path, required=True, help="the data set made of them")
    add_training_flags(parser)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    usual = make_usual(given.all_data, given.data_dir, given.output / "DATASET-usual")
    trainings = [
        training
        for seed in range(given.seeds)
        for training in (
            Training(USUAL, usual, seed, (*STEADY, "--no-fresh-low-quality")),
            Training(MEASURED, given.data_dir, seed, STEADY),
        )
    ]
    poor_pictures = find_pictures(given.poor)
    good_pictures = {
        path: split
        for split in (VAL, TEST)
        for path in find_pictures(given.data_dir / split, LOW_QUALITY)
    }
    poor, good = {}, {}
    for training, run in train_all(given, trainings).items():
        key = training.name, training.seed
        poor[key] = scores_of(judge(str(run), poor_pictures))
        good[key] = scores_of(judge(str(run), good_pictures))
    print(compare(poor, good, given.seeds))


def compare(
    poor: dict[tuple[str, int], NDArray[np.float64]],
    good: dict[tuple[str, int], NDArray[np.float64]],
    num_seeds: int,
) -> str:
    """Return the recall of each training, and the difference with its interval."""
    rows: list[list[object]] = [
        [
            name,
            *(
                f"{recall_at(RATE, poor[name, seed], good[name, seed]):.1%}"
                for seed in range(num_seeds)
            ),
        ]
        for name in (USUAL, MEASURED)
    ]
    header = ["LOW_QUALITY", *(f"seed {seed}" for seed in range(num_seeds))]
    num_poor, num_good = len(poor[USUAL, 0]), len(good[USUAL, 0])
    lines = [
        f"Recall of {num_poor} poor pictures at {RATE:.0%} false alarms on {num_good} good ones",
        table(header, rows),
    ]
    for what, draw_good in (("thresholds as they are", False), ("thresholds drawn anew", True)):
        differences = resampled_differences(poor, good, num_seeds, draw_good)
        low, high = np.quantile(differences, (0.025, 0.975))
        lines.append(
            f"measured - usual, {what}: {np.mean(differences):+.1%}, "
            f"95 % interval {low:+.1%} to {high:+.1%}"
        )
    return "\n".join(lines)


def resampled_differences(
    poor: dict[tuple[str, int], NDArray[np.float64]],
    good: dict[tuple[str, int], NDArray[np.float64]],
    num_seeds: int,
    draw_good: bool,
) -> list[float]:
    """Return the mean difference over the seeds for poor pictures and seeds drawn anew.

    With `draw_good` the good pictures, too, are drawn anew, and each threshold follows: at 5 % of
    143 it hangs on seven of them, so that this interval tells mostly of these.
    """
    rng = np.random.default_rng(0)
    num_poor, num_good = len(poor[USUAL, 0]), len(good[USUAL, 0])
    differences = []
    for _ in range(NUM_RESAMPLES):
        some_poor = rng.integers(num_poor, size=num_poor)
        some_good = rng.integers(num_good, size=num_good) if draw_good else slice(None)
        seeds = rng.integers(num_seeds, size=num_seeds)
        usual, measured = (
            np.mean(
                [recall_at(RATE, poor[name, s][some_poor], good[name, s][some_good]) for s in seeds]
            )
            for name in (USUAL, MEASURED)
        )
        differences.append(float(measured - usual))
    return differences


if __name__ == "__main__":
    run_script(main)
