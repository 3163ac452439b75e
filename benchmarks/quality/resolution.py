"""How much real blur is left in a picture at the size at which it is stored and seen.

    python -m benchmarks.quality.resolution POOR ALL_DATA
    python -m benchmarks.quality.resolution POOR ALL_DATA --sides 160 224 384 --least 384

No network is asked: the acuity of `utils/quality/alone.py` tells sharp from blurred pictures. POOR
holds the pictures of `real_faults.csv`; those in which a person sees `blurred` or `shaken` are set
against all pictures of ALL_DATA. Each is brought to each size as the assembly does. A picture with
fewer pixels than `--least` on its shorter side is left out, and counted, so that the same pictures
are compared at all sizes up to that; beyond it a size changes only the larger ones, for none is
enlarged. The last two rows are a second look at the original as it was photographed, at parts as
large as what is stored by default: at the middle one, and at the one with the highest acuity.
"""

import argparse
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.quality.real_faults import faults_seen
from benchmarks.quality.real_quality import find_pictures
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.pictures import read_picture
from utils.quality.alone import acuity
from utils.quality.sizes import VIEW_SIDE

SIDES = (112, 160, 224, 256, 384, 512)
SECOND_LOOKS = "full size, the middle", "full size, the sharpest part"
SOFT = {"blurred", "shaken"}
RARE = 0.05
"""Share of the good pictures that are as soft as the limit."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("poor", type=Path, help="folder of poor pictures")
    parser.add_argument("good", type=Path, help="folder of good originals")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="in pixels")
    parser.add_argument("--least", type=int, default=256, help="shorter side of an original")
    given = parser.parse_args()
    seen = faults_seen(find_pictures(given.poor))
    soft = [path for path, faults in seen.items() if SOFT & {*faults}]
    poor = acuities(soft, given.sides, given.least, "blurred or shaken")
    good = acuities(find_pictures(given.good), given.sides, given.least, "good")
    print(describe([*given.sides, *SECOND_LOOKS], poor, good))


def acuities(
    paths: Iterable[Path], sides: Sequence[int], least: int, title: str
) -> NDArray[np.float64]:
    """Return the acuity of each picture that is large enough, at each size.

    Args:
        sides: Shorter sides to bring the pictures to, in pixels; none is enlarged.
        least: Least shorter side of an original, in pixels.
        title: What the pictures are, for the line that counts them.

    Returns:
        Acuities, pictures x (sizes and `SECOND_LOOKS`).

    Raises:
        SettingsError: If no picture is large enough.
    """
    paths, rows = list(paths), []
    for path in progress(paths, desc=title, unit="pictures"):
        content = path.read_bytes()
        picture, _ = read_picture(content)
        shorter = min(picture.size)
        if shorter >= least:
            sized = (read_picture(content, min(side, shorter))[0] for side in sides)
            found = [acuity(np.asarray(one)) for one in sized]
            tiles = [acuity(tile) for tile in tiles_of(np.asarray(picture))]
            rows.append([*found, tiles[len(tiles) // 2], max(tiles)])
    print(f"{title}: {len(rows)} pictures, {len(paths) - len(rows)} smaller than {least} pixels")
    if not rows:
        raise SettingsError(f"No {title} picture has {least} pixels", todo="Give a lower --least")
    return np.array(rows)


def tiles_of(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the square parts of a picture, row by row, with the middle one in the middle.

    They are `VIEW_SIDE` pixels high and wide, or as the picture's shorter side if that is less.
    """
    side = min(VIEW_SIDE, *picture.shape[:2])
    tops, lefts = (
        np.linspace(0, length - side, 1 + 2 * math.ceil((length - side) / (2 * side)))
        for length in picture.shape[:2]
    )
    places = [(round(top), round(left)) for top in tops for left in lefts]
    return [picture[top : top + side, left : left + side] for top, left in places]


def describe(
    looks: Sequence[int | str], poor: NDArray[np.float64], good: NDArray[np.float64]
) -> str:
    """Return the table: how well acuity tells the two apart at each size."""
    is_poor = np.repeat([True, False], [len(poor), len(good)])
    rows = []
    for column, look in enumerate(looks):
        scores = np.concatenate([poor[:, column], good[:, column]])
        softer = float((poor[:, column] < np.quantile(good[:, column], RARE)).mean())
        rows.append([look, f"{roc_auc_score(is_poor, -scores):.3f}", f"{softer:.0%}"])
    return table(["shorter side", "AUROC", f"blurred, softer than {1 - RARE:.0%} of good"], rows)


if __name__ == "__main__":
    run_script(main)
