"""Small pictures first: the schedule, the stream, batch norm's statistics, resuming, the result."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from launch_training_test import main
from models import load
from models.bundle import read_bundle
from models.pretrained import build
from models.sizes import own_size, stages_of, step_of
from models.zoo import resolve
from utils.common.errors import ModelError
from utils.common.labels import CLASSES, TRAIN
from utils.training import figures
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.data.progressive import Schedule
from utils.training.engine import Trainer
from utils.training.step.running_statistics import RunningStatistics
from utils.training.step.settling import Settling

FLAG = "--progressive-resizing"
EPOCHS = ("--epochs", "4")  # of test_resnet: 96, 96, 128, 160 pixels


class Killed(BaseException):
    """Stands for a kill -9."""


@pytest.mark.parametrize("full", [32, 64, 160, 224, 240, 299, 384])
@pytest.mark.parametrize("step", [16, 28, 32])
@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 15, 30])
def test_sizes_grow_in_steps_and_end_at_full_size(full: int, step: int, epochs: int) -> None:
    schedule = Schedule(epochs, (full, full), step)
    sides = [schedule.size(epoch)[0] for epoch in range(epochs)]
    assert sides == sorted(sides)
    assert all(side % step == 0 for side in sides if side != full)
    assert all(full / 2 - step / 2 <= side <= full for side in sides)
    at_full = sum(side == full for side in sides)
    assert at_full == -(-epochs // 5) or stages_of(full, step) == (full,)
    for epoch, side in enumerate(sides):
        since = schedule.epochs_since_change(epoch)
        first = sides.index(side)
        assert since == (None if first == 0 else epoch - first)


def test_frozen_epochs_are_at_full_size_and_the_others_begin_small() -> None:
    schedule = Schedule(6, (160, 160), 32, frozen=2)
    whole = Schedule(4, (160, 160), 32)
    sizes = [schedule.size(epoch) for epoch in range(6)]
    assert sizes == [(160, 160)] * 2 + [whole.size(epoch) for epoch in range(4)]
    assert [schedule.epochs_since_change(epoch) for epoch in range(3)] == [None, None, 0]


def test_the_stream_is_the_same_for_any_number_of_workers(tiny_dataset, small_preprocessing):  # type: ignore[no-untyped-def]
    pictures = read_folder(tiny_dataset)
    streams = []
    for workers in (0, 1, 2):
        loader = PictureLoader(pictures, small_preprocessing, 8, workers, seed=0)
        passes = [
            loader.training_batches(0, 0, (16, 24)),
            loader.training_batches(1, 1),
            loader.evaluation_batches(TRAIN),
        ]
        streams.append([batch.pixels.clone() for one in passes for batch in one])
        loader.close()
    first, *others = streams
    assert [tuple(first[0].shape[2:]), tuple(first[-1].shape[2:])] == [(16, 24), (32, 32)]
    for other in others:
        assert all(map(torch.equal, first, other))


def test_statistics_are_the_mean_over_the_steps_since_a_change() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, momentum=0.01))
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(4, 3, 5, 5, generator=generator) + number for number in range(4)]
    exact = copy.deepcopy(network)
    for layer in (exact[0], exact[2]):
        layer.momentum = None  # PyTorch's own mean over all steps
    network[0].running_mean.fill_(1e3)
    network[2].running_var.fill_(1e3)
    statistics, settling = RunningStatistics(network), Settling(network)
    with torch.no_grad():
        for since, batch in enumerate(batches):
            before = statistics.read()
            settling.start_step(since)
            network(batch)
            settling.settle(before, 1)
            exact(batch)
    for own, wanted in zip(statistics.read(), RunningStatistics(exact).read(), strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-3)


def test_without_a_change_statistics_stay_as_pytorch_has_them() -> None:
    network = nn.BatchNorm2d(3)
    statistics, settling = RunningStatistics(network), Settling(network)
    before = statistics.read()
    settling.start_step(None)
    network(torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)))
    wanted = statistics.read()
    settling.settle(before, 1)
    for own, expected in zip(statistics.read(), wanted, strict=True):
        torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("ema", [None, 0.9998])
def test_a_short_last_stage_has_the_statistics_of_the_full_size(
    make_trainer: Callable[..., Trainer], ema: float | None
) -> None:
    trainer = make_trainer(epochs=3, lr=1e-9, weight_decay=0.0, ema=ema, progressive_resizing=True)
    for epoch in range(3):
        if epoch == 2:
            small = [one.clone() for one in RunningStatistics(trainer.evaluated).read()]
        list(trainer.train_epoch(epoch))
    exact = copy.deepcopy(trainer.network).train()
    for layer in exact.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    with torch.no_grad():
        for batch in trainer.loader.training_batches(2):
            exact(trainer.normalise(batch.pixels))
    wanted = RunningStatistics(exact).read()[0]
    reached = RunningStatistics(trainer.evaluated).read()[0]
    assert not torch.allclose(small[0], wanted, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(reached, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_vit", "swin_tiny_patch4_window7_224"])
def test_what_may_grow_answers_at_full_size_as_before(name: str) -> None:
    model = resolve(name)
    plain, growing = (build(model, len(CLASSES), False, is_growing=grows)[0] for grows in (0, 1))
    full = own_size(model)
    assert full is not None
    growing.load_state_dict(plain.state_dict())
    pixels = torch.randn(1, 3, *full, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(plain.eval()(pixels), growing.eval()(pixels))
        for side in stages_of(full[0], step_of(growing)):
            assert growing(pixels[..., :side, :side]).shape == (1, len(CLASSES))


def test_what_takes_one_size_alone_is_refused() -> None:
    with pytest.raises(ModelError, match="pixels and cannot train on smaller ones first"):
        build(resolve("mixer_s32_224"), len(CLASSES), pretrained=True, is_growing=True)


@pytest.fixture(scope="module")
def undisturbed(
    command_line: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    runs = tmp_path_factory.mktemp("grown")
    assert main(command_line(runs, FLAG, *EPOCHS, "--ema", "0.9")) == 0
    return runs / "test_resnet-1"


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4, 7, 10], ids=["96", "96 again", "128", "160"])
def test_a_run_killed_in_any_stage_ends_as_the_undisturbed_one(
    assert_same_run,
    arguments,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:  # type: ignore[no-untyped-def]
    original, steps = Trainer._step, iter(range(10**6))

    def step_until(self: Trainer, *given: object) -> None:
        if next(steps) == step:
            raise Killed
        original(self, *given)

    monkeypatch.setattr(Trainer, "_step", step_until)
    with pytest.raises(Killed):
        main(arguments(FLAG, *EPOCHS, "--ema", "0.9", "--checkpoint-minutes", "1e-9"))
    run = tmp_path / "runs" / "test_resnet-1"
    assert main(["--resume", str(run), "-j", "1"]) == 0
    assert_same_run(undisturbed, run)


@pytest.mark.slow
def test_epochs_tell_their_size_and_the_stored_model_has_the_full_one(
    arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(figures, "calibrated_log_loss", lambda _: 0.5)  # no later epoch is better
    assert main(arguments(FLAG, *EPOCHS, "--patience", "1", "--input-size", "128")) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch ")]
    ends = [line.partition("; trained at ")[2].partition(";")[0] for line in lines]
    assert ends == ["64 x 64 pixels", "64 x 64 pixels", "96 x 96 pixels", ""]
    run = tmp_path / "runs" / "test_resnet-1"
    assert read_bundle(run)[0].preprocessing.size == (128, 128)
    assert load(run, device="cpu")
    assert main(["--resume", str(run), "--epochs", "12"]) == 0
    assert "epoch 5 trains at 64 x 64 pixels" in capsys.readouterr().out
