"""Batches lie where the workers wrote them, for as long as somebody looks at them."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from models.preprocessing import Preprocessing
from utils.common.errors import SettingsError
from utils.common.labels import TRAIN, VAL
from utils.training.data.loader import NUM_IN_USE, PREFETCH, PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.data.slots import Dispatcher, Slots


@pytest.fixture
def make_loader(
    tiny_dataset: Path, small_preprocessing: Preprocessing
) -> Callable[..., PictureLoader]:
    def make(batch_size: int = 2, workers: int = 1, **more: int) -> PictureLoader:
        pictures = read_folder(tiny_dataset)
        return PictureLoader(pictures, small_preprocessing, batch_size, workers, 0, **more)

    return make


def is_in_slot(loader: PictureLoader, pixels: torch.Tensor) -> bool:
    memory = loader._slots.memory
    return 0 <= pixels.data_ptr() - memory.data_ptr() < memory.numel()


def test_each_batch_of_an_epoch_lies_where_the_worker_wrote_it(make_loader) -> None:
    loader = make_loader()
    for epoch in range(3):
        assert all(is_in_slot(loader, batch.pixels) for batch in loader.training_batches(epoch))


def test_batches_that_are_kept_stay_what_they_are(make_loader) -> None:
    loader = make_loader()
    kept, copies = [], []
    for batch in loader.training_batches(0):
        kept.append(batch)
        copies.append(batch.pixels.clone())
    assert len(kept) > PREFETCH + NUM_IN_USE  # more than there are slots: these came by the queue
    assert not is_in_slot(loader, kept[-1].pixels)
    for _ in loader.training_batches(1):
        pass
    for batch, copy in zip(kept, copies, strict=True):
        assert torch.equal(batch.pixels, copy)


def test_too_little_shared_memory_is_one_line(make_loader, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("unable to allocate shared memory(shm)")

    monkeypatch.setattr(torch.UntypedStorage, "_new_shared", refuse)
    with pytest.raises(SettingsError) as raised:
        make_loader()
    assert str(raised.value).endswith(
        " MiB of shared memory for the batches under way are not available. Make /dev/shm larger "
        "(docker run --shm-size), or give fewer --workers or a smaller --batch-size."
    )
    assert list(make_loader(workers=0).training_batches(0))


def test_a_part_of_a_batch_keeps_the_whole() -> None:
    slots = Slots(1, 4, 8, 8)
    part = slots.show(slots.take(), 4).tensor_split(2)[1][:, 0]
    gc.collect()
    assert slots.take() is None
    del part
    assert slots.take() == 0


def test_passes_that_are_left_lose_no_slot(make_loader) -> None:
    loader = make_loader()
    for epoch in range(4):
        next(loader.training_batches(epoch))
    for batch in loader.evaluation_batches(VAL):
        assert is_in_slot(loader, batch.pixels)
    del batch
    assert sorted(loader._slots._free) == list(range(PREFETCH + NUM_IN_USE))


@pytest.mark.parametrize(("batch_size", "num_processes"), [(2, 1), (7, 2), (5, 3), (3, 4)])
def test_the_largest_share_has_room(make_loader, batch_size: int, num_processes: int) -> None:
    for rank in range(num_processes):
        more = {"rank": rank, "num_processes": num_processes}
        filled, sent = (all_tensors(make_loader(batch_size, count, **more)) for count in (1, 0))
        for one, other in zip(filled, sent, strict=True):
            assert torch.equal(one, other)


def all_tensors(loader: PictureLoader) -> Iterator[torch.Tensor]:
    everything = range(len(loader.pictures.splits[TRAIN]))
    for batches in (loader.training_batches(0), loader.dealt_batches(TRAIN, everything)):
        for batch in batches:
            yield from batch.tensors() if batch else ()


def test_without_workers_a_ticket_needs_no_slot(make_loader) -> None:
    loader = make_loader(workers=0)
    assert loader._slots is None
    assert all(ticket.slot is None for ticket in Dispatcher(None))
    assert len(list(loader.training_batches(0))) == loader.steps(TRAIN)
