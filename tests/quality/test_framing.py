"""Close-ups are cut from panoramic training pictures alone, as many as there are photographed."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.quality import framing
from benchmarks.tools.close_up import cut_close_up
from tests.quality.test_close_up import BEHIND, TONES, limb
from utils.common.disk.location import Originals
from utils.common.errors import SettingsError
from utils.common.labels import COLLECTED_CLASSES, DERM_CLINIC, PAN, TRAIN
from utils.dataset.output.manifest import read_manifest
from utils.sources.record import Record
from utils.training.data.pictures import read_folder

BARE = 2
"""Every so many of the panoramic pictures show no skin."""


def as_png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def photograph(number: int, label: str) -> np.ndarray:
    rng = np.random.default_rng([number, COLLECTED_CLASSES.index(label)])
    spots = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
    if label != PAN:
        return np.asarray(spots.resize((640, 480), Image.Resampling.NEAREST))
    picture = limb(TONES[1] if number % BARE else BEHIND[0], BEHIND[0])
    picture[420:] = np.asarray(spots.resize((640, 60), Image.Resampling.NEAREST))
    return picture


@pytest.mark.slow
def test_a_data_set_gets_close_ups_of_its_own_training_pictures(
    tmp_path: Path, build: Callable[..., Any]
) -> None:
    root, records = tmp_path / "ALL_DATA", []
    for label in COLLECTED_CLASSES:
        for number in range(12):
            original = f"{label.lower()}/{number}.png"
            (root / original).parent.mkdir(parents=True, exist_ok=True)
            (root / original).write_bytes(as_png(photograph(number, label)))
            records.append(Record("made", original, original, label, original))
    data, out = tmp_path / "DATASET", tmp_path / "OUT"
    build(data, root, records, image_size=256, keep_poor=True)
    rows = read_manifest(data)
    framing.make_data_set(rows, Originals(root), data, out)
    made = [row for row in read_manifest(out) if row.file not in {one.file for one in rows}]
    training = [row for row in rows if row.split == TRAIN]
    with_skin = {r.original for r in training if r.label == PAN and int(Path(r.original).stem) % 2}
    assert {row.original for row in made} <= with_skin
    photographed = sum(row.label == DERM_CLINIC for row in training)
    assert len(made) == min(photographed, len(with_skin)) > 0
    group_of = {row.original: row.group for row in training}
    for row in made:
        assert (row.split, row.label, row.group) == (TRAIN, DERM_CLINIC, group_of[row.original])
        with Image.open(out / row.file) as picture:
            assert picture.size == (row.width, row.height) == (256, 256)
    counts = Counter(one.label for one in training)
    assert sum(read_folder(out).counts(TRAIN)) == counts.total() + len(made)
    with pytest.raises(SettingsError, match="there already"):
        framing.make_data_set(rows, Originals(root), data, out)


def test_none_is_cut_that_would_be_blurred_or_shows_no_skin() -> None:
    sharp = limb(TONES[1], BEHIND[0])
    sharp[150:400] += np.random.default_rng(1).integers(0, 25, (250, 640, 1), np.uint8)
    found = cut_close_up(as_png(sharp))
    assert found is not None
    assert found.shape == (256, 256, 3)
    assert cut_close_up(as_png(cv2.resize(sharp, (500, 400)))) is None  # 180 pixels of it
    assert cut_close_up(as_png(cv2.GaussianBlur(sharp, (0, 0), 5))) is None
    assert cut_close_up(as_png(limb(BEHIND[0], BEHIND[0]))) is None
