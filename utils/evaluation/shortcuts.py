"""Probe for shortcuts: predict the class from facts that do not depend on what a picture shows.

Every collection has its own camera, its own size and its own way to write a file, and most classes
come from few collections. If such facts alone predict the class, a network may use them as a
shortcut, too.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from utils.common.labels import CLASSES
from utils.common.limits import ACCEPTED
from utils.common.pictures import read_picture, table_sums
from utils.common.reading.decoders import open_picture
from utils.common.seeds import stable_hash
from utils.common.system.processors import available_processors
from utils.dataset.output.manifest import ManifestRow
from utils.evaluation.bootstrap import Figure, figures
from utils.evaluation.metrics import make_basic_statistic
from utils.evaluation.rows import group_codes

MAX_PICTURES = 2_000
"""Most test pictures, chosen by the hash of their names: reading more gains little."""

SHORTER_SIDE = 256
BORDER = 8
"""Width of the border whose colour is measured, in pixels."""

NUM_TREES = 100
"""Trees of a random forest."""

NUM_TABLES = 2
"""Quantisation tables of a JPEG: for brightness and for colour."""


class Pictures:
    """The pictures of a data set; the border of each is read once.

    Args:
        folder: Folder of the data set.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.border = cache(self._border)

    def file(self, file: str) -> list[float]:
        """Return width, height, aspect ratio and JPEG tables of a picture."""
        with open_picture((self._folder / file).read_bytes(), ACCEPTED) as image:
            return [*image.size, image.width / image.height, *_tables(table_sums(image))]

    def _border(self, file: str) -> list[float]:
        """Return mean and spread of each side of a picture's border, for each channel."""
        content = (self._folder / file).read_bytes()
        image = read_picture(content, SHORTER_SIDE, ACCEPTED)[0]
        pixels = np.asarray(image)
        frame = (pixels[:BORDER], pixels[-BORDER:], pixels[:, :BORDER], pixels[:, -BORDER:])
        return [float(value) for value in np.ravel([cv2.meanStdDev(side) for side in frame])]


def original_file(pictures: Pictures, row: ManifestRow) -> list[float]:
    """Return format, width, height, aspect ratio, frames and JPEG tables of an original."""
    width, height = row.original_width, row.original_height
    kind = float(stable_hash(row.original_format) % 1000)
    tables = _tables([int(number) for number in row.original_tables.split()])
    return [kind, width, height, width / max(height, 1), row.original_frames, *tables]


def original_border(pictures: Pictures, row: ManifestRow) -> list[float]:
    """Return the border of an original, measured on the picture that was written of it.

    Resizing averages, so a border keeps its colour; for a degraded picture it is the parent's.
    """
    return pictures.border(row.parent or row.file)


def written_file(pictures: Pictures, row: ManifestRow) -> list[float]:
    """Return width, height, aspect ratio and JPEG tables of a written picture."""
    return pictures.file(row.file)


def written_border(pictures: Pictures, row: ManifestRow) -> list[float]:
    """Return the border of a written picture."""
    return pictures.border(row.file)


def _tables(sums: Sequence[int]) -> list[int]:
    return [len(sums), *[*sums, *[0] * NUM_TABLES][:NUM_TABLES]]


Facts = Callable[[Pictures, ManifestRow], Sequence[float]]

PROBES: Mapping[str, tuple[Facts, ...]] = {
    "originals: format, size, aspect, JPEG tables": (original_file,),
    "originals: border colour": (original_border,),
    "originals: all of these": (original_file, original_border),
    "written pictures: size, aspect, JPEG tables": (written_file,),
    "written pictures: border colour": (written_border,),
    "written pictures: all of these": (written_file, written_border),
}
NEEDS_MANIFEST = (original_file, original_border)


def probe(
    folder: Path, train: Sequence[ManifestRow], test: Sequence[ManifestRow]
) -> dict[str, Figure]:
    """Train a probe on each kind of facts, and return its balanced accuracy on test.

    Args:
        folder: Folder of the data set.
        train: Rows of some training pictures.
        test: Rows of all test pictures.
    """
    pictures = Pictures(folder)
    test = sorted(test, key=lambda row: stable_hash("probe", row.file))[:MAX_PICTURES]
    groups = group_codes(test)
    truth, labels = (np.array([CLASSES.index(row.label) for row in rows]) for rows in (test, train))
    fewest = min(len(np.unique(groups[truth == label])) for label in np.unique(truth))
    has_manifest = bool(train[0].source)
    probes = {
        name: kinds
        for name, kinds in PROBES.items()
        if has_manifest or not any(kind in NEEDS_MANIFEST for kind in kinds)
    }

    # Threads, since decoding and growing trees release the interpreter lock.
    with ThreadPoolExecutor(available_processors()) as pool:

        def read(kind: Facts, rows: Sequence[ManifestRow]) -> NDArray[np.float64]:
            return np.array(list(pool.map(partial(kind, pictures), rows)))

        known = {
            kind: (read(kind, train), read(kind, test))
            for kind in dict.fromkeys(chain(*probes.values()))
        }
        columns = [
            [np.hstack(side) for side in zip(*(known[kind] for kind in kinds), strict=True)]
            for kinds in probes.values()
        ]
        predicted = list(pool.map(lambda sides: _predict(sides[0], labels, sides[1]), columns))
    of_name = dict(zip(probes, predicted, strict=True))
    return {
        name: _balanced_accuracy(truth, of_name[name], groups, fewest)
        if name in of_name
        else Figure(None, None, fewest, "without a manifest nothing is known of them")
        for name in PROBES
    }


def _predict(
    train: NDArray[np.float64], labels: NDArray[np.int64], test: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Train a random forest on the facts of train, and return its predictions for test."""
    model = RandomForestClassifier(
        n_estimators=NUM_TREES, min_samples_leaf=2, class_weight="balanced", random_state=0
    )
    predicted: NDArray[np.int64] = model.fit(train, labels).predict(test)
    return predicted


def _balanced_accuracy(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], groups: NDArray[np.int64], fewest: int
) -> Figure:
    statistic = make_basic_statistic(truth, np.eye(len(CLASSES))[predicted], groups)
    return figures(
        lambda weights: statistic(weights)[:, :1], int(groups.max()) + 1, [fewest], [""]
    )[0]
