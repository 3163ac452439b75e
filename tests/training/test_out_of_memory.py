"""A batch that does not fit is split into micro-batches, and what is trained stays the same."""

import contextlib
import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.classifier import is_of_assessment
from models.device import Compute, is_out_of_memory
from models.outputs import class_logits
from models.preprocessing import Normalisation
from utils.common.errors import ModelError, SettingsError
from utils.common.labels import TEST, TRAIN
from utils.training.engine import Trainer
from utils.training.processes.world import World
from utils.training.settings import Settings
from utils.training.state import checkpoint
from utils.training.state.checkpoint import Progress
from utils.training.state.run_config import Facts
from utils.training.step import memory_estimate as footprint
from utils.training.step.assessment import AssessmentLoss
from utils.training.step.memory_estimate import activation_bytes, check_memory
from utils.training.step.optimisation import ASSESSMENT_SCALE, class_weights, learning_rate
from utils.training.step.train_step import MAX_GRADIENT_NORM


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def starve(trainer: Trainer, limit: int, first_calls: int = 0) -> None:
    """Let a forward pass of more than `limit` pictures fail after all its work is done."""
    calls = iter(range(10**6))

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        answers = trainer.network(pixels)
        torch.rand(7)  # as dropout would draw
        if len(pixels) > limit and next(calls) >= first_calls:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return answers

    trainer.train_step.forward = forward


def saved(path: Path, trainer: Trainer) -> dict[str, Any]:
    """Return the state of a trainer as it comes back from a file."""
    settings = dataclasses.replace(trainer.settings, model="test_resnet", workers=0, patience=5)
    preprocessing = trainer.preprocessing.to_dict()
    facts = Facts(settings, "0" * 64, "float32", threads=1, preprocessing=preprocessing)
    checkpoint.save(path, trainer, Progress(), facts.to_dict(), [])
    return checkpoint.load(path)


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_the_weights_are_those_of_explicit_accumulation(make_trainer, model: str, capsys) -> None:
    explicit = make_trainer(model, batch_size=4, grad_accum_steps=2)
    list(explicit.train_epoch(0))
    starved = make_trainer(model, batch_size=8)
    starve(starved, limit=5)
    list(starved.train_epoch(0))
    assert starved.micro_batches.per_rank == explicit.micro_batches.per_rank == 2
    assert_equal(state(starved), state(explicit))
    assert torch.equal(starved.sums.confusion, explicit.sums.confusion)
    norm = "; batch norm sees one micro-batch at a time" if model == "test_resnet" else ""
    assert capsys.readouterr().err == (
        "Warning: out of memory: each batch is now split into 2 micro-batches and still makes one "
        f"optimizer step{norm}.\n"
    )


def test_a_failure_in_the_second_micro_batch_leaves_no_trace(make_trainer) -> None:
    explicit = make_trainer(batch_size=2, grad_accum_steps=4)
    list(explicit.train_epoch(0))
    starved = make_trainer(batch_size=4, grad_accum_steps=2)
    starve(starved, limit=3, first_calls=1)
    list(starved.train_epoch(0))
    assert_equal(state(starved), state(explicit))


def test_it_is_what_a_plain_loop_over_micro_batches_trains(make_trainer) -> None:
    """Class weights, a short last batch and micro-batches of unequal size come out right."""
    starved = make_trainer(batch_size=7)  # batches of 7, 7, 7 and 4
    starve(starved, limit=4)
    network = copy.deepcopy(starved.network).train()
    starved.train_step.class_weights = weights = torch.tensor(class_weights([1, 2, 3, 4, 5]))
    list(starved.train_epoch(0))

    assessment = AssessmentLoss(starved.loader.targets(TRAIN), starved.settings.assessment_weight)
    steps = starved.loader.steps(TRAIN)
    groups = [
        {
            "params": [
                weight
                for name, weight in network.named_parameters()
                if (weight.ndim > 1) == decays and is_of_assessment(name) == assesses
            ],
            "weight_decay": 0.05 * decays,
            "scale": ASSESSMENT_SCALE if assesses else 1,
        }
        for decays in (False, True)
        for assesses in (False, True)
    ]
    optimizer = torch.optim.AdamW(groups, lr=1.0, fused=True)
    normalise = Normalisation(starved.preprocessing)
    for step, batch in enumerate(starved.loader.training_batches(0)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, 2, 1e-3) * group["scale"]
        optimizer.zero_grad()
        total, totals = weights[batch.labels].sum(), assessment.totals(batch.targets)
        parts = (tensor.tensor_split(2) for tensor in batch.tensors())
        for pixels, labels, targets in zip(*parts, strict=True):
            outputs = network(normalise(pixels))
            answers = class_logits(outputs)
            loss = F.cross_entropy(answers, labels, weights, reduction="sum") / total
            (loss + assessment(outputs, targets, totals)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
    trained = starved.network.state_dict()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=0, atol=1e-5)
    most = max(
        float((trained[name] - tensor).abs().max()) for name, tensor in network.state_dict().items()
    )
    print(f"largest difference of a weight from explicit accumulation: {most:.1e}")


def test_without_batch_norm_the_gradients_are_those_of_the_whole_batch(make_trainer) -> None:
    gradients = []
    for count in (1, 3):
        trainer = make_trainer("test_vit")
        trainer.network.train()
        batch = next(trainer.loader.training_batches(0))
        weight_sum = trainer.train_step.class_weights[batch.labels].sum()
        trainer.train_step.accumulate(batch, weight_sum, count)
        gradients.append([weight.grad for weight in trainer.network.parameters()])
    for whole, added in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, added, rtol=1e-4, atol=1e-5)


def test_the_number_of_micro_batches_is_remembered(make_trainer, tmp_path) -> None:
    starved = make_trainer()
    starve(starved, limit=5)
    list(starved.train_epoch(0))
    again = make_trainer()
    checkpoint.restore(saved(tmp_path / "last.pt", starved), again)
    assert again.micro_batches.per_rank == 2


def test_the_number_per_rank_follows_from_the_number_of_processes(
    make_trainer, tmp_path: Path
) -> None:
    state = {"parts": 3}
    for size, per_rank in ((1, 3), (2, 2), (4, 1), (1, 3)):
        trainer = make_trainer()
        trainer.micro_batches.world = world = World()
        world.size = size
        trainer.micro_batches.total = state["parts"]
        assert trainer.micro_batches.per_rank == per_rank
        state = saved(tmp_path / "last.pt", trainer)


def test_predictions_are_made_in_micro_batches_too(make_trainer) -> None:
    trainer = make_trainer()
    expected = trainer.predictor().predict(TEST, "Test").logits
    full = trainer.network.forward

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > 3:
            raise torch.OutOfMemoryError
        return full(pixels)

    trainer.network.forward = forward
    answers = trainer.predictor().predict(TEST, "Test").logits
    torch.testing.assert_close(torch.from_numpy(answers), torch.from_numpy(expected))
    assert trainer.micro_batches.per_rank == 4


def test_an_end_is_found(make_trainer) -> None:
    trainer = make_trainer()
    starve(trainer, limit=0)
    with pytest.raises(ModelError) as raised:
        list(trainer.train_epoch(0))
    assert str(raised.value) == (
        "cpu has too little memory even for 2 pictures at a time. Try --grad-checkpointing, a "
        "smaller model, or end what else uses the device."
    )


def test_other_errors_are_not_taken_for_it(make_trainer) -> None:
    trainer = make_trainer()

    def forward(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    trainer.train_step.forward = forward
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(trainer.train_epoch(0))
    assert is_out_of_memory(RuntimeError("cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory"))


class TestOnACpu:
    @pytest.fixture
    def check(self, make_trainer, monkeypatch) -> Callable[..., None]:
        trainer = make_trainer()

        def run(left: int | None, **settings: object) -> None:
            monkeypatch.setattr(footprint, "available_memory", lambda: left)
            complete = Settings(**{"batch_size": 4000, "workers": 0, "model": "tiny", **settings})
            check_memory(trainer.network, trainer.preprocessing, trainer.compute, complete)

        return run

    def test_a_batch_that_cannot_fit_is_refused(self, check) -> None:
        with pytest.raises(SettingsError) as raised:
            check(2**30)
        line = str(raised.value)
        assert line.startswith("Training tiny with batches of 4000 takes about ")
        assert " GiB and 1.0 GiB of memory are left. Expected --batch-size " in line
        most = int(line.split("--batch-size ")[1].split()[0])
        check(2**30, batch_size=most)
        with pytest.raises(SettingsError):
            check(2**30, batch_size=most + 1)
        with pytest.raises(SettingsError):
            check(2**30, batch_size=most, workers=8)

    def test_what_fits_or_cannot_be_known_is_not(self, check) -> None:
        check(2**50)
        check(None)
        check(1, grad_checkpointing=True)
        with pytest.raises(SettingsError, match=r"are left\. Expected a smaller model\.$"):
            check(1)

    def test_the_estimate_leaves_nothing_behind(self, make_trainer) -> None:
        trainer = make_trainer()
        before, generator = state(trainer), torch.get_rng_state()
        compute = Compute(torch.device("cpu"), "bfloat16")
        kept = activation_bytes(trainer.network, trainer.preprocessing, compute)
        assert 2 * 3 * 160 * 160 < kept < 50 * 2**20
        assert_equal(state(trainer), before)
        assert torch.equal(torch.get_rng_state(), generator)
        assert all(weight.grad is None for weight in trainer.network.parameters())


class OfTwo(World):
    """One of two processes, of which the other does the same; notes when it runs without it."""

    size = 2

    def __init__(self) -> None:
        self.alone = 0

    def no_sync(self, network: nn.Module) -> contextlib.AbstractContextManager[None]:
        self.alone += 1
        return super().no_sync(network)


class TestOfSeveralProcesses:
    """They can split a batch only before they wait for each other."""

    @pytest.fixture
    def make(self, make_trainer) -> Callable[..., Trainer]:
        def make(**settings: object) -> Trainer:
            trainer = make_trainer(**settings)
            trainer.train_step._world = trainer.micro_batches.world = OfTwo()
            return trainer

        return make

    def test_memory_that_the_first_step_takes_for_good(self, make) -> None:
        trainer = make()
        steps = trainer.loader.steps(TRAIN)

        def forward(pixels: torch.Tensor) -> torch.Tensor:
            if len(pixels) > 5 and trainer.train_step.optimizer.state:
                raise torch.OutOfMemoryError
            return trainer.network(pixels)

        trainer.train_step.forward = forward
        list(trainer.train_epoch(0))
        assert trainer.micro_batches.per_rank == 2
        world = trainer.train_step._world
        alone = world.alone
        list(trainer.train_epoch(1))
        assert world.alone == alone + steps  # the first of two micro-batches, and no trial

    @pytest.mark.slow
    def test_weights_that_begin_to_learn(self, make) -> None:
        trainer = make()
        list(trainer.train_epoch(0))
        trainer.train_step.learn(trainer.network, trainer.normalise)
        starve(trainer, limit=5)
        list(trainer.train_epoch(1))
        assert trainer.micro_batches.per_rank == 2

    def test_synchronised_batch_norm_never_runs_without_the_others(self, make) -> None:
        trainer = make(sync_bn=True)
        list(trainer.train_epoch(0))
        assert trainer.train_step._world.alone == 0
        starve(trainer, limit=5)
        with pytest.raises(ModelError) as raised:
            list(trainer.train_epoch(1))
        assert str(raised.value) == (
            "cpu has too little memory for 4 pictures at a time, and they cannot be split in a "
            "step that waits for other processes. End what else uses the device and go on with "
            "--resume, or start anew with a smaller --batch-size and more --grad-accum-steps."
        )
