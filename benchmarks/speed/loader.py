"""Pictures per second of one core on every way from a file to a batch, and ratios to the naive way.

    python -m benchmarks.speed.loader                 all sizes of originals
    python -m benchmarks.speed.loader --pictures ALL_DATA     with what these pictures show
    python -m benchmarks.speed.loader --quick         a few pictures, one round

All in one process on one core, taking turns. The naive way decodes the original wholly with Pillow,
resizes it and makes a float tensor; the others read what create_dataset.py has made of it, with
the augmentation of training. How long a decoder takes depends on what a picture shows, so real ones
of that size or more tell more than the drawn ones that take their place. The second table adds the
data loader and its workers.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms.v2 import functional

from benchmarks.tools.measuring import (
    draw_image,
    machine,
    median_ratio,
    take_turns,
    verdict,
    write_dataset,
)
from models.preprocessing import Preprocessing
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.labels import TRAIN
from utils.common.pictures import read_picture, write_jpeg
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import PictureFolder, read_folder
from utils.training.data.pixels import open_pixels
from utils.training.data.transforms import training_sample
from utils.training.settings import CACHES, NONE, PACKED, RAM

SIZES = {
    "JPEG 600 x 450": (600, 450, "JPEG", 32, 5),
    "JPEG 1024 x 1024": (1024, 1024, "JPEG", 24, 18),
    "JPEG 4000 x 3000": (4000, 3000, "JPEG", 6, 100),
    "PNG 2000 x 1500": (2000, 1500, "PNG", 6, 100),
}
"""Width, height, format, number of pictures, and the ratio to the naive way that is asked for."""

NUM_QUICK = 5
"""Pictures with --quick; each class of a data set needs one."""

SIDE = 256
INPUT = Preprocessing(224, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic", 0.95)
NAIVE, TREE_PILLOW, TREE_TORCHVISION, TREE = "naive", "tree Pillow", "tree torchvision", "tree ours"
BATCH_SIZE = 32


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times each (default: 5)")
    parser.add_argument("--repeat", type=int, default=10, help="each picture (default: 10)")
    parser.add_argument("--workers", type=int, default=2, help="of the loader (default: 2)")
    parser.add_argument("--pictures", type=Path, help="folder of real ones (default: drawn)")
    parser.add_argument("--quick", action="store_true", help="one round, each picture once")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = arguments.repeat = 1
    most = NUM_QUICK if arguments.quick else None
    print(machine(torch.device("cpu")))
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(by_path(Path(folder), arguments.pictures, arguments.rounds, arguments.repeat, most))
        print()
        print(by_cache(Path(folder), arguments.rounds, arguments.repeat, arguments.workers))


def by_path(folder: Path, real: Path | None, rounds: int, repeat: int, most: int | None) -> str:
    """Return a table of pictures per second and core by original and path; `most` limits them."""
    rows = []
    for title, (width, height, file_format, count, limit) in SIZES.items():
        found_real = real_images(real, width, height, most or count)
        images = found_real or [
            draw_image(height, width, number) for number in range(most or count)
        ]
        originals = write_originals(folder / title, images, file_format)
        pictures = make_tree(folder / f"{title} tree", originals)
        found = take_turns(paths(pictures, originals, repeat), rounds)
        ratios = {name: median_ratio(rates, found[NAIVE]) for name, rates in found.items()}
        rows.append(
            [
                title,
                "real" if found_real else "drawn",
                *(round(median(rates), 1) for rates in found.values()),
                *(round(ratios[name], 1) for name in (TREE, PACKED, RAM)),
                verdict(ratios[TREE], limit),
            ]
        )
    header = [
        "original", "content", NAIVE, TREE_PILLOW, TREE_TORCHVISION, TREE, PACKED, RAM,
        "tree x naive", "packed x", "ram x", "tree x naive asked",
    ]  # fmt: skip
    return f"Pictures per second of one core\n{table(header, rows)}"


def real_images(folder: Path | None, width: int, height: int, most: int) -> list[Image.Image]:
    """Cut pictures of this size out of those below a folder that have as many pixels."""
    chosen: list[Image.Image] = []
    for path in sorted(folder.rglob("*.jp*g")) if folder else []:
        with Image.open(path) as image:
            if len(chosen) < most and image.width >= width and image.height >= height:
                chosen.append(
                    ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
                )
    return chosen


def write_originals(folder: Path, images: list[Image.Image], file_format: str) -> list[Path]:
    """Write pictures as they might be downloaded."""
    folder.mkdir()
    settings = {"quality": 92} if file_format == "JPEG" else {}
    originals = [folder / f"{number}.{file_format.lower()}" for number in range(len(images))]
    for path, image in zip(originals, images, strict=True):
        image.save(path, file_format, **settings)
    return originals


def make_tree(folder: Path, originals: list[Path]) -> PictureFolder:
    """Make of each original what create_dataset.py makes of it."""
    images = [read_picture(path.read_bytes(), SIDE)[0] for path in originals]
    return read_folder(write_dataset(folder, map(write_jpeg, images), images[0].size))


def paths(
    pictures: PictureFolder, originals: list[Path], repeat: int
) -> dict[str, Callable[[], float]]:
    """Return what runs each path and gives its pictures per second."""
    chosen = pictures.splits[TRAIN]
    files = [pictures.folder / picture.file for picture in chosen]

    def from_cache(cache: str) -> Callable[[int], object]:
        reader = open_pixels(pictures, cache)
        return lambda index: vary(reader.read(TRAIN, index), index)

    def vary(pixels: np.ndarray, index: int) -> np.ndarray:
        return training_sample(pixels, chosen[index].file, INPUT, 0, 0)

    samples: dict[str, Callable[[int], object]] = {
        NAIVE: lambda index: naive_sample(originals[index]),
        TREE_PILLOW: lambda index: vary(pillow_pixels(files[index]), index),
        TREE_TORCHVISION: lambda index: vary(torchvision_pixels(files[index]), index),
        TREE: from_cache(NONE),
        PACKED: from_cache(PACKED),
        RAM: from_cache(RAM),
    }
    return {name: partial(rate, sample, len(files), repeat) for name, sample in samples.items()}


def rate(sample: Callable[[int], object], count: int, repeat: int) -> float:
    """Return the pictures per second of one path."""
    started = perf_counter()
    for _ in range(repeat):
        for index in range(count):
            sample(index)
    return count * repeat / (perf_counter() - started)


def naive_sample(path: Path) -> torch.Tensor:
    """Decode an original wholly, resize it, make a normalised float tensor."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize(
            (INPUT.width, INPUT.height), Image.Resampling.BILINEAR
        )
    tensor = functional.to_dtype(functional.to_image(resized), torch.float32, scale=True)
    return functional.normalize(tensor, list(INPUT.mean), list(INPUT.std))


def pillow_pixels(path: Path) -> np.ndarray:
    """Decode a picture of the tree by Pillow."""
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(image.convert("RGB"))


def torchvision_pixels(path: Path) -> np.ndarray:
    """Decode a picture of the tree by torchvision."""
    pixels = decode_jpeg(read_file(str(path)), mode=ImageReadMode.RGB)
    return pixels.permute(1, 2, 0).contiguous().numpy()


def by_cache(folder: Path, rounds: int, repeat: int, workers: int) -> str:
    """Return a table of pictures per second that the data loader delivers."""
    image = write_jpeg(draw_image(SIDE, 341, "loader"))
    count = BATCH_SIZE * 8 * repeat
    pictures = read_folder(write_dataset(folder / "loader", [image] * count, (341, SIDE)))
    rows = []
    for number in sorted({0, 1, workers}):
        loaders = {
            cache: PictureLoader(pictures, INPUT, BATCH_SIZE, number, 0, cache=cache)
            for cache in CACHES
        }
        runs = {cache: partial(drain, loader, count) for cache, loader in loaders.items()}
        found = take_turns(runs, rounds)
        rows.append([number, *(round(median(found[cache])) for cache in CACHES)])
    header = ["workers", *(f"--cache {cache}" for cache in CACHES)]
    return (
        f"Pictures per second from the data loader, batches of {BATCH_SIZE}\n{table(header, rows)}"
    )


def drain(loader: PictureLoader, count: int) -> float:
    """Take all batches of an epoch and return the pictures per second."""
    started = perf_counter()
    for _ in loader.training_batches(0):
        pass
    return count / (perf_counter() - started)


if __name__ == "__main__":
    run_script(main)
