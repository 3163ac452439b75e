"""Are the faults that a person sees in really poor pictures named, and named first?

    python -m benchmarks.quality.real_faults runs/resnet18-1 FOLDER_POOR FOLDER_GOOD
    python -m benchmarks.quality.real_faults RUN1 RUN2 RUN3 POOR DATASET/test --output here/

What a person sees stands in `real_faults.csv`, a row for each picture: its file name and faults by
their names in `utils/common/faults.py`, the worst first. A picture without a row is not judged.
Told are, for each fault, the share of its pictures in which the model names it first, and names
it at all, over all runs, how often the fault is named in good pictures, and the area under the ROC
curve of its probability (against all pictures in which nobody sees it, good ones among them), which
depends on no threshold. Intervals are exact (Clopper and Pearson 1934), of pictures, with the mean
over the runs. One page shows the pictures in which no seen fault was named by the first run.
"""

import argparse
import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from PIL import Image, ImageDraw, ImageFont, ImageOps
from sklearn.metrics import roc_auc_score

from benchmarks.quality.real_quality import find_pictures
from models import load
from models.gate import Answer
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.faults import FAULT_NAMES
from utils.common.labels import LOW_QUALITY
from utils.common.pictures import read_picture
from utils.evaluation.proportions import clopper_pearson

SEEN = Path(__file__).with_suffix(".csv")
"""What a person sees: columns `file` and `faults`."""

COLUMNS, TILE, CAPTION, MAX_MISSES = 6, 160, 40, 60

Answers = Mapping[Path, Answer]


@dataclass(frozen=True, slots=True)
class Count:
    """How often a fault is named where it is seen, and where it is not.

    Attributes:
        seen: Pictures in which a person sees it.
        first: Mean over the runs of those in which it is named first.
        named: Mean over the runs of those in which it is named at all.
        false: Mean over the runs of the good pictures in which it is named.
        area: Mean over the runs of the area under the ROC curve, 0-1; NaN for several faults.
    """

    seen: int
    first: float
    named: float
    false: float
    area: float = math.nan


def main() -> None:
    """Print the table and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of finished runs")
    parser.add_argument("poor", type=Path, help="folder of poor pictures")
    parser.add_argument("good", type=Path, help="folder of good pictures")
    parser.add_argument("--output", type=Path, help="where the page goes (default: first run)")
    given = parser.parse_args()
    seen = faults_seen(find_pictures(given.poor))
    good_pictures = list(find_pictures(given.good, but=LOW_QUALITY))
    poor = [answers(run, list(seen)) for run in given.runs]
    good = [answers(run, good_pictures) for run in given.runs]
    print(describe(seen, poor, good))
    output = given.output or Path(given.runs[0])
    output.mkdir(parents=True, exist_ok=True)
    draw_misses(output / "real_faults_misses.png", seen, poor[0])
    print(f"\nPage of misses: {output}")


def faults_seen(pictures: Sequence[Path] | Mapping[Path, str]) -> dict[Path, tuple[str, ...]]:
    """Return the faults that a person sees in each picture with a row, the worst first.

    Raises:
        SettingsError: If a row names an unknown fault, or no picture has a row.
    """
    with SEEN.open(newline="") as stream:
        rows = {row["file"]: tuple(row["faults"].split()) for row in csv.DictReader(stream)}
    if unknown := {name for names in rows.values() for name in names} - set(FAULT_NAMES):
        raise SettingsError(f"{SEEN.name} names unknown faults: {', '.join(sorted(unknown))}")
    found = {path: rows[path.name] for path in pictures if path.name in rows}
    if not found:
        raise SettingsError(f"No picture has a row in {SEEN.name}")
    print(f"{len(found)} of {len(pictures)} pictures have a row in {SEEN.name}.")
    return found


def answers(run: str, pictures: Sequence[Path]) -> dict[Path, Answer]:
    """Return a model's answers for pictures.

    Raises:
        SettingsError: If the model names no faults.
    """
    shown = progress(pictures, desc="Judging", unit="pictures")
    found = dict(zip(pictures, load(run)(shown), strict=True))
    if not any(answer.fault_probabilities for answer in found.values()):
        raise SettingsError(f"The model of {run} names no faults")
    return found


def describe(
    seen: Mapping[Path, tuple[str, ...]], poor: Sequence[Answers], good: Sequence[Answers]
) -> str:
    """Return the table: a row for each fault that somebody sees, and one for any fault."""
    rows: list[list[object]] = []
    for name in FAULT_NAMES:
        counted = count(name, seen, poor, good)
        if counted.seen:
            rows.append([name, *_cells(counted), f"{counted.false:.1%}", f"{counted.area:.3f}"])
    pictures = [path for path, faults in seen.items() if faults]
    first = _mean(poor, lambda answer, path: bool({*answer.faults[:1]} & {*seen[path]}), pictures)
    named = _mean(poor, lambda answer, path: bool({*answer.faults} & {*seen[path]}), pictures)
    false = _mean(good, lambda answer, _: bool(answer.faults), list(good[0])) / len(good[0])
    rows.append(["any", *_cells(Count(len(pictures), first, named, false)), f"{false:.1%}", ""])
    return table(
        [
            "fault", "seen in", "named first", "95 %", "named at all", "95 %",
            "named in good ones", "AUROC",
        ],
        rows,
    )  # fmt: skip


def count(
    name: str,
    seen: Mapping[Path, tuple[str, ...]],
    poor: Sequence[Answers],
    good: Sequence[Answers],
) -> Count:
    """Count one fault."""
    pictures = [path for path, faults in seen.items() if name in faults]
    return Count(
        len(pictures),
        _mean(poor, lambda answer, _: answer.faults[:1] == (name,), pictures),
        _mean(poor, lambda answer, _: name in answer.faults, pictures),
        _mean(good, lambda answer, _: name in answer.faults, list(good[0])) / len(good[0]),
        mean(area(name, seen, *run) for run in zip(poor, good, strict=True)),
    )


def area(name: str, seen: Mapping[Path, tuple[str, ...]], poor: Answers, good: Answers) -> float:
    """Return the area under the ROC curve of a fault's probability; NaN if all pictures show it."""
    probabilities = [
        answer.fault_probabilities[name] for answer in (*poor.values(), *good.values())
    ]
    is_seen = [name in seen[path] for path in poor] + [False] * len(good)
    if all(is_seen) or not any(is_seen):
        return math.nan
    return float(roc_auc_score(is_seen, probabilities))


def _mean(
    runs: Sequence[Answers], holds: Callable[[Answer, Path], bool], pictures: Sequence[Path]
) -> float:
    """Return in how many pictures something holds of the answer, on average over the runs."""
    return sum(holds(run[path], path) for run in runs for path in pictures) / len(runs)


def _cells(counted: Count) -> list[object]:
    cells: list[object] = [counted.seen]
    for number in (counted.first, counted.named):
        low, high = clopper_pearson(number, counted.seen)
        cells += [f"{number / counted.seen:.0%}", f"{low:.0%}-{high:.0%}"]
    return cells


def draw_misses(path: Path, seen: Mapping[Path, tuple[str, ...]], judged: Answers) -> None:
    """Draw the pictures in which no seen fault was named, with what was seen and said."""
    missed = [one for one, faults in seen.items() if not set(faults) & set(judged[one].faults)]
    missed = missed[:MAX_MISSES]
    lines = max(1, -(-len(missed) // COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * (TILE + 4), lines * (TILE + CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, one in enumerate(missed):
        left, top = number % COLUMNS * (TILE + 4), number // COLUMNS * (TILE + CAPTION)
        picture, _ = read_picture(one.read_bytes(), TILE)
        sheet.paste(ImageOps.pad(picture, (TILE, TILE), color="lightgray"), (left, top))
        said = " ".join(judged[one].faults) or "nothing"
        caption = f"seen: {' '.join(seen[one]) or 'nothing'}\nsaid: {said}\n{judged[one].label}"
        draw.multiline_text((left, top + TILE), caption, "black", font, spacing=0)
    sheet.save(path)


if __name__ == "__main__":
    run_script(main)
