"""Copy a data set with LOW_QUALITY pictures made as student projects commonly make them.

To the originals, whatever their size, is done: motion blur of 20-60 pixels, Gaussian blur of 17-31,
brightness +30-50, noise, channels shifted by 5-20 pixels, pixels of 5-15 %.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from utils.common.cli.console import progress
from utils.common.pictures import fit_shorter_side, read_picture, write_jpeg
from utils.common.seeds import generator
from utils.dataset.output.manifest import read_manifest, write_manifest

Pixels = NDArray[np.uint8]


def make_usual(all_data: Path, data_dir: Path, target: Path) -> Path:
    """Copy a data set, with LOW_QUALITY made in the usual ways from the same originals."""
    if (target / "manifest.csv").exists():
        return target
    rows = []
    for row in progress(read_manifest(data_dir), desc="Usual kinds", unit="pictures"):
        path = target / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if row.parent:
            name, content = degrade_usually(
                all_data / row.original, row.file, row.width, row.height
            )
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            row = dataclasses.replace(row, sha256=digest, degradation=name, parameters="")
        else:
            os.link(data_dir / row.file, path)
        rows.append(row)
    write_manifest(target, rows)
    return target


def degrade_usually(original: Path, name: str, width: int, height: int) -> tuple[str, bytes]:
    """Degrade an original at its own size, then shrink and encode it as the assembly does."""
    rng = generator("usual", name)
    picture, _ = read_picture(original.read_bytes())
    kind = list(USUAL)[int(rng.integers(len(USUAL)))]
    degraded = Image.fromarray(USUAL[kind](np.asarray(picture), rng))
    size = fit_shorter_side(degraded.size, min(width, height))
    return kind, write_jpeg(degraded.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))


def blur_by_motion(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Average along a line of 20-60 pixels."""
    length = int(rng.integers(20, 61))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5,) * 2, float(rng.uniform(0, 180)), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(pixels, -1, kernel / kernel.sum())


def blur(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur by a Gaussian whose kernel has 17-31 pixels."""
    side = 2 * int(rng.integers(8, 16)) + 1
    return cv2.GaussianBlur(pixels, (side, side), 0)


def brighten(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add 30-50 to every value."""
    return cv2.add(pixels, np.full_like(pixels, int(rng.integers(30, 51))))


def add_noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise, or salt and pepper."""
    if rng.random() < 0.5:
        noisy = pixels + rng.normal(0, 25, pixels.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)
    noisy, where = pixels.copy(), rng.random(pixels.shape[:2])
    noisy[where < 0.02], noisy[where > 0.98] = 0, 255
    return noisy


def shift_channels(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Move red and blue apart by 5-20 pixels each."""
    distance = int(rng.integers(5, 21))
    red, green, blue = cv2.split(pixels)
    return cv2.merge([np.roll(red, distance, axis=1), green, np.roll(blue, -distance, axis=1)])


def pixelate(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shrink to 5-15 % and enlarge without smoothing."""
    share = float(rng.uniform(0.05, 0.15))
    size = pixels.shape[1], pixels.shape[0]
    small = (max(1, round(length * share)) for length in size)
    return cv2.resize(
        cv2.resize(pixels, tuple(small), interpolation=cv2.INTER_LINEAR),
        size,
        interpolation=cv2.INTER_NEAREST,
    )


USUAL: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "motion blur": blur_by_motion,
    "blur": blur,
    "brightness": brighten,
    "noise": add_noise,
    "channel shift": shift_channels,
    "pixelation": pixelate,
}
