"""Measure how many pictures of kinds that no data set holds are called unlike, and of test.

python -m benchmarks.quality.unlike demo/DATASET
python -m benchmarks.quality.unlike demo/DATASET --model vit --sheet strangers.png

Draws noise fields, text pages, screenshots and stripes, and reads them as predict.py does, by way
of a JPEG: without it they would also be told by its absence. How a picture looks is described
without the network, so that no trained model is needed; the model only says how large its input is.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing import Preprocessing
from models.pretrained import build
from models.reading import Reading
from models.texture import describe
from models.zoo import resolve
from utils.common.errors import run_script
from utils.common.labels import CLASSES, TEST, TRAIN, VAL
from utils.common.seeds import generator
from utils.evaluation.fitting import is_good
from utils.evaluation.novelty_fitting import fit_novelty
from utils.training.data.batches import Batch
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.fit import MAX_TRAIN_PICTURES

SIDE = 256
FINE_SIDE = 512
"""Pages are drawn so large and then shrunk, as a photograph or a screenshot of them is."""

PER_KIND = 200
TEXT = (
    "the patient was seen today with a lesion on the left arm which has grown since march no pain "
    "or itching reported next visit in six weeks dose twice daily after meals"
)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_PLAIN)

Picture = NDArray[np.uint8]


def noise_field(rng: np.random.Generator) -> Picture:
    """Draw random pixels: even, normal or black and white, in colour or grey, fine or coarse."""
    cells = SIDE // 2 ** int(rng.integers(0, 5))
    shape = (cells, cells, 3 if rng.random() < 0.7 else 1)
    kind = rng.integers(3)
    if kind == 0:
        values = rng.integers(0, 256, shape).astype(np.float64)
    elif kind == 1:
        values = rng.normal(128, rng.uniform(30, 80), shape)
    else:
        values = 255.0 * (rng.random(shape) < rng.uniform(0.2, 0.8))
    pixels = np.broadcast_to(values.clip(0, 255).astype(np.uint8), (cells, cells, 3))
    return cv2.resize(np.ascontiguousarray(pixels), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


def text_page(rng: np.random.Generator) -> Picture:
    """Draw lines of words on light paper."""
    page = np.full((FINE_SIDE, FINE_SIDE, 3), rng.integers(225, 256, 3), dtype=np.uint8)
    margin = int(rng.integers(10, 50))
    write(page, rng, (margin, 40, FINE_SIDE - margin, FINE_SIDE - 10), dark(rng))
    return shrink(page)


def screenshot(rng: np.random.Generator) -> Picture:
    """Draw a window: a bar, a column, boxes, buttons and text."""
    is_dark = rng.random() < 0.4
    paper, ink = (35, (230, 230, 230)) if is_dark else (245, (30, 30, 30))
    page = np.full((FINE_SIDE, FINE_SIDE, 3), paper, dtype=np.uint8)
    left = int(rng.integers(0, 150))
    cv2.rectangle(page, (0, 60), (left, FINE_SIDE), colour(rng), -1)
    cv2.rectangle(page, (0, 0), (FINE_SIDE, int(rng.integers(24, 60))), colour(rng), -1)
    top = 80
    while top < FINE_SIDE - 40:
        height = int(rng.integers(30, 120))
        kind = rng.integers(3)
        if kind == 0:
            right = left + 20 + int(rng.integers(60, 300))
            cv2.rectangle(page, (left + 20, top), (right, top + height - 10), colour(rng), -1)
        elif kind == 1:
            write(page, rng, (left + 20, top + 14, FINE_SIDE - 20, top + height), ink)
        else:
            for number in range(int(rng.integers(2, 6))):
                corner = (left + 20 + 70 * number, top)
                opposite = (corner[0] + 50, top + min(height, 50))
                cv2.rectangle(page, corner, opposite, colour(rng), -1)
        top += height
    return shrink(page)


def stripes(rng: np.random.Generator) -> Picture:
    """Draw stripes or a chequerboard of two colours, at any angle, sharp or soft."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
    down, across = np.mgrid[:SIDE, :SIDE] * 2 * np.pi / period
    wave = np.sin(across * np.cos(angle) + down * np.sin(angle))
    if rng.random() < 0.3:
        wave = wave * np.sin(down * np.cos(angle) - across * np.sin(angle))
    if rng.random() < 0.7:
        wave = np.sign(wave)
    first = rng.integers(0, 256, 3)
    second = (first + 128 + rng.integers(-40, 41, 3)) % 256
    mixed = first + (second - first) * (wave[..., None] + 1) / 2
    return mixed.clip(0, 255).astype(np.uint8)


STRANGERS: dict[str, Callable[[np.random.Generator], Picture]] = {
    "noise fields": noise_field,
    "text pages": text_page,
    "screenshots": screenshot,
    "stripes": stripes,
}


def write(
    page: Picture,
    rng: np.random.Generator,
    box: tuple[int, int, int, int],
    ink: tuple[int, int, int],
) -> None:
    """Fill a box (left, top, right, bottom) with words."""
    left, top, right, bottom = box
    words = TEXT.split()
    size, font = rng.uniform(0.4, 0.9), FONTS[rng.integers(len(FONTS))]
    for base in range(top, bottom, int(30 * size) + 6):
        place = left
        while True:
            word = words[rng.integers(len(words))]
            width = cv2.getTextSize(word, font, size, 1)[0][0]
            if place + width > right:
                break
            cv2.putText(page, word, (place, base), font, size, ink, 1, cv2.LINE_AA)
            place += width + int(10 * size) + 3


def colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw any colour."""
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def dark(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw the colour of an ink."""
    red, green, blue = rng.integers(0, 70, 3).tolist()
    return red, green, blue


def shrink(page: Picture) -> Picture:
    """Bring a page to the size of the other pictures."""
    return cv2.resize(page, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Print one line for each kind and one for test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="made by create_dataset.py")
    parser.add_argument("--model", default="resnet18", help="whose preprocessing is used")
    parser.add_argument("--sheet", type=Path, help="also write a few of the strangers here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    _, preprocessing = build(resolve(arguments.model), len(CLASSES), pretrained=False)
    pictures = read_folder(arguments.dataset)
    loader = PictureLoader(pictures, preprocessing, batch_size=32, workers=0, seed=0)
    some = sorted(
        generator("some").permutation(len(pictures.splits[TRAIN]))[:MAX_TRAIN_PICTURES].tolist()
    )
    train = features_of(loader.evaluation_batches(TRAIN, some))
    val, test = (features_of(loader.evaluation_batches(split)) for split in (VAL, TEST))
    labels = np.array([pictures.splits[TRAIN][position].label for position in some])
    good = is_good(np.array([picture.label for picture in pictures.splits[VAL]]))
    novelty = fit_novelty(train, labels, val[good])
    fitted = novelty.reason or f"fitted on {good.sum()} good val pictures"
    print(f"{len(train)} train pictures; {fitted}")
    for name, draw in STRANGERS.items():
        drawn = [draw(generator("stranger", name, number)) for number in range(PER_KIND)]
        features = features_of([as_batch(drawn, preprocessing)])
        print(f"{name + ':':14} {novelty.is_unlike(features).mean():6.1%} of {PER_KIND} unlike")
    print(f"test pictures: {novelty.is_unlike(test).mean():6.1%} of {len(test)} unlike")
    if arguments.sheet:
        rows = [
            np.hstack([draw(generator("stranger", name, number)) for number in range(8)])
            for name, draw in STRANGERS.items()
        ]
        cv2.imwrite(str(arguments.sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def as_batch(drawn: list[Picture], preprocessing: Preprocessing) -> Batch:
    """Read, cut and stack pictures as predict.py does."""
    read = (Reading().pixels(Image.fromarray(picture)) for picture in drawn)
    pixels = np.stack([preprocessing.centre_crop(picture) for picture in read])
    return Batch(torch.from_numpy(pixels), torch.zeros(len(drawn), dtype=torch.int64))


def features_of(batches: Iterable[Batch]) -> NDArray[np.float32]:
    """Describe how the pictures of some batches look, N x D."""
    return torch.cat([describe(batch.pixels) for batch in batches]).numpy()


if __name__ == "__main__":
    run_script(main)
