"""Altered copies are found, whatever the order; plain skins and dermoscopes make no pairs."""

import io
import os
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from utils.common.pictures import read_picture
from utils.common.seeds import generator
from utils.dataset.leakage.likeness import find_copies, is_one_view, is_plain
from utils.dataset.leakage.thumbnails import close_view, thumbnail
from utils.standins.sketches import SKETCHES

NUM_EACH = 3
NUM_SKINS = 60
NUM_REAL = 60
REAL_DATA = os.environ.get("SKIN_REAL_DATA", "")
Transpose = Image.Transpose


def cropped(picture: Image.Image, left: float, top: float, right: float, bottom: float):
    width, height = picture.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop(tuple(round(edge) for edge in box))


def framed(picture: Image.Image, colour: str) -> Image.Image:
    return ImageOps.expand(picture, (picture.width // 10, picture.height // 10), colour)


def lit(picture: Image.Image, gain: float, gamma: float = 1.0) -> Image.Image:
    levels = gain * (np.asarray(picture).astype(np.float32) / 255) ** gamma
    return Image.fromarray((255 * np.clip(levels, 0, 1)).astype(np.uint8))


def captioned(picture: Image.Image, *, below: bool) -> Image.Image:
    width, height = picture.size
    strip = height // 10
    result = Image.new("RGB", (width, height + strip * below), "white")
    result.paste(picture)
    draw = ImageDraw.Draw(result)
    draw.rectangle((0, result.height - strip, width, result.height), "white")
    draw.text((4, result.height - strip + 2), "a lesion of the left arm, three weeks old", "black")
    return result


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{turn.name: lambda picture, turn=turn: picture.transpose(turn) for turn in Transpose},
    "brighter": lambda picture: lit(picture, 1.2),
    "darker": lambda picture: lit(picture, 0.8),
    "gamma": lambda picture: lit(picture, 1, 1.5),
    "cropped": lambda picture: cropped(picture, 0.05, 0.05, 0.05, 0.05),
    "cropped at a corner": lambda picture: cropped(picture, 0.1, 0, 0, 0.1),
    "cropped at a side": lambda picture: cropped(picture, 0, 0.09, 0, 0),
    "black border": lambda picture: framed(picture, "black"),
    "white border": lambda picture: framed(picture, "white"),
    "squeezed": lambda picture: picture.resize((256, 256)),
    "caption laid over": lambda picture: captioned(picture, below=False),
    "caption added": lambda picture: captioned(picture, below=True),
    "several": lambda picture: lit(
        cropped(picture.transpose(Transpose.ROTATE_90), 0.06, 0.02, 0.02, 0.05), 0.85
    ).resize((300, 300)),
}


def plain_skin(number: int) -> Image.Image:
    """Draw skin without a lesion: hardly anything but a tone, shades, pores and vague spots."""
    rng = generator("plain skin of likeness", number)
    shades = cv2.resize(rng.normal(0, 5, (3, 4)).astype(np.float32), (160, 120))
    pores = cv2.GaussianBlur(rng.normal(0, 14, (120, 160)).astype(np.float32), (0, 0), 1.2)
    spot = np.zeros((120, 160), np.float32)
    cv2.circle(spot, tuple(int(x) for x in rng.integers(20, 110, 2)), int(rng.integers(4, 20)), 6)
    light = shades + rng.uniform(0.1, 1) * pores - cv2.GaussianBlur(spot, (0, 0), 8)
    pixels = np.array([214, 176, 158]) + light[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def saved(picture: Image.Image, quality: int = 85) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return read_picture(stream.getvalue(), 256)[0]


def pairs_of(pictures: list[Image.Image]) -> set[tuple[int, int]]:
    def look(places):
        return [close_view(pictures[place]) for place in places]

    found = find_copies([thumbnail(picture) for picture in pictures], look)
    return {tuple(pair) for pair in found.tolist()}


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    pictures = []
    for label, sketch in SKETCHES.items():
        for number in range(NUM_EACH):
            subject = generator("likeness subject", label, number)
            pixels = sketch(generator("likeness", label, number), 360, 270, subject)
            pictures.append(saved(Image.fromarray(pixels)))
    return pictures


@pytest.mark.parametrize("kind", KINDS)
def test_an_altered_copy_is_paired_with_its_picture_and_with_no_other(
    drawn: list[Image.Image], kind: str
) -> None:
    copies = [saved(KINDS[kind](picture)) for picture in drawn]
    found = pairs_of([*drawn, *copies])
    wanted = {(place, place + len(drawn)) for place in range(len(drawn))}
    assert found <= wanted
    assert len(found) >= 0.9 * len(wanted)


def test_neither_order_nor_company_decides(drawn: list[Image.Image]) -> None:
    copies = [
        saved(change(drawn[place % len(drawn)])) for place, change in enumerate(KINDS.values())
    ]
    pictures = [*drawn, *copies]
    found = pairs_of(pictures)
    order = generator("order").permutation(len(pictures))
    again = pairs_of([pictures[place] for place in order])
    assert {tuple(sorted((int(order[a]), int(order[b])))) for a, b in again} == found
    for one, other in combinations(range(0, len(pictures), 6), 2):
        alone = pairs_of([pictures[one], pictures[other]])
        assert bool(alone) == ((one, other) in found)


def test_plain_skins_make_no_pairs_and_those_too_plain_are_told() -> None:
    skins = [saved(plain_skin(number), 92) for number in range(NUM_SKINS)]
    copies = [saved(skin.transpose(Transpose.ROTATE_180)) for skin in skins]
    found = pairs_of([*skins, *copies])
    assert all(other - one == NUM_SKINS for one, other in found)
    plain = is_plain([thumbnail(skin) for skin in [*skins, *copies]])
    told = ~(plain[:NUM_SKINS] | plain[NUM_SKINS:])
    assert 0.2 < told.mean() < 0.9  # else nothing is tested here
    assert len(found) >= 0.9 * told.sum()
    assert all(told[one] for one, _ in found)


def test_the_view_of_one_dermoscope_makes_no_copies(drawn: list[Image.Image]) -> None:
    views = []
    for picture in drawn:
        pixels = np.asarray(picture).astype(np.float32)
        circle = np.zeros(pixels.shape[:2], np.float32)
        cv2.circle(circle, (pixels.shape[1] // 2, pixels.shape[0] // 2), 123, 1, -1)
        circle = cv2.GaussianBlur(circle, (0, 0), 1.5)[..., None]
        views.append(Image.fromarray((pixels * circle + 6 * (1 - circle)).astype(np.uint8)))
    assert pairs_of(views) == set()
    mirrored = [saved(view.transpose(Transpose.FLIP_LEFT_RIGHT)) for view in views]
    found = pairs_of([*views, *mirrored])
    assert all(other - one == len(views) for one, other in found)
    assert len(found) >= 0.7 * len(views)


def test_only_what_seems_altered_is_looked_at_and_the_close_view_decides(
    drawn: list[Image.Image],
) -> None:
    pictures = [drawn[0], saved(drawn[0], 70), ImageOps.mirror(drawn[1]), drawn[1]]
    thumbnails = [thumbnail(picture) for picture in pictures]
    asked = []

    def look(places):
        asked.extend(places)
        return [close_view(drawn[place]) for place in places]  # other pictures than these

    assert find_copies(thumbnails).tolist() == [[0, 1], [2, 3]]
    assert find_copies(thumbnails, look).tolist() == [[0, 1]]
    assert asked == [2, 3]


def test_a_copy_of_one_view_is_told_from_an_altered_one(drawn: list[Image.Image]) -> None:
    picture = drawn[0]
    same = [saved(picture, 60), saved(picture.resize((140, 105)))]
    others = [*same, *(saved(change(picture)) for change in KINDS.values())]
    thumbnails = [thumbnail(one) for one in [picture, *others]]
    pairs = np.array([(0, place) for place in range(1, len(thumbnails))])
    told = dict(zip(["encoded", "shrunk", *KINDS], is_one_view(thumbnails, pairs), strict=True))
    assert {kind for kind, is_one in told.items() if is_one} == {"encoded", "shrunk", "squeezed"}


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA, reason="SKIN_REAL_DATA names no folder of real pictures")
@pytest.mark.parametrize("kind", ["TRANSVERSE", "cropped at a corner", "several", "caption added"])
def test_altered_copies_of_real_pictures_are_found(kind: str) -> None:
    first: dict[str, Path] = {}
    for path in sorted((Path(REAL_DATA) / "ALL_DATA").rglob("*.*")):
        first.setdefault(path.name, path)
    chosen = sorted(first.values(), key=lambda path: generator("chosen", path.name).random())
    pictures = [read_picture(path.read_bytes(), 256)[0] for path in chosen[:NUM_REAL]]
    copies = [saved(KINDS[kind](picture)) for picture in pictures]
    found = pairs_of([*pictures, *copies])
    assert all(other - one == NUM_REAL for one, other in found)
    assert len(found) >= 0.95 * NUM_REAL
