"""What only a CUDA device can show: it trains, waits for nothing, repeats itself, runs out."""

import gc
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from launch_training_test import main
from models.outputs import NUM_TARGETS
from utils.common.labels import CLASSES
from utils.training.data.batches import Batch
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.data.prefetch import prefetched
from utils.training.engine import Trainer
from utils.training.step import device
from utils.training.step.train_step import TrainStep

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device"),
]
SIDE = 160
NUM_PICTURES = 256


@pytest.fixture(autouse=True)
def switches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what a run switches on, and let other tests have all the memory."""
    monkeypatch.setenv(device.CUBLAS_VARIABLE, device.CUBLAS_WORKSPACE)
    precision = torch.get_float32_matmul_precision()
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark = benchmark
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(
        0, 256, (NUM_PICTURES, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator
    )
    labels = torch.arange(NUM_PICTURES) % len(CLASSES)
    shape = NUM_PICTURES, NUM_TARGETS
    targets = torch.randint(0, 2, shape, dtype=torch.int8, generator=generator)
    return Batch(pixels.cuda(), labels.cuda(), targets.cuda())


def cut(batch: Batch, start: int, count: int) -> Batch:
    return batch.map(lambda tensor: tensor[start : start + count])


@pytest.mark.parametrize("flags", [(), ("--amp",), ("--amp", "--compile"), ("--ema", "0.9")])
@pytest.mark.filterwarnings("ignore")  # those of the compiler are not ours
def test_a_run_ends_with_a_report(arguments, tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert main(arguments("--device", "cuda", "-j", "2", *flags)) == 0
    assert (tmp_path / "runs" / "test_resnet-1" / "report.json").is_file()


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_a_step_never_waits_for_the_device(make_trainer, batch: Batch, model: str) -> None:
    trainer = make_trainer(model, device="cuda", batch_size=NUM_PICTURES)
    trainer._step(batch, 0, 0, 9)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
        torch.cuda.set_sync_debug_mode("error")
    try:
        trainer._step(batch, 0, 1, 9)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_deterministic_runs_end_with_the_same_bits(
    arguments, tmp_path: Path, assert_same_run
) -> None:
    for workers in ("0", "2"):
        flags = ("--device", "cuda", "--amp", "--deterministic", "-j", workers)
        assert main(arguments(*flags)) == 0
    assert_same_run(*(tmp_path / "runs" / f"test_resnet-{number}" for number in (1, 2)))


def test_prefetched_batches_are_the_same_in_the_same_order() -> None:
    batches = [
        Batch(torch.full((64, 3, SIDE, SIDE), number, dtype=torch.uint8), torch.full((64,), number))
        for number in range(9)
    ]
    arrived = []
    pinned = (Batch(*(tensor.pin_memory() for tensor in batch.tensors())) for batch in batches)
    for batch in prefetched(pinned, torch.device("cuda")):
        busy = torch.ones(4096, 4096, device="cuda")
        for _ in range(20):
            busy = busy @ busy * 1e-4  # the copy of the next batch overtakes this
        assert batch.pixels.is_cuda and batch.labels.is_cuda
        arrived.append((batch.pixels.sum(), batch.labels.sum()))
    for number, (pixels, labels) in enumerate(arrived):
        assert (int(pixels), int(labels)) == (64 * 3 * SIDE * SIDE * number, 64 * number)


@pytest.mark.parametrize("model", ["test_resnet", "test_vit", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("flags", [{}, {"ema": 0.9, "layer_decay": 0.8, "grad_accum_steps": 2}])
def test_a_captured_step_is_the_eager_one(
    make_trainer, batch: Batch, model: str, flags: dict[str, float]
) -> None:
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    side = 224 if model.startswith("swin") else SIDE
    resized = torch.nn.functional.interpolate(batch.pixels[:32].float(), side).byte()
    batch = replace(cut(batch, 0, 32), pixels=resized)
    recorded, eager = (make_trainer(model, device="cuda", batch_size=16, **flags) for _ in range(2))
    eager.train_step.recorder = None
    for trainer in (recorded, eager):
        for step in range(12):  # the last batch of each epoch is smaller
            size = 5 if step % 3 == 2 else 16
            part = cut(batch, step, size)
            trainer.network.train()
            trainer._step(part, step // 3, step % 3, 3)
    assert sorted(recorded.train_step.recorder._recordings) == [5, 16]
    assert torch.equal(recorded.sums.totals, eager.sums.totals)
    assert torch.equal(recorded.sums.confusion, eager.sums.confusion)
    after = recorded.evaluated.state_dict()
    for name, tensor in eager.evaluated.state_dict().items():
        assert torch.equal(after[name], tensor), name


def test_weights_that_thaw_learn_in_captured_steps_as_in_eager_ones(
    make_trainer, batch: Batch
) -> None:
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    recorded, eager = (make_trainer(device="cuda", batch_size=16) for _ in range(2))
    for trainer in (recorded, eager):
        for step in range(12):
            trainer._freeze(step < 6)
            if trainer is eager:
                trainer.train_step.recorder = None
            part = cut(batch, step, 16)
            trainer._step(part, step // 3, step % 3, 3)
    assert recorded.train_step.recorder._recordings
    after = recorded.network.state_dict()
    for name, tensor in eager.network.state_dict().items():
        assert torch.equal(after[name], tensor), name


def test_steps_on_features_are_recorded_and_learn_the_same(
    make_trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    recorded, eager = (
        make_trainer(device="cuda", batch_size=8, epochs=4, freeze_epochs=3) for _ in range(2)
    )
    for epoch in range(3):
        list(recorded.train_epoch(epoch))
    assert recorded.train_step.recorder._recordings
    monkeypatch.setattr(TrainStep, "_make_recorder", lambda self, *_: None)
    eager.train_step.recorder = None
    for epoch in range(3):
        list(eager.train_epoch(epoch))
    after = recorded.network.state_dict()
    for name, tensor in eager.network.state_dict().items():
        assert torch.equal(after[name], tensor), name


def test_a_recorded_step_without_a_number_is_left_out(make_trainer, batch: Batch) -> None:
    trainer = make_trainer(device="cuda", batch_size=NUM_PICTURES)
    for step in range(4):
        trainer._step(batch, 0, step, 9)
    assert trainer.train_step.recorder._recordings
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    trainer.train_step.class_weights.fill_(float("nan"))
    trainer._step(batch, 0, 4, 9)
    assert trainer.sums.totals[2:].tolist() == [1, 1]
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(before[name], tensor), name


def test_workers_fill_memory_that_the_gpu_reads(tiny_dataset: Path, small_preprocessing) -> None:
    loader = PictureLoader(read_folder(tiny_dataset), small_preprocessing, 4, 2, 0, pin_memory=True)
    batches = list(loader.training_batches(0))[:3]
    assert all(batch.pixels.is_pinned() for batch in batches)


def peaks_of_a_step(trainer: Trainer, batch: Batch) -> tuple[int, int]:
    """Return what was used at most, and what was taken from the device for it."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    for step in range(2):
        trainer._step(batch, 0, step, 9)
    return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()


def test_a_batch_that_does_not_fit_is_split_and_trains_the_same(make_trainer, batch: Batch) -> None:
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    whole = make_trainer(device="cuda", batch_size=NUM_PICTURES)
    used_by_whole, _ = peaks_of_a_step(whole, batch)
    del whole
    explicit = make_trainer(device="cuda", batch_size=NUM_PICTURES)
    explicit.micro_batches.per_rank = 2
    _, taken_by_halves = peaks_of_a_step(explicit, batch)
    starved = make_trainer(device="cuda", batch_size=NUM_PICTURES)
    torch.cuda.empty_cache()
    assert taken_by_halves < used_by_whole
    allowed = (taken_by_halves + used_by_whole) / 2
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    for step in range(2):
        starved._step(batch, 0, step, 9)
    assert starved.micro_batches.per_rank >= 2
    if starved.micro_batches.per_rank == 2:
        after = starved.network.state_dict()
        for name, tensor in explicit.network.state_dict().items():
            torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-5)
