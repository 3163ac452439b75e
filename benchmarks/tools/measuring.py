"""What the benchmarks of training share: drawn data sets, runs that take turns, the machine."""

import hashlib
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.tools.drawn_texture import draw_texture
from models.device import bfloat16_units
from utils.common.labels import CLASSES, SPLITS, TRAIN
from utils.common.pictures import write_jpeg
from utils.common.seeds import generator
from utils.dataset.output.manifest import ManifestRow, write_manifest

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 256, 341
NUM_DISTINCT = 32
"""Pictures that are drawn; more files are copies of them under names of their own."""

NUM_HELD_OUT = len(CLASSES)
"""Pictures in val and in test."""


def draw_image(height: int, width: int, *name: object) -> Image.Image:
    """Draw a picture with detail at all scales, another one for each name."""
    tile = draw_texture(generator("benchmark", *name), min(height, 512), min(width, 512))
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    return Image.fromarray(np.ascontiguousarray(np.tile(tile, repeats)[:height, :width]))


def draw_dataset(folder: Path, pictures: int) -> Path:
    """Write a data set as create_dataset.py does, with so many training pictures."""
    contents = [write_jpeg(draw_image(HEIGHT, WIDTH, number)) for number in range(NUM_DISTINCT)]
    return write_dataset(
        folder, (contents[number % NUM_DISTINCT] for number in range(pictures)), (WIDTH, HEIGHT)
    )


def write_dataset(folder: Path, contents: Iterable[bytes], size: tuple[int, int]) -> Path:
    """Write JPEG files of one (width, height) as a data set: all in train, few in each split."""
    rows = []

    def write(split: str, number: int, content: bytes) -> None:
        label = CLASSES[number % len(CLASSES)]
        file = f"{split}/{label}/{number:06}.jpg"
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        names = file, split, label, "drawn", file, file, file
        rows.append(ManifestRow(*names, digest, *size, digest, "JPEG", *size))

    for number, content in enumerate(contents):
        write(TRAIN, number, content)
        if number < NUM_HELD_OUT:
            for split in SPLITS:
                if split != TRAIN:
                    write(split, number, content)
    write_manifest(folder, sorted(rows, key=lambda row: row.file))
    return folder


def take_turns(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Let all run once to warm up, then in turns; return what each returned, by name."""
    for run in runs.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
    return found


def median_ratio(one: list[float], other: list[float]) -> float:
    """Return the median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def verdict(value: float, limit: float, *, at_most: bool = False) -> str:
    """Compare a figure with what was asked of it."""
    holds = value <= limit if at_most else value >= limit
    return f"{'<=' if at_most else '>='} {limit:g} {'held' if holds else 'MISSED'}"


def machine(device: torch.device) -> str:
    """Return one line on where figures were measured."""
    cpu = f"{os.cpu_count()} processors ({', '.join(bfloat16_units()) or 'no bfloat16'})"
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return f"{platform.system()}, {cpu}{gpu}, PyTorch {torch.__version__}"
