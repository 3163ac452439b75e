"""`degrade` and `reapply`: deterministic, visibly worse, and never the clean picture."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.tools.drawn_texture import draw_texture
from utils.common.seeds import stable_hash
from utils.quality import degrade as room
from utils.quality.degrade import (
    MOST_DRAWS,
    DegradationError,
    degrade,
    draw_turn,
    is_poor,
    is_visibly_worse,
    reapply,
)
from utils.quality.effects.compression import recompress
from utils.quality.kind import SEVERITIES
from utils.quality.kinds import KINDS
from utils.quality.sizes import shape_at

ROOT = Path(__file__).resolve().parents[2]

PRINT_HASH = """
import hashlib, sys
import cv2, numpy as np
from utils.quality.degrade import degrade
from utils.quality.kinds import KINDS
from benchmarks.tools.drawn_texture import draw_texture

cv2.setNumThreads(int(sys.argv[1]))
total = hashlib.sha256()
for side in (256, 600):
    picture = draw_texture(np.random.default_rng(0), side, side + 85)
    for name in KINDS:
        for seed in range(3):
            degraded = degrade(picture, seed, kinds=[name, "sensor_noise"])
            total.update(degraded.picture.tobytes() + degraded.parameters.encode())
print(total.hexdigest())
"""


def test_the_same_seed_gives_the_same_picture(texture: np.ndarray) -> None:
    for seed in range(40):
        first, second = degrade(texture, seed, "a.jpg"), degrade(texture, seed, "a.jpg")
        assert np.array_equal(first.picture, second.picture)
        assert (first.degradation, first.parameters) == (second.degradation, second.parameters)


def test_other_seeds_give_other_pictures(texture: np.ndarray) -> None:
    digests = {hashlib.sha256(degrade(texture, seed).picture).digest() for seed in range(40)}
    assert len(digests) >= 39  # two thumbnails may happen to be of the same size


@pytest.mark.slow
def test_threads_and_processes_change_nothing() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", PRINT_HASH, threads],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "7")
    ]  # fmt: skip
    assert printed[0] == printed[1]


def test_global_random_numbers_are_left_alone(texture: np.ndarray) -> None:
    before = str(np.random.get_state())  # noqa: NPY002
    degrade(texture, 0)
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_reapply_makes_the_same_pixels(textures: list[np.ndarray]) -> None:
    for seed in range(60):
        picture = textures[seed % len(textures)]
        degraded = degrade(picture, "row", seed)
        row = (degraded.degradation, degraded.severity, degraded.parameters)
        assert np.array_equal(reapply(picture, *row), degraded.picture)


def test_parameters_are_compact_json_keyed_by_kind(texture: np.ndarray) -> None:
    for seed in range(30):
        degraded = degrade(texture, seed)
        parameters = json.loads(degraded.parameters)
        assert set(parameters) == set(degraded.degradation.split("+"))
        compact = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
        assert compact == degraded.parameters


def test_every_draw_is_visibly_worse(textures: list[np.ndarray]) -> None:
    for seed in range(100):
        picture = textures[seed % len(textures)]
        degraded = degrade(picture, "worse", seed)
        assert is_visibly_worse(degraded.picture, picture)
        assert degraded.picture.shape == picture.shape
        assert degraded.severity in SEVERITIES


def test_every_draw_is_poor_without_its_parent(textures: list[np.ndarray]) -> None:
    for seed in range(60):
        degraded = degrade(textures[seed % len(textures)], "poor", seed)
        assert is_poor(degraded.picture, degraded.degradation.split("+"))


HARMLESS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "5 % brighter": lambda picture: cv2.convertScaleAbs(picture, alpha=1.05),
    "5 % darker": lambda picture: cv2.convertScaleAbs(picture, alpha=0.95),
    "JPEG of quality 75": lambda picture: recompress(picture, 75),
    "made 224 pixels and back": lambda picture: resized(picture, 224),
    "all of them": lambda picture: recompress(
        cv2.convertScaleAbs(resized(picture, 224), alpha=0.95), 75
    ),
}


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    small = cv2.resize(picture, shape_at(picture.shape, side)[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_good_pictures_undergo_is_not_visibly_worse(
    name: str, textures: list[np.ndarray]
) -> None:
    assert not any(is_visibly_worse(HARMLESS[name](texture), texture) for texture in textures)


def test_what_is_refused_is_tried_again_a_level_stronger(
    texture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, refusals = KINDS["haze"], iter([False, False, True])
    monkeypatch.setattr(room, "is_poor", lambda picture, names: next(refusals))
    seed = next(seed for seed in range(99) if stable_hash(seed, "severity") % 5 == 1)
    degraded = degrade(texture, seed, kinds=["haze"])
    assert (degraded.severity, degraded.redraws) == (2, 2)
    found = json.loads(degraded.parameters)["haze"]["contrast"]
    assert kind.levels[2] > found > kind.levels[4]  # that of severity 4
    row = (degraded.degradation, degraded.severity, degraded.parameters)
    assert np.array_equal(reapply(texture, *row), degraded.picture)


@pytest.mark.slow
def test_severities_are_spread_evenly_and_most_pictures_get_the_kind_drawn_for_them() -> None:
    """How often a kind is drawn by its weight is in `test_kinds.py`."""
    picture = draw_texture(np.random.default_rng(0), 96, 96)
    draws = [degrade(picture, "spread", seed) for seed in range(2000)]
    severities = Counter(draw.severity for draw in draws)
    assert sum((count - 400) ** 2 / 400 for count in severities.values()) < 18.5  # 0.1 %
    taken: dict[tuple[str, ...], list[bool]] = defaultdict(list)
    for seed, draw in enumerate(draws):
        chosen, _ = draw_turn(("spread", seed), 0, list(KINDS))
        taken[chosen].append(draw.turn == 0)
    for name in KINDS:
        assert np.mean(taken[name,]) > 0.6, name


@pytest.mark.parametrize("value", [0, 1, 90, 128, 254, 255])
def test_a_plain_wall_is_drawn_again_until_it_is_worse(value: int) -> None:
    wall = np.full((96, 128, 3), value, np.uint8)
    draws = [degrade(wall, "wall", value, seed) for seed in range(60)]
    assert all(is_visibly_worse(draw.picture, wall) for draw in draws)
    assert sum(draw.redraws for draw in draws) > 0


def test_blur_of_a_plain_wall_falls_back_to_what_bites() -> None:
    wall = np.full((64, 64, 3), 120, np.uint8)
    blurs = ["defocus_blur", "motion_blur", "low_resolution"]
    with pytest.raises(DegradationError, match="made this picture visibly worse"):
        degrade(wall, 0, kinds=blurs)
    fallen_back = [degrade(wall, seed, kinds=[*blurs, "sensor_noise"]) for seed in range(30)]
    assert all("sensor_noise" in draw.degradation for draw in fallen_back)


def test_the_last_resort_is_tried_after_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = np.full((64, 64, 3), 120, np.uint8)
    monkeypatch.setattr(room, "draw_kinds", lambda rng, names: ("defocus_blur",))
    degraded = degrade(wall, 0)
    assert degraded.redraws == MOST_DRAWS
    assert degraded.degradation == "sensor_noise"


def test_only_the_named_kinds_are_drawn(texture: np.ndarray) -> None:
    names = {"haze", "glare", "motion_blur"}
    for seed in range(60):
        assert set(degrade(texture, seed, kinds=sorted(names)).degradation.split("+")) <= names


def test_a_failing_kind_is_an_error_and_not_the_clean_picture(
    texture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(picture: np.ndarray, **parameters: object) -> np.ndarray:
        raise ValueError("no such lens")

    monkeypatch.setitem(KINDS, "haze", dataclasses.replace(KINDS["haze"], apply=fail))
    with pytest.raises(DegradationError, match="no such lens"):
        degrade(texture, 0, kinds=["haze"])


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((31, 64, 3), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
    ],
)
def test_what_is_no_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(DegradationError, match="cannot be degraded"):
        degrade(picture, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("haze", 1, "{"), "Unreadable parameters"),
        (("haze", 1, '{"glare":{}}'), "does not fit"),
        (("haze", 6, '{"haze":{}}'), "does not fit"),
        (("fog", 1, '{"fog":{}}'), "No such kinds"),
        (("haze", 1, '{"haze":{"density":1}}'), "failed"),
    ],
)
def test_a_foreign_row_is_refused(
    texture: np.ndarray, row: tuple[str, int, str], message: str
) -> None:
    with pytest.raises(DegradationError, match=message):
        reapply(texture, *row)


def test_views_and_read_only_pictures_are_taken(texture: np.ndarray) -> None:
    mirrored = texture[:, ::-1]
    mirrored.setflags(write=False)
    for seed in range(12):
        assert np.array_equal(
            degrade(mirrored, seed).picture, degrade(mirrored.copy(), seed).picture
        )
