"""The fitting measure of each kind follows its severity, on drawn and on real pictures."""

import os
from pathlib import Path

import numpy as np
import pytest

from utils.common.pictures import SUFFIXES, read_picture
from utils.common.seeds import generator
from utils.quality.kind import SEVERITIES, Kind
from utils.quality.kinds import KINDS
from utils.quality.measures import MEASURES
from utils.quality.sizes import VIEW_SIDE

REAL_DATA = os.environ.get("SKIN_REAL_DATA", "")
NUM_PARENTS = 100
LOWEST = 0.95


def spearman(values: list[float]) -> float:
    """Return the rank correlation of values with their position; ties share their mean rank."""
    array = np.array(values)
    ranks = np.array([((array < value).sum() + (array <= value).sum()) / 2 for value in array])
    if np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks, np.arange(len(array)))[0, 1])


def correlation(kind: Kind, parents: list[np.ndarray]) -> float:
    """Return the mean over parents of the correlation of severity 0-5 with the kind's measure."""
    measure, found = MEASURES[kind.measure], []
    for i, parent in enumerate(parents):
        pictures = [parent]
        for severity in SEVERITIES:
            parameters = kind.draw(generator("severity", kind.name, i), severity)
            pictures.append(kind.apply(parent, **parameters))
        found.append(spearman([measure(picture, parent) for picture in pictures]))
    return float(np.mean(found)) * (1 if kind.rises else -1)


def test_spearman() -> None:
    assert spearman([1, 2, 5, 9]) == pytest.approx(1)
    assert spearman([4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([3, 3, 3]) == 0


@pytest.mark.parametrize("name", KINDS)
def test_severity_shows_on_drawn_pictures(name: str, textures: list[np.ndarray]) -> None:
    assert correlation(KINDS[name], textures) >= LOWEST


def real_parents() -> list[np.ndarray]:
    """Return real pictures, spread evenly over all collections."""
    folder = Path(REAL_DATA) / "ALL_DATA"
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    picked = [paths[i * len(paths) // NUM_PARENTS] for i in range(NUM_PARENTS)]
    return [np.array(read_picture(path.read_bytes(), VIEW_SIDE)[0]) for path in picked]


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA, reason="SKIN_REAL_DATA names no folder of real pictures")
def test_severity_shows_on_real_pictures() -> None:
    """Prints the table; run with `SKIN_REAL_DATA=FOLDER pytest -s -m slow tests/quality`."""
    parents = real_parents()
    found = {name: correlation(kind, parents) for name, kind in KINDS.items()}
    for name, value in found.items():
        print(f"{name:22} {KINDS[name].measure:13} {value:.3f}")
    assert {name: value for name, value in found.items() if value < LOWEST} == {}


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA, reason="SKIN_REAL_DATA names no folder of real pictures")
def test_severity_1_is_poor_by_itself_on_real_pictures() -> None:
    """As drawn, before anything is refused; JPEG blocks hide in texture and are drawn again."""
    parents = real_parents()
    for name, kind in KINDS.items():
        if kind.limit is None or name == "jpeg_compression":
            continue
        within = []
        for number, parent in enumerate(parents):
            parameters = kind.draw(generator("severity 1", name, number), 1)
            within.append(kind.limit.holds(kind.apply(parent, **parameters)))
        assert np.mean(within) <= 0.1, name
