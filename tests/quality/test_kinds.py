"""Every kind: pure, valid for every shape, drawn evenly, with the severity in one parameter."""

import json
from collections import Counter

import numpy as np
import pytest
from scipy.special import chdtri

from benchmarks.tools.drawn_texture import draw_texture
from utils.common.faults import FAULT_NAMES
from utils.quality.alone import ALONE
from utils.quality.degrade import COMBINED, draw_kinds
from utils.quality.kind import SEVERITIES
from utils.quality.kinds import ALWAYS_BITE, KINDS
from utils.quality.measures import MEASURES

SHAPES = [(32, 32), (33, 47), (47, 33), (32, 640), (256, 341), (301, 257), (515, 400)]
ALL_KINDS = pytest.mark.parametrize("name", KINDS)


@ALL_KINDS
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_and_type_stay(name: str, shape: tuple[int, int]) -> None:
    picture = draw_texture(np.random.default_rng(1), *shape)
    before = picture.copy()
    picture.setflags(write=False)
    for severity in (1, 5):
        parameters = KINDS[name].draw(np.random.default_rng(severity), severity)
        degraded = KINDS[name].apply(picture, **parameters)
        assert degraded.shape == picture.shape
        assert degraded.dtype == np.uint8
        assert not np.shares_memory(degraded, picture)
    assert not np.array_equal(degraded, picture)
    assert np.array_equal(picture, before)


def test_each_kind_shows_faults_and_each_fault_has_a_kind() -> None:
    assert all(kind.shows and len(set(kind.shows)) == len(kind.shows) for kind in KINDS.values())
    assert {fault for kind in KINDS.values() for fault in kind.shows} == set(FAULT_NAMES)


@ALL_KINDS
def test_only_the_strength_depends_on_the_severity(name: str) -> None:
    kind = KINDS[name]
    draws = [kind.draw(np.random.default_rng(7), severity) for severity in SEVERITIES]
    strengths = [draw.pop(kind.strength) for draw in draws]
    assert all(draw == draws[0] for draw in draws)
    rising = kind.levels[0] < kind.levels[-1]
    assert strengths == sorted(set(strengths), reverse=not rising)


@ALL_KINDS
def test_strengths_stay_between_the_outer_levels(name: str) -> None:
    kind = KINDS[name]
    low, high = min(kind.levels), max(kind.levels)
    for seed in range(50):
        for severity in (1, 5):
            strength = kind.draw(np.random.default_rng(seed), severity)[kind.strength]
            assert low <= strength <= high


@ALL_KINDS
def test_parameters_survive_json(name: str) -> None:
    parameters = KINDS[name].draw(np.random.default_rng(3), 3)
    assert json.loads(json.dumps(parameters, allow_nan=False)) == parameters


@ALL_KINDS
def test_entries_are_complete(name: str) -> None:
    kind = KINDS[name]
    assert kind.name == name
    assert kind.measure in MEASURES
    assert min(len(kind.title), len(kind.fault), len(kind.source), len(kind.group)) > 3
    differences = np.diff(kind.levels)
    assert (differences > 0).all() or (differences < 0).all()


@ALL_KINDS
def test_a_limit_or_a_reason_says_what_is_poor(name: str) -> None:
    kind = KINDS[name]
    assert (kind.limit is None) == bool(kind.instead)
    assert kind.limit is None or kind.limit.measure in ALONE


def test_fallbacks_are_known() -> None:
    assert set(ALWAYS_BITE) <= set(KINDS)


def test_kinds_are_drawn_by_their_weights() -> None:
    rng = np.random.default_rng(0)
    draws = [draw_kinds(rng, list(KINDS)) for _ in range(6000)]
    single = Counter(draw[0] for draw in draws if len(draw) == 1)
    assert set(single) == set(KINDS)
    total = sum(kind.weight for kind in KINDS.values())
    expected = {name: sum(single.values()) * kind.weight / total for name, kind in KINDS.items()}
    chi_square = sum((single[name] - count) ** 2 / count for name, count in expected.items())
    assert chi_square < chdtri(len(KINDS) - 1, 0.001)
    assert sum(single.values()) / len(draws) == pytest.approx(1 - COMBINED, abs=0.02)


def test_combinations_are_of_two_groups_in_physical_order() -> None:
    rng = np.random.default_rng(0)
    order = list(KINDS)
    pairs = {draw for draw in (draw_kinds(rng, order) for _ in range(6000)) if len(draw) == 2}
    assert len(pairs) > 50
    for first, second in pairs:
        assert order.index(first) < order.index(second)
        assert KINDS[first].group != KINDS[second].group
