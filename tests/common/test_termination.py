"""A child's death: PyTorch's handler never stays, anybody else's does."""

import signal
from collections.abc import Iterator

import pytest

from utils.common.system.termination import PYTORCH_HANDLER, deaths_told_later

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="the system has no such")


def own(number: int, frame: object) -> None:
    """Stand for a handler of the user's."""


def of_pytorch(number: int, frame: object) -> None:
    """Stand for the one that a data loader sets."""


of_pytorch.__module__ = PYTORCH_HANDLER


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [(signal.SIG_DFL, signal.SIG_DFL), (own, own), (of_pytorch, signal.SIG_DFL)],
)
def test_what_a_data_loader_sets_is_undone(before: object, after: object) -> None:
    signal.signal(signal.SIGCHLD, before)
    with deaths_told_later():
        signal.signal(signal.SIGCHLD, of_pytorch)
    assert signal.getsignal(signal.SIGCHLD) is after


def test_the_handler_is_still_the_one_of_that_module() -> None:
    from torch.utils.data._utils import signal_handling

    assert signal_handling.__name__ == PYTORCH_HANDLER
    assert callable(signal_handling._set_SIGCHLD_handler)
