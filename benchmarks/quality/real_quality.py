"""How well a trained model recognises really poor pictures, and how often it calls good ones poor.

    python -m benchmarks.quality.real_quality runs/resnet18-1 FOLDER_POOR FOLDER_GOOD
    python -m benchmarks.quality.real_quality runs/resnet18-1 poor/ DATASET/test --output here/

Folders are searched at any depth; a folder LOW_QUALITY below the good ones is left out, so that a
split of a data set can be given. Two pictures are written: the curve, and a page of the poor
pictures that were missed.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from models import load
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.labels import LOW_QUALITY
from utils.common.pictures import SUFFIXES, read_picture

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""False alarms, as shares of the good pictures, at which the recall is told."""

COLUMNS, TILE, CAPTION, MAX_MISSES = 8, 128, 26, 64


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model says of one picture.

    Attributes:
        path: The picture.
        place: Its folder below the one that was given, "" where it lies in that itself.
        label: The default decision, LOW_QUALITY or another.
        probability: Of LOW_QUALITY.
    """

    path: Path
    place: str
    label: str
    probability: float


def main() -> None:
    """Print the tables and write the two pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("poor", type=Path, help="folder of poor pictures")
    parser.add_argument("good", type=Path, help="folder of good pictures")
    parser.add_argument("--output", type=Path, help="where the pictures go (default: the run)")
    given = parser.parse_args()
    poor = judge(given.run, find_pictures(given.poor))
    good = judge(given.run, find_pictures(given.good, but=LOW_QUALITY))
    print(describe_decisions(poor, good))
    print()
    print(describe_curve(poor, good))
    output = given.output or Path(given.run)
    output.mkdir(parents=True, exist_ok=True)
    draw_curve(output / "real_quality_curve.png", poor, good)
    draw_misses(output / "real_quality_misses.png", poor)
    print(f"\nCurve and page of misses: {output}")


def find_pictures(folder: Path, but: str = "") -> dict[Path, str]:
    """Return the pictures below a folder, and below which of its folders each lies.

    Raises:
        SettingsError: If there are none.
    """
    found = {
        path: path.relative_to(folder).parts[0] if path.parent != folder else ""
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file()
    }
    found = {path: place for path, place in found.items() if not but or place != but}
    if not found:
        raise SettingsError(f"No pictures in {folder}", expected="a folder of pictures")
    return found


def judge(run: str, pictures: dict[Path, str]) -> list[Judged]:
    """Let a model say what each picture is; one that cannot be read is named and left out."""
    shown = progress(pictures, desc="Judging", unit="pictures")
    judged = []
    for (path, place), answer in zip(pictures.items(), load(run)(shown), strict=True):
        if answer.error:
            print(f"{path}: {answer.error}")
        else:
            judged.append(Judged(path, place, answer.label, answer.probabilities[LOW_QUALITY]))
    return judged


def describe_decisions(poor: Sequence[Judged], good: Sequence[Judged]) -> str:
    """Return a table of what is called LOW_QUALITY by the default decision, folder by folder."""
    rows: list[list[object]] = []
    for title, judged in (("poor", poor), ("good", good)):
        by_place: dict[str, list[Judged]] = defaultdict(list)
        for one in judged:
            by_place[one.place].append(one)
        places = sorted(by_place.items()) if len(by_place) > 1 else []
        for place, some in [("all", judged), *places]:
            called = sum(one.label == LOW_QUALITY for one in some)
            rows.append([title, place or ".", len(some), called, f"{called / len(some):.1%}"])
    return table(["pictures", "folder", "number", "called LOW_QUALITY", "share"], rows)


def describe_curve(poor: Sequence[Judged], good: Sequence[Judged]) -> str:
    """Return a table of the recall at several rates of false alarms."""
    rows = [
        [f"{rate:.0%}", f"{recall_at(rate, scores_of(poor), scores_of(good)):.1%}"]
        for rate in RATES
    ]
    return table(["false alarms at most", "recall of poor pictures"], rows)


def scores_of(judged: Sequence[Judged]) -> NDArray[np.float64]:
    """Return the probabilities of LOW_QUALITY."""
    return np.array([one.probability for one in judged])


def recall_at(rate: float, poor: NDArray[np.float64], good: NDArray[np.float64]) -> float:
    """Return the share of poor pictures above a threshold that few good ones exceed.

    Args:
        rate: Share of the good pictures that may exceed it.
        poor: Scores of poor pictures.
        good: Scores of good pictures.

    >>> recall_at(0.5, np.array([0.2, 0.6, 0.9]), np.array([0.1, 0.3]))
    0.6666666666666666
    """
    allowed = int(rate * len(good))
    threshold = np.sort(good)[::-1][allowed] if allowed < len(good) else -np.inf
    return float((poor > threshold).mean())


def draw_curve(path: Path, poor: Sequence[Judged], good: Sequence[Judged]) -> None:
    """Draw the recall over the rate of false alarms."""
    rates = np.linspace(0, 1, 201)
    recalls = [recall_at(rate, scores_of(poor), scores_of(good)) for rate in rates]
    figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
    axes.plot(rates, recalls)
    axes.set(
        xlabel=f"good pictures called {LOW_QUALITY}",
        ylabel=f"poor pictures called {LOW_QUALITY}",
        xlim=(0, 1), ylim=(0, 1.01),
    )  # fmt: skip
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_misses(path: Path, poor: Sequence[Judged]) -> None:
    """Draw the poor pictures that were called something else, the worst misses first."""
    missed = [one for one in poor if one.label != LOW_QUALITY]
    missed = sorted(missed, key=lambda one: one.probability)[:MAX_MISSES]
    lines = max(1, -(-len(missed) // COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * (TILE + 4), lines * (TILE + CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(9)
    for number, one in enumerate(missed):
        left, top = number % COLUMNS * (TILE + 4), number // COLUMNS * (TILE + CAPTION)
        picture, _ = read_picture(one.path.read_bytes(), TILE)
        sheet.paste(ImageOps.pad(picture, (TILE, TILE), color="lightgray"), (left, top))
        caption = f"{one.label} ({one.probability:.0%})\n{one.path.name[:24]}"
        draw.multiline_text((left, top + TILE), caption, "black", font, spacing=0)
    sheet.save(path)


if __name__ == "__main__":
    run_script(main)
