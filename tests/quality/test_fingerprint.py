"""A fingerprint changes for exactly those seeds that now draw or compute something else."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from utils.quality.degrade import NUM_TURNS, degrade, draw_turn
from utils.quality.fingerprint import (
    fingerprint_of_kind,
    fingerprint_of_table,
    fingerprints_by_turn,
)
from utils.quality.kind import Kind, Limit
from utils.quality.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
ANY = next(iter(KINDS))
LIMITED = next(name for name, kind in KINDS.items() if kind.limit)
SEEDS = range(200)


def fogged(picture: np.ndarray, *, fog: float) -> np.ndarray:
    return (picture * (1 - fog) + 255 * fog).astype(np.uint8)


def paled(picture: np.ndarray, *, fog: float) -> np.ndarray:
    return (picture * (1 - fog) + 250 * fog).astype(np.uint8)


def with_factor(factor: float) -> Callable[..., np.ndarray]:
    return lambda picture, *, fog: fogged(picture, fog=fog * factor)


FOG = replace(
    KINDS[ANY], name="fog", strength="fog", levels=(0.5, 0.6, 0.7, 0.8, 0.9), apply=fogged,
    draw_others=lambda rng: {}, limit=None, instead="half of the light is lost",
)  # fmt: skip


def first_draws() -> list[tuple[str, ...]]:
    return [draw_turn((seed,), 0, list(KINDS))[0] for seed in SEEDS]


def first_fingerprints() -> list[int]:
    return [next(fingerprints_by_turn(seed)) for seed in SEEDS]


@pytest.mark.parametrize(
    "change",
    [
        {"levels": (0.5, 0.6, 0.7, 0.8, 0.95)},
        {"strength": "veil"},
        {"apply": paled},
        {"apply": partial(fogged, strength=2)},
        {"draw_others": lambda rng: {"tint": 0}},
        {"limit": Limit("contrast", 12, is_most=False)},
        {"name": "mist"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_makes_other_pixels_is_another_kind(change: dict[str, object]) -> None:
    assert fingerprint_of_kind(replace(FOG, **change)) != fingerprint_of_kind(FOG)


def test_what_only_describes_a_kind_or_draws_it_is_none() -> None:
    told = replace(FOG, title="Fog", fault="Fog", source="Fog", rises=not FOG.rises, shows=())
    drawn = replace(told, measure="psnr", instead="", weight=9, group="fog")
    assert fingerprint_of_kind(drawn) == fingerprint_of_kind(FOG)


def test_values_that_a_function_encloses_count() -> None:
    kinds = [replace(FOG, apply=with_factor(factor)) for factor in (0.5, 0.5, 0.6)]
    first, again, other = map(fingerprint_of_kind, kinds)
    assert first == again != other
    kinds = [replace(FOG, apply=partial(fogged, factor=factor)) for factor in (1, 1, 2)]
    first, again, other = map(fingerprint_of_kind, kinds)
    assert first == again != other


def test_what_cannot_be_told_from_another_is_refused() -> None:
    with pytest.raises(TypeError, match="Expected a function, a text, a number"):
        fingerprint_of_kind(replace(FOG, apply=partial(fogged, extra=object())))


@pytest.mark.parametrize(
    ("field", "value"), [("value", 0.25), ("measure", "acuity"), ("is_most", None)]
)
def test_another_limit_is_another_kind(field: str, value: object) -> None:
    kind = KINDS[LIMITED]
    assert kind.limit is not None
    changed = replace(kind, limit=replace(kind.limit, **{field: value}))
    assert fingerprint_of_kind(changed) != fingerprint_of_kind(kind)


@pytest.mark.parametrize("name", KINDS)
def test_a_changed_kind_concerns_the_seeds_that_draw_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, table = first_fingerprints(), fingerprint_of_table()
    levels = tuple(2 * level for level in KINDS[name].levels)
    monkeypatch.setitem(KINDS, name, replace(KINDS[name], levels=levels))
    concerned = [name in chosen for chosen in first_draws()]
    changed = [old != new for old, new in zip(before, first_fingerprints(), strict=True)]
    assert changed == concerned
    assert any(changed) and not all(changed)
    assert fingerprint_of_table() != table


@pytest.mark.parametrize("change", ["new", "weight", "group"])
def test_a_new_kind_or_weight_concerns_the_seeds_that_draw_something_else(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, drawn, table = first_fingerprints(), first_draws(), fingerprint_of_table()
    changes: dict[str, Kind] = {
        "new": FOG,
        "weight": replace(KINDS[ANY], weight=3 * KINDS[ANY].weight),
        "group": replace(KINDS[ANY], group="a group of its own"),
    }
    monkeypatch.setitem(KINDS, changes[change].name, changes[change])
    concerned = [old != new for old, new in zip(drawn, first_draws(), strict=True)]
    changed = [old != new for old, new in zip(before, first_fingerprints(), strict=True)]
    assert changed == concerned
    assert not all(changed)
    assert any(changed) or change == "group"
    assert fingerprint_of_table() != table


def test_a_picture_of_the_same_fingerprint_is_the_same(
    texture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(seed: int) -> tuple[int, bytes, str]:
        degraded = degrade(texture, seed)
        told = list(fingerprints_by_turn(seed))[degraded.turn]
        return told, degraded.picture.tobytes(), degraded.parameters

    before = [made(seed) for seed in range(40)]
    monkeypatch.setitem(KINDS, FOG.name, FOG)
    after = [made(seed) for seed in range(40)]
    same = [old == new for old, new in zip(before, after, strict=True)]
    assert same == [old[0] == new[0] for old, new in zip(before, after, strict=True)]
    assert any(same) and not all(same)


def test_a_later_turn_counts_with_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(seed for seed in SEEDS if draw_turn((seed,), 0, list(KINDS))[0] == (LIMITED,))
    before = list(fingerprints_by_turn(seed))
    assert len(set(before)) == NUM_TURNS
    monkeypatch.setitem(KINDS, LIMITED, replace(KINDS[LIMITED], limit=None))
    assert not set(before) & set(fingerprints_by_turn(seed))


def test_another_process_finds_the_same() -> None:
    code = "from utils.quality.fingerprint import fingerprint_of_table as f; print(f())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == fingerprint_of_table()
