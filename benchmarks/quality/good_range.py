"""What good pictures show by themselves, and how many degraded ones lie among them.

    python -m benchmarks.quality.good_range DATASET

From this table come the limits in `utils/quality/kinds.py`: of each measure that needs no parent,
the value that 5 % of the good pictures of a class reach, in the class where most reach it; and the
mean colours in `utils/quality/alone.py`. Pictures of train and val alone are looked at. A second
table tells, for each kind and severity, the share of degraded pictures that lie within what 95 % of
their own class show, and (refused) how many `degrade` would draw again.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.labels import COLLECTED_CLASSES, TRAIN, VAL
from utils.common.pictures import SUFFIXES
from utils.common.seeds import generator
from utils.quality.alone import ALONE
from utils.quality.degrade import is_poor, is_visibly_worse
from utils.quality.kind import SEVERITIES, Kind
from utils.quality.kinds import KINDS

RARE = 5
"""Per cent of the good pictures that may lie beyond a limit."""

Pictures = dict[str, list[NDArray[np.uint8]]]
Found = dict[tuple[str, str], NDArray[np.float64]]


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="a data set")
    parser.add_argument("--pictures", type=int, default=1000, help="most of each class")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    given = parser.parse_args()
    cv2.setNumThreads(1)
    good = read_good(given.data_dir, given.pictures)
    found = {
        (name, label): np.array([measure(picture) for picture in pictures])
        for name, measure in ALONE.items()
        for label, pictures in good.items()
    }
    print(table(["measure", "class", "5 %", "50 %", "95 %"], quantiles(found)))
    print(f"\n{table(['class', 'mean a*, b*', 'covariance', '95 % within'], colours(good))}\n")
    rows = [
        overlap(KINDS[name], good, found) for name in progress(given.kinds, desc="Kinds", unit="")
    ]
    header = ["within its class", "measure", *(f"severity {severity}" for severity in SEVERITIES)]
    print(table([*header, "refused at 1", "at 3"], rows))


def read_good(data_dir: Path, most: int) -> Pictures:
    """Read good pictures of train and val, spread evenly over each class."""
    good: Pictures = {}
    for label in COLLECTED_CLASSES:
        paths = sorted(
            path
            for split in (TRAIN, VAL)
            for path in (data_dir / split / label).glob("*")
            if path.suffix.lower() in SUFFIXES
        )
        if not paths:
            raise SettingsError(f"No pictures of {label} in {data_dir}", expected="a data set")
        number = min(most, len(paths))
        picked = [paths[i * len(paths) // number] for i in range(number)]
        good[label] = [np.asarray(Image.open(path).convert("RGB")) for path in picked]
    return good


def quantiles(found: Found) -> list[list[object]]:
    """Return a row for each measure and class."""
    return [
        [name, label, *(f"{value:.3g}" for value in np.percentile(values, (RARE, 50, 100 - RARE)))]
        for (name, label), values in found.items()
    ]


def colours(good: Pictures) -> list[list[object]]:
    """Return a row for each class: where its mean colours lie in the plane of a* and b*."""
    rows: list[list[object]] = []
    for label, pictures in good.items():
        means = np.array(
            [cv2.mean(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB))[1:3] for picture in pictures]
        )
        means -= 128
        centre, covariance = means.mean(axis=0), np.cov(means.T)
        away = means - centre
        squares = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
        limit = np.sqrt(np.percentile(squares, 100 - RARE))
        spread = covariance.round(1).tolist()
        rows.append([label, f"{centre[0]:.1f}, {centre[1]:.1f}", spread, f"{limit:.2f}"])
    return rows


def overlap(kind: Kind, good: Pictures, found: Found) -> list[object]:
    """Return the shares of a kind's degraded pictures that lie within the good ones."""
    within: dict[int, list[bool]] = {severity: [] for severity in SEVERITIES}
    refused: dict[int, list[bool]] = {severity: [] for severity in SEVERITIES}
    for label, pictures in good.items():
        for number, parent in enumerate(pictures):
            for severity in SEVERITIES:
                rng = generator("good range", kind.name, label, number)
                degraded = kind.apply(parent, **kind.draw(rng, severity))
                is_taken = is_visibly_worse(degraded, parent) and is_poor(degraded, [kind.name])
                refused[severity].append(not is_taken)
                if kind.limit:
                    value = ALONE[kind.limit.measure](degraded)
                    values = found[kind.limit.measure, label]
                    if kind.limit.is_most:
                        within[severity].append(value <= np.percentile(values, 100 - RARE))
                    else:
                        within[severity].append(value >= np.percentile(values, RARE))
    shares = [f"{np.mean(values):.0%}" if values else "-" for values in within.values()]
    measure = kind.limit.measure if kind.limit else "-"
    return [
        kind.name, measure, *shares, *(f"{np.mean(refused[severity]):.0%}" for severity in (1, 3))
    ]  # fmt: skip


if __name__ == "__main__":
    run_script(main)
