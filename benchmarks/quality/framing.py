"""Is a close-up told by its framing, or by its collection? Close-ups cut from panoramas.

    python -m benchmarks.quality.framing ALL_DATA DATASET RUN...
    python -m benchmarks.quality.framing ALL_DATA DATASET --make OUT

Where all panoramic pictures come from one atlas and all close-ups from other clinics, a model can
learn the atlas instead of the framing, and their own test pictures do not show it. Each panoramic
picture of val and test from which a close-up can be cut (the square of skin with the strongest
contrast of colour, less than half as high as the picture) is judged as a whole and by its close-up.
Told is the share that is taken for each class. Means over the runs.

--make writes a data set in which as many close-ups as train has of its own are cut from panoramic
training pictures, one from each, to train on with any of the other scripts.
"""

import argparse
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from benchmarks.quality.corners import classes_of
from benchmarks.tools.close_up import cut_close_up
from benchmarks.tools.holding_out import link_data_set
from benchmarks.tools.measuring import machine
from models import load
from models.device import choose_device
from utils.common.cli.console import progress, table
from utils.common.disk.location import Originals
from utils.common.errors import SettingsError, run_script
from utils.common.labels import CLASSES, DERM_CLINIC, PAN, TEST, TRAIN, VAL
from utils.common.pictures import write_jpeg
from utils.common.seeds import stable_hash
from utils.dataset.output.manifest import ManifestRow, read_manifest
from utils.quality.sizes import VIEW_SIDE

WHOLE, CUT = VIEWS = "whole", "its close-up"


def main() -> None:
    """Print the table, or make a data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("all_data", type=Path, help="folder with the collections")
    parser.add_argument("dataset", type=Path, help="made from it by create_dataset.py")
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs on it")
    parser.add_argument("--make", type=Path, metavar="OUT", help="folder for a data set")
    given = parser.parse_args()
    if bool(given.runs) == bool(given.make):
        raise SettingsError("Expected runs to judge by, or --make, and not both")
    originals, rows = Originals(given.all_data), read_manifest(given.dataset)
    if given.make:
        make_data_set(rows, originals, given.dataset, given.make)
        return
    panoramas = [row for row in rows if row.split in (VAL, TEST) and row.label == PAN]
    views: dict[str, list[bytes | Image.Image]] = {WHOLE: [], CUT: []}
    for row in progress(panoramas, desc="Cutting", unit="pictures"):
        content = originals.locate(row.original).read()
        if (close_up := cut_close_up(content)) is not None:
            views[WHOLE].append(content)
            views[CUT].append(Image.fromarray(close_up))
    if not views[CUT]:
        raise SettingsError(
            f"No close-up can be cut from {len(panoramas)} {PAN} pictures of val and test",
            todo="Give larger originals, or a data set with more of them",
        )
    taken: dict[str, Counter[str]] = {view: Counter() for view in VIEWS}
    for run in given.runs:
        gate = load(run)
        for view, contents in views.items():
            crops = np.stack([gate.sample(one) for one in contents]).transpose(0, 2, 3, 1)
            taken[view].update(classes_of(gate, crops))
    print(machine(choose_device("auto")))
    print(f"{len(views[CUT])} of {len(panoramas)} panoramic pictures of val and test")
    print(describe(taken))


def make_data_set(
    rows: Sequence[ManifestRow], originals: Originals, dataset: Path, folder: Path
) -> None:
    """Write a data set with close-ups cut from its panoramic training pictures."""
    if folder.exists():
        raise SettingsError(f"{folder} is there already", todo="Choose another --make")
    if any(min(row.width, row.height) != VIEW_SIDE for row in rows):
        raise SettingsError(
            f"The pictures of {dataset} are not all stored at {VIEW_SIDE} pixels",
            expected="a data set made without --image-size",
        )
    training = [row for row in rows if row.split == TRAIN]
    wanted = sum(row.label == DERM_CLINIC for row in training)
    panoramas = [row for row in training if row.label == PAN]
    panoramas.sort(key=lambda row: stable_hash("close-up", row.original))
    made: list[ManifestRow] = []
    for row in panoramas:
        if len(made) == wanted:
            break
        close_up = cut_close_up(originals.locate(row.original).read())
        if close_up is None:
            continue
        content = write_jpeg(Image.fromarray(close_up))
        file = f"{TRAIN}/{DERM_CLINIC}/close_up-{PurePosixPath(row.file).name}"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
        made.append(
            dataclasses.replace(  # of the same patient as the whole picture
                row, file=file, label=DERM_CLINIC, width=VIEW_SIDE, height=VIEW_SIDE,
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )  # fmt: skip
    link_data_set(sorted([*rows, *made], key=lambda row: row.file), dataset, folder)
    print(f"{len(made)} close-ups cut from {len(panoramas)} panoramic pictures, {wanted} wanted")


def describe(taken: Mapping[str, Counter[str]]) -> str:
    """Return the table: a row for each view, a column for each class."""
    rows = [
        [view, *(f"{found[label] / max(1, found.total()):.0%}" for label in CLASSES)]
        for view, found in taken.items()
    ]
    return table(["judged by", *CLASSES], rows)


if __name__ == "__main__":
    run_script(main)
