"""Pictures are read as training reads them: the same pixels, whatever way they come."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.reading import Reading
from utils.common.location import Location
from utils.common.pictures import PictureError
from utils.dataset.prepare import PictureJob, prepare_picture
from utils.training.decoding import read_pixels
from utils.training.pictures import Picture


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
    make_picture: Callable[..., Image.Image], encode: Callable[..., bytes], tmp_path: Path,
    side: int, size: tuple[int, int], kind: str,
) -> None:  # fmt: skip
    content = encode(make_picture(1, *size), kind)
    written, written_size, pixels = assembled(content, tmp_path, side)
    reading = Reading.of_sizes([written_size])
    assert reading == Reading(side)
    if not (kind == "JPEG" and min(size) == side):  # taken for one of the data set's own
        assert np.array_equal(reading.pixels(content), pixels)
    assert np.array_equal(reading.pixels(written), pixels)


def test_without_one_size_the_originals_are_read_directly(
    make_picture: Callable[..., Image.Image], encode: Callable[..., bytes], tmp_path: Path
) -> None:
    content = encode(make_picture(1, 300, 200))
    (tmp_path / "x.jpg").write_bytes(content)
    expected = read_pixels(tmp_path, Picture("x.jpg", 0))
    for sizes in ([None, None], [(300, 200), (200, 500), (90, 80)]):
        reading = Reading.of_sizes(sizes)
        assert not reading.is_written
        assert np.array_equal(reading.pixels(content), expected)


def test_an_open_picture_is_turned_upright_and_read_alike(
    make_picture: Callable[..., Image.Image], encode: Callable[..., bytes], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    path.write_bytes(encode(make_picture(1, 400, 300), "PNG", exif=exif))
    pixels = Reading().pixels(path.read_bytes())
    assert pixels.shape == (341, 256, 3)
    with Image.open(path) as image:
        assert np.array_equal(Reading().image_pixels(image), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_a_picture_of_any_mode_and_size_is_read(mode: str) -> None:
    for size in ((1, 1), (3, 2)):
        assert min(Reading().image_pixels(Image.new(mode, size)).shape[:2]) == 256


def test_pictures_beyond_all_bounds_are_refused() -> None:
    for size, reason in (((2, 50), "too narrow"), ((0, 0), "too narrow")):
        with pytest.raises(PictureError) as caught:
            Reading().image_pixels(Image.new("RGB", size))
        assert caught.value.reason == reason
