"""Strangers, pictures that no class is meant for: those of a folder, and those made here."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.quality.unlike import TEXT, noise_field, stripes
from utils.common.errors import SettingsError
from utils.common.pictures import SUFFIXES
from utils.common.seeds import generator

FAR, NEAR, OTHER = "far", "near", "other"
DISTANCES = {
    NEAR: "other pictures of bodies, such as X-rays and microscopy",
    OTHER: "photographs of things, which the class OTHER is for",
    FAR: "documents, screens, drawings and noise",
}
"""Folders of strangers, and what belongs there."""

PER_KIND = 40
PAGE_SIZE = (700, 900)
COLOUR_MAPS = ("viridis", "Reds", "copper", "gray", "tab20")

Place = tuple[str, str]
"""How far a stranger is, one of `DISTANCES`, and its kind."""


def find(folder: Path) -> dict[Place, list[Path]]:
    """List the pictures of FOLDER/<near, other or far>/<kind>/.

    Raises:
        SettingsError: If there are none.
    """
    found: dict[Place, list[Path]] = {}
    for path in sorted(folder.glob("*/*/*")):
        distance, kind = path.parts[-3:-1]
        if distance in DISTANCES and path.suffix.lower() in SUFFIXES:
            found.setdefault((distance, kind), []).append(path)
    if not found:
        raise SettingsError(
            f"No strangers in {folder}",
            expected=f"pictures in {folder}/<{', '.join(DISTANCES)}>/<kind>/",
        )
    return found


def made() -> Iterator[tuple[Place, list[Image.Image]]]:
    """Make the strangers that need nobody's pictures, the same ones each time."""
    for kind, draw in MAKERS.items():
        rngs = (generator("ood stranger", kind, number) for number in range(PER_KIND))
        yield (FAR, kind), [draw(rng) for rng in rngs]


def plot(rng: np.random.Generator) -> Image.Image:
    """Plot random numbers with Matplotlib: lines, points, bars, a heat map or a histogram."""
    width, height = rng.uniform(3, 8), rng.uniform(3, 6)
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    kind, count = rng.integers(5), int(rng.integers(5, 200))
    colour = rng.random(3)
    if kind == 0:
        axes.plot(rng.normal(size=(count, int(rng.integers(1, 6)))).cumsum(axis=0))
    elif kind == 1:
        axes.scatter(*rng.normal(size=(2, count)), c=rng.random(count), s=rng.uniform(5, 60))
    elif kind == 2:
        axes.bar(range(min(count, 20)), rng.random(min(count, 20)), color=colour)
    elif kind == 3:
        name = COLOUR_MAPS[rng.integers(len(COLOUR_MAPS))]
        figure.colorbar(axes.imshow(rng.normal(size=(12, 12)).cumsum(axis=0), cmap=name))
    else:
        axes.hist(rng.normal(size=10 * count), bins=30, color=colour)
    axes.set(title=words(rng, 4), xlabel=words(rng, 2), ylabel=words(rng, 2))
    stream = io.BytesIO()
    figure.savefig(stream, dpi=100, format="png")
    plt.close(figure)
    return Image.open(stream).convert("RGB")


def document(rng: np.random.Generator) -> Image.Image:
    """Set a page in Pillow's own font: a title, paragraphs, perhaps a table."""
    paper = int(rng.integers(225, 256))
    page = Image.new("RGB", PAGE_SIZE, (paper, paper, int(paper - rng.integers(0, 25))))
    draw, size = ImageDraw.Draw(page), int(rng.integers(12, 24))
    font, ink = ImageFont.load_default(size), (int(rng.integers(0, 80)),) * 3
    margin, top = int(rng.integers(30, 90)), 40
    draw.text((margin, top), words(rng, 3).title(), ink, ImageFont.load_default(2 * size))
    top += 3 * size
    while top < PAGE_SIZE[1] - 60:
        if rng.random() < 0.1:
            draw.line((margin, top, PAGE_SIZE[0] - margin, top), ink)
        else:
            count = int((PAGE_SIZE[0] - 2 * margin) / size / 3)
            draw.text((margin, top), words(rng, max(2, count)), ink, font)
        top += int(size * (1.3 if rng.random() < 0.85 else 2.5))
    angle = float(rng.normal(0, 1.5))
    return page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(120, 110, 100))


def words(rng: np.random.Generator, count: int) -> str:
    """Draw so many words."""
    return " ".join(rng.choice(TEXT.split(), count))


MAKERS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "plots": plot,
    "documents": document,
    "noise": lambda rng: Image.fromarray(noise_field(rng)),
    "stripes": lambda rng: Image.fromarray(stripes(rng)),
}
