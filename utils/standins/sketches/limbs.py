"""Draw a hand, an arm, legs or a foot on a canvas."""

import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.backdrop import CLOTHES, cloth, shade
from utils.standins.sketches.fields import Field, creases, lay
from utils.standins.sketches.pose import Pose, posed
from utils.standins.sketches.skin import body_skin
from utils.standins.sketches.solids import Bone, place, solid

Tone = NDArray[np.float32]
Joint = tuple[float, float, float]

PALM_LINES = (
    ((-0.6, 0.3), (-0.2, 0.42), (0.3, 0.3), (0.55, 0.02)),
    ((0.6, 0.3), (0.1, 0.48), (-0.35, 0.65), (-0.5, 0.8)),
    ((0.6, 0.32), (0.22, 0.55), (0.1, 0.85), (0.12, 1.1)),
)
FINGERS = ((-0.54, 0.95), (-0.19, 1.15), (0.17, 1.2), (0.5, 1.0))
"""Where each finger starts and how long it is, the little finger first."""

TOES = (
    *((-0.42, 0.6, 0.19), (-0.17, 0.58, 0.135), (0.06, 0.52, 0.13)),
    *((0.27, 0.44, 0.12), (0.45, 0.34, 0.11)),
)
"""Where each toe starts, how long and how thick it is, the big toe first."""


def dress(rng: np.random.Generator, canvas: Field, bones: list[Bone]) -> None:
    """Put cloth around a stretch of the body."""
    height, width = canvas.shape[1:]
    sleeve = cloth(rng, width, height, shade(rng, CLOTHES))
    place(rng, canvas, solid(rng, width, height, bones, contrast=0.5), sleeve)


def hand(rng: np.random.Generator, canvas: Field, tone: Tone) -> None:
    """Paint the back of a hand, or its palm."""
    pose = posed(rng, canvas, rng.uniform(0.23, 0.34), rng.uniform(0, 2 * np.pi))
    bones = pose.bones((-0.33, 0.1, 0.36), (-0.25, 0.75, 0.34))
    bones += pose.bones((0.33, 0.1, 0.36), (0.2, 0.75, 0.34))
    bones += pose.bones((0, 0.1, 0.38), (0, 0.8, 0.36), (0.02, 1.5, 0.33), (0.1, 4, 0.5))
    spread, bent = rng.uniform(0.06, 0.24), rng.uniform(0.7, 1.0)
    fingers = []
    for number, (x, length) in enumerate(FINGERS):
        finger = _finger(rng, x, (number - 1.4) * spread, length * bent)
        bones += pose.bones(*finger)
        fingers.append(finger)
    way = rng.uniform(0.5, 1.1)
    thumb = [(0.35, 0.75, 0.3), (0.62, 0.4, 0.22)]
    for length, radius in ((0.5, 0.18), (0.85, 0.15)):
        thumb.append((0.62 + length * np.sin(way), 0.4 - length * np.cos(way), radius))
    bones += pose.bones(*thumb)
    surface = body_skin(rng, canvas, tone, 0.2)
    if rng.random() < 0.55:
        for finger in fingers:
            _paint_nail(surface, pose, tone, finger)
        knuckles = [joint[:2] for finger in fingers for joint in finger[:3]]
        lines = creases(rng, pose.width, pose.height, 70, 0.4) * np.float32(0.7)
        lay(surface, tone * 0.55, pose.disc(knuckles, 0.12, 0.05) * lines)
    else:
        _pale(surface)
        lay(surface, tone * 0.55, pose.line(PALM_LINES, 0.015) * np.float32(0.7))
    place(rng, canvas, solid(rng, pose.width, pose.height, bones), surface)
    if rng.random() < 0.4:
        dress(rng, canvas, pose.bones((0.04, 2.0, 0.5), (0.1, 4.5, 0.7)))


def _finger(rng: np.random.Generator, x: float, way: float, length: float) -> list[Joint]:
    joints = [(x, 0.0, 0.19)]
    for share, radius in ((0.45, 0.175), (0.32, 0.16), (0.23, 0.135)):
        way += rng.normal(0, 0.05)
        x, y, _ = joints[-1]
        joints.append((x + np.sin(way) * length * share, y - np.cos(way) * length * share, radius))
    return joints


def _paint_nail(surface: Field, pose: Pose, tone: Tone, finger: list[Joint]) -> None:
    (before_x, before_y, _), (x, y, radius) = finger[-2:]
    way = np.arctan2(x - before_x, before_y - y)
    nail = np.minimum(1, tone * 0.5 + (0.46, 0.36, 0.36))
    lay(surface, nail, pose.ring(x, y, (radius * 0.62, radius * 0.85), way))


def _pale(surface: Field) -> None:
    """Turn skin into that of a palm or a sole, which hardly tans."""
    surface *= np.float32(0.8)
    surface += np.array((0.17, 0.11, 0.10), np.float32)[:, None, None]


def arm(rng: np.random.Generator, canvas: Field, tone: Tone) -> None:
    """Paint a forearm and an elbow, with a sleeve or without."""
    pose = posed(rng, canvas, rng.uniform(0.2, 0.34), rng.uniform(0, 2 * np.pi))
    bend = rng.uniform(-0.9, 0.9)
    cos, sin = np.cos(bend), np.sin(bend)
    bones = pose.bones((-3.6, 0.1, 0.42), (-2.4, 0.05, 0.38), (-1.2, 0.0, 0.52), (0, 0, 0.56))
    bones += pose.bones((0, 0, 0.56), (1.2 * cos, 1.2 * sin, 0.62), (3.5 * cos, 3.5 * sin, 0.8))
    body = solid(rng, pose.width, pose.height, bones)
    place(rng, canvas, body, body_skin(rng, canvas, tone, 0.4))
    if rng.random() < 0.55:
        start = rng.uniform(0.9, 1.7)
        dress(rng, canvas, pose.bones((start * cos, start * sin, 0.78), (5 * cos, 5 * sin, 1.0)))


def legs(rng: np.random.Generator, canvas: Field, tone: Tone) -> None:
    """Paint two legs, from the thighs to the knees or from the knees to the feet."""
    lying = rng.choice((0, 0, 0, np.pi / 2))
    pose = posed(rng, canvas, rng.uniform(0.22, 0.34), rng.normal(0, 0.1) + lying)
    apart, low = rng.uniform(0.62, 0.9), rng.uniform(-1.4, 1.2)
    surface = body_skin(rng, canvas, tone, 0.5)
    shorts = low - rng.uniform(1.5, 2.0) if rng.random() < 0.6 else None
    with_feet = rng.random() < 0.8
    for side in (-1, 1):
        x = side * apart
        bones = pose.bones((x * 1.1, low - 3.2, 0.75), (x, low - 1.2, 0.52), (x, low - 0.3, 0.42))
        bones += pose.bones((x, low - 0.3, 0.42), (x * 1.04, low + 0.3, 0.5), (x, low + 1.6, 0.27))
        if with_feet:
            foot_at = ((x, low + 1.6, 0.27), (x * 1.1, low + 2.1, 0.3), (x * 1.35, low + 2.55, 0.3))
            bones += pose.bones(*foot_at)
        else:
            bones += pose.bones((x, low + 1.6, 0.27), (x, low + 4, 0.3))
        place(rng, canvas, solid(rng, pose.width, pose.height, bones), surface)
    if shorts is not None:
        for side in (-1, 1):
            leg = pose.bones((side * apart, shorts, 0.74), (side * apart, low - 5, 0.95))
            dress(rng, canvas, leg)


def foot(rng: np.random.Generator, canvas: Field, tone: Tone) -> None:
    """Paint a foot from above, or its sole."""
    pose = posed(rng, canvas, rng.uniform(0.24, 0.34), rng.uniform(0, 2 * np.pi))
    surface = body_skin(rng, canvas, tone, 0.2)
    from_above = rng.random() < 0.5
    heel = (0.05, 3.0, 0.5) if from_above else (0.02, 1.15, 0.42)
    bones = pose.bones(heel, (0.08, 0.9, 0.4), (0.06, 0.3, 0.42), (0, -0.45, 0.5))
    bones += pose.bones((0, -0.45, 0.5), (-0.12, -0.55, 0.5))
    if not from_above:
        _pale(surface)
    for number, (x, length, radius) in enumerate(TOES):
        base = 0.07 * number**1.3 - 0.72
        toe = [(x, base, radius * 0.9), (x - 0.04, base - length, radius)]
        bones += pose.bones(*toe)
        if from_above:
            _paint_nail(surface, pose, tone, toe)
    place(rng, canvas, solid(rng, pose.width, pose.height, bones), surface)
