"""Pictures are read as training reads them: the same pixels, whatever way they come."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.reading import Reading
from utils.common.disk.location import Location
from utils.common.pictures import PictureError, read_picture
from utils.common.reading.colours.icc import DISPLAY_P3, rgb_profile, srgb_curve
from utils.dataset.images.prepare import PictureJob, prepare_picture
from utils.training.data.decoding import read_pixels
from utils.training.data.pictures import Picture

Make = Callable[..., Image.Image]
Encode = Callable[..., bytes]


def assembled(content: bytes, folder: Path, side: int) -> tuple[bytes, tuple[int, int], np.ndarray]:
    """Return the file that the assembly writes, its size, and what training reads from it."""
    (folder / "original").write_bytes(content)
    place = Location(str(folder / "original"))
    done = prepare_picture(PictureJob(0, place, folder / "x.jpg", side, "", 1, 10**8))
    written_size = done.width, done.height
    pixels = read_pixels(folder, Picture("x.jpg", 0, written_size))
    return (folder / "x.jpg").read_bytes(), written_size, pixels


@pytest.mark.parametrize("side", [256, 96, 600])
@pytest.mark.parametrize("size", [(300, 200), (90, 120), (700, 1400), (256, 256), (256, 300)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_original_gives_what_training_saw_of_it(
    make_picture: Make, encode: Encode, tmp_path: Path,
    side: int, size: tuple[int, int], kind: str,
) -> None:  # fmt: skip
    content = encode(make_picture(1, *size), kind)
    written, written_size, pixels = assembled(content, tmp_path, side)
    reading = Reading.of_sizes([written_size])
    assert reading == Reading(side)
    assert np.array_equal(reading.pixels(content), pixels)
    assert np.array_equal(reading.pixels(written), pixels)
    for known in (content, written):
        with Image.open(io.BytesIO(known)) as image:
            assert np.array_equal(reading.pixels(image), pixels)


def test_without_a_manifest_the_originals_are_read_directly(
    make_picture: Make, encode: Encode, tmp_path: Path
) -> None:
    content = encode(make_picture(1, 300, 200))
    (tmp_path / "x.jpg").write_bytes(content)
    expected = read_pixels(tmp_path, Picture("x.jpg", 0))
    reading = Reading.of_sizes([None, None])
    assert reading == Reading(is_written=False)
    assert np.array_equal(reading.pixels(content), expected)
    with Image.open(tmp_path / "x.jpg") as image:
        assert np.array_equal(reading.pixels(image), expected)


@pytest.mark.parametrize("size", [(640, 480), (300, 300), (1400, 700), (40, 50)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "wide JPEG"])
def test_pictures_that_keep_their_size_are_read_at_it(
    make_picture: Make, encode: Encode, tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    profile = rgb_profile(DISPLAY_P3, srgb_curve) if "wide" in kind else None
    content = encode(make_picture(1, *size), kind.split()[-1], icc_profile=profile)
    written, written_size, pixels = assembled(content, tmp_path, 0)
    assert written_size == size
    assert (written == content) == (kind == "JPEG")
    reading = Reading.of_sizes([size, (90, 80)])
    assert reading == Reading(0) == Reading.of_sizes([size, size], keeps_bytes=True)
    assert np.array_equal(reading.pixels(content), pixels)
    assert np.array_equal(reading.pixels(written), pixels)
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(reading.pixels(image), pixels)


def test_a_data_set_made_before_colours_were_converted_is_read_as_its_files_say(
    make_picture: Make, encode: Encode, tmp_path: Path
) -> None:
    profile = rgb_profile(DISPLAY_P3, srgb_curve)
    content = encode(make_picture(1, 300, 200), "JPEG", icc_profile=profile)
    (tmp_path / "x.jpg").write_bytes(content)
    pixels = read_pixels(tmp_path, Picture("x.jpg", 0, (300, 200)))
    assert np.array_equal(pixels, np.asarray(read_picture(content)[0]))


def test_a_stored_size_beyond_pillows_limit_is_trained_on(
    make_picture: Make, encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utils.training.data.decoding.MAX_PIXELS", 100)
    (tmp_path / "x.jpg").write_bytes(encode(make_picture(1, 700, 600)))
    assert read_pixels(tmp_path, Picture("x.jpg", 0, (700, 600))).shape == (256, 299, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_decoded_picture_takes_the_same_steps(
    make_picture: Make, encode: Encode, tmp_path: Path, kind: str, mode: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    settings: dict[str, Any] = {"exif": exif, "icc_profile": rgb_profile(DISPLAY_P3, srgb_curve)}
    path = tmp_path / f"turned.{kind}"
    path.write_bytes(
        encode(make_picture(1, 400, 300).convert(mode), kind, **({} if kind == "BMP" else settings))
    )
    pixels = Reading().pixels(path.read_bytes())
    assert pixels.shape == ((256, 341, 3) if kind == "BMP" else (341, 256, 3))
    with Image.open(path) as image:
        assert np.array_equal(Reading().pixels(image), pixels)
        assert np.array_equal(Reading().image_pixels(image), pixels)
    # From memory: Pillow forgets to turn some TIFFs that it loads from a path.
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.load()
        assert np.array_equal(Reading().pixels(image), pixels)


def test_an_open_picture_that_was_changed_is_not_read_from_its_file(
    make_picture: Make, encode: Encode
) -> None:
    content = encode(make_picture(1, 400, 300), "PNG")
    with Image.open(io.BytesIO(content)) as image:
        image.paste((1, 2, 3), (0, 0, 400, 300))
        assert np.asarray(Reading().pixels(image)).max() < 10
    with Image.open(io.BytesIO(encode(make_picture(2, 1600, 1200)))) as image:
        image.draft(None, (400, 300))
        assert min(Reading().pixels(image).shape[:2]) == 256


def test_a_loaded_picture_of_the_data_set_is_not_encoded_again(
    make_picture: Make, encode: Encode, tmp_path: Path
) -> None:
    written, _, pixels = assembled(encode(make_picture(1, 400, 300)), tmp_path, 256)
    with Image.open(io.BytesIO(written)) as image:
        image.load()
        assert np.array_equal(Reading().pixels(image), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_a_picture_of_any_mode_and_size_is_read(mode: str) -> None:
    for size in ((1, 1), (3, 2)):
        assert min(Reading().image_pixels(Image.new(mode, size)).shape[:2]) == 256


def test_pictures_beyond_all_bounds_are_refused() -> None:
    for size, reason in (((2, 50), "too narrow"), ((0, 0), "too narrow")):
        with pytest.raises(PictureError) as caught:
            Reading().image_pixels(Image.new("RGB", size))
        assert caught.value.reason == reason
