"""Fingerprints of how pictures are degraded, which change where a seed gives other pixels.

A data set keeps each degraded picture under the fingerprint of all that it was made by, so that a
new or changed kind makes exactly those pictures again that are now drawn or computed otherwise.
"""

import dataclasses
from collections.abc import Iterator
from functools import cache, partial
from types import FunctionType

from utils.common.seeds import stable_hash
from utils.quality.alone import ALONE
from utils.quality.code import fingerprint_of_code
from utils.quality.degrade import NUM_TURNS, degrade, draw_turn
from utils.quality.kind import Kind, Limit
from utils.quality.kinds import ALWAYS_BITE, KINDS

WITHOUT_PIXELS = frozenset({"title", "fault", "shows", "source", "measure", "rises", "instead"})
"""Fields of a kind that describe it."""

ONLY_DRAWN_BY = frozenset({"group", "weight"})
"""Fields that say nothing else than which kinds a seed draws."""

TABLES = frozenset({"ALONE", "ALWAYS_BITE", "KINDS"})
"""Tables of which a picture depends on some entries, each with its own fingerprint."""


def fingerprints_by_turn(*seed: object) -> Iterator[int]:
    """Yield for each turn of `degrade` what a picture is made by that succeeds in that turn.

    A turn counts with those before it, which were refused: had they been drawn or computed
    otherwise, they might not have been.

    Args:
        seed: What `degrade` is given.
    """
    told = _of_drawing()
    for turn in range(NUM_TURNS):
        chosen, _ = draw_turn(seed, turn, list(KINDS))
        told = stable_hash(told, *(fingerprint_of_kind(KINDS[name]) for name in chosen))
        yield told


def fingerprint_of_table() -> int:
    """Return the fingerprint of everything that any seed may draw."""
    kinds = (
        (fingerprint_of_kind(kind), *(getattr(kind, name) for name in sorted(ONLY_DRAWN_BY)))
        for kind in KINDS.values()
    )
    return stable_hash(_of_drawing(), ALWAYS_BITE, *kinds)


@cache
def fingerprint_of_kind(kind: Kind) -> int:
    """Return the fingerprint of what a kind makes of a picture once it is drawn."""
    return stable_hash(
        *(
            (field.name, _told(getattr(kind, field.name)))
            for field in dataclasses.fields(kind)
            if field.name not in WITHOUT_PIXELS | ONLY_DRAWN_BY
        )
    )


@cache
def _of_drawing() -> int:
    """Return the fingerprint of what all kinds share: how they are drawn, tried and refused."""
    shared = degrade, Kind.draw, Limit.holds
    return stable_hash(*(fingerprint_of_code(function, TABLES) for function in shared))


def _told(value: object) -> object:
    """Return what tells a value of an entry from another one, the same in every process.

    Raises:
        TypeError: If that cannot be told.
    """
    if isinstance(value, FunctionType):
        enclosed = [_told(cell.cell_contents) for cell in value.__closure__ or ()]
        return fingerprint_of_code(value, TABLES), enclosed
    if isinstance(value, partial):
        return _told(value.func), _told(value.args), _told(value.keywords)
    if isinstance(value, Limit):
        return dataclasses.astuple(value), _told(ALONE[value.measure])
    if isinstance(value, (list, tuple)):
        return [_told(one) for one in value]
    if isinstance(value, dict):
        return [(name, _told(one)) for name, one in sorted(value.items())]
    if value is None or isinstance(value, (bool, float, int, str)):
        return repr(value)
    raise TypeError(f"Expected a function, a text, a number or some of these, not {value!r}")
