"""Properties of the batch stream: one stream for any worker count, start and epoch."""

import hashlib
import multiprocessing
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from models.preprocessing import Preprocessing
from utils.common.errors import DatasetError
from utils.common.labels import TEST, TRAIN, VAL
from utils.training.data.batches import Batch
from utils.training.data.loader import PictureLoader, cut, epoch_order
from utils.training.data.pictures import read_folder
from utils.training.settings import CACHES


@pytest.fixture
def make_loader(tiny_dataset: Path, small_preprocessing: Preprocessing):
    def make(workers: int = 0, batch_size: int = 4, seed: int = 0, **more) -> PictureLoader:
        pictures = read_folder(tiny_dataset)
        return PictureLoader(pictures, small_preprocessing, batch_size, workers, seed, **more)

    return make


def digest(batches: list[Batch]) -> str:
    stream = hashlib.sha256()
    for batch in batches:
        stream.update(batch.pixels.numpy().tobytes())
        stream.update(batch.labels.numpy().tobytes())
    return stream.hexdigest()


def everything(loader: PictureLoader) -> str:
    batches = [*loader.training_batches(0), *loader.evaluation_batches(VAL)]
    return digest([*batches, *loader.training_batches(1)])


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_stream_is_the_same_for_any_number_of_workers_and_any_cache(
    make_loader, workers: int, cache: str
) -> None:
    assert everything(make_loader(workers, cache=cache)) == everything(make_loader(0))


@pytest.mark.slow
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize(("workers", "method"), [(8, "fork"), (1, "spawn"), (2, "spawn")])
def test_the_stream_is_the_same_for_many_and_for_spawned_workers(
    make_loader, workers: int, method: str, cache: str
) -> None:
    loader = make_loader(workers, start_method=method, cache=cache)
    assert everything(loader) == everything(make_loader(0))


def test_an_epoch_can_be_entered_at_any_step(make_loader) -> None:
    loader = make_loader()
    whole = list(loader.training_batches(3))
    for step in range(len(whole) + 1):
        assert digest(list(loader.training_batches(3, step))) == digest(whole[step:])


@pytest.mark.slow
def test_a_worker_does_not_grow_with_the_number_of_batches(
    tiny_dataset: Path, worker_growth_kib
) -> None:
    wanted = Preprocessing(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", 0.9)
    batch_size = 8
    loader = PictureLoader(read_folder(tiny_dataset), wanted, batch_size, 1, 0)
    batches = loader.evaluation_batches(TRAIN, list(range(24)) * 20)
    batch_kib = batch_size * 3 * wanted.height * wanted.width / 1024
    assert worker_growth_kib(batches) < 5 * batch_kib


def test_an_abandoned_epoch_leaves_nothing_behind(make_loader) -> None:
    loader = make_loader(workers=2)
    next(loader.training_batches(0))
    assert digest(list(loader.training_batches(1))) == digest(
        list(make_loader().training_batches(1))
    )


def test_epochs_and_seeds_differ(make_loader) -> None:
    loader = make_loader()
    streams = {
        digest(list(loader.training_batches(0))),
        digest(list(loader.training_batches(1))),
        digest(list(make_loader(seed=1).training_batches(0))),
    }
    assert len(streams) == 3


@pytest.mark.parametrize("split", [TRAIN, VAL, TEST])
def test_evaluation_serves_each_picture_once_and_in_order(make_loader, split: str) -> None:
    loader = make_loader(batch_size=4)
    labels = torch.cat([batch.labels for batch in loader.evaluation_batches(split)]).tolist()
    assert labels == [picture.label for picture in loader.pictures.splits[split]]


def test_batches_are_whole_numbers_stored_with_the_channels_last(make_loader) -> None:
    batch = next(make_loader().training_batches(0))
    assert batch.pixels.dtype == torch.uint8
    assert batch.pixels.shape == (4, 3, 32, 32)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.dtype == torch.int64


@pytest.mark.parametrize("num_pictures", range(1, 12))
@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_a_cut_loses_nothing_and_leaves_no_picture_alone(
    num_pictures: int, batch_size: int
) -> None:
    batches = cut(range(num_pictures), batch_size)
    assert [index for batch in batches for index in batch] == list(range(num_pictures))
    if batch_size > 1 and num_pictures > 1:
        assert min(map(len, batches)) > 1


def test_an_order_is_a_shuffle() -> None:
    order = epoch_order(0, 0, 100)
    assert Counter(order) == Counter(range(100))
    assert order != sorted(order)
    assert order == epoch_order(0, 0, 100)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_one_line(
    own_dataset: Path, small_preprocessing: Preprocessing, workers: int
) -> None:
    broken = own_dataset / "val" / "PAN" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    loader = PictureLoader(read_folder(own_dataset), small_preprocessing, 4, workers, 0)
    with pytest.raises(DatasetError) as raised:
        list(loader.evaluation_batches(VAL))
    assert str(raised.value).startswith(f"{broken} cannot be read: ")
    assert "\n" not in str(raised.value)


def test_a_picture_of_another_size_than_the_manifest_says_is_told(
    own_dataset: Path, small_preprocessing: Preprocessing
) -> None:
    manifest = own_dataset / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",80,64,", ",81,64,"))
    loader = PictureLoader(read_folder(own_dataset), small_preprocessing, 4, 0, 0)
    with pytest.raises(DatasetError, match="changed, 80 x 64 pixels"):
        list(loader.evaluation_batches(VAL))


def test_the_pixels_are_those_that_pillow_decodes(
    own_dataset: Path, small_preprocessing: Preprocessing
) -> None:
    from PIL import Image

    from utils.training.data.decoding import read_pixels

    for picture in read_folder(own_dataset).splits[TRAIN]:
        with Image.open(own_dataset / picture.file) as image:
            assert np.array_equal(read_pixels(own_dataset, picture), np.asarray(image))


def test_workers_end_when_a_loader_is_closed_and_may_be_closed_again(make_loader) -> None:
    before = set(multiprocessing.active_children())
    loader = make_loader(2)
    assert everything(loader)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    loader.close()
    loader.close()
    assert not any(worker.is_alive() for worker in workers)
