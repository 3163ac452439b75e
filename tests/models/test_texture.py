"""The description of how pictures look: patterns are far from pictures in it."""

import numpy as np
import torch

from models.answers import logits_and_features
from models.texture import describe

SIDE = 64


def smooth(rng: np.random.Generator) -> np.ndarray:
    """Return a few soft blobs, 3 x SIDE x SIDE."""
    coarse = torch.from_numpy(rng.normal(size=(1, 3, 5, 5)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic")[0].numpy()


def pictures(count: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([smooth(rng) for _ in range(count)]))


def test_noise_and_stripes_are_far_from_smooth_pictures() -> None:
    seen = describe(pictures(200, 0)).numpy()
    centre, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    stripes = np.sign(np.sin(np.arange(SIDE)))[None, None, :].repeat(3, 0).repeat(SIDE, 1)
    noise = np.random.default_rng(1).normal(size=(3, SIDE, SIDE))
    strange = torch.from_numpy(np.stack([noise, stripes]).astype(np.float32))
    far = np.linalg.norm((describe(strange).numpy() - centre) / spread, axis=1)
    near = np.linalg.norm((describe(pictures(50, 1)).numpy() - centre) / spread, axis=1)
    assert far.min() > 3 * near.max()


def test_one_picture_is_described_alike_in_any_batch() -> None:
    batch = pictures(7, 0)
    alone = torch.cat([describe(one[None]) for one in batch])
    assert torch.allclose(describe(batch), alone, atol=1e-5)


def test_a_flat_picture_has_finite_numbers() -> None:
    described = describe(torch.full((2, 3, 32, 32), 0.3))
    assert described.shape == (2, 66)
    assert described.dtype == torch.float32
    assert torch.isfinite(described).all()


def test_answers_are_the_networks_own() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, 5))
    logits, features = logits_and_features(network, pictures(3, 0))
    assert torch.equal(logits, network(pictures(3, 0)))
    assert torch.equal(features, describe(pictures(3, 0)))
