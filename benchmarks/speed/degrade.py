"""Time the degradations against decoding and encoding the same picture as JPEG.

    python -m benchmarks.speed.degrade                   on drawn pictures of 256 x 341 pixels
    python -m benchmarks.speed.degrade FOLDER            on pictures from a folder, shorter side 256
    python -m benchmarks.speed.degrade FOLDER --rounds 20

One thread, all in one run, taking turns: what is measured is a ratio. A kind is timed with drawing,
check and redraws, as `degrade` does it; the last row draws among all kinds and combinations.
"""

import argparse
import io
from collections import defaultdict
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from PIL import Image

from benchmarks.tools.drawn_texture import draw_texture
from utils.common.cli.console import progress, table
from utils.common.errors import SettingsError, run_script
from utils.common.pictures import SUFFIXES, read_picture, write_jpeg
from utils.common.seeds import generator
from utils.quality.degrade import DegradationError, degrade
from utils.quality.kinds import KINDS
from utils.quality.sizes import VIEW_SIDE

LIMIT = 3.5
"""Solving for what is left of contrast or light, and the look at what good ones show, cost time."""
JPEG = "JPEG decode and encode"
ANY = "any kind, as drawn"
WIDTH = 341


def main() -> None:
    """Print milliseconds and the ratio to JPEG for each kind and for random draws."""
    arguments = parse_arguments()
    cv2.setNumThreads(1)
    pictures = read_pictures(arguments.folder, arguments.pictures)
    seconds, redraws = measure(pictures, arguments.rounds)
    baseline = np.mean(seconds[JPEG])
    rows = []
    for name, times in seconds.items():
        mean = float(np.mean(times))
        rows.append(
            [name, round(1000 * mean, 2), round(mean / baseline, 2), f"{redraws[name]:.3f}"]
        )
    print(table(["kind", "ms", "x JPEG", "redraws"], rows))
    ratio = float(np.mean(seconds[ANY]) / baseline)
    verdict = "within" if ratio <= LIMIT else "ABOVE"
    print(
        f"\n{len(pictures)} pictures, {arguments.rounds} rounds: a random draw costs {ratio:.2f} x"
    )
    print(f"JPEG decode and encode, {verdict} the limit of {LIMIT:g} x.")


def parse_arguments() -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="pictures; drawn ones by default")
    parser.add_argument("--pictures", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--rounds", type=int, default=10, help="times each kind (default: 10)")
    return parser.parse_args()


def read_pictures(folder: Path | None, count: int) -> list[np.ndarray]:
    """Draw pictures, or read some spread evenly over a folder."""
    if folder is None:
        return [draw_texture(generator("speed", i), VIEW_SIDE, WIDTH) for i in range(count)]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SettingsError(f"No pictures in {folder}", todo="Name a folder that holds some")
    picked = [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]
    return [np.array(read_picture(path.read_bytes(), VIEW_SIDE)[0]) for path in picked]


def measure(
    pictures: list[np.ndarray], rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the seconds of each call and the mean number of redraws, by row of the table."""
    contents = [write_jpeg(Image.fromarray(picture)) for picture in pictures]
    seconds: dict[str, list[float]] = {JPEG: []}
    redraws: dict[str, list[int]] = defaultdict(list)
    for number in progress(range(-1, rounds), desc="degrade", unit="round"):
        for i, (picture, content) in enumerate(zip(pictures, contents, strict=True)):
            start = perf_counter()
            recode(content)
            spent = {JPEG: perf_counter() - start}
            for name in (*KINDS, ANY):
                kinds = None if name == ANY else [name]
                start = perf_counter()
                try:
                    redraws[name].append(degrade(picture, number, i, kinds=kinds).redraws)
                except DegradationError:  # this kind alone cannot touch this picture
                    continue
                spent[name] = perf_counter() - start
            if number >= 0:  # the round before the first warms up
                for name, value in spent.items():
                    seconds.setdefault(name, []).append(value)
    means = {name: float(np.mean(redraws[name])) if name in redraws else 0.0 for name in seconds}
    return {name: seconds[name] for name in (JPEG, *KINDS, ANY) if name in seconds}, means


def recode(content: bytes) -> bytes:
    """Decode a JPEG and encode it again."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return write_jpeg(image)


if __name__ == "__main__":
    run_script(main)
