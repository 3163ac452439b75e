"""Originals that are no good examples of their class are left out, with reason and figures."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.tools.drawn_texture import draw_texture
from utils.common.disk.location import Location
from utils.common.limits import MAX_FILE_BYTES
from utils.dataset.images.prepare import PictureJob, Prepared, prepare_picture
from utils.dataset.recipe import Recipe

GOOD = draw_texture(np.random.default_rng(2), 300, 400)


def prepared(pixels: np.ndarray, folder: Path, *, keep_poor: bool = False) -> Prepared:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    (folder / "original").write_bytes(stream.getvalue())
    sizes = Recipe().min_size, Recipe().max_pixels
    place = Location(str(folder / "original"))
    return prepare_picture(PictureJob(1, place, folder / "x.jpg", 256, "", *sizes, keep_poor))


@pytest.mark.parametrize(
    ("side", "reason"), [(48, "too small"), (114, "too small"), (115, ""), (300, "")]
)
def test_a_thumbnail_is_no_good_picture(side: int, reason: str, tmp_path: Path) -> None:
    small = draw_texture(np.random.default_rng(2), side, side + 40)
    found = prepared(small, tmp_path)
    assert (found.reason, (tmp_path / "x.jpg").exists()) == (reason, not reason)


@pytest.mark.parametrize(
    ("pixels", "reason", "detail"),
    [
        (cv2.GaussianBlur(GOOD, (0, 0), 4), "too blurred", "acuity 1."),
        (cv2.convertScaleAbs(GOOD, alpha=0.2), "too dark", "95 % of it below grey value"),
    ],
)
def test_a_poor_original_is_told_and_left_out(
    pixels: np.ndarray, reason: str, detail: str, tmp_path: Path
) -> None:
    found = prepared(pixels, tmp_path)
    assert found.reason == reason
    assert found.detail.startswith(detail)
    assert len(found.original_sha256) == 32
    assert not (tmp_path / "x.jpg").exists()
    assert not prepared(pixels, tmp_path, keep_poor=True).reason


@pytest.mark.parametrize("kind", ["too large", "not a regular file", "unreadable"])
def test_what_no_other_run_can_read_is_not_tried_again(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "original"
    if kind == "too large":
        with place.open("wb") as stream:
            stream.truncate(MAX_FILE_BYTES + 1)
    elif kind == "not a regular file":
        place.mkdir()
    job = PictureJob(1, Location(str(place)), None, 256, "", 1, Recipe().max_pixels)
    found = prepare_picture(job)
    assert (found.reason, found.may_pass) == (kind, kind == "unreadable")
    assert not found.original_sha256


def test_what_no_jpeg_could_hold_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utils.common.pictures.JPEG_SIDE", 300)
    found = prepared(GOOD, tmp_path)
    assert (found.reason, found.may_pass) == ("too large", False)
    assert found.detail == "341 x 256 pixels, and no side of a JPEG has over 300"
    assert not (tmp_path / "x.jpg").exists()
