"""Place bones and masks in the picture from a thing's own units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utils.standins.sketches.fields import Field, blurred, dots, polygon, strokes
from utils.standins.sketches.solids import Bone, chain

Place = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """Where a thing that has its own units lies in the picture.

    Attributes:
        width: Width of the picture in pixels.
        height: Its height.
        origin: Place of its own origin, in pixels.
        unit: Length of its own unit, in pixels.
        turn: By how much it is turned, in radians.
        mirror: -1 for a left one, 1 for a right one.
    """

    width: int
    height: int
    origin: NDArray[np.float64]
    unit: float
    turn: float
    mirror: float

    def at(self, x: float, y: float) -> Place:
        """Map a place in its own units to pixels."""
        x, y = self.mirror * x * self.unit, y * self.unit
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return float(self.origin[0] + cos * x - sin * y), float(self.origin[1] + sin * x + cos * y)

    def bones(self, *joints: tuple[float, float, float]) -> list[Bone]:
        """Join joints (x, y, radius), in its own units."""
        return chain([(*self.at(x, y), radius * self.unit) for x, y, radius in joints])

    def shape(self, corners: Sequence[Place]) -> Field:
        """Return the mask of a polygon."""
        return polygon(self.width, self.height, [self.at(*corner) for corner in corners])

    def disc(self, places: Sequence[Place], radius: float, soft: float = 0) -> Field:
        """Return the mask of discs, blurred by `soft` units."""
        centres = np.array([self.at(*at) for at in places])
        mask = dots(self.width, self.height, centres, np.full(len(places), radius * self.unit))
        return self._softened(mask, soft)

    def line(self, lines: Sequence[Sequence[Place]], thickness: float, soft: float = 0) -> Field:
        """Return the mask of lines, blurred by `soft` units."""
        curves = [np.array([self.at(*at) for at in line]) for line in lines]
        mask = strokes(self.width, self.height, curves, max(1, round(thickness * self.unit)))
        return self._softened(mask, soft)

    def ring(self, x: float, y: float, size: Place, way: float = 0) -> Field:
        """Return the mask of an ellipse of this half width and half height, turned by `way`."""
        turns = np.linspace(0, 2 * np.pi, 18)
        across, along = size[0] * np.cos(turns), size[1] * np.sin(turns)
        cos, sin = np.cos(way), np.sin(way)
        corners = np.stack([x + across * cos - along * sin, y + across * sin + along * cos], axis=1)
        return self.shape(corners.tolist())

    def _softened(self, mask: Field, soft: float) -> Field:
        return blurred(mask, soft * self.unit) if soft else mask


def posed(rng: np.random.Generator, canvas: Field, scale: float, turn: float) -> Pose:
    """Return a pose near the middle, with `scale` of the shorter side for a unit."""
    height, width = canvas.shape[1:]
    origin = np.array([width, height]) * rng.normal(0.5, 0.05, 2)
    mirror = float(rng.choice((-1.0, 1.0)))
    return Pose(width, height, origin, min(width, height) * scale, turn, mirror)
