"""How good runs are on pictures of other origins, for each class and origin, recipe beside recipe.

    python -m benchmarks.quality.other_origins FOLDER --runs plain=RUN0,RUN1,RUN2 probe=RUN3,RUN4

FOLDER holds `<CLASS>/` with pictures, or `<CLASS>/<ORIGIN>/` with those of each origin. The classes
are the likeliest ones, whether or not a run is sure of them. Shares are means over the runs of a
recipe, with exact intervals (Clopper and Pearson 1934) of pictures; what is a mean over classes has
the standard error over the runs instead. Each look at pictures that nothing is chosen by should be
counted.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.real_quality import recall_at
from models import load
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.labels import CLASSES, DERM_CLINIC, LOW_QUALITY, PAN
from utils.common.pictures import SUFFIXES
from utils.evaluation.proportions import clopper_pearson

POOR, CLINIC, PANORAMIC = (CLASSES.index(name) for name in (LOW_QUALITY, DERM_CLINIC, PAN))
RATE = 0.05
"""False alarms, as a share of the good pictures, at which the recall of poor ones is told."""

Probabilities = NDArray[np.float64]
"""Of each class, for each picture: N x classes."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="<CLASS>/ or <CLASS>/<ORIGIN>/ with pictures")
    parser.add_argument(
        "--runs", nargs="+", required=True, metavar="RECIPE=RUN,RUN", help="finished runs"
    )
    given = parser.parse_args()
    recipes = dict(read_recipe(text) for text in given.runs)
    pictures = find_by_origin(given.folder)
    paths = list(pictures)
    places = [pictures[path] for path in paths]
    found = {name: [judge(run, paths) for run in runs] for name, runs in recipes.items()}
    print(describe(places, found))


def read_recipe(text: str) -> tuple[str, list[str]]:
    """Split the name of a recipe from its runs.

    Raises:
        SettingsError: If there is no name, or no run.
    """
    name, _, runs = text.partition("=")
    if not name or not runs:
        raise SettingsError(f"--runs {text!r}", expected="a name, =, and runs with commas between")
    return name, runs.split(",")


def find_by_origin(folder: Path) -> dict[Path, tuple[str, str]]:
    """Return the class and the origin of each picture below folders named after classes.

    Raises:
        SettingsError: If a picture lies elsewhere, or there is none.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            place = path.relative_to(folder).parts[:-1]
            if not place or place[0] not in CLASSES:
                raise SettingsError(
                    f"{path} lies in no class folder", expected=f"folders {', '.join(CLASSES)}"
                )
            found[path] = place[0], "/".join(place[1:])
    if not found:
        raise SettingsError(f"No pictures in {folder}", expected="class folders with pictures")
    return found


def judge(run: str, paths: Sequence[Path]) -> Probabilities:
    """Return a run's probabilities.

    Raises:
        SettingsError: If it cannot read a picture: the recipes would be compared on others.
    """
    rows = []
    for path, answer in zip(
        paths, load(run)(progress(paths, desc=run, unit="pictures")), strict=True
    ):
        if answer.error:
            raise SettingsError(f"{path}: {answer.error}", todo="Take it out of the folder")
        rows.append([answer.probabilities[name] for name in CLASSES])
    return np.array(rows)


def describe(
    places: Sequence[tuple[str, str]], found: Mapping[str, Sequence[Probabilities]]
) -> str:
    """Return the table: a row for each figure, a column for each recipe.

    Args:
        places: Class and origin of each picture.
        found: Probabilities of each of its runs, by recipe.
    """
    labels = np.array([CLASSES.index(label) for label, _ in places])
    rows: list[list[object]] = []

    def add(
        title: str, count: int, figure: Callable[[Probabilities], float], is_share: bool
    ) -> None:
        cells = [_cell([figure(run) for run in runs], is_share * count) for runs in found.values()]
        rows.append([title, count, *cells])

    add("balanced accuracy", len(labels), lambda run: balanced(labels, run), False)
    if {CLINIC, PANORAMIC} <= {*labels.tolist()}:
        merged = np.where(labels == PANORAMIC, CLINIC, labels)
        title = f"the same, {DERM_CLINIC} and {PAN} as one"
        add(title, len(labels), lambda run: balanced(merged, _merge(run)), False)
    is_poor = labels == POOR
    if is_poor.any() and not is_poor.all():
        add(
            f"poor ones found at {RATE:.0%} false alarms", int(is_poor.sum()),
            lambda run: recall_at(RATE, run[is_poor, POOR], run[~is_poor, POOR]), True,
        )  # fmt: skip
    for label, origin in sorted({(label, "") for label, _ in places} | {*places}):
        chosen = np.array(
            [place == (label, origin) or (not origin and place[0] == label) for place in places]
        )
        share = _recall(CLASSES.index(label), chosen)
        add(f"{label}, {origin}" if origin else label, int(chosen.sum()), share, True)
    return table(["pictures", "number", *found], rows)


def _recall(label: int, chosen: NDArray[np.bool_]) -> Callable[[Probabilities], float]:
    return lambda run: float((run[chosen].argmax(axis=1) == label).mean())


def balanced(labels: NDArray[np.int64], run: Probabilities) -> float:
    """Return the mean recall of the classes that there are, 0-1."""
    right = run.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def _merge(run: Probabilities) -> Probabilities:
    """Count what is taken for a panoramic picture as a clinical one."""
    merged = run.copy()
    merged[:, CLINIC] += merged[:, PANORAMIC]
    merged[:, PANORAMIC] = 0
    return merged


def _cell(values: Sequence[float], count: int) -> str:
    """Return a mean with its interval over `count` pictures, or its standard error for 0."""
    middle = mean(values)
    if count:
        low, high = clopper_pearson(middle * count, count)
        return f"{middle:.1%} ({low:.0%}-{high:.0%})"
    if len(values) == 1:
        return f"{middle:.1%}"
    return f"{middle:.1%} +- {100 * stdev(values) / math.sqrt(len(values)):.1f}"


if __name__ == "__main__":
    run_script(main)
