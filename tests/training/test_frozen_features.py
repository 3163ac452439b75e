"""Frozen epochs learn from features that are computed once, and are epochs like any others."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from launch_training_test import main
from models.classifier import is_of_assessment
from models.preprocessing import Normalisation
from models.pretrained import build
from models.zoo import resolve
from tests.training.conftest import TINY
from utils.common.errors import SettingsError
from utils.common.labels import CLASSES, TEST, TRAIN, VAL
from utils.training import fit
from utils.training.data import frozen_features
from utils.training.data.frozen_features import check_frozen_epochs, gather_features
from utils.training.data.loader import PictureLoader, epoch_order
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer
from utils.training.figures import VAL_FIGURES
from utils.training.predictions import Predictions
from utils.training.processes.stopping import Stopped
from utils.training.processes.world import World
from utils.training.settings import Settings
from utils.training.step.classifier import Classifier, features_of, features_shape

FAMILIES = (
    "test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_byobnet",
    "test_mambaout", "test_nfnet", "resnetv2_18",
)  # fmt: skip
TWO_CLASSIFIERS = "deit_tiny_distilled_patch16_224"
EVERY_STEP = ("--checkpoint-minutes", "1e-9")
FROZEN = ("--freeze-epochs", "2", "--epochs", "1", "--ema", "0.8", "--label-smoothing", "0.1")


class Killed(BaseException):
    """Stands for a kill -9: nothing is saved on the way out."""


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect how many pictures each pass through a whole network saw."""
    seen: list[int] = []
    original = Normalisation.forward

    def forward(self: Normalisation, pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(Normalisation, "forward", forward)
    return seen


def train(trainer: Trainer, *epochs: int) -> dict[str, torch.Tensor]:
    """Train some epochs, val after each as in a run, and return the weights."""
    for epoch in epochs:
        list(trainer.train_epoch(epoch))
        trainer.predictor().predict(VAL, "Validation")
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_layer_makes_of_features_what_the_network_says(name: str) -> None:
    network, preprocessing = build(resolve(name), len(CLASSES), pretrained=False)
    network.train()
    shape = features_shape(network, preprocessing)
    assert all(module.training for module in network.modules())
    pixels = torch.randn(3, 3, preprocessing.height, preprocessing.width)
    network.eval()
    with torch.inference_mode():
        features = features_of(network, nn.Identity(), pixels)
        answers = Classifier(network).eval()(features)
        assert torch.equal(answers, network(pixels))
    assert (features.dtype, features.shape) == (torch.float32, (3, *shape))
    assert not network.get_classifier()._forward_hooks


def test_two_classifiers_have_no_features_in_common(small_preprocessing) -> None:
    network, preprocessing = build(resolve(TWO_CLASSIFIERS), len(CLASSES), pretrained=False)
    assert features_shape(network, preprocessing) is None


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_dropout_is_that_of_the_model(name: str) -> None:
    for rate in (0.0, 0.25):
        assert Classifier(timm.create_model(name, drop_rate=rate)).dropout == rate


def test_features_are_dropped_out_in_training_alone() -> None:
    classifier = Classifier(timm.create_model(TINY, num_classes=5, drop_rate=0.5))
    features = torch.ones(4, classifier.layer.in_features)
    assert not torch.equal(classifier.train()(features), classifier(features))
    assert torch.equal(classifier.eval()(features), classifier(features))


def test_each_picture_goes_through_the_network_once(make_trainer, passes: list[int]) -> None:
    trainer = make_trainer(freeze_epochs=3, epochs=4)
    train(trainer, 0, 1, 2)
    counts = {split: len(trainer.loader.pictures.splits[split]) for split in (TRAIN, VAL)}
    assert sum(passes) == counts[TRAIN] + counts[VAL]
    passes.clear()
    train(trainer, 3)
    assert sum(passes) == counts[TRAIN] + counts[VAL]


@pytest.mark.parametrize("flags", [{}, {"ema": 0.9, "grad_accum_steps": 2}])
def test_on_the_same_view_it_is_what_the_whole_network_learns(
    make_trainer, monkeypatch: pytest.MonkeyPatch, flags: dict[str, float]
) -> None:
    once, each_time = (make_trainer("test_vit", freeze_epochs=1, **flags) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_frozen_features", lambda self, seen: None)
        expected = train(each_time, 0)
    found = train(once, 0)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)
    assert torch.equal(once.sums.confusion, each_time.sums.confusion)
    torch.testing.assert_close(once.sums.totals, each_time.sums.totals)
    # From then on it is the same training.
    for trainer in (once, each_time):
        trainer.sums = trainer.sums.of_next_epoch()
    expected = train(each_time, 1)
    for name, tensor in train(once, 1).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-3)


def assessing_weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    weights = trainer.network.state_dict().items()
    return {name: weight.clone() for name, weight in weights if is_of_assessment(name)}


@pytest.mark.parametrize("epochs", [1, 2])
def test_what_assesses_pictures_waits_until_all_weights_learn(make_trainer, epochs: int) -> None:
    trainer = make_trainer(freeze_epochs=1, epochs=epochs)
    start = assessing_weights(trainer)
    train(trainer, 0)
    after = assessing_weights(trainer)
    has_learnt = {not torch.equal(start[name], weight) for name, weight in after.items()}
    assert has_learnt == {epochs == 1}, "it learns at once where all epochs are frozen"
    if epochs > 1:
        trainer.sums = trainer.sums.of_next_epoch()
        train(trainer, 1)
        assert not any(torch.equal(start[n], w) for n, w in assessing_weights(trainer).items())


def test_val_is_predicted_from_features_and_test_is_not(make_trainer, passes: list[int]) -> None:
    trainer = make_trainer(freeze_epochs=1)
    list(trainer.train_epoch(0))
    from_features = trainer.predictor().predict(VAL, "Validation")
    passes.clear()
    assert len(trainer.predictor().predict(TEST, "Test").files) == sum(passes)
    trainer.features = None
    whole = trainer.predictor().predict(VAL, "Validation")
    assert from_features.files == whole.files
    for found, expected in (
        (from_features.logits, whole.logits),
        (from_features.assessments, whole.assessments),
    ):
        torch.testing.assert_close(*map(torch.from_numpy, (found, expected)))


def test_out_of_memory_features_are_computed_in_micro_batches(make_trainer, capsys) -> None:
    plain, starved = (make_trainer("test_vit", freeze_epochs=1) for _ in range(2))
    original = starved.network.forward

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(pixels)

    starved.network.forward = forward
    expected = train(plain, 0)
    for name, tensor in train(starved, 0).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)
    assert starved.micro_batches.per_rank == 2
    assert not starved.network.get_classifier()._forward_hooks
    assert "each batch is now split into 2 micro-batches" in capsys.readouterr().err


def test_a_stop_is_heard_while_features_are_computed(make_trainer) -> None:
    trainer = make_trainer(freeze_epochs=1)
    trainer.stop.set()
    with pytest.raises(Stopped):
        next(trainer.train_epoch(0))
    trainer.stop.clear()
    assert len(list(trainer.train_epoch(0))) == trainer.loader.steps(TRAIN)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_view_is_a_function_of_seed_and_file(
    tiny_dataset: Path, small_preprocessing, workers: int
) -> None:
    pictures = read_folder(tiny_dataset)
    loader, other = (
        PictureLoader(pictures, small_preprocessing, size, number, 0, fresh_low_quality=True)
        for size, number in ((7, workers), (25, 0))
    )
    every = range(len(pictures.splits[TRAIN]))
    dealt = torch.cat([batch.pixels.clone() for batch in loader.dealt_batches(TRAIN, every, 0)])
    whole = next(other.training_batches(0)).pixels
    loader.close()
    assert torch.equal(dealt[epoch_order(0, 0, len(every))], whole)


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_shares_are_gathered_in_order(processes: int) -> None:
    features = torch.arange(1.0, 11).reshape(5, 2)

    class Share(World):
        size = processes

        def all_reduce(self, tensor: torch.Tensor) -> torch.Tensor:
            return tensor

    whole = torch.zeros(5, 2)
    for rank in range(processes):
        world = Share()
        world.rank = rank
        share = [(part,) for part in features[rank::processes].split(2)]
        whole += gather_features(share, 5, torch.Size([2]), world)
    assert torch.equal(whole, features)


@pytest.mark.slow
@pytest.mark.parametrize(("whole", "kept", "done"), [(3, 4, 5), (0, 2, 2)])
def test_a_frozen_epoch_is_kept_or_ends_a_run_only_where_all_are_frozen(
    arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: int, kept: int, done: int
) -> None:
    """Each epoch is worse than the one before, and one of them is patience enough."""

    def rising(trainer: Trainer, epoch: int, predictions: Predictions) -> dict[str, float]:
        return {**dict.fromkeys(VAL_FIGURES, 0.5), "val_calibrated_loss": float(epoch)}

    monkeypatch.setattr(fit, "val_figures", rising)
    assert main(arguments("--freeze-epochs", "2", "--epochs", str(whole), "--patience", "1")) == 0
    run = next((tmp_path / "runs").iterdir())
    assert json.loads((run / "report.json").read_text())["best_epoch"] == kept
    assert len((run / "history.csv").read_text().splitlines()) == 1 + done


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4])
def test_a_run_killed_in_a_frozen_epoch_goes_on_to_the_same_weights(
    assert_same_run: Callable[[Path, Path], None],
    arguments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
    step: int,
) -> None:
    one, other = (tmp_path / "runs" / f"test_resnet-{number}" for number in (1, 2))
    assert main(arguments(*FROZEN)) == 0
    assert "Features of 25 training and 10 val pictures computed once, " in capsys.readouterr().out
    original = Trainer._step
    steps = iter(range(10**6))

    def killed(self: Trainer, *given: object) -> None:
        if next(steps) == step:
            raise Killed
        original(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", killed)
        with pytest.raises(Killed):
            main(arguments(*FROZEN, *EVERY_STEP))
    assert main(["--resume", str(other), "--cache", "ram"]) == 0
    assert_same_run(one, other)


def check(model: str, tiny_dataset: Path, **settings: object) -> None:
    network, preprocessing = build(resolve(model), len(CLASSES), pretrained=False)
    complete = Settings(model=model, **{"freeze_epochs": 2, **settings})
    check_frozen_epochs(network, preprocessing, complete, read_folder(tiny_dataset), 2)


def test_what_frozen_epochs_cannot_do_is_said_before(
    tiny_dataset: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(TINY, tiny_dataset)
    check(TWO_CLASSIFIERS, tiny_dataset, freeze_epochs=0, pretrained=False)
    assert capsys.readouterr().err == ""
    check(TINY, tiny_dataset, pretrained=False)
    assert capsys.readouterr().err == (
        "Warning: --freeze-epochs 2 teaches little from random weights: a classifier can only be "
        "as good as the features that it works on.\n"
    )
    check(TWO_CLASSIFIERS, tiny_dataset)
    assert capsys.readouterr().err == (
        f"Warning: {TWO_CLASSIFIERS} has no single layer that turns features into its outputs: the "
        "whole network runs in each frozen epoch.\n"
    )
    monkeypatch.setattr(frozen_features, "available_memory", lambda: 10_000)
    with pytest.raises(SettingsError) as raised:
        check(TINY, tiny_dataset)
    assert str(raised.value).startswith("--freeze-epochs 2 keeps the features of 35 pictures, ")
    assert "of memory are left for each process. Give --freeze-epochs 0" in str(raised.value)


def test_a_network_without_features_learns_as_a_whole(
    make_trainer, monkeypatch: pytest.MonkeyPatch, passes: list[int]
) -> None:
    monkeypatch.setattr("utils.training.data.frozen_features.features_shape", lambda *_: None)
    trainer = make_trainer(freeze_epochs=2)
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    after = train(trainer, 0, 1)
    assert sum(passes) == 2 * sum(
        len(trainer.loader.pictures.splits[split]) for split in (TRAIN, VAL)
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("fc.")}
