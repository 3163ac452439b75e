"""How many pictures each stand-in draws, so that no class grows when a collection is added."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from utils.standins.layouts.stand_in import StandIn

MEASURED = 1_000
"""Number of pictures at which the parts are measured: enough that rounding does not count."""


def share_out(stand_ins: Mapping[str, StandIn], pictures: int) -> dict[str, int]:
    """Return the number to plan each collection with, so that no class exceeds `pictures`.

    The part of a class that a collection asks for is what its plan draws. Where the parts of a
    class add up to more than the whole, its collections are cut by one factor, the scarcest
    class first. A collection of several classes is cut by the scarcest of them, and what it
    leaves of the others goes to the rest (max-min fairness).

    Args:
        stand_ins: All collections among which the classes are shared out.
        pictures: Different pictures of each class over all collections.
    """
    parts = _parts(stand_ins)
    factors: dict[str, float] = {}
    while open_ := {name: part for name, part in parts.items() if name not in factors}:
        room = _room(parts, factors)
        wanted: Counter[str] = Counter()
        for part in open_.values():
            wanted.update(part)
        scarcest = min(wanted, key=lambda label: room[label] / wanted[label], default="")
        factor = min(1.0, max(0.0, room[scarcest] / wanted[scarcest])) if scarcest else 1.0
        cut = [name for name, part in open_.items() if scarcest in part]
        factors |= dict.fromkeys(cut if factor < 1 else open_, factor)
    return {name: round(factor * pictures) for name, factor in factors.items()}


def _parts(stand_ins: Mapping[str, StandIn]) -> dict[str, Counter[str]]:
    """Return how many pictures of each class the collections ask for.

    A picture that two of them share counts for the first.
    """
    seen: set[str] = set()
    parts: dict[str, Counter[str]] = {name: Counter() for name in stand_ins}
    for name, stand_in in stand_ins.items():
        for drawing in stand_in.plan(MEASURED).drawings:
            if drawing.name not in seen:
                seen.add(drawing.name)
                parts[name][drawing.label] += 1
    return parts


def _room(parts: Mapping[str, Counter[str]], factors: Mapping[str, float]) -> dict[str, float]:
    """Return what the collections with a factor leave of each class."""
    room: dict[str, float] = defaultdict(lambda: float(MEASURED))
    for name, factor in factors.items():
        for label, count in parts[name].items():
            room[label] -= factor * count
    return room
