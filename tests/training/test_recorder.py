"""When steps are captured and when they run eagerly; only a GPU shows that both are the same."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
import torch

from utils.training.data.batches import Batch
from utils.training.step import cuda_graph as recorder
from utils.training.step.cuda_graph import NUM_EAGER, Outcome, Recorder, Recording


class Double:
    """Stands for a CUDA graph."""

    def __init__(self, run_step: Callable[[Batch], str], batch: Batch, others: object) -> None:
        self.name = run_step(batch)
        self.others = others

    def replay(self, batch: Batch) -> str:
        return f"{self.name} again"


class Told(Recorder):
    """Is told once how a step is taken."""

    def __init__(self, optimizer: torch.optim.Optimizer, run_step: Callable[[Batch], str]) -> None:
        super().__init__(optimizer)
        self._run_step = run_step

    def replay(self, batch: Batch) -> str | None:
        return super().replay(batch, self._run_step)


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))], fused=True)


@pytest.fixture
def make_recorder(monkeypatch: pytest.MonkeyPatch, optimizer: torch.optim.Optimizer):
    def make(run_step: Callable[[Batch], str]) -> Told:
        monkeypatch.setattr(recorder, "Recording", Double)
        return Told(optimizer, run_step)

    return make


def batch_of(size: int) -> Batch:
    return Batch(torch.zeros(size, 3, 2, 2, dtype=torch.uint8), torch.zeros(size, dtype=torch.long))


def test_a_size_is_captured_after_eager_steps(make_recorder) -> None:
    made = make_recorder(lambda batch: f"{len(batch.labels)}")
    for _ in range(NUM_EAGER):
        assert made.replay(batch_of(8)) is None
    assert made.replay(batch_of(8)) == made.replay(batch_of(8)) == "8 again"


def test_another_size_gets_the_memory_and_then_shares_it(make_recorder) -> None:
    made = make_recorder(lambda batch: f"{len(batch.labels)}")
    for _ in range(NUM_EAGER):  # epochs whose last batch is smaller
        for _ in range(NUM_EAGER + 1):
            made.replay(batch_of(8))
        assert [shape[0] for shape in made._recordings] == [8]
        assert made.replay(batch_of(3)) is None
        assert not made._recordings
    assert [made.replay(batch_of(8)), made.replay(batch_of(3))] == ["8 again", "3 again"]
    eight, three = made._recordings.values()
    assert three.others is eight


def test_what_is_forgotten_is_recorded_anew(make_recorder) -> None:
    made = make_recorder(lambda batch: "step")
    assert not made.forget()
    for _ in range(NUM_EAGER + 1):
        made.replay(batch_of(8))
    assert made.forget()
    assert not made._recordings
    assert made.replay(batch_of(8)) == "step again"


def test_after_memory_ran_out_steps_are_eager_again_at_first(make_recorder, make_trainer) -> None:
    """Libraries have chosen no kernels for the smaller micro-batches, and cannot in a capture."""
    made = make_recorder(lambda batch: "step")
    trainer = make_trainer()
    trainer.train_step.recorder = made
    for _ in range(NUM_EAGER + 1):
        made.replay(batch_of(8))
    failures = iter([torch.OutOfMemoryError, torch.OutOfMemoryError])

    def attempt() -> None:
        if error := next(failures, None):
            raise error

    trainer.micro_batches.retry(8, attempt)
    assert trainer.micro_batches.per_rank == 2
    assert [made.replay(batch_of(8)) for _ in range(NUM_EAGER + 1)] == [None] * NUM_EAGER + [
        "step again"
    ]


def test_the_optimizer_knows_when_it_is_captured(make_recorder, optimizer) -> None:
    def run_step(batch: Batch) -> str:
        assert optimizer.param_groups[0]["capturable"]
        return "step"

    made = make_recorder(run_step)
    for _ in range(NUM_EAGER + 1):
        made.replay(batch_of(8))
    assert made._recordings
    assert not optimizer.param_groups[0]["capturable"]


def test_where_nothing_can_be_captured_steps_run_eagerly_and_it_is_said_once(
    make_recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_step(batch: Batch) -> str:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    made = make_recorder(run_step)
    assert [made.replay(batch_of(8)) for _ in range(NUM_EAGER + 3)] == [None] * (NUM_EAGER + 3)
    assert capsys.readouterr().err.count("operation not permitted when stream is capturing") == 1


class Streams:
    """Stands for the streams of `torch.cuda`: knows the current one."""

    def __init__(self) -> None:
        self.current = "usual"

    @contextlib.contextmanager
    def stream(self, stream: str) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def graph(self, *_: object, **__: object) -> Iterator[None]:
        self.current = "of the capture"
        yield  # as in PyTorch, the next line is left out where something fails
        self.current = "usual"


def test_a_capture_that_fails_leaves_the_stream_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", streams.graph)
    monkeypatch.setattr(torch.cuda, "stream", streams.stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: streams.current)

    def run_step(_: Batch) -> Outcome:
        assert streams.current == "of the capture"
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        Recording(run_step, batch_of(8), None)
    assert streams.current == "usual"


def test_on_a_cpu_nothing_is_recorded(make_trainer) -> None:
    assert make_trainer().train_step.recorder is None


def test_as_many_pictures_of_another_size_are_another_recording(make_recorder) -> None:
    made = make_recorder(lambda batch: f"{batch.pixels.shape[-1]}")
    larger = Batch(torch.zeros(8, 3, 4, 4, dtype=torch.uint8), torch.zeros(8, dtype=torch.long))
    for batch in (batch_of(8), larger):
        for _ in range(NUM_EAGER):
            assert made.replay(batch) is None
        assert made.replay(batch) == f"{batch.pixels.shape[-1]} again"
