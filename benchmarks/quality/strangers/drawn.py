"""Strangers, pictures that no class is meant for: those of a folder, and those drawn here."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from scipy.spatial import Voronoi, voronoi_plot_2d

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmarks.quality.unlike import TEXT, noise_field, screenshot, stripes
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

PER_KIND = 24
SIDE = 256
PAGE_SIZE = (700, 900)
SKIN_TONES = ((255, 224, 200), (234, 192, 160), (198, 134, 98), (141, 85, 54), (82, 50, 36))
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


def drawn() -> Iterator[tuple[Place, list[Image.Image]]]:
    """Draw the strangers that need nobody's pictures, the same ones each time."""
    for place, draw in MAKERS.items():
        rngs = (generator("ood stranger", place[1], number) for number in range(PER_KIND))
        yield place, [draw(rng) for rng in rngs]


def skin_coloured(rng: np.random.Generator) -> Image.Image:
    """Draw a surface of a skin's colour, evenly lit or not, with a grain or with fibres."""
    tone = np.array(SKIN_TONES[rng.integers(len(SKIN_TONES))]) * rng.uniform(0.85, 1.05, 3)
    light = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 60)
    widths = rng.uniform(0.7, 3), rng.uniform(0.7, 12 if rng.random() < 0.5 else 3)
    grain = gaussian_filter(rng.normal(size=(SIDE, SIDE)), widths)
    shade = 1 + rng.uniform(0.02, 0.2) * light / light.std()
    shade += rng.uniform(0.01, 0.06) * grain / grain.std()
    return Image.fromarray((tone * shade[..., None]).clip(0, 255).astype(np.uint8))


def diagram(rng: np.random.Generator) -> Image.Image:
    """Draw a Voronoi diagram with SciPy, or the spectrogram of a chirp with Matplotlib."""
    figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
    if rng.random() < 0.5:
        points = rng.random((int(rng.integers(8, 60)), 2))
        voronoi_plot_2d(Voronoi(points), axes, show_points=bool(rng.random() < 0.5))
    else:
        times = np.linspace(0, 1, 8000)
        sound = np.sin(rng.uniform(500, 8000) * times ** rng.uniform(1, 3)) + rng.normal(size=8000)
        axes.specgram(sound, NFFT=256, cmap=COLOUR_MAPS[rng.integers(len(COLOUR_MAPS))])
    axes.set_axis_off()
    return _painted(figure)


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
    return _painted(figure)


def _painted(figure: Figure) -> Image.Image:
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


MAKERS: dict[Place, Callable[[np.random.Generator], Image.Image]] = {
    (NEAR, "skin-coloured"): skin_coloured,
    (FAR, "plots"): plot,
    (FAR, "diagrams"): diagram,
    (FAR, "documents"): document,
    (FAR, "screens"): lambda rng: Image.fromarray(screenshot(rng)),
    (FAR, "noise"): lambda rng: Image.fromarray(noise_field(rng)),
    (FAR, "stripes"): lambda rng: Image.fromarray(stripes(rng)),
}
