"""Which altered copies of a picture are found, what is wrongly called one, and what it takes.

    python -m benchmarks.quality.copies ALL_DATA                        all tables
    python -m benchmarks.quality.copies ALL_DATA --only recall          recall by kind of copy alone
    python -m benchmarks.quality.copies ALL_DATA --only real --sheet X  and a PNG of the pairs found
    PYTHONPATH=FOLDER python benchmarks/quality/copies.py ALL_DATA    by another state of the suite

Copies are made of the pictures below ALL_DATA, saved as JPEG of quality 85 and read as the assembly
reads them. Byte-equal pictures count once. Plain skin is drawn: a tone, shades, pores, vague spots.
"""

import argparse
import functools
import hashlib
import io
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from utils.common.cli.console import progress, table
from utils.common.disk.location import Location
from utils.common.errors import run_script
from utils.common.pictures import PictureError, read_picture
from utils.common.seeds import generator
from utils.dataset.images.prepare import PictureJob, prepare_picture, thumbnail
from utils.dataset.leakage.likeness import SIDE, find_copies

try:
    from utils.dataset.leakage.thumbnails import CLOSE_SIDE, close_view
except ImportError:  # another checkout
    CLOSE_SIDE, close_view = 0, None

ROOT = Path(__file__).resolve().parents[2]
SHORTER_SIDE = 256
DRAWN_SIDE = 512
"""Of the pictures that copies are made of, at most."""

WORKERS = 2
NUM_SKINS, NUM_COPIED_SKINS = 20_000, 2_000
SKIN_SIZE = 240, 180
SEARCHED = 50_000, 100_000
NUM_PREPARED = 60
REPEATS = 3
TILE = 300
LIMIT_RECALL, LIMIT_DOUBLING = 0.95, 2.3

Transpose = Image.Transpose
Random = np.random.Generator


def cropped(picture: Image.Image, cuts: tuple[float, float, float, float]) -> Image.Image:
    """Cut off shares of width and height: left, top, right, bottom."""
    width, height = picture.size
    left, top, right, bottom = cuts
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop(tuple(round(edge) for edge in box))


def cropped_anywhere(picture: Image.Image, rng: Random, share: float) -> Image.Image:
    """Cut off so much of width and height, anyhow divided between the sides."""
    left, top = share * rng.random(2)
    return cropped(picture, (left, top, share - left, share - top))


def levelled(picture: Image.Image, change: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    """Change the values, given and returned as 0 to 1."""
    values = change(np.asarray(picture).astype(np.float32) / 255)
    return Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8))


def framed(picture: Image.Image, share: float, colour: str) -> Image.Image:
    """Add a border at all sides, a share of width and height wide."""
    width, height = picture.size
    return ImageOps.expand(picture, (round(share * width), round(share * height)), colour)


def captioned(picture: Image.Image, rng: Random, share: float, added: bool) -> Image.Image:
    """Write on a strip, laid over the picture or added to it, at the top or at the bottom."""
    width, height = picture.size
    strip = round(share * height)
    at_top, is_dark = rng.random(2) < 0.5
    paper, ink = ("black", "white") if is_dark else ("white", "black")
    if added:
        result = Image.new("RGB", (width, height + strip), paper)
        result.paste(picture, (0, strip if at_top else 0))
    else:
        result = picture.copy()
    top = 0 if at_top else result.height - strip
    draw = ImageDraw.Draw(result)
    draw.rectangle((0, top, width, top + strip), paper)
    letters = "".join(rng.choice(list("abcdefg hijklm nopqrst uvwxyz 0123456789"), 80))
    font = ImageFont.load_default(max(8, round(0.6 * strip)))
    draw.text((6, top + 0.12 * strip), letters, ink, font)
    return result


def squeezed(picture: Image.Image, proportions: float) -> Image.Image:
    """Resize to other proportions of width to height."""
    size = round(384 * np.sqrt(proportions)), round(384 / np.sqrt(proportions))
    return picture.resize(size, Image.Resampling.BICUBIC)


CORNERS = ((0, 0, 0.1, 0.1), (0.1, 0, 0, 0.1), (0, 0.1, 0.1, 0), (0.1, 0.1, 0, 0))
SIDES = ((0.1, 0, 0, 0), (0, 0.1, 0, 0), (0, 0, 0.1, 0), (0, 0, 0, 0.1))

KINDS: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    "encoded at quality 40": lambda picture, _: encoded(picture, 40),
    "shrunk to 2/5": lambda picture, _: picture.resize(
        (picture.width * 2 // 5, picture.height * 2 // 5), Image.Resampling.BICUBIC
    ),
    "mirrored": lambda picture, _: picture.transpose(Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda picture, _: picture.transpose(Transpose.FLIP_TOP_BOTTOM),
    "turned by 90 degrees": lambda picture, _: picture.transpose(Transpose.ROTATE_90),
    "turned by 180 degrees": lambda picture, _: picture.transpose(Transpose.ROTATE_180),
    "turned by 270 degrees": lambda picture, _: picture.transpose(Transpose.ROTATE_270),
    "transposed": lambda picture, _: picture.transpose(Transpose.TRANSPOSE),
    "transverse": lambda picture, _: picture.transpose(Transpose.TRANSVERSE),
    "brightness x 1.2": lambda picture, _: levelled(picture, lambda v: 1.2 * v),
    "brightness x 0.8": lambda picture, _: levelled(picture, lambda v: 0.8 * v),
    "contrast x 1.4": lambda picture, _: levelled(picture, lambda v: 1.4 * (v - v.mean()) + 0.5),
    "contrast x 0.7": lambda picture, _: levelled(picture, lambda v: 0.7 * (v - v.mean()) + 0.5),
    "gamma 0.7": lambda picture, _: levelled(picture, lambda v: v**0.7),
    "gamma 1.5": lambda picture, _: levelled(picture, lambda v: v**1.5),
    "cropped by 2 %, centred": lambda picture, _: cropped(picture, (0.01,) * 4),
    "cropped by 5 %, centred": lambda picture, _: cropped(picture, (0.025,) * 4),
    "cropped by 10 %, centred": lambda picture, _: cropped(picture, (0.05,) * 4),
    "cropped by 5 %, anywhere": lambda picture, rng: cropped_anywhere(picture, rng, 0.05),
    "cropped by 10 %, anywhere": lambda picture, rng: cropped_anywhere(picture, rng, 0.1),
    "cropped by 10 % at a corner": lambda picture, rng: cropped(picture, CORNERS[rng.integers(4)]),
    "cropped by 10 % at one side": lambda picture, rng: cropped(picture, SIDES[rng.integers(4)]),
    "cropped by 15 %, centred": lambda picture, _: cropped(picture, (0.075,) * 4),
    "cropped by 20 %, centred": lambda picture, _: cropped(picture, (0.1,) * 4),
    "border of 5 % each side, black": lambda picture, _: framed(picture, 0.05, "black"),
    "border of 5 % each side, white": lambda picture, _: framed(picture, 0.05, "white"),
    "border of 10 % each side, black": lambda picture, _: framed(picture, 0.1, "black"),
    "border of 10 % each side, white": lambda picture, _: framed(picture, 0.1, "white"),
    "squeezed to a square": lambda picture, _: squeezed(picture, 1),
    "squeezed to 16 : 9": lambda picture, _: squeezed(picture, 16 / 9),
    "squeezed to 3 : 4": lambda picture, _: squeezed(picture, 3 / 4),
    "caption over 10 %": lambda picture, rng: captioned(picture, rng, 0.1, added=False),
    "caption of 8 % added": lambda picture, rng: captioned(picture, rng, 0.08, added=True),
    "caption of 10 % added": lambda picture, rng: captioned(picture, rng, 0.1, added=True),
    "mirrored, cropped by 10 %, brightness x 1.2": lambda picture, rng: levelled(
        cropped_anywhere(picture.transpose(Transpose.FLIP_LEFT_RIGHT), rng, 0.1), lambda v: 1.2 * v
    ),
    "turned, cropped by 8 %, squeezed": lambda picture, rng: squeezed(
        cropped_anywhere(picture.transpose(Transpose.ROTATE_90), rng, 0.08), 1
    ),
}


def encoded(picture: Image.Image, quality: int) -> Image.Image:
    """Encode as JPEG and decode."""
    return Image.open(io.BytesIO(as_jpeg(picture, quality))).convert("RGB")


def as_jpeg(picture: Image.Image, quality: int) -> bytes:
    """Encode as JPEG."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def plain_skin(number: int) -> Image.Image:
    """Draw skin without a lesion, another one for each number."""
    rng = generator("benchmark plain skin", number)
    width, height = SKIN_SIZE
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shades = rng.normal(0, rng.uniform(1, 8), (3, 4)).astype(np.float32)
    light = cv2.resize(shades, SKIN_SIZE, interpolation=cv2.INTER_CUBIC)
    light = light + rng.normal(0, 10) * across + rng.normal(0, 10) * down
    pores = rng.normal(0, 14, (height, width)).astype(np.float32)
    light += cv2.GaussianBlur(pores, (0, 0), rng.uniform(0.8, 2)) * rng.uniform(0.2, 1)
    pixels = np.array([214, 176, 158]) * rng.uniform(0.5, 1.05) + rng.normal(0, 6, 3)
    pixels = pixels + light[..., None]
    for _ in range(rng.integers(0, 6)):
        left, top = rng.uniform(-1, 1, 2)
        distance = ((across - left) ** 2 + (down - top) ** 2) / (2 * rng.uniform(0.02, 0.3) ** 2)
        pixels -= (rng.uniform(1, 15) * np.exp(-distance))[..., None] * (0.6, 1, 1)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def views_of(content: bytes) -> tuple[bytes, bytes]:
    """Read a picture as the assembly does and return its thumbnail, and its close view if any."""
    picture, _ = read_picture(content, SHORTER_SIDE)
    if close_view is None:
        return thumbnail(picture), b""
    return thumbnail(picture), close_view(read_picture(content, 2 * CLOSE_SIDE)[0])


def find(views: list[tuple[bytes, bytes]]) -> list[tuple[int, int]]:
    """Search for copies as the assembly does."""
    thumbnails = [one for one, _ in views]
    if close_view is None:
        return find_copies(thumbnails).tolist()
    return find_copies(thumbnails, lambda places: [views[place][1] for place in places]).tolist()


def views_of_skin(number: int) -> list[tuple[bytes, bytes]]:
    """Return the views of a plain skin and of its mirrored copy, if it has one."""
    skin = plain_skin(number)
    contents = [as_jpeg(skin, 92)]
    if number < NUM_COPIED_SKINS:
        contents.append(as_jpeg(skin.transpose(Transpose.FLIP_LEFT_RIGHT), 80))
    return [views_of(content) for content in contents]


def views_of_copies(path: Path) -> list[tuple[bytes, bytes]]:
    """Return the views of a picture and of its copies; none if it cannot be read."""
    try:
        picture, original = read_picture(path.read_bytes(), DRAWN_SIDE)
    except PictureError:
        return []
    size = min(original.width, original.height, DRAWN_SIDE)
    picture = ImageOps.contain(picture, (4 * size, size))
    copies = (change(picture, generator(kind, path.name)) for kind, change in KINDS.items())
    contents = [as_jpeg(picture, 92), *(as_jpeg(copy, 85) for copy in copies)]
    return [views_of(content) for content in contents]


def distinct_files(all_data: Path) -> list[Path]:
    """Return the pictures below a folder, of equal ones the first."""
    first: dict[bytes, Path] = {}
    for path in sorted(all_data.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            first.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    return list(first.values())


def spread(function: Callable, jobs: list, desc: str) -> list:
    """Apply a function to each job, in several processes."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        results = pool.map(function, jobs, chunksize=8)
        return list(progress(results, total=len(jobs), desc=desc, unit="pictures"))


def recall(files: list[Path]) -> str:
    """Return a table: the share of copies found, by kind, and what else was paired."""
    every = [some for some in spread(views_of_copies, files, "Copying") if some]
    originals = [some[0] for some in every]
    own = {tuple(pair) for pair in find(originals)}
    rows = []
    for number, kind in enumerate(KINDS, start=1):
        pairs = find([*originals, *(some[number] for some in every)])
        across = [(one, other - len(every)) for one, other in pairs if other >= len(every)]
        across = [(one, other) for one, other in across if one < len(every) and other >= 0]
        found = sum(one == other for one, other in across)
        strange = sum(
            one != other and (min(one, other), max(one, other)) not in own for one, other in across
        )
        share = found / len(every)
        verdict = "within" if share >= LIMIT_RECALL else "BELOW"
        rows.append([kind, len(every), f"{share:.1%}", verdict, strange])
    header = ["copies", "number", "found", f"limit {LIMIT_RECALL:.0%}", "paired with another"]
    return table(header, rows)


def real_pairs(files: list[Path], sheet: Path | None) -> str:
    """Return the pairs among the pictures themselves, to be looked at."""
    contents = [path.read_bytes() for path in files]
    pairs = find([views_of(content) for content in contents])
    if sheet is not None and pairs:
        canvas = Image.new("RGB", (2 * TILE, len(pairs) * TILE), "white")
        for line, pair in enumerate(pairs):
            for column, position in enumerate(pair):
                picture = read_picture(contents[position], TILE)[0]
                canvas.paste(ImageOps.pad(picture, (TILE, TILE)), (column * TILE, line * TILE))
        canvas.save(sheet)
    named = [f"{files[one].name} and {files[other].name}" for one, other in pairs]
    return "\n".join([f"{len(files)} different files: {len(pairs)} pairs", *named])


def skins(count: int) -> str:
    """Return how many pairs plain skins make, and how many of their copies are found."""
    every = spread(views_of_skin, list(range(count)), "Drawing skin")
    pairs = find([pair[0] for pair in every])
    both = find([one for pair in every[:NUM_COPIED_SKINS] for one in pair])
    copies = sum(other == one + 1 and one % 2 == 0 for one, other in both)
    lines = [
        f"{count} plain skins: {len(pairs)} pairs",
        f"mirrored copies of {NUM_COPIED_SKINS} of them found: {copies / NUM_COPIED_SKINS:.1%}",
    ]
    try:
        from utils.dataset.leakage.likeness import is_plain
    except ImportError:
        return "\n".join(lines)
    plain = is_plain([pair[0][0] for pair in every])
    return "\n".join([*lines, f"said to be too plain: {plain.mean():.1%}"])


def cost(files: list[Path], share: int) -> str:
    """Return the time of a search in twice as many thumbnails, and its share of the assembly's."""
    thumbnails = draw_thumbnails(max(SEARCHED) // share)
    find_copies(thumbnails[:500])
    searches = [functools.partial(find_copies, thumbnails[: count // share]) for count in SEARCHED]
    times = [[seconds(search) for search in searches] for _ in range(REPEATS)]
    ratio = statistics.median(large / small for small, large in times)
    each = statistics.median(large for _, large in times) / len(thumbnails)
    jobs = [
        PictureJob(number, Location(str(path)), None, SHORTER_SIDE, "", 1, 10**9)
        for number, path in enumerate(files[:: max(1, len(files) // NUM_PREPARED)])
    ]
    prepared = seconds(lambda: [prepare_picture(job) for job in jobs]) / len(jobs)
    verdict = "within" if ratio <= LIMIT_DOUBLING else "ABOVE"
    return "\n".join(
        [
            f"{SEARCHED[1] // share} against {SEARCHED[0] // share} thumbnails: x {ratio:.2f} "
            f"({verdict} {LIMIT_DOUBLING})",
            f"a search takes {1e6 * each:.0f} us a picture, {each / prepared:.1%} of what it takes "
            "to read and encode one",
        ]
    )


def draw_thumbnails(count: int) -> list[bytes]:
    """Draw what dermoscopy comes to at 32 x 32 pixels: a spot in the middle, detail at all scales.

    Of 140 pictures of HAM10000 the terms of the cosine transform have standard deviations of
    about 10 grey levels over their distance from the mean.
    """
    rng = generator("benchmark thumbnails", count)
    row = np.arange(SIDE, dtype=np.float32)
    spread = 10 * SIDE / np.maximum(1, np.hypot(row[:, None], row))
    thumbnails = []
    for _ in range(count):
        terms = rng.standard_normal((SIDE, SIDE), np.float32) * spread * rng.gamma(4, 0.25)
        spot = 12 * SIDE * rng.gamma(4, 0.25)
        terms[0, 2] += spot
        terms[2, 0] += spot
        terms[2, 2] -= spot / 2
        terms[0, 0] = 160 * SIDE
        thumbnails.append(np.clip(cv2.idct(terms), 0, 255).astype(np.uint8).tobytes())
    return thumbnails


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of some work in this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("all_data", type=Path, help="folder of pictures")
    parser.add_argument("--only", choices=("recall", "real", "skins", "cost"), help="one table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the skins and thumbnails")
    parser.add_argument("--sheet", type=Path, help="PNG to draw the pairs of real pictures into")
    given = parser.parse_args()
    share = 10 if given.quick else 1
    files = distinct_files(given.all_data)
    tables = {
        "recall": lambda: recall(files),
        "real": lambda: real_pairs(files, given.sheet),
        "skins": lambda: skins(NUM_SKINS // share),
        "cost": lambda: cost(files, share),
    }
    for name in [given.only] if given.only else tables:
        print(f"{tables[name]()}\n", flush=True)


if __name__ == "__main__":
    run_script(main)
