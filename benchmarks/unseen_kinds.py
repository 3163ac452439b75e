"""Which degradations teach a model to recognise which others: each kind left out of training once.

    python benchmarks/unseen_kinds.py --data-dir DATASET --output runs/unseen \
        --model mobilenetv1_100 --pretrained-path FILE --epochs 8

For each kind a model is trained on the same pictures, those of LOW_QUALITY that show this kind
degraded anew by others. Then good test pictures are degraded by every kind, each severity in turn,
and the recall is told: the columns are what is to be recognised, the rows what was not trained on.
"""

import argparse
import dataclasses
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from real_quality import recall_at
from usual_kinds import STEADY, add_training_flags, train

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models import load
from utils.common.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import LOW_QUALITY, TEST
from utils.common.pictures import write_jpeg
from utils.common.seeds import generator
from utils.dataset.manifest import ManifestRow, read_manifest, write_manifest
from utils.quality.degrade import degrade, is_visibly_worse
from utils.quality.kind import SEVERITIES
from utils.quality.kinds import KINDS

RATE = 0.05
NONE = "none"


def main() -> None:
    """Train once for each kind and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="a data set")
    add_training_flags(parser)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    given = parser.parse_args()
    rows = read_manifest(given.data_dir)
    good = [row for row in rows if row.split == TEST and row.label != LOW_QUALITY]
    parents = [np.asarray(Image.open(given.data_dir / row.file).convert("RGB")) for row in good]
    by_kind = {kind: degrade_each(kind, parents) for kind in KINDS}
    table_rows: list[list[object]] = []
    for left_out in (NONE, *given.kinds):
        data_dir = without(left_out, given.data_dir, rows, given.output)
        flags = (*STEADY, "--no-fresh-low-quality")
        run = train(given, data_dir, f"without-{left_out}", 0, flags)
        gate = load(str(run))

        def score(pictures: list[Image.Image], gate=gate) -> np.ndarray:
            return np.array([answer.probabilities[LOW_QUALITY] for answer in gate(pictures)])

        clean = score([Image.fromarray(parent) for parent in parents])
        recalls = [recall_at(RATE, score(by_kind[kind]), clean) for kind in KINDS]
        table_rows.append([left_out, *(f"{recall:.0%}" for recall in recalls)])
        print(table(["left out", *KINDS], table_rows), flush=True)


def degrade_each(kind: str, parents: list[np.ndarray]) -> list[Image.Image]:
    """Degrade pictures by one kind, the severities in turn; less those it barely touches."""
    pictures = []
    for number, parent in enumerate(parents):
        severity = SEVERITIES[number % len(SEVERITIES)]
        parameters = KINDS[kind].draw(generator("unseen", kind, number), severity)
        degraded = KINDS[kind].apply(parent, **parameters)
        if is_visibly_worse(degraded, parent):
            pictures.append(Image.fromarray(degraded))
    return pictures


def without(kind: str, data_dir: Path, rows: list[ManifestRow], output: Path) -> Path:
    """Copy a data set in which no LOW_QUALITY picture shows a kind."""
    target = output / f"DATASET-without-{kind}"
    if kind == NONE or (target / "manifest.csv").exists():
        return data_dir if kind == NONE else target
    others = [name for name in KINDS if name != kind]
    kept = []
    for row in progress(rows, desc=f"Without {kind}", unit="pictures"):
        path = target / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if kind in row.degradation.split("+"):
            parent = np.asarray(Image.open(data_dir / row.parent).convert("RGB"))
            degraded = degrade(parent, "without", kind, row.file, kinds=others)
            content = write_jpeg(Image.fromarray(degraded.picture))
            path.write_bytes(content)
            row = dataclasses.replace(
                row, sha256=hashlib.sha256(content).hexdigest(), degradation=degraded.degradation,
                severity=degraded.severity, parameters=degraded.parameters,
            )  # fmt: skip
        else:
            os.link(data_dir / row.file, path)
        kept.append(row)
    write_manifest(target, kept)
    return target


if __name__ == "__main__":
    run_script(main)
