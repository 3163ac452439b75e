"""A PNG that is decoded strip by strip gives the pixels of Pillow, or is left to it."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.common.corpus import encode
from tests.common.test_costs import chunk
from utils.common.pictures import PictureError, read_picture
from utils.common.reading import png_pixels
from utils.common.reading.png_pixels import decode_png, tells_late
from utils.common.reading.target_size import REDUCING_GAP, averaged, fit_shorter_side
from utils.common.seeds import generator

pytest.importorskip("isal")
pytest.importorskip("pyspng")

SIZES = ((1, 1), (301, 203), (640, 512), (513, 700), (5, 999))
DIVISORS = ((1, 1), (2, 2), (3, 3), (2, 3), (4, 4), (5, 5))


def draw_noise(size: tuple[int, int], channels: int = 3) -> Image.Image:
    width, height = size
    rng = generator("png", width, height)
    return Image.fromarray(rng.integers(0, 256, (height, width, channels)).astype(np.uint8))


def draw_rows(width: int, height: int) -> bytes:
    """Return rows of any value, each with any of the five filters."""
    rng = generator("png rows", width, height)
    rows = rng.integers(0, 256, (height, 1 + 3 * width)).astype(np.uint8)
    rows[:, 0] = rng.integers(0, 5, height)
    return rows.tobytes()


def pack(
    width: int, height: int, packed: bytes, before: bytes = b"", behind: bytes = b"",
    interlace: int = 0,
) -> bytes:  # fmt: skip
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlace))
    pieces = (chunk(b"IDAT", packed[at : at + 5000]) for at in range(0, len(packed), 5000))
    return b"".join([png_pixels.SIGNATURE, head, before, *pieces, behind, chunk(b"IEND", b"")])


def by_pillow(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


WIDTH, HEIGHT = 120, 90
ROWS = draw_rows(WIDTH, HEIGHT)
PACKED = zlib.compress(ROWS)
PLAIN = pack(WIDTH, HEIGHT, PACKED)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("divisors", DIVISORS)
def test_pixels_are_those_of_pillow(size: tuple[int, int], divisors: tuple[int, int]) -> None:
    picture = draw_noise(size)
    found = decode_png(encode(picture, "PNG", compress_level=1), divisors)
    assert found is not None
    wanted = picture if divisors == (1, 1) else picture.reduce(divisors)
    assert (found.size, found.tobytes()) == (wanted.size, wanted.tobytes())


@pytest.mark.parametrize("strip_bytes", [1, 5000, 2**18])
@pytest.mark.parametrize("divisors", DIVISORS)
def test_all_filters_across_strips(
    strip_bytes: int, divisors: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png_pixels, "STRIP_BYTES", strip_bytes)
    found = decode_png(PLAIN, divisors)
    assert found is not None
    wanted = by_pillow(PLAIN)
    assert found.tobytes() == (wanted.reduce(divisors) if divisors > (1, 1) else wanted).tobytes()


def test_the_mean_of_four_is_rounded_alike() -> None:
    ends = np.arange(256, dtype=np.uint8)
    upper, lower = np.meshgrid(ends, ends)
    for third, fourth in ((0, 0), (0, 1), (255, 254), (255, 255)):
        blocks = np.stack([upper, lower, np.full_like(upper, third), np.full_like(upper, fourth)])
        grey = blocks.reshape(2, 2, 256, 256).transpose(2, 0, 3, 1).reshape(512, 512)
        picture = Image.fromarray(np.repeat(grey[..., None], 3, axis=2))
        found = decode_png(encode(picture, "PNG"), (2, 2))
        assert found is not None
        assert found.tobytes() == picture.reduce(2).tobytes()


def test_opaque_pictures_lose_their_transparency() -> None:
    picture = draw_noise((300, 310))
    with_alpha = picture.copy()
    with_alpha.putalpha(255)
    found = decode_png(encode(with_alpha, "PNG"))
    assert found is not None
    assert found.tobytes() == picture.tobytes()


@pytest.mark.parametrize("shorter_side", [0, 100, 150, 256, 700])
@pytest.mark.parametrize("size", [(600, 512), (1031, 613)])
def test_a_picture_is_resized_as_by_pillow_alone(shorter_side: int, size: tuple[int, int]) -> None:
    picture = draw_noise(size)
    wanted = picture
    if shorter_side:
        target = fit_shorter_side(size, shorter_side)
        wanted = picture.resize(target, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    found, original = read_picture(encode(picture, "PNG", compress_level=1), shorter_side)
    assert found.tobytes() == wanted.tobytes()
    assert (original.width, original.height) == size


def test_a_turned_picture_is_averaged_after_it_is_turned() -> None:
    picture, exif = draw_noise((1031, 613)), Image.Exif()
    exif[0x0112] = 6
    upright = picture.transpose(Image.Transpose.ROTATE_270)
    target = fit_shorter_side(upright.size, 100)
    wanted = upright.resize(target, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    found, _ = read_picture(encode(picture, "PNG", exif=exif, compress_level=1), 100)
    assert found.tobytes() == wanted.tobytes()


OTHERS = {
    "a row too few": pack(WIDTH, HEIGHT, zlib.compress(ROWS[: -3 * WIDTH - 1])),
    "a byte too few": pack(WIDTH, HEIGHT, zlib.compress(ROWS[:-1])),
    "a row too many": pack(WIDTH, HEIGHT, zlib.compress(ROWS + ROWS[: 3 * WIDTH + 1])),
    "far too many": pack(WIDTH, HEIGHT, zlib.compress(ROWS + bytes(20_000_000))),
    "another checksum": pack(WIDTH, HEIGHT, PACKED[:-1] + bytes((PACKED[-1] ^ 1,))),
    "no checksum": pack(WIDTH, HEIGHT, PACKED[:-4]),
    "bytes behind the checksum": pack(WIDTH, HEIGHT, PACKED + b"x"),
    "a filter that is none": pack(WIDTH, HEIGHT, zlib.compress(b"\5" + ROWS[1:])),
    "a last filter that is none": pack(
        WIDTH, HEIGHT, zlib.compress(ROWS[: -3 * WIDTH - 1] + b"\5" + ROWS[-3 * WIDTH :])
    ),
    "a transparent colour": pack(WIDTH, HEIGHT, PACKED, chunk(b"tRNS", bytes(6))),
    "pixels in two places": pack(
        WIDTH, HEIGHT, PACKED, behind=chunk(b"tIME", bytes(7)) + chunk(b"IDAT", b"")
    ),
    "no pixels": pack(WIDTH, HEIGHT, b""),
    "no header": PLAIN.replace(b"IHDR", b"IHDX"),
    "grey": encode(draw_noise((30, 20)).convert("L"), "PNG"),
    "palette": encode(draw_noise((30, 20)).convert("P"), "PNG"),
    "half transparent": encode(draw_noise((30, 20), 4), "PNG"),
    "deep": encode(Image.new("I;16", (30, 20)), "PNG"),
    "interlaced": pack(WIDTH, HEIGHT, PACKED, interlace=1),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_are_left_to_pillow(name: str) -> None:
    assert decode_png(OTHERS[name]) is None


@pytest.mark.parametrize("start", range(0, len(PACKED), len(PACKED) // 25))
def test_damage_among_the_pixels(start: int) -> None:
    damaged = bytearray(PACKED)
    damaged[start : start + 100] = bytes(100)
    content = pack(WIDTH, HEIGHT, bytes(damaged))
    assert decode_png(content) is None
    with pytest.raises(PictureError):
        read_picture(content)


def test_without_the_libraries_pillow_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = read_picture(PLAIN, 40)
    monkeypatch.setattr(png_pixels, "pyspng", None)
    assert decode_png(PLAIN) is None
    found = read_picture(PLAIN, 40)
    assert found[0].tobytes() == usual[0].tobytes()
    assert found[1] == usual[1]


def test_a_bomb_is_not_unpacked() -> None:
    bomb = pack(WIDTH, HEIGHT, zlib.compress(ROWS + bytes(50_000_000)))
    tracemalloc.start()
    try:
        assert decode_png(bomb) is None
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_what_comes_behind_the_pixels() -> None:
    date = chunk(b"tEXt", b"date:create\x002020") + chunk(b"tIME", bytes(7))
    assert not tells_late(PLAIN)
    assert not tells_late(pack(WIDTH, HEIGHT, PACKED, behind=date))
    assert tells_late(pack(WIDTH, HEIGHT, PACKED, behind=chunk(b"tEXt", b"exif\0x")))


def test_a_picture_is_turned_by_what_comes_behind_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    found, _ = read_picture(pack(WIDTH, HEIGHT, PACKED, behind=late))
    assert found.tobytes() == by_pillow(PLAIN).transpose(Image.Transpose.ROTATE_270).tobytes()


def test_averaged_blocks_are_those_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        Image.Image,
        "reduce",
        lambda self, factor, box=None: asked.append(factor) or Image.new("RGB", (9, 9)),
    )
    for size in ((2000, 1500), (1031, 2613), (5001, 733)):
        target = fit_shorter_side(size, 99)
        asked.clear()
        with pytest.raises(ValueError, match="box"):  # of the stand-in, too large for it
            Image.new("RGB", size).resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0)
        assert asked == [averaged(size, 99)]
