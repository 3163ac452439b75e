"""New degradations in each epoch: the same for any worker and cache, and of LOW_QUALITY alone."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from models.outputs import SUBJECTS
from models.preprocessing import Normalisation, Preprocessing
from models.pretrained import build
from models.zoo import resolve
from utils.common.labels import CLASSES, LOW_QUALITY, TRAIN, VAL
from utils.common.pictures import PictureError
from utils.dataset.output.manifest import read_manifest
from utils.quality.degrade import DegradationError, Degraded
from utils.training.data import batches
from utils.training.data.batches import Ticket
from utils.training.data.fresh import FRESH_SHARE, draw_parent, is_drawn_anew
from utils.training.data.frozen_features import compute_features
from utils.training.data.loader import PictureLoader, epoch_order
from utils.training.data.pictures import read_folder
from utils.training.data.pixels import open_pixels
from utils.training.data.targets import of_degraded, targets_of
from utils.training.processes.stopping import StopRequest
from utils.training.processes.world import World
from utils.training.settings import CACHES, NONE
from utils.training.step.micro_batches import MicroBatches

NUM_EPOCHS = 3


@pytest.fixture
def make_loader(degraded_dataset: Path, small_preprocessing: Preprocessing):
    def make(workers: int = 0, *, fresh: bool = True, **more) -> PictureLoader:
        pictures = read_folder(degraded_dataset)
        return PictureLoader(
            pictures, small_preprocessing, 4, workers, 0, fresh_low_quality=fresh, **more
        )

    return make


def samples(loader: PictureLoader, epoch: int | None, split: str = TRAIN) -> dict[str, np.ndarray]:
    """Return each picture as it is trained on in one epoch."""
    chosen = loader.pictures.splits[split]
    tickets = [Ticket(split, tuple(range(len(chosen))), epoch)]
    (batch,) = loader._serve(tickets)
    return dict(zip((picture.file for picture in chosen), batch.pixels.numpy(), strict=True))


def test_the_parent_of_each_picture_is_the_one_that_the_manifest_names(
    degraded_dataset: Path,
) -> None:
    pictures = read_folder(degraded_dataset)
    for row in read_manifest(degraded_dataset):
        listed = pictures.splits[row.split]
        (picture,) = (picture for picture in listed if picture.file == row.file)
        parent = "" if picture.parent is None else listed[picture.parent].file
        assert parent == row.parent
        assert bool(parent) == (row.label == LOW_QUALITY)


@pytest.mark.slow
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize(("workers", "method"), [(1, None), (2, "spawn")])
def test_any_number_of_workers_and_any_cache_draw_the_same(
    make_loader, workers: int, method: str | None, cache: str
) -> None:
    expected = [batch.map(torch.clone) for batch in make_loader().training_batches(1)]
    loader = make_loader(workers, cache=cache, start_method=method)
    for batch, other in zip(loader.training_batches(1), expected, strict=True):
        assert all(map(torch.equal, batch.tensors(), other.tensors()))


def test_low_quality_alone_is_drawn_anew_and_in_each_epoch_differently(make_loader) -> None:
    fresh, stored = make_loader(), make_loader(fresh=False)
    changed: Counter[str] = Counter()
    views = set()
    for epoch in range(NUM_EPOCHS):
        plain = samples(stored, epoch)
        for file, pixels in samples(fresh, epoch).items():
            is_new = not np.array_equal(pixels, plain[file])
            changed[file.split("/")[1]] += is_new
            if is_new:
                assert is_drawn_anew(file, 0, epoch)
                views.add(pixels.tobytes())
    assert changed[LOW_QUALITY] == changed.total() == len(views)
    assert changed[LOW_QUALITY] >= 3


def told(loader: PictureLoader, epoch: int | None) -> dict[str, list[int]]:
    """Return the targets of each training picture in one epoch."""
    chosen = loader.pictures.splits[TRAIN]
    (batch,) = loader._serve([Ticket(TRAIN, tuple(range(len(chosen))), epoch)])
    files = (picture.file for picture in chosen)
    return dict(zip(files, batch.targets.tolist(), strict=True))


def test_targets_are_those_of_what_was_drawn(make_loader, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = make_loader()
    drawn: dict[tuple[str, int], Degraded] = {}
    original = batches.degrade_anew

    def note(parent: np.ndarray, file: str, seed: int, epoch: int) -> Degraded:
        drawn[file, epoch] = original(parent, file, seed, epoch)
        return drawn[file, epoch]

    monkeypatch.setattr(batches, "degrade_anew", note)
    on_disk = told(make_loader(fresh=False), 0)
    rows = {row.file: targets_of(row) for row in read_manifest(loader.pictures.folder)}
    differ = 0
    for epoch in range(NUM_EPOCHS):
        for file, targets in told(loader, epoch).items():
            assert on_disk[file] == list(rows[file])
            if (file, epoch) not in drawn:
                assert targets == on_disk[file]
                continue
            new = drawn[file, epoch]
            subject = SUBJECTS[on_disk[file][0]]  # the class of the parent stays
            assert tuple(targets) == of_degraded(subject, new.degradation, new.severity)
            differ += targets != on_disk[file]
    assert differ >= 3


def test_features_of_a_view_are_told_as_that_view(
    make_loader, small_preprocessing: Preprocessing
) -> None:
    """What is drawn anew in frozen epochs is what was drawn when the features were computed."""
    loader = make_loader()
    network, _ = build(resolve("test_resnet"), len(CLASSES), pretrained=False, size=(32, 32))
    world = World()
    computed = compute_features(
        network.eval(), small_preprocessing, Normalisation(small_preprocessing), loader,
        MicroBatches(torch.device("cpu"), world, True, 1), StopRequest(world), 1,
    )  # fmt: skip
    first_view = list(told(loader, 0).values())
    assert first_view != list(told(make_loader(), 1).values())
    order = epoch_order(loader.seed, 1, len(first_view))
    found = torch.cat([batch.targets for batch in computed.training_batches(1)]).tolist()
    assert found == [first_view[position] for position in order]


def test_a_broken_parent_is_the_one_that_is_blamed(make_loader, degraded_dataset: Path) -> None:
    reader = make_loader()._loader.dataset
    listed = reader.splits[TRAIN]
    child = next(
        position
        for position, picture in enumerate(listed)
        if picture.parent is not None and is_drawn_anew(picture.file, reader.seed, 0)
    )
    label = listed[listed[child].parent].label
    parent = draw_parent(reader.good[TRAIN, label], listed[child].file, reader.seed, 0)

    class Torn:
        def read(self, split: str, position: int) -> None:
            assert position == parent
            raise PictureError("truncated", "it ends too early")

    reader.pixels = Torn()
    broken = reader[Ticket(TRAIN, (child,), 0)]
    assert broken.file == listed[parent].file != listed[child].file


def test_that_share_of_them_is_drawn_anew() -> None:
    drawn = [is_drawn_anew(f"{number}.jpg", 0, epoch) for number in range(500) for epoch in (0, 1)]
    assert np.mean(drawn) == pytest.approx(FRESH_SHARE, abs=0.05)


def test_all_good_pictures_of_a_class_become_parents_equally_often() -> None:
    drawn = Counter(
        draw_parent(range(10, 15), f"{number}.jpg", 0, epoch)
        for number in range(500)
        for epoch in (0, 1)
    )
    assert set(drawn) == {10, 11, 12, 13, 14}
    assert sum((count - 200) ** 2 / 200 for count in drawn.values()) < 18.5  # 0.1 %


def test_the_class_of_the_parent_stays(make_loader, monkeypatch) -> None:
    """So parents stay evenly spread over the classes, and each split keeps to its own."""
    fresh = make_loader()
    listed = fresh.pictures.splits[TRAIN]
    parents: dict[str, set[str]] = {}

    def note(parent: np.ndarray, file: str, *_: int) -> Degraded:
        (found,) = {
            picture.file
            for index, picture in enumerate(listed)
            if picture.label != CLASSES.index(LOW_QUALITY)
            and np.array_equal(reader.read(TRAIN, index), parent)
        }
        parents.setdefault(file, set()).add(found)
        return Degraded(parent, "haze", 1, "", 0, 0)

    reader = open_pixels(fresh.pictures, NONE)
    monkeypatch.setattr(batches, "degrade_anew", note)
    for epoch in range(NUM_EPOCHS):
        samples(fresh, epoch)
    own = {p.file: listed[p.parent].file for p in listed if p.parent is not None}
    for file, found in parents.items():
        assert {parent.split("/")[1] for parent in found} == {own[file].split("/")[1]}
    assert any(found - {own[file]} for file, found in parents.items())


@pytest.mark.parametrize(("split", "epoch"), [(VAL, None), (TRAIN, None)])
def test_evaluation_shows_what_is_on_disk(make_loader, split: str, epoch: None) -> None:
    found = samples(make_loader(), epoch, split)
    expected = samples(make_loader(fresh=False), epoch, split)
    assert all(np.array_equal(found[file], expected[file]) for file in expected)


def test_a_parent_that_resists_leaves_the_one_on_disk(make_loader, monkeypatch) -> None:
    def resist(*_: object) -> None:
        raise DegradationError("no draw made it worse")

    expected = samples(make_loader(fresh=False), 0)
    monkeypatch.setattr(batches, "degrade_anew", resist)
    found = samples(make_loader(), 0)
    assert all(np.array_equal(found[file], expected[file]) for file in expected)
    assert told(make_loader(), 0) == told(make_loader(fresh=False), 0)


def test_pictures_without_a_parent_are_left_as_they_are(
    tiny_dataset: Path, small_preprocessing: Preprocessing
) -> None:
    pictures = read_folder(tiny_dataset)
    assert {picture.parent for picture in pictures.splits[TRAIN]} == {None}
    assert LOW_QUALITY in {CLASSES[picture.label] for picture in pictures.splits[TRAIN]}
    fresh, stored = (
        PictureLoader(pictures, small_preprocessing, 4, 0, 0, fresh_low_quality=fresh)
        for fresh in (True, False)
    )
    found, expected = samples(fresh, 0), samples(stored, 0)
    assert all(np.array_equal(found[file], expected[file]) for file in expected)
