"""Predictions and features: each picture once, in order, whatever the batches."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from models.inference import surface_size
from models.texture import NUM_FEATURES
from utils.common.labels import TEST
from utils.training import fit
from utils.training.engine import Trainer


class Keeping(nn.Module):
    """A layer that keeps what it made of its weight, until it is trained again."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.kept: torch.Tensor | None = None

    def train(self, mode: bool = True) -> "Keeping":
        super().train(mode)
        if mode:
            self.kept = None
        return self

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training or self.kept is None:
            self.kept = self.weight * 2
        return inputs * self.kept


@pytest.fixture
def trainer(make_trainer) -> Trainer:
    return make_trainer()


def test_some_pictures_have_the_features_that_they_have_among_all(trainer: Trainer) -> None:
    every = trainer.predictor().predict_with_features(TEST, "Test")
    some = trainer.predictor().ood_features(TEST, "Test", positions=[9, 2, 5])
    assert some.files == tuple(every.files[position] for position in (9, 2, 5))
    assert some.labels.tolist() == every.labels[[9, 2, 5]].tolist()
    np.testing.assert_allclose(some.features, every.features[[9, 2, 5]], atol=1e-5)
    assert some.num_surface == surface_size(trainer.network) > NUM_FEATURES
    width = some.num_surface + trainer.network.num_features
    assert every.features.shape == (len(every.files), width)


def test_what_is_calibrated_is_computed_as_a_gate_does(
    trainer: Trainer, exactness: Callable[[Trainer], list[bool]]
) -> None:
    exact = exactness(trainer)
    predictor = trainer.predictor()
    for predict in (
        lambda: predictor.predict_with_features(TEST, "Test"),
        lambda: predictor.ood_features(TEST, "Test", range(15)),
    ):
        exact.clear()
        predict()
        assert exact and all(exact)
    exact.clear()
    predictor.predict(TEST, "Test")
    assert not any(exact)


def test_features_do_not_change_a_prediction(trainer: Trainer) -> None:
    predictor = trainer.predictor()
    plain, more = predictor.predict(TEST, "Test"), predictor.predict_with_features(TEST, "Test")
    assert (more.logits == plain.logits).all()
    assert more.files == plain.files


def test_texture_does_not_depend_on_the_network_and_all_else_does(trainer: Trainer) -> None:
    before = trainer.predictor().ood_features(TEST, "Test", range(15)).features
    with torch.no_grad():
        for weights in trainer.evaluated.parameters():
            weights.mul_(1.5)
    after = trainer.predictor().ood_features(TEST, "Test", range(15)).features
    is_equal = (before == after).all(axis=0)
    assert is_equal[:NUM_FEATURES].all()
    assert not is_equal[NUM_FEATURES:].all()


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}])
def test_predictions_are_those_of_the_weights_of_now(make_trainer, settings: dict) -> None:
    trainer = make_trainer(**settings)
    trainer.evaluated.act1 = layer = Keeping()
    before = trainer.predictor().predict(TEST, "Test").logits
    with torch.no_grad():
        layer.weight.mul_(3)
    predictor = trainer.predictor()
    after = predictor.predict(TEST, "Test").logits
    assert (after != before).any()
    fresh = Keeping()
    fresh.load_state_dict(layer.state_dict())
    trainer.evaluated.act1 = fresh
    assert (predictor.predict(TEST, "Test").logits == after).all()


def test_the_predictions_are_the_same_for_any_batch_size(trainer: Trainer) -> None:
    before = trainer.predictor().predict(TEST, "Test").logits
    trainer.loader.batch_size = 4
    np.testing.assert_allclose(trainer.predictor().predict(TEST, "Test").logits, before, atol=1e-5)


def test_pictures_are_drawn_by_their_names_and_not_their_places() -> None:
    files = [f"train/{number}.jpg" for number in range(fit.MAX_TRAIN_PICTURES + 500)]

    def drawn(listed: list[str], seed: int = 0) -> set[str]:
        chosen = fit.drawn_for_ood(listed, seed)
        assert chosen == sorted(set(chosen))
        assert len(chosen) == min(len(listed), fit.MAX_TRAIN_PICTURES)
        return {listed[position] for position in chosen}

    some = drawn(files)
    assert drawn(files[::-1]) == some
    assert drawn(files, seed=1) != some
    fewer = drawn(files[:-100])
    assert len(some - fewer) <= 100  # those that are gone make place for others, and no more
    assert drawn(files[:10]) == set(files[:10])
