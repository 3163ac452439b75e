"""Do measured degradations teach more about really poor pictures than the six usual ones?

    python benchmarks/usual_kinds.py --poor FOLDER --all-data ALL_DATA --data-dir DATASET \
        --model mobilenetv1_100 --pretrained-path FILE --epochs 8

The same model is trained on the same pictures twice for each seed; only LOW_QUALITY differs. Both
times the average of the weights is judged (--ema): on a few hundred pictures one epoch differs from
the next by as much as the two trainings do. The usual set does to the originals, whatever their
size, what is common in student projects: motion blur of 20-60 pixels, Gaussian blur of 17-31,
brightness +30-50, noise, channels shifted by 5-20 pixels, pixels of 5-15 %. Told is the recall of
really poor pictures where 5 % of the good ones of val and test are called poor, and the 95 %
interval of the difference by a paired bootstrap over pictures and seeds.
"""

import argparse
import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from real_quality import find_pictures, judge, recall_at, scores_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.common.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import LOW_QUALITY, TEST, VAL
from utils.common.pictures import fit_shorter_side, read_picture, write_jpeg
from utils.common.seeds import generator
from utils.dataset.manifest import read_manifest, write_manifest

ROOT = Path(__file__).resolve().parent.parent
RATE = 0.05
STEADY = ("--ema",)
"""For small sets of pictures: what is compared is then less a matter of chance."""

NUM_RESAMPLES = 4000
Pixels = NDArray[np.uint8]


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
    sets = {
        "usual": (usual, (*STEADY, "--no-fresh-low-quality")),
        "measured": (given.data_dir, STEADY),
    }
    poor, good = {}, {}
    for seed in range(given.seeds):
        for name, (data_dir, flags) in sets.items():
            run = train(given, data_dir, name, seed, flags)
            poor[name, seed] = scores_of(judge(str(run), find_pictures(given.poor)))
            good[name, seed] = np.concatenate(
                [
                    scores_of(judge(str(run), find_pictures(given.data_dir / split, LOW_QUALITY)))
                    for split in (VAL, TEST)
                ]
            )
    print(compare(poor, good, given.seeds))


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """Add what `train` wants to know."""
    parser.add_argument("--output", type=Path, required=True, help="gets data sets and runs")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--pretrained-path", default="")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)


def train(
    given: argparse.Namespace, data_dir: Path, name: str, seed: int, flags: Sequence[str]
) -> Path:
    """Train one model, unless it was; return its folder."""
    runs = given.output / f"{name}-{seed}"
    if not (runs / f"{given.model}-1" / "report.json").exists():
        command = [sys.executable, str(ROOT / "launch_training_test.py"), "--model", given.model]
        command += ["--data-dir", str(data_dir), "--output-dir", str(runs), "--seed", str(seed)]
        command += ["--epochs", str(given.epochs), "-b", str(given.batch_size), "-j", "1", *flags]
        command += ["--patience", "0"]
        start = ["--pretrained-path", given.pretrained_path]
        command += start if given.pretrained_path else ["--no-pretrained"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return runs / f"{given.model}-1"


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
        for name in ("usual", "measured")
    ]
    rng = np.random.default_rng(0)
    num_poor, num_good = len(poor["usual", 0]), len(good["usual", 0])
    differences = []
    for _ in range(NUM_RESAMPLES):
        some_poor, some_good = (
            rng.integers(num_poor, size=num_poor),
            rng.integers(num_good, size=num_good),
        )
        seeds = rng.integers(num_seeds, size=num_seeds)
        usual, measured = (
            np.mean(
                [recall_at(RATE, poor[name, s][some_poor], good[name, s][some_good]) for s in seeds]
            )
            for name in ("usual", "measured")
        )
        differences.append(measured - usual)
    low, high = np.quantile(differences, (0.025, 0.975))
    header = ["LOW_QUALITY", *(f"seed {seed}" for seed in range(num_seeds))]
    return (
        f"Recall of {num_poor} poor pictures at {RATE:.0%} false alarms on {num_good} good ones\n"
        f"{table(header, rows)}\n"
        f"measured - usual: {np.mean(differences):+.1%}, 95 % interval {low:+.1%} to {high:+.1%}"
    )


def make_usual(all_data: Path, data_dir: Path, target: Path) -> Path:
    """Copy a data set, with LOW_QUALITY made in the usual ways from the same originals."""
    if (target / "manifest.csv").exists():
        return target
    rows = []
    for row in progress(read_manifest(data_dir), desc="Usual kinds", unit="pictures"):
        path = target / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if row.parent:
            name, content = degrade_usually(
                all_data / row.original, row.file, row.width, row.height
            )
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            row = dataclasses.replace(row, sha256=digest, degradation=name, parameters="")
        else:
            os.link(data_dir / row.file, path)
        rows.append(row)
    write_manifest(target, rows)
    return target


def degrade_usually(original: Path, name: str, width: int, height: int) -> tuple[str, bytes]:
    """Degrade an original at its own size, then shrink and encode it as the assembly does."""
    rng = generator("usual", name)
    picture, _ = read_picture(original.read_bytes())
    kind = list(USUAL)[int(rng.integers(len(USUAL)))]
    degraded = Image.fromarray(USUAL[kind](np.asarray(picture), rng))
    size = fit_shorter_side(degraded.size, min(width, height))
    return kind, write_jpeg(degraded.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))


def blur_by_motion(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Average along a line of 20-60 pixels."""
    length = int(rng.integers(20, 61))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5,) * 2, float(rng.uniform(0, 180)), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(pixels, -1, kernel / kernel.sum())


def blur(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur by a Gaussian whose kernel has 17-31 pixels."""
    side = 2 * int(rng.integers(8, 16)) + 1
    return cv2.GaussianBlur(pixels, (side, side), 0)


def brighten(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add 30-50 to every value."""
    return cv2.add(pixels, np.full_like(pixels, int(rng.integers(30, 51))))


def add_noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise, or salt and pepper."""
    if rng.random() < 0.5:
        noisy = pixels + rng.normal(0, 25, pixels.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)
    noisy, where = pixels.copy(), rng.random(pixels.shape[:2])
    noisy[where < 0.02], noisy[where > 0.98] = 0, 255
    return noisy


def shift_channels(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Move red and blue apart by 5-20 pixels each."""
    distance = int(rng.integers(5, 21))
    red, green, blue = cv2.split(pixels)
    return cv2.merge([np.roll(red, distance, axis=1), green, np.roll(blue, -distance, axis=1)])


def pixelate(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shrink to 5-15 % and enlarge without smoothing."""
    share = float(rng.uniform(0.05, 0.15))
    size = pixels.shape[1], pixels.shape[0]
    small = (max(1, round(length * share)) for length in size)
    return cv2.resize(
        cv2.resize(pixels, tuple(small), interpolation=cv2.INTER_LINEAR),
        size,
        interpolation=cv2.INTER_NEAREST,
    )


USUAL: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "motion blur": blur_by_motion,
    "blur": blur,
    "brightness": brighten,
    "noise": add_noise,
    "channel shift": shift_channels,
    "pixelation": pixelate,
}


if __name__ == "__main__":
    run_script(main)
