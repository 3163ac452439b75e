"""The description of how pictures look: patterns are far from pictures in it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.inference import outputs_and_features
from models.texture import NUM_FEATURES, describe

SIDE = 64
RAMP = np.arange(SIDE)


def smooth(rng: np.random.Generator) -> np.ndarray:
    """Return a few soft blobs and a little noise, 3 x SIDE x SIDE."""
    coarse = torch.from_numpy(rng.normal(128, 40, (1, 3, 5, 5)).astype(np.float32))
    blobs = torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic")[0].numpy()
    return blobs + rng.normal(0, 3, blobs.shape)


def as_pixels(pictures: list[np.ndarray]) -> torch.Tensor:
    whole = np.stack([np.broadcast_to(one, (3, SIDE, SIDE)) for one in pictures])
    return torch.from_numpy(whole.clip(0, 255).astype(np.uint8))


def photographs(count: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return as_pixels([smooth(rng) for _ in range(count)])


def stripes(angle: float) -> np.ndarray:
    phase = 0.7 * (RAMP * np.cos(angle) + RAMP[:, None] * np.sin(angle))
    return 128 + 90 * np.sign(np.sin(phase))[None]


def squares() -> np.ndarray:
    cells = np.random.default_rng(2).integers(0, 256, (3, 4, 4))
    return cells.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)


@pytest.mark.parametrize(
    "strange",
    [
        lambda: stripes(0.0),
        lambda: stripes(0.6),
        lambda: 255 * np.random.default_rng(1).random((3, SIDE, SIDE)),
        lambda: 255 * (np.random.default_rng(1).random((1, SIDE, SIDE)) < 0.5),
        squares,
        lambda: np.full((3, SIDE, SIDE), 200),
    ],
    ids=["stripes", "slanting", "colour noise", "black and white", "squares", "one colour"],
)
def test_patterns_are_far_from_photographs(strange: Callable[[], np.ndarray]) -> None:
    seen = describe(photographs(200, 0)).numpy()
    centre, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    far = np.linalg.norm((describe(as_pixels([strange()])).numpy() - centre) / spread, axis=1)
    near = np.linalg.norm((describe(photographs(50, 1)).numpy() - centre) / spread, axis=1)
    assert far.min() > 3 * near.max()


def test_one_picture_is_described_alike_in_any_batch() -> None:
    batch = photographs(7, 0)
    alone = torch.cat([describe(one[None]) for one in batch])
    assert torch.allclose(describe(batch), alone, atol=1e-5)


@pytest.mark.parametrize("value", [0, 76, 255])
@pytest.mark.parametrize("height", [32, 33, 224])
def test_a_flat_picture_has_finite_numbers(value: int, height: int) -> None:
    described = describe(torch.full((2, 3, height, 32), value, dtype=torch.uint8))
    assert described.shape == (2, NUM_FEATURES)
    assert described.dtype == torch.float32
    assert torch.isfinite(described).all()


def test_autocast_changes_nothing() -> None:
    batch = photographs(3, 0)
    with torch.autocast("cpu", torch.bfloat16):
        within = describe(batch)
    assert torch.equal(within, describe(batch))


def test_answers_are_the_networks_own() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, 5))
    batch = photographs(3, 0)
    logits, features = outputs_and_features(network, lambda pixels: pixels / 255, batch)
    assert torch.equal(logits, network(batch / 255))
    assert torch.equal(features, describe(batch))
