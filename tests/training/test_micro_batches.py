"""A batch is split further only where memory runs out, and never below the smallest size."""

from collections.abc import Callable

import pytest
import torch

from utils.common.errors import ModelError, SettingsError
from utils.training.processes.world import World
from utils.training.step.micro_batches import MicroBatches

CPU = torch.device("cpu")


def make(has_batch_norm: bool = False, total: int = 1, **more: object) -> MicroBatches:
    return MicroBatches(CPU, World(), has_batch_norm, total, **more)


def fitting(micro_batches: MicroBatches, num_pictures: int, limit: int) -> Callable[[], int]:
    """Return an attempt that fits with at most `limit` pictures at a time."""

    def attempt() -> int:
        count = micro_batches.count(num_pictures)
        if max(len(part) for part in torch.zeros(num_pictures).tensor_split(count)) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return count

    return attempt


@pytest.mark.parametrize("num_pictures", [1, 2, 7, 32, 33])
@pytest.mark.parametrize("limit", [1, 3, 8, 40])
def test_it_splits_until_it_fits_and_no_further(num_pictures: int, limit: int) -> None:
    micro_batches = make()
    count = micro_batches.retry(num_pictures, fitting(micro_batches, num_pictures, limit))
    assert -(-num_pictures // count) <= limit
    if count > 1:
        half = make(total=count // 2)
        with pytest.raises(torch.OutOfMemoryError):
            fitting(half, num_pictures, limit)()
    assert micro_batches.total == micro_batches.per_rank >= count


def test_each_failed_attempt_is_undone() -> None:
    micro_batches, undone = make(), []
    micro_batches.retry(16, fitting(micro_batches, 16, 2), lambda: undone.append(None))
    assert len(undone) == 3  # 1, 2 and 4 micro-batches of 16 pictures are too large


def test_memory_that_can_be_released_is_tried_first() -> None:
    released = [False, False, True]
    micro_batches = make(release=lambda: released.pop())
    failures = iter([True, True, False])

    def attempt() -> int:
        if next(failures):
            raise torch.OutOfMemoryError
        return micro_batches.count(8)

    assert micro_batches.retry(8, attempt) == 2
    assert released == [False]


@pytest.mark.parametrize(("has_batch_norm", "smallest"), [(True, 2), (False, 1)])
def test_the_smallest_micro_batch_is_the_end(has_batch_norm: bool, smallest: int) -> None:
    micro_batches = make(has_batch_norm)
    attempt = fitting(micro_batches, 8, limit=smallest)
    assert micro_batches.retry(8, attempt) == 8 // smallest
    with pytest.raises(ModelError, match=f"too little memory even for {smallest} pictures at a t"):
        micro_batches.retry(8, fitting(micro_batches, 8, limit=0))


def test_ranks_that_wait_for_each_other_do_not_split() -> None:
    micro_batches = make()
    with pytest.raises(ModelError, match="too little memory for 8 pictures at a time, and they"):
        micro_batches.retry(8, fitting(micro_batches, 8, limit=4), may_split=False)


def test_an_error_of_a_flag_is_one_line_and_any_other_is_raised() -> None:
    def fail(words: str) -> None:
        raise RuntimeError(words)

    with pytest.raises(SettingsError, match="Start anew without --deterministic"):
        make().retry(8, lambda: fail("cumsum does not have a deterministic implementation"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        make().retry(8, lambda: fail("shapes do not match"))


def test_all_ranks_take_the_largest_number() -> None:
    class Other(World):
        size = 2

        def all_reduce_max(self, number: int) -> int:
            return max(number, 6)

    micro_batches = MicroBatches(CPU, Other(), False, 2)
    micro_batches.agree()
    assert (micro_batches.total, micro_batches.per_rank) == (6, 3)
