"""The type of a kind of degradation: an entry of the table, which draws its parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.common.faults import MAX_SEVERITY
from utils.quality.alone import ALONE

SEVERITIES = tuple(range(1, MAX_SEVERITY + 1))
SPREAD = 0.35
"""How far, in levels, the strength of a draw may lie from that of its severity."""

Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """Where good pictures end: at most 5 % of them reach it, in the class where most do.

    Attributes:
        measure: Name of a measure that needs no parent.
        value: What good pictures show at most or at least (`benchmarks/quality/good_range.py`).
        is_most: Whether good pictures are below it rather than above.
    """

    measure: str
    value: float
    is_most: bool

    def holds(self, picture: np.ndarray) -> bool:
        """Tell whether a picture lies among the good ones."""
        found = ALONE[self.measure](picture)
        return found <= self.value if self.is_most else found >= self.value


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which a picture goes wrong.

    Attributes:
        name: In the manifest.
        title: For humans.
        fault: What goes wrong in the clinic.
        shows: Names of the `FAULTS` that a person sees in the picture.
        source: Where the physics or the finding is described.
        group: Two kinds of one group are never combined.
        strength: Name of the parameter that the severity sets.
        levels: Its value at the severities 1 to 5.
        measure: Name of the measure that follows the severity.
        rises: Whether that measure rises (or falls) with the severity.
        limit: What a picture must lie beyond to count as poor, without its parent beside it; None
            where good pictures show as much of every measure.
        instead: Where there is no limit, what makes severity 1 poor.
        weight: How often it is drawn, relative to the others: what happens often, happens often
            here. On 109 real poor pictures (two seeds) recall at 5 % false alarms was 64 % with
            all kinds alike (one seed) and 76 and 84 % with these.
        apply: Pure function of (picture, **parameters).
        draw_others: Draws the parameters that do not depend on the severity.
    """

    name: str
    title: str
    fault: str
    shows: tuple[str, ...]
    source: str
    group: str
    strength: str
    levels: tuple[float, float, float, float, float]
    measure: str
    rises: bool
    apply: Callable[..., np.ndarray]
    draw_others: Callable[[np.random.Generator], Parameters]
    limit: Limit | None = None
    instead: str = ""
    weight: float = 1.0

    def draw(self, rng: np.random.Generator, severity: int) -> Parameters:
        """Draw parameters; with an `rng` in the same state only the strength differs by severity.

        Args:
            severity: From 1, poor beyond doubt, to 5, useless.
        """
        lowest, highest = max(1, severity - SPREAD), min(5, severity + SPREAD)
        place = lowest + (highest - lowest) * rng.random()
        strength = float(f"{np.interp(place, SEVERITIES, self.levels):.4g}")
        return {**self.draw_others(rng), self.strength: strength}
