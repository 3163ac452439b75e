"""What networks see in the pictures of a data set and in strangers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from benchmarks.quality.strangers.drawn import Place, drawn, find
from benchmarks.quality.strangers.scores import Seen
from benchmarks.quality.strangers.shipped import find_shipped
from models.bundle import Card
from models.gate import sample
from models.inference import outputs_and_activations, surface_size
from models.outputs import class_logits
from models.preprocessing import Normalisation
from models.pretrained import build
from models.texture import describe
from models.zoo import resolve
from utils.common.cli.console import progress
from utils.common.labels import CLASSES, SPLITS, TRAIN, VAL
from utils.evaluation.fitting import fit
from utils.evaluation.rows import group_codes, read_rows, rows_of
from utils.training.predictions import OodFeatures, PredictionsWithFeatures

COVERAGE = 0.8
"""Promised by the prediction sets that tell doubt; 95 % takes more val pictures than there are."""

BATCH_SIZE = 32

Key = str | Place
"""A split, or a kind of stranger."""

Picture = Path | Image.Image


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures that all networks look at, prepared once for all of the same input.

    Attributes:
        listed: By split and by kind of stranger.
        labels: Classes of a split's pictures, N each.
        groups: Their groups, N each.
        missing: Names of packages whose strangers are not there.
        prepared: Inputs, uint8, and texture features, by what preprocessing they are for.
    """

    listed: dict[Key, Sequence[Picture]]
    labels: dict[str, NDArray[np.int64]]
    groups: dict[str, NDArray[np.int64]]
    missing: list[str]
    prepared: dict[tuple[object, ...], tuple[torch.Tensor, torch.Tensor]] = field(
        default_factory=dict
    )


def list_pictures(dataset: Path, folder: Path | None, packages: Path | None) -> Pictures:
    """List a data set by split, and the strangers."""
    known = read_rows(dataset)
    splits = {split: sorted((dataset / split).glob("*/*.jpg")) for split in SPLITS}
    groups = {
        split: group_codes(rows_of(known, [one.relative_to(dataset).as_posix() for one in files]))
        for split, files in splits.items()
    }
    labels = {
        split: np.array([CLASSES.index(file.parent.name) for file in files])
        for split, files in splits.items()
    }
    shipped, missing = find_shipped(packages)
    listed: dict[Key, Sequence[Picture]] = {**splits, **dict(drawn()), **shipped}
    if folder:
        listed.update(find(folder))
    return Pictures(listed, labels, groups, missing)


def build_frozen(name: str, file: str, card: Card) -> tuple[Card, nn.Module]:
    """Build a network as its weights file has it, for pictures prepared as those of a run."""
    model = resolve(name)
    size = card.preprocessing.size if model == card.model else None
    network, preprocessing = build(model, len(CLASSES), False, file, size=size)
    return replace(card, model=model, preprocessing=preprocessing), network.eval()


def look(card: Card, network: nn.Module, pictures: Pictures, name: str) -> dict[Key, Seen]:
    """Show all pictures to a network, and fit its calibration on train and val."""
    outputs = {key: _run(card, network, pictures, key, name) for key in pictures.listed}
    features = {
        key: np.hstack([texture, stem, embeddings])
        for key, (_, embeddings, texture, stem) in outputs.items()
    }
    known = {}
    for split in (TRAIN, VAL):
        files = tuple(map(str, pictures.listed[split]))
        known[split] = (files, pictures.labels[split])
    calibration = fit(
        OodFeatures(*known[TRAIN], features[TRAIN], num_surface=surface_size(network)),
        PredictionsWithFeatures(*known[VAL], outputs[VAL][0], features[VAL]),
        np.bincount(pictures.labels[TRAIN], minlength=len(CLASSES)).tolist(),
        COVERAGE, pictures.groups[VAL],
    )  # fmt: skip
    found: dict[Key, Seen] = {}
    for key, columns in outputs.items():
        logits = columns[0]
        verdicts = calibration.judge(logits, features[key])
        sets, count = verdicts.sets, len(logits)
        found[key] = Seen(
            *columns,
            pictures.labels[key] if isinstance(key, str) else np.full(count, -1),
            pictures.groups[key] if isinstance(key, str) else np.arange(count),
            verdicts.probabilities, sets.sum(axis=1) == 1,
        )  # fmt: skip
    return found


@torch.inference_mode()
def embed(card: Card, network: nn.Module, pictures: Pictures, name: str) -> dict[Key, NDArray]:
    """Return the embeddings that a network has of all pictures, N x D each."""
    return {key: _run(card, network, pictures, key, name)[1] for key in pictures.listed}


@torch.inference_mode()
def _run(
    card: Card, network: nn.Module, pictures: Pictures, key: Key, name: str
) -> list[NDArray[np.float32]]:
    """Return the first attributes of `Seen`: logits, embeddings, texture and stem."""
    prepare = Normalisation(card.preprocessing)
    pixels, texture = _prepared(card, pictures, key)
    columns = [
        outputs_and_activations(network, prepare(part))
        for part in progress(pixels.split(BATCH_SIZE), desc=f"{name}: {key}", unit="batches")
    ]
    outputs, stem, embeddings = (torch.cat(column) for column in zip(*columns, strict=True))
    return [one.numpy() for one in (class_logits(outputs), embeddings, texture, stem)]


def _prepared(card: Card, pictures: Pictures, key: Key) -> tuple[torch.Tensor, ...]:
    """Return inputs of a network, N x 3 x H x W, uint8, and their texture features."""
    wanted = replace(card.preprocessing, mean=(0.0,) * 3, std=(1.0,) * 3)
    place = (wanted, card.reading, key)
    if place not in pictures.prepared:
        inputs = np.stack([
            sample(card, one if isinstance(one, Image.Image) else one.read_bytes())
            for one in pictures.listed[key]
        ])  # fmt: skip
        pixels = torch.from_numpy(inputs)
        pictures.prepared[place] = pixels, describe(pixels)
    return pictures.prepared[place]
