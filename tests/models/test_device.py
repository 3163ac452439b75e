"""A trained model answers in float32 proper, and leaves PyTorch as it was."""

import threading
from collections.abc import Iterator

import pytest
import torch

from models.device import BFLOAT16, FLOAT32, Compute, without_tf32

ON_GPU = Compute(torch.device("cuda"), FLOAT32)
EXACT = (False, "highest")


def switches() -> tuple[bool, str]:
    return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.fixture(params=["highest", "high"])
def before(request: pytest.FixtureRequest) -> Iterator[tuple[bool, str]]:
    """Return how PyTorch is set, by itself or by a training."""
    own = switches()
    torch.set_float32_matmul_precision(request.param)
    yield True, request.param
    torch.backends.cudnn.allow_tf32 = own[0]
    torch.set_float32_matmul_precision(own[1])


def test_no_gpu_answers_in_tf32(before: tuple[bool, str]) -> None:
    assert switches() == before
    with ON_GPU.answering():
        assert switches() == EXACT
        with ON_GPU.answering():
            assert switches() == EXACT
        assert switches() == EXACT
    assert switches() == before
    with pytest.raises(KeyboardInterrupt), ON_GPU.answering():
        raise KeyboardInterrupt
    assert switches() == before


def test_a_training_computes_as_it_did(before: tuple[bool, str]) -> None:
    with ON_GPU.autocast():
        assert switches() == before


@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16])
def test_on_a_cpu_nothing_is_switched(before: tuple[bool, str], precision: str) -> None:
    with Compute(torch.device("cpu"), precision).answering():
        assert switches() == before
        assert torch.is_autocast_enabled("cpu") == (precision == BFLOAT16)


def test_threads_leave_it_as_it_was_in_any_order(before: tuple[bool, str]) -> None:
    is_inside, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with without_tf32():
            is_inside.set()
            may_leave.wait(10)

    with without_tf32():
        thread = threading.Thread(target=stay)
        thread.start()
        assert is_inside.wait(10)
    assert switches() == EXACT  # the other is still at it
    may_leave.set()
    thread.join()
    assert switches() == before


def test_who_decides_by_the_newer_names_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed() -> str:
        raise RuntimeError("you have used mix of the legacy and new APIs")

    own = torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(torch, "get_float32_matmul_precision", mixed)
    with without_tf32():
        assert torch.backends.cudnn.allow_tf32 == own
