"""Make a picture visibly worse by a seed, and make it again from its row in the manifest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.common.seeds import generator, stable_hash
from utils.common.system.memory import keep_freed_memory
from utils.quality.kind import SEVERITIES, Parameters
from utils.quality.kinds import ALWAYS_BITE, KINDS
from utils.quality.measures import changed_share, view

SMALLEST_SIDE = 32
MOST_DRAWS = 9
TRIES = 3
"""Strengths at which drawn kinds are tried, each a level above the one before."""

NUM_DRAWN = MOST_DRAWS // TRIES
NUM_TURNS = NUM_DRAWN + len(ALWAYS_BITE)
"""Turns in which kinds are drawn, and those with one of `ALWAYS_BITE` each."""

COMBINED = 1 / 6
"""Share of the draws that combine two kinds."""

VISIBLE_SHARE = 0.08
"""A picture counts as visibly worse if at least this share of it visibly changed."""


class DegradationError(Exception):
    """A picture that could not be made worse; never passed over in silence."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A degraded picture and what was done to it.

    Attributes:
        picture: uint8 RGB, of the parent's shape.
        degradation: "defocus_blur", or "motion_blur+sensor_noise" for a combination.
        severity: From 1 to 5.
        parameters: Compact JSON, an object per kind, from which `reapply` makes it again.
        redraws: How often a draw was refused that changed too little or was not poor.
        turn: Number of the turn, as `draw_turn` counts them, in which it succeeded.
    """

    picture: np.ndarray
    degradation: str
    severity: int
    parameters: str
    redraws: int
    turn: int


def degrade(picture: np.ndarray, *seed: object, kinds: Sequence[str] | None = None) -> Degraded:
    """Make a picture visibly worse in a way that depends on `seed` alone.

    Kinds are drawn by their weights and severities alike; one draw in six combines two kinds.
    Refused is what changes too little, such as blur on a plain wall, and what good pictures show
    as well (`is_poor`): the same kinds are then tried a level stronger, up to two levels, before
    others are drawn. The severity stays, so that severities are spread evenly whatever the
    pictures.

    Args:
        picture: uint8 RGB, shape (height, width, 3), at least 32 pixels high and wide.
        seed: Parts of the seed, for example (seed, name of the picture).
        kinds: Names to draw from; all of them by default.

    Raises:
        DegradationError: If the picture cannot be degraded, or no draw made it visibly worse.
    """
    _require_picture(picture)
    keep_freed_memory()
    names = _known(kinds)
    severity = SEVERITIES[stable_hash(*seed, "severity") % len(SEVERITIES)]
    num_turns = NUM_DRAWN + len(_last_resorts(names))
    attempts = [
        (turn, stronger)
        for turn in range(num_turns)
        for stronger in (range(TRIES) if turn < NUM_DRAWN else (0,))
    ]
    for redraws, (turn, stronger) in enumerate(attempts):
        chosen, rng = draw_turn(seed, turn, names)
        parameters = draw_parameters(rng, chosen, severity, stronger)
        degraded = _apply(picture, parameters)
        if is_visibly_worse(degraded, picture) and is_poor(degraded, chosen):
            text = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
            return Degraded(degraded, "+".join(chosen), severity, text, redraws, turn)
    raise DegradationError(
        f"No draw of {', '.join(names)} at severity {severity} made this picture visibly worse"
    )


def reapply(picture: np.ndarray, degradation: str, severity: int, parameters: str) -> np.ndarray:
    """Make a degraded picture again from its row in the manifest: the same pixels.

    Raises:
        DegradationError: If the row does not describe a degradation.
    """
    _require_picture(picture)
    try:
        of_kind: dict[str, Parameters] = json.loads(parameters)
    except json.JSONDecodeError as error:
        raise DegradationError(f"Unreadable parameters {parameters!r}: {error}") from None
    names = degradation.split("+")
    if severity not in SEVERITIES or not isinstance(of_kind, dict) or set(names) != set(of_kind):
        raise DegradationError(
            f"'{degradation}' of severity {severity} does not fit the parameters {parameters!r}"
        )
    return _apply(picture, {name: of_kind[name] for name in _known(names)})


def draw_turn(
    seed: Sequence[object], turn: int, names: Sequence[str]
) -> tuple[tuple[str, ...], np.random.Generator]:
    """Return the kinds that are tried in a turn, and what draws their parameters.

    Args:
        seed: Parts of the seed.
        turn: Below `NUM_DRAWN` kinds are drawn; then comes one of `ALWAYS_BITE` after the other.
        names: Kinds to draw from, in the table's order.
    """
    if turn < NUM_DRAWN:
        rng = generator(*seed, "degradation", turn)
        return draw_kinds(rng, names), rng
    resort = turn - NUM_DRAWN
    return (_last_resorts(names)[resort],), generator(*seed, "degradation", MOST_DRAWS + resort)


def _last_resorts(names: Sequence[str]) -> list[str]:
    return [name for name in ALWAYS_BITE if name in names]


def draw_kinds(rng: np.random.Generator, names: Sequence[str]) -> tuple[str, ...]:
    """Draw one kind or, one time in six, two of different groups in their physical order."""
    first = _draw_weighted(rng, names)
    others = [name for name in names if KINDS[name].group != KINDS[first].group]
    if not others or rng.random() >= COMBINED:
        return (first,)
    return tuple(sorted((first, _draw_weighted(rng, others)), key=list(KINDS).index))


def _draw_weighted(rng: np.random.Generator, names: Sequence[str]) -> str:
    """Draw a kind, each as often as its weight says."""
    reached = np.cumsum([KINDS[name].weight for name in names])
    return names[int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))]


def draw_parameters(
    rng: np.random.Generator, names: Sequence[str], severity: int, stronger: int = 0
) -> dict[str, Parameters]:
    """Draw the parameters of each kind; two at once are one level milder each.

    Args:
        stronger: Levels to add for a picture on which the kinds hardly show.
    """
    level = max(1, severity - 1) if len(names) > 1 else severity
    level = min(SEVERITIES[-1], level + stronger)
    return {name: KINDS[name].draw(rng, level) for name in names}


def is_visibly_worse(degraded: np.ndarray, parent: np.ndarray) -> bool:
    """Tell whether enough of a picture differs from its parent at the size of the network."""
    return changed_share(view(degraded), view(parent), VISIBLE_SHARE) >= VISIBLE_SHARE


def is_poor(degraded: np.ndarray, names: Sequence[str]) -> bool:
    """Tell whether a degraded picture is poor on its own: beyond what good ones show.

    Of a combination one kind is enough.
    """
    seen = view(degraded)
    limits = [KINDS[name].limit for name in names]
    return any(limit is None or not limit.holds(seen) for limit in limits)


def _known(kinds: Sequence[str] | None) -> list[str]:
    """Return names of kinds in the table's order, so that the caller's order changes nothing."""
    if kinds is None:
        return list(KINDS)
    unknown = [name for name in kinds if name not in KINDS]
    if unknown or not kinds:
        raise DegradationError(f"No such kinds: {unknown}. Known: {', '.join(KINDS)}")
    return [name for name in KINDS if name in kinds]


def _apply(picture: np.ndarray, parameters: dict[str, Parameters]) -> np.ndarray:
    degraded = np.ascontiguousarray(picture)
    for name, values in parameters.items():
        try:
            degraded = KINDS[name].apply(degraded, **values)
        except Exception as error:
            raise DegradationError(f"{name} with {values} failed: {error!r}") from error
    if degraded.shape != picture.shape or degraded.dtype != np.uint8:
        raise DegradationError(f"{list(parameters)} made {degraded.dtype} of {degraded.shape}")
    return degraded


def _require_picture(picture: np.ndarray) -> None:
    is_rgb = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    if not is_rgb or min(picture.shape[:2]) < SMALLEST_SIDE:
        raise DegradationError(
            f"A picture of shape {picture.shape} and type {picture.dtype} cannot be degraded; "
            f"expected uint8 RGB of at least {SMALLEST_SIDE} pixels a side"
        )
