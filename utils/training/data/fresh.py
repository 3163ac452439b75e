"""Draw a parent and a new degradation for a LOW_QUALITY picture in each epoch."""

import dataclasses
from array import array
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.labels import CLASSES, LOW_QUALITY
from utils.common.pictures import write_jpeg
from utils.common.seeds import stable_hash, uniform
from utils.quality.degrade import Degraded, degrade
from utils.training.data.pictures import PictureFolder

MOST_EPOCHS = 40
"""Epochs of which draws are taken; each is a pass of its own."""

FRESH_SHARE = 0.75
"""Share of the LOW_QUALITY samples of an epoch that are drawn anew."""


def is_drawn_anew(file: str, seed: int, epoch: int) -> bool:
    """Return whether an epoch takes a new degradation in place of the picture on disk."""
    return uniform("fresh", seed, epoch, file) < FRESH_SHARE


def draw_parent(candidates: Sequence[int], file: str, seed: int, epoch: int) -> int:
    """Return the position of a parent, drawn uniformly from several.

    On disk only a small share of a class's pictures are parents; drawing from all of them shows
    many more subjects both good and poor.

    Args:
        candidates: Positions of the good pictures of one class and split.
        file: The LOW_QUALITY picture that is replaced.
        seed: Seed of the training.
        epoch: Counted from 0.
    """
    return candidates[stable_hash("fresh parent", seed, epoch, file) % len(candidates)]


def good_positions(pictures: PictureFolder) -> dict[tuple[str, int], "array[int]"]:
    """Return the positions of good pictures, which may be degraded, by (split, label).

    In plain arrays, since counting references to Python numbers would copy memory in each worker.
    """
    found: dict[tuple[str, int], array[int]] = defaultdict(lambda: array("l"))
    for split, listed in pictures.splits.items():
        for position, picture in enumerate(listed):
            if CLASSES[picture.label] != LOW_QUALITY:
                found[split, picture.label].append(position)
    return dict(found)


def draws_of_epochs(
    pictures: PictureFolder, split: str, seed: int, count: int
) -> list[tuple[int, dict[int, int]]]:
    """Return which pictures of a split each epoch would draw anew, until there are enough.

    Args:
        pictures: The data set.
        split: One of `labels.SPLITS`.
        seed: Seed of the training.
        count: Draws that are enough; after `MOST_EPOCHS` epochs there may be fewer.

    Returns:
        Epochs, each with the position of the parent that is drawn, by that of the picture that it
        replaces.
    """
    listed, good = pictures.splits[split], good_positions(pictures)
    made = [position for position, picture in enumerate(listed) if picture.parent is not None]
    draws: list[tuple[int, dict[int, int]]] = []
    for epoch in range(MOST_EPOCHS):
        if sum(len(parents) for _, parents in draws) >= count:
            break
        parents = {}
        for position in made:
            picture = listed[position]
            if picture.parent is not None and is_drawn_anew(picture.file, seed, epoch):
                candidates = good[split, listed[picture.parent].label]
                parents[position] = draw_parent(candidates, picture.file, seed, epoch)
        if parents:
            draws.append((epoch, parents))
    return draws


def degrade_anew(parent: NDArray[np.uint8], file: str, seed: int, epoch: int) -> Degraded:
    """Degrade a parent by the functions that made the data set, differently in each epoch.

    The result is compressed as JPEG in the quality of the data set, so that it differs from the
    pictures on disk in nothing but the degradation.

    Args:
        parent: RGB, uint8, height x width x 3.
        file: The LOW_QUALITY picture that is replaced.
        seed: Seed of the training.
        epoch: Counted from 0.

    Returns:
        The picture, RGB, uint8, of the parent's shape, and what was done to it.

    Raises:
        DegradationError: If no draw made the parent visibly worse.
    """
    degraded = degrade(parent, "fresh", seed, epoch, file)
    content = write_jpeg(Image.fromarray(degraded.picture))
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None  # it was written just now
    picture = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    return dataclasses.replace(degraded, picture=picture)
