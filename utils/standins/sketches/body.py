"""Draw a part of a body: hands, arms, legs, feet, trunks, heads."""

import cv2
import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.backdrop import backdrop, shade
from utils.standins.sketches.fields import Field, field, finished, lay, plain
from utils.standins.sketches.limbs import Tone, arm, dress, foot, hand, legs
from utils.standins.sketches.pose import Pose, posed
from utils.standins.sketches.skin import BLOOD, body_skin, skin_tone
from utils.standins.sketches.solids import place, solid

HAIRS = ((0.08, 0.06, 0.05), (0.30, 0.19, 0.10), (0.62, 0.47, 0.27), (0.55, 0.55, 0.55))
SKIRT = ((-0.6, 0.5, 0.55), (0.6, 0.5, 0.55))
NOSE = ((0.06, 0.0), (0.10, 0.2), (0.15, 0.3), (0.08, 0.35), (-0.09, 0.35), (-0.13, 0.3))


def body_part(
    rng: np.random.Generator, width: int, height: int, subject: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Draw a part of a body in front of a wall, a cloth or a floor, 8-bit RGB."""
    tone = skin_tone(subject or rng)
    canvas = backdrop(rng, width, height)
    part = PARTS[rng.integers(len(PARTS))]
    part(rng, canvas, tone)
    canvas *= 1 + np.float32(0.12) * field(rng, width, height, 1.5)
    canvas *= np.float32(rng.uniform(0.86, 1.02))
    return finished(rng, canvas)


def trunk(rng: np.random.Generator, canvas: Field, tone: Tone) -> None:
    """Paint a chest or a back with both arms."""
    pose = posed(rng, canvas, rng.uniform(0.3, 0.44), rng.normal(0, 0.12))
    surface = body_skin(rng, canvas, tone, 0.3)
    top = rng.uniform(-1.0, -0.2)
    (_paint_front if rng.random() < 0.5 else _paint_back)(surface, pose, tone, top)
    for side in (-1, 1):
        x = side * rng.uniform(1.2, 1.6)
        bones = pose.bones(
            (side * 0.98, top - 0.1, 0.3), (x, top + 1.3, 0.23), (x, top + 2.6, 0.19)
        )
        place(rng, canvas, solid(rng, pose.width, pose.height, bones), surface)
    bones = pose.bones((0, top - 1.6, 0.3), (0, top - 0.3, 0.34), (0, top, 0.5), (0, top + 3, 0.6))
    for x in (-1, 1):
        flank = ((0.55 * x, top, 0.5), (0.42 * x, top + 1.3, 0.42), (0.5 * x, top + 3, 0.5))
        bones += pose.bones(*flank)
    place(rng, canvas, solid(rng, pose.width, pose.height, bones, flatness=1.35), surface)
    if rng.random() < 0.6:
        low = top + rng.uniform(1.9, 2.5)
        dress(rng, canvas, pose.bones(*((x, y + low, radius) for x, y, radius in SKIRT)))


def _paint_front(surface: Field, pose: Pose, tone: Tone, top: float) -> None:
    dark = tone * (0.62, 0.48, 0.45)
    lay(surface, dark, pose.disc([(-0.45, top + 0.45), (0.45, top + 0.45)], 0.085, 0.012) * 0.8)
    ribs = [
        [(side * x, top + y) for x, y in ((0.1, 0.75), (0.5, 0.8), (0.8, 0.45))] for side in (-1, 1)
    ]
    lay(surface, dark, pose.line(ribs, 0.03, 0.03) * 0.5)
    lay(surface, dark * 0.6, pose.disc([(0, top + 1.75)], 0.06, 0.015))


def _paint_back(surface: Field, pose: Pose, tone: Tone, top: float) -> None:
    dark = tone * (0.62, 0.48, 0.45)
    spine = [(0.02 * np.sin(3 * y), y) for y in np.linspace(top - 0.2, top + 2.6, 9)]
    lay(surface, dark, pose.line([spine], 0.04, 0.035) * 0.75)
    blade = ((0.55, 0.0), (0.3, 0.35), (0.4, 0.8), (0.65, 0.75))
    blades = [[(side * x, top + y) for x, y in blade] for side in (-1, 1)]
    lay(surface, dark, pose.line(blades, 0.03, 0.03) * 0.6)


def head(rng: np.random.Generator, canvas: Field, tone: Tone) -> None:
    """Paint a face, or a head and neck from behind."""
    pose = posed(rng, canvas, rng.uniform(0.34, 0.55), rng.normal(0, 0.12))
    width, height = pose.width, pose.height
    surface = body_skin(rng, canvas, tone, 0.0)
    hair = shade(rng, HAIRS)
    bones = pose.bones((-1.2, 1.75, 0.45), (0, 1.4, 0.4), (1.2, 1.75, 0.45))
    bones += pose.bones((0, 0.4, 0.38), (0, 1.4, 0.42))
    place(rng, canvas, solid(rng, width, height, bones), surface)
    if rng.random() < 0.6:
        dress(rng, canvas, pose.bones((-1.3, 2.0, 0.55), (0, 1.95, 0.45), (1.3, 2.0, 0.55)))
    mop = plain(width, height, hair)
    strands = field(rng, width, max(2, height // 16), width / 3)
    mop *= 1 + np.asarray(cv2.resize(strands, (width, height))) * np.float32(0.25)
    bones = pose.bones((-0.7, 0.0, 0.12), (-0.68, 0.22, 0.08))
    bones += pose.bones((0.7, 0.0, 0.12), (0.68, 0.22, 0.08))
    bones += pose.bones((0, -0.3, 0.66), (0, 0.2, 0.6), (0, 0.55, 0.42), (0, 0.68, 0.36))
    skull = solid(rng, width, height, bones, flatness=1.15)
    if rng.random() < 0.45:
        place(rng, canvas, skull, surface)
        low = rng.uniform(0.15, 0.5)
        bones = pose.bones((0, -0.32, 0.7), (0, low - 0.2, 0.64), (0, low, 0.5))
        place(rng, canvas, solid(rng, width, height, bones), mop)
        return
    long = rng.uniform(-0.1, 0.9)
    bones = pose.bones((-0.5, long, 0.3), (-0.48, -0.35, 0.34), (0, -0.5, 0.5))
    bones += pose.bones((0, -0.5, 0.5), (0.48, -0.35, 0.34), (0.5, long, 0.3))
    place(rng, canvas, solid(rng, width, height, bones), mop)
    _paint_face(rng, surface, pose, tone, hair)
    place(rng, canvas, skull, surface)
    if rng.random() < 0.85:
        bones = pose.bones((-0.45, -0.72, 0.2), (0, -0.85, 0.24), (0.45, -0.72, 0.2))
        place(rng, canvas, solid(rng, width, height, bones), mop)


def _paint_face(
    rng: np.random.Generator, surface: Field, pose: Pose, tone: Tone, hair: Tone
) -> None:
    dark = tone * (0.55, 0.42, 0.40)
    eye_y, open_eyes = rng.uniform(-0.12, -0.02), rng.random() < 0.6
    lay(surface, tone * 0.75, pose.disc([(-0.29, eye_y), (0.29, eye_y)], 0.17, 0.06) * 0.7)
    for side in (-1, 1):
        x = side * 0.29
        if open_eyes:
            lay(surface, (0.88, 0.86, 0.84), pose.ring(x, eye_y, (0.14, 0.052)))
            lay(surface, hair * 0.4 + 0.12, pose.ring(x, eye_y, (0.056, 0.05)))
            lay(surface, (0.02, 0.02, 0.02), pose.disc([(x, eye_y)], 0.026))
            lay(surface, (1, 1, 1), pose.disc([(x - 0.02, eye_y - 0.02)], 0.01))
        bow = -0.05 if open_eyes else 0.05
        lid = [(x + 0.15 * turn, eye_y + bow * (1 - turn**2)) for turn in np.linspace(-1, 1, 7)]
        lay(surface, dark * 0.5, pose.line([lid], 0.014))
        brow = [(side * a, eye_y + b) for a, b in ((0.13, -0.17), (0.28, -0.22), (0.46, -0.16))]
        lay(surface, hair * 0.8, pose.line([brow], 0.055, 0.012) * 0.8)
    lay(surface, dark, pose.line([NOSE], 0.02, 0.022) * 0.9)
    smile = rng.normal(0.01, 0.02)
    line = [(x, 0.56 + smile * (1 - (x / 0.24) ** 2)) for x in np.linspace(-0.24, 0.24, 9)]
    lay(surface, tone * 0.55 + (0.22, 0.06, 0.07), pose.ring(0, 0.56, (0.23, 0.06)) * 0.75)
    lay(surface, dark * 0.5, pose.line([line], 0.012))
    flush = pose.disc([(-0.4, 0.25), (0.4, 0.25)], 0.2, 0.1) * np.float32(rng.uniform(0, 0.8))
    lay(surface, tone + 2.5 * BLOOD, flush)


PARTS = (hand, hand, arm, legs, foot, trunk, head)
"""What can be shown; hands come twice as often."""
