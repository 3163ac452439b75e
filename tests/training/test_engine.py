"""What one step does: the loss, the schedule, the skipped step and what is computed where."""

import doctest
import math

import numpy as np
import pytest
import timm
import torch

from models import device
from models.classifier import is_of_assessment, let_assess
from models.device import choose_device, choose_precision
from models.outputs import NUM_ASSESSMENTS
from utils.common.errors import ModelError, SettingsError
from utils.common.labels import TEST, TRAIN
from utils.training import predictions
from utils.training.data import loader
from utils.training.data.batches import Batch
from utils.training.engine import Trainer
from utils.training.state import checkpoint
from utils.training.step import optimisation, train_step
from utils.training.step.optimisation import (
    CLASSIFIER_RATE,
    balanced_loss,
    class_weights,
    learning_rate,
    make_optimizer,
    set_rate,
)


@pytest.fixture
def trainer(make_trainer) -> Trainer:
    return make_trainer()


@pytest.mark.parametrize("module", [optimisation, loader, predictions, checkpoint, device])
def test_the_examples_in_the_documentation_hold(module) -> None:
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0


def test_the_loss_equals_the_weighted_mean_also_when_added_up_in_parts() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(10, 5), torch.randint(0, 5, (10,))
    weights = torch.tensor(class_weights([3, 1, 4, 1, 5]))
    whole = torch.nn.functional.cross_entropy(logits, labels, weight=weights)
    parts = [balanced_loss(logits[cut], labels[cut], weights) for cut in (slice(7), slice(7, 10))]
    total = sum(parts) / weights[labels].sum()
    torch.testing.assert_close(total, whole)


def test_the_rate_rises_then_falls_and_never_is_zero() -> None:
    rates = [learning_rate(step, 20, 10, 0.1) for step in range(200)]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.1 * 0.02


def test_norms_and_biases_do_not_decay() -> None:
    network = timm.create_model("test_vit", num_classes=5)
    free, decayed = make_optimizer(network, 1e-3, 0.05).param_groups
    assert (free["weight_decay"], decayed["weight_decay"]) == (0, 0.05)
    assert min(parameter.ndim for parameter in decayed["params"]) >= 2
    spared = {id(network.pos_embed), id(network.norm.weight), id(network.head.bias)}
    assert spared <= {id(parameter) for parameter in free["params"]}


def test_an_epoch_counts_every_picture_once(trainer: Trainer) -> None:
    assert list(trainer.train_epoch(0)) == [1, 2, 3]
    confusion = trainer.sums.confusion.reshape(5, 5)
    assert confusion.sum(dim=1).tolist() == trainer.loader.pictures.counts(TRAIN)
    found = trainer.predictor().predict(TEST, "Test")
    assert found.logits.shape == (15, 5)
    assert found.logits.dtype == np.float32
    assert found.files == tuple(p.file for p in trainer.loader.pictures.splits[TEST])
    assert found.assessments.shape == (15, NUM_ASSESSMENTS)
    assert found.assessments.dtype == np.float32
    assert found.targets.tolist() == [
        list(picture.targets) for picture in trainer.loader.pictures.splits[TEST]
    ]


def snapshot(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.network.state_dict().items()}


def test_a_step_whose_loss_is_no_number_changes_nothing(trainer: Trainer, monkeypatch) -> None:
    list(trainer.train_epoch(0))
    weights, counted = snapshot(trainer), trainer.sums.confusion.clone()
    real_loss = train_step.balanced_loss

    def broken(*arguments):
        return real_loss(*arguments) * math.nan

    monkeypatch.setattr(train_step, "balanced_loss", broken)
    batch = next(trainer.loader.training_batches(1))
    trainer._step(batch, 1, 0, 3)
    after = snapshot(trainer)
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    assert torch.equal(counted, trainer.sums.confusion)
    assert trainer.sums.totals[2:].tolist() == [1, 1]
    trainer._step(batch, 1, 1, 3)
    trainer._check_loss()
    monkeypatch.setattr(train_step, "balanced_loss", real_loss)
    trainer._step(batch, 1, 2, 3)
    assert trainer.sums.totals[2:].tolist() == [2, 0]
    assert torch.isfinite(trainer.sums.totals).all()


def test_three_such_steps_in_a_row_end_the_training(trainer: Trainer) -> None:
    with torch.no_grad():
        trainer.network.get_classifier().weight.fill_(math.inf)
    with pytest.raises(ModelError) as raised:
        list(trainer.train_epoch(0))
    assert str(raised.value) == (
        "The loss was NaN or infinite 3 steps in a row. Expected a loss that falls. "
        "Try a lower --lr than 0.001, or --no-amp."
    )


def test_skipped_steps_are_counted_over_the_end_of_a_short_epoch(trainer: Trainer) -> None:
    batch = next(trainer.loader.training_batches(0))
    trainer.train_step.class_weights.fill_(math.nan)
    for _ in range(3):
        trainer._check_loss()
        trainer._step(batch, 0, 0, 1)
        trainer.sums = trainer.sums.of_next_epoch()
        assert trainer.sums.totals[:3].tolist() == [0, 0, 0]
    with pytest.raises(ModelError, match="3 steps in a row"):
        trainer._check_loss()


@pytest.mark.slow
def test_bfloat16_trains_too(make_trainer) -> None:
    trainer = make_trainer(precision="bfloat16")
    list(trainer.train_epoch(0))
    assert trainer.sums.totals[2] == 0
    assert {parameter.dtype for parameter in trainer.network.parameters()} == {torch.float32}
    assert trainer.predictor().predict(TEST, "Test").logits.dtype == np.float32


def test_pixels_are_laid_out_as_the_network_likes_them(trainer: Trainer) -> None:
    batch = Batch(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    pixels = trainer.normalise(batch.pixels)
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    plain = device.memory_format(timm.create_model("test_vit"))
    assert plain == torch.contiguous_format


def test_an_absent_device_is_one_line() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(SettingsError, match=r"--device toaster is not a device\. Expected auto"):
        choose_device("toaster")
    with pytest.raises(SettingsError, match="--device cuda:99 does not exist: PyTorch finds"):
        choose_device("cuda:99")


def test_precision_follows_from_flags_and_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(device, "bfloat16_units", list)
    assert [choose_precision(cpu, amp) for amp in (None, True, False)] == [
        "float32", "bfloat16", "float32",
    ]  # fmt: skip
    monkeypatch.setattr(device, "bfloat16_units", lambda: ["AMX"])
    assert choose_precision(cpu, None) == "bfloat16"
    cuda = torch.device("cuda")
    for major, precision in ((7, "float16"), (8, "bfloat16"), (9, "bfloat16")):
        capability = (major, 0)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert choose_precision(cuda, None) == precision
        assert choose_precision(cuda, False) == "float32"


@pytest.mark.parametrize(
    ("most", "units"),
    [
        ("", ["avx512_bf16", "AMX"]), ("DEFAULT", ["avx512_bf16", "AMX"]),
        ("AVX512_CORE_AMX", ["avx512_bf16", "AMX"]), ("AVX512_CORE_BF16", ["avx512_bf16"]),
        ("AVX512_CORE", []), ("AVX2", []), ("avx2", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("variable", device.MAX_ISA)
def test_units_that_a_variable_forbids_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, variable: str, most: str, units: list[str]
) -> None:
    for name in device.MAX_ISA:
        monkeypatch.delenv(name, raising=False)
    for check, _ in device.UNITS.values():
        monkeypatch.setattr(torch.cpu, check, lambda: True, raising=False)
    monkeypatch.setenv(variable, most)
    assert device.bfloat16_units() == units


def test_the_classifier_learns_at_a_rate_of_its_own_before_the_rest_does() -> None:
    frozen, rest = 3, 7
    rates = [learning_rate(step, 20, frozen + rest, 3e-4, frozen) for step in range(200)]
    alone = [learning_rate(step, 20, rest, 3e-4) for step in range(20 * rest)]
    assert max(rates[: 20 * frozen]) == pytest.approx(CLASSIFIER_RATE)
    assert rates[20 * frozen :] == alone


@pytest.mark.parametrize(("rate", "own"), [(3e-4, 3e-3), (5e-3, 1e-2), (1e-2, 1e-2), (0.1, 0.1)])
def test_what_assesses_pictures_learns_faster_up_to_a_limit(rate: float, own: float) -> None:
    network = timm.create_model("test_vit", num_classes=5)
    let_assess(network)
    optimizer = make_optimizer(network, 1e-3, 0.05, layer_decay=0.7)
    set_rate(optimizer, rate)
    rates = {id(w): group["lr"] for group in optimizer.param_groups for w in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    for name, weight in network.named_parameters():
        expected = own if is_of_assessment(name) else None
        assert expected is None or rates[id(weight)] == pytest.approx(expected)
        assert expected is not None or rates[id(weight)] <= rate
    assert rates[id(network.head.weight)] == pytest.approx(rate)
