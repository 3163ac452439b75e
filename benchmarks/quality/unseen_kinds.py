"""Which degradations teach a model to recognise which others: each kind left out of training once.

    python -m benchmarks.quality.unseen_kinds --data-dir DATASET --output runs/unseen \
        --model mobilenetv1_100 --pretrained-path FILE --epochs 8

For each kind a model is trained on the same pictures, those of LOW_QUALITY that show this kind
degraded anew by others. Then good test pictures are degraded by every kind, each severity in turn,
and the recall at 5 % false alarms on the good ones is told: the columns are what is to be
recognised, the rows what was not trained on.
"""

import argparse
import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.quality.real_quality import recall_at
from benchmarks.tools.trainings import STEADY, Training, add_training_flags, train_all
from models import load
from models.gate import BATCH_SIZE, Gate
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import CLASSES, LOW_QUALITY, TEST
from utils.common.pictures import write_jpeg
from utils.common.seeds import generator
from utils.dataset.output.manifest import ManifestRow, read_manifest, write_manifest
from utils.quality.degrade import degrade, is_visibly_worse
from utils.quality.kind import SEVERITIES
from utils.quality.kinds import KINDS

RATE = 0.05
NONE = "none"
NUM_TEACHERS = 3


def main() -> None:
    """Train once for each kind and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="a data set")
    add_training_flags(parser)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    rows = read_manifest(given.data_dir)
    kept = {
        kind: without(kind, given.data_dir, rows, given.output) for kind in (NONE, *given.kinds)
    }
    trainings = [
        Training(f"without-{kind}", data_dir, seed, (*STEADY, "--no-fresh-low-quality"))
        for seed in range(given.seeds)
        for kind, data_dir in kept.items()
    ]
    runs = train_all(given, trainings)
    gates = [load(str(run)) for run in runs.values()]
    good = [row for row in rows if row.split == TEST and row.label != LOW_QUALITY]
    parents = [np.asarray(Image.open(given.data_dir / row.file).convert("RGB")) for row in good]
    clean = samples(gates[0], parents)
    poor = {kind: samples(gates[0], degrade_each(kind, parents)) for kind in KINDS}
    found: dict[str, list[list[float]]] = {kind: [] for kind in kept}
    for gate, left_out in zip(gates, list(kept) * given.seeds, strict=True):
        on_clean = scores(gate, clean)
        recalls = [recall_at(RATE, scores(gate, poor[kind]), on_clean) for kind in KINDS]
        found[left_out].append(recalls)
    means = {
        left_out: dict(zip(KINDS, np.mean(recalls, axis=0).tolist(), strict=True))
        for left_out, recalls in found.items()
    }
    print(f"Recall at {RATE:.0%} false alarms, mean of {given.seeds} seeds; {len(parents)} parents")
    print(as_table(means))


def as_table(found: dict[str, dict[str, float]]) -> str:
    """Return the recall of each kind after each training, and which absences cost it most."""
    every = [
        [left_out, *(f"{recall:.0%}" for recall in row.values())] for left_out, row in found.items()
    ]
    own: list[list[object]] = []
    for kind in [kind for kind in found if kind != NONE]:
        losses = {
            left_out: found[NONE][kind] - row[kind]
            for left_out, row in found.items()
            if left_out not in (NONE, kind)
        }
        most = sorted(losses, key=lambda name: losses[name], reverse=True)[:NUM_TEACHERS]
        teachers = ", ".join(f"{name} ({-losses[name]:+.0%})" for name in most if losses[name] > 0)
        own.append([kind, f"{found[NONE][kind]:.0%}", f"{found[kind][kind]:.0%}", teachers or "-"])
    header = ["kind", "trained on", "never seen", "other kinds whose absence costs it most"]
    return f"{table(['left out', *KINDS], every)}\n\n{table(header, own)}"


def samples(gate: Gate, pictures: list[np.ndarray]) -> torch.Tensor:
    """Return what a model, and all others of these trainings, see of pictures."""
    seen = [gate.sample(Image.fromarray(picture)) for picture in pictures]
    return torch.from_numpy(np.stack(seen))


def scores(gate: Gate, pixels: torch.Tensor) -> np.ndarray:
    """Return the probabilities of LOW_QUALITY."""
    judged = [gate.judge(batch).probabilities for batch in pixels.split(BATCH_SIZE)]
    return np.concatenate(judged)[:, CLASSES.index(LOW_QUALITY)]


def degrade_each(kind: str, parents: list[np.ndarray]) -> list[np.ndarray]:
    """Degrade pictures by one kind, the severities in turn; less those it barely touches."""
    pictures = []
    for number, parent in enumerate(parents):
        severity = SEVERITIES[number % len(SEVERITIES)]
        parameters = KINDS[kind].draw(generator("unseen", kind, number), severity)
        degraded = KINDS[kind].apply(parent, **parameters)
        if is_visibly_worse(degraded, parent):
            pictures.append(degraded)
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
