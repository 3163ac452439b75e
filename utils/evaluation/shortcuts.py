"""Facts that say nothing of what a picture shows in, how well they give its class away out.

Every collection has its own camera, its own size and its own way to write a file, and most classes
come from few collections. What predicts the class from such facts alone is a shortcut that a
network could take as well.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier

from utils.common.labels import CLASSES
from utils.common.pictures import read_picture
from utils.common.seeds import stable_hash
from utils.dataset.manifest import ManifestRow
from utils.evaluation.bootstrap import Figure, figures
from utils.evaluation.metrics import make_basic_statistic
from utils.evaluation.rows import group_codes

MAX_PICTURES = 2_000
"""Of test, drawn by the hash of their names: reading more takes long and gains little."""

SHORTER_SIDE = 256
BORDER = 8
"""Width of the frame whose colour counts, in pixels."""

Facts = Callable[[Path, ManifestRow], Sequence[float]]


def original_file(folder: Path, row: ManifestRow) -> list[float]:
    """Return what the manifest knows of an original: format, width, height, aspect, frames."""
    width, height = row.original_width, row.original_height
    kind = float(stable_hash(row.original_format) % 1000)
    return [kind, width, height, width / max(height, 1), row.original_frames]


def written_file(folder: Path, row: ManifestRow) -> list[float]:
    """Return width, height, aspect and the sums of the JPEG tables of a written picture."""
    with Image.open(folder / row.file) as image:
        tables = [sum(table) for _, table in sorted(getattr(image, "quantization", {}).items())]
        padded = [*tables, 0, 0][:2]
        return [*image.size, image.width / image.height, len(tables), *padded]


def written_border(folder: Path, row: ManifestRow) -> list[float]:
    """Return mean and spread of each side of a written picture's frame, for each channel."""
    image = read_picture((folder / row.file).read_bytes(), SHORTER_SIDE)[0]
    pixels = np.asarray(image, dtype=np.float64)
    sides = (pixels[:BORDER], pixels[-BORDER:], pixels[:, :BORDER], pixels[:, -BORDER:])
    return [
        float(value)
        for side in sides
        for value in (*side.mean(axis=(0, 1)), *side.std(axis=(0, 1)))
    ]


PROBES: Mapping[str, tuple[Facts, ...]] = {
    "originals: format, size, aspect": (original_file,),
    "written pictures: size, aspect, JPEG tables": (written_file,),
    "written pictures: border colour": (written_border,),
    "written pictures: all of these": (written_file, written_border),
}
NEEDS_MANIFEST = (original_file,)


def probe(
    folder: Path, train: Sequence[ManifestRow], test: Sequence[ManifestRow]
) -> dict[str, Figure]:
    """Learn each kind of facts on train and return the balanced accuracy on test.

    Args:
        folder: Of the data set.
        train: Of some training pictures.
        test: Of all test pictures.

    The JPEG tables and the border colour of the originals are not used: a data set does not hold
    the originals, and their borders are those of the written pictures.
    """
    test = sorted(test, key=lambda row: stable_hash("probe", row.file))[:MAX_PICTURES]
    groups = group_codes(test)
    truth = np.array([CLASSES.index(row.label) for row in test])
    fewest = min(len(np.unique(groups[truth == label])) for label in np.unique(truth))
    known: dict[Facts, tuple[NDArray[Any], NDArray[Any]]] = {}
    found = {}
    for name, kinds in PROBES.items():
        if not train[0].source and any(kind in NEEDS_MANIFEST for kind in kinds):
            found[name] = Figure(None, None, fewest, "without a manifest nothing is known of them")
            continue
        for kind in kinds:
            if kind not in known:
                known[kind] = tuple(
                    np.array([kind(folder, row) for row in rows]) for rows in (train, test)
                )
        seen, asked = (np.hstack([known[kind][side] for kind in kinds]) for side in (0, 1))
        model = RandomForestClassifier(
            n_estimators=100, min_samples_leaf=2, class_weight="balanced", random_state=0
        )
        answers = model.fit(seen, [CLASSES.index(row.label) for row in train]).predict(asked)
        statistic = make_basic_statistic(truth, np.eye(len(CLASSES))[answers], groups)
        found[name] = figures(
            lambda weights, of=statistic: of(weights)[:, 1:2], int(groups.max()) + 1, [fewest], [""]
        )[0]
    return found
