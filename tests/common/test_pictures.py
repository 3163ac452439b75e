"""Any picture file that a collection may hold comes out as upright 8-bit RGB, or not at all."""

import io
import random
import warnings
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import Image

from utils.common.pictures import (
    JPEG_QUALITY,
    JPEG_SIDE,
    PictureError,
    fit_shorter_side,
    read_image,
    read_picture,
    write_jpeg,
)
from utils.common.reading.chunks import webp_size

Encode = Callable[..., bytes]
Make = Callable[..., Image.Image]

ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3, (0,) * 3

TURNED = {
    1: (RED, GREEN, BLUE, BLACK),
    2: (GREEN, RED, BLACK, BLUE),
    3: (BLACK, BLUE, GREEN, RED),
    4: (BLUE, BLACK, RED, GREEN),
    5: (RED, BLUE, GREEN, BLACK),
    6: (BLUE, RED, BLACK, GREEN),
    7: (BLACK, GREEN, BLUE, RED),
    8: (GREEN, BLACK, RED, BLUE),
}
"""The corners of `quarters`, upper and lower from left to right, once orientation is undone."""


def quarters(mode: str = "RGB") -> Image.Image:
    """Return a 96 x 64 picture of four one-coloured quarters."""
    image = Image.new("RGB", (96, 64), BLACK)
    for colour, corner in ((RED, (0, 0)), (GREEN, (48, 0)), (BLUE, (0, 32))):
        image.paste(colour, (*corner, corner[0] + 48, corner[1] + 32))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def corners(image: Image.Image) -> np.ndarray:
    """Return the colour in the middle of each quarter, upper and lower from left to right."""
    width, height = image.size
    return np.array(
        [
            image.getpixel((width * column // 4, height * row // 4))
            for row in (1, 3)
            for column in (1, 3)
        ]
    )


def as_grey(colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Return colours as the grey that they are to Pillow, in all three channels."""
    pixels = Image.fromarray(np.array([colours], dtype=np.uint8))
    return np.asarray(pixels.convert("L").convert("RGB"))[0]


def oriented(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = number
    return exif


def assert_close(found: Image.Image, wanted: Image.Image, most: float) -> None:
    assert (found.mode, found.size) == ("RGB", wanted.size)
    difference = np.asarray(found).astype(int) - np.asarray(wanted.convert("RGB"))
    assert np.abs(difference).mean() <= most


class TestModes:
    """What the pixels of each kind of file mean."""

    @pytest.mark.parametrize(
        ("mode", "file_format"),
        [
            *[("RGB", kind) for kind in ("PNG", "BMP", "TIFF", "PPM")],
            *[("L", kind) for kind in ("PNG", "BMP", "TIFF", "PPM", "GIF")],
            *[("1", kind) for kind in ("PNG", "BMP", "TIFF", "GIF")],
            *[("P", kind) for kind in ("PNG", "BMP", "TIFF", "GIF")],
            ("CMYK", "TIFF"),
            ("RGBA", "TIFF"),
        ],
    )
    def test_every_lossless_kind_keeps_its_pixels(
        self, encode: Encode, make_picture: Make, mode: str, file_format: str
    ) -> None:
        image = make_picture(1).convert(mode)
        found, original = read_picture(encode(image, file_format))
        assert_close(found, image, 0)
        assert (original.format, original.width, original.height) == (file_format, *image.size)
        assert not original.is_plain

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_every_jpeg_is_read_as_what_it_shows(
        self, encode: Encode, make_picture: Make, mode: str
    ) -> None:
        image = make_picture(1).convert(mode)
        found, original = read_picture(encode(image, "JPEG", quality=98, subsampling=0))
        assert_close(found, image, 3)
        assert original.is_plain == (mode == "RGB")

    @pytest.mark.parametrize(("mode", "clear"), [("RGBA", (9, 9, 9, 0)), ("LA", (9, 0))])
    def test_what_is_transparent_is_white(self, encode: Encode, mode: str, clear: Any) -> None:
        image = Image.new("RGBA", (64, 48), (200, 200, 200, 255)).convert(mode)
        image.paste(clear, (0, 0, 32, 48))
        found, _ = read_picture(encode(image, "PNG"))
        assert (found.getpixel((8, 8)), found.getpixel((56, 8))) == (WHITE, (200, 200, 200))

    def test_half_transparency_is_mixed_with_white(self, encode: Encode) -> None:
        found, _ = read_picture(encode(Image.new("RGBA", (64, 48), (0, 100, 200, 128)), "PNG"))
        assert np.abs(np.array(found.getpixel((8, 8))) - (127, 177, 227)).max() <= 1

    @pytest.mark.parametrize("file_format", ["PNG", "GIF"])
    def test_a_transparent_entry_of_a_palette_is_white(
        self, encode: Encode, file_format: str
    ) -> None:
        image = Image.new("P", (64, 48), 1)
        image.putpalette([*RED, *BLUE])
        image.paste(0, (0, 0, 32, 48))
        found, _ = read_picture(encode(image, file_format, transparency=0))
        assert (found.getpixel((8, 8)), found.getpixel((56, 8))) == (WHITE, BLUE)

    def test_a_palette_of_several_transparencies(self, encode: Encode) -> None:
        image = Image.new("P", (64, 48), 1)
        image.putpalette([*RED, *BLUE, *GREEN])
        image.paste(0, (0, 0, 32, 48))
        found, _ = read_picture(encode(image, "PNG", transparency=bytes([0, 255, 128])))
        assert (found.getpixel((8, 8)), found.getpixel((56, 8))) == (WHITE, BLUE)

    def test_a_transparent_colour_of_rgb_and_grey_is_white(self, encode: Encode) -> None:
        for mode, colour, other in (("RGB", RED, BLUE), ("L", 50, 100)):
            image = Image.new(mode, (64, 48), other)
            image.paste(colour, (0, 0, 32, 48))
            found, _ = read_picture(encode(image, "PNG", transparency=colour))
            assert found.getpixel((8, 8)) == WHITE
            assert found.getpixel((56, 8)) == (other if mode == "RGB" else (other,) * 3)

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
    @pytest.mark.parametrize("brightest", [65535, 20000])
    def test_grey_of_16_bit_is_scaled_to_8(
        self, encode: Encode, file_format: str, brightest: int
    ) -> None:
        values = np.linspace(0, brightest, 64 * 48).reshape(48, 64).astype(np.uint16)
        found, _ = read_picture(encode(Image.fromarray(values), file_format))
        assert np.abs(np.asarray(found)[:, :, 0] - values / 257.0).max() <= 0.51

    @pytest.mark.parametrize("brightest", [65535, 20000])
    def test_big_endian_grey_of_16_bit_is_scaled_just_so(
        self, encode: Encode, brightest: int
    ) -> None:
        values = np.linspace(0, brightest, 64 * 48).reshape(48, 64).astype(">u2")
        image = Image.frombytes("I;16B", (64, 48), values.tobytes())
        found, _ = read_picture(encode(image, "TIFF"))
        assert np.abs(np.asarray(found)[:, :, 0] - values / 257.0).max() <= 0.51

    @pytest.mark.parametrize("channels", [3, 4])
    @pytest.mark.parametrize("ending", [".png", ".tiff"])
    def test_colour_of_16_bit_is_scaled_to_8(self, channels: int, ending: str) -> None:
        pixels = np.full((48, 64, channels), 65535, dtype=np.uint16)
        pixels[:, :, :3] = (40 * 257, 120 * 257, 250 * 257)  # blue, green, red
        done, content = cv2.imencode(ending, pixels)
        assert done
        found, _ = read_picture(content.tobytes())
        assert np.abs(np.array(found.getpixel((8, 8))) - (250, 120, 40)).max() <= 1

    @pytest.mark.parametrize(
        ("values", "wanted"),
        [
            (np.linspace(0, 1, 3072, dtype=np.float32), np.linspace(0, 255, 3072)),
            (np.linspace(0, 255, 3072, dtype=np.float32), np.linspace(0, 255, 3072)),
            (np.linspace(0, 65535, 3072, dtype=np.float32), np.linspace(0, 255, 3072)),
            (np.linspace(0, 255, 3072).astype(np.int32), np.linspace(0, 255, 3072)),
            (np.linspace(0, 65535, 3072).astype(np.int32), np.linspace(0, 255, 3072)),
        ],
    )
    def test_tiff_of_whole_and_broken_numbers(
        self, encode: Encode, values: np.ndarray, wanted: np.ndarray
    ) -> None:
        found, _ = read_picture(encode(Image.fromarray(values.reshape(48, 64)), "TIFF"))
        assert np.abs(np.asarray(found)[:, :, 0] - wanted.reshape(48, 64)).max() <= 1

    @pytest.mark.parametrize("value", [-1.0, 65536.0, float("nan"), float("inf")])
    def test_numbers_that_are_no_grey_values_are_refused(
        self, encode: Encode, value: float
    ) -> None:
        values = np.full((48, 64), 0.5, dtype=np.float32)
        values[3, 3] = value
        with pytest.raises(PictureError) as caught:
            read_picture(encode(Image.fromarray(values), "TIFF"))
        assert caught.value.reason == "unsupported"

    def test_of_several_pictures_in_a_file_the_first_counts(self, encode: Encode) -> None:
        first, second = Image.new("RGB", (64, 48), RED), Image.new("RGB", (64, 48), BLUE)
        for file_format in ("GIF", "MPO", "WEBP", "PNG"):
            content = encode(first, file_format, save_all=True, append_images=[second])
            found, original = read_picture(content)
            assert np.abs(np.array(found.getpixel((8, 8))) - RED).max() <= 3, file_format
            assert not original.is_plain

    def test_the_content_tells_the_format(self, encode: Encode, make_picture: Make) -> None:
        _, original = read_picture(encode(make_picture(1), "PNG"))
        assert original.format == "PNG"
        assert not original.is_plain


class TestOrientation:
    """A phone held upright gives an upright picture, whatever its file looks like."""

    @pytest.mark.parametrize("number", sorted(TURNED))
    @pytest.mark.parametrize("shorter_side", [0, 32, 128])
    @pytest.mark.parametrize(
        ("file_format", "mode"),
        [
            *[("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
            *[("PNG", mode) for mode in ("RGB", "RGBA", "LA", "P", "I;16")],
            *[("TIFF", mode) for mode in ("RGB", "RGBA", "L", "I;16")],
            ("WEBP", "RGB"),
            ("MPO", "RGB"),
        ],
    )
    def test_all_eight_come_out_upright(
        self, encode: Encode, file_format: str, mode: str, number: int, shorter_side: int
    ) -> None:
        settings = {"lossless": True} if file_format == "WEBP" else {"quality": 95}
        content = encode(quarters(mode), file_format, exif=oriented(number), **settings)
        found, original = read_picture(content, shorter_side)
        upright = (64, 96) if number >= 5 else (96, 64)
        assert (original.width, original.height) == upright
        assert found.size == (fit_shorter_side(upright, shorter_side) if shorter_side else upright)
        wanted = as_grey(TURNED[number]) if mode in ("L", "LA", "I;16") else TURNED[number]
        assert np.abs(corners(found) - np.array(wanted)).max() <= 12

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize(
        "exif",
        [
            *(b"", b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*\xff\xff\xff\xff", b"II+\0", b"no TIFF"),
            b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0word",  # an orientation in letters
        ],
    )
    @pytest.mark.parametrize("settings", [{}, {"dpi": (72, 72)}])
    def test_exif_that_is_none_turns_nothing_and_harms_nothing(
        self, encode: Encode, file_format: str, exif: bytes, settings: dict[str, Any]
    ) -> None:
        content = encode(quarters(), file_format, exif=b"Exif\0\0" + exif, **settings)
        found, original = read_picture(content)
        assert found.size == (original.width, original.height) == quarters().size

    @pytest.mark.parametrize("number", [0, 9, 65535])
    def test_an_orientation_that_does_not_exist_turns_nothing(
        self, encode: Encode, number: int
    ) -> None:
        found, original = read_picture(encode(quarters(), "JPEG", exif=oriented(number)))
        assert np.abs(corners(found) - np.array(TURNED[1])).max() <= 12
        assert original.is_plain

    @pytest.mark.parametrize("number", sorted(TURNED))
    def test_only_an_upright_rgb_jpeg_is_plain(self, encode: Encode, number: int) -> None:
        _, original = read_picture(encode(quarters(), "JPEG", exif=oriented(number)))
        assert original.is_plain == (number == 1)

    def test_only_a_jpeg_has_tables_and_they_tell_its_quality(self, encode: Encode) -> None:
        def sums(*wanted: object, mode: str = "RGB", **how: object) -> tuple[int, ...]:
            return read_picture(encode(quarters(mode), *wanted, **how))[1].table_sums

        # Those of quality 50 are printed in the standard, ITU-T T.81, annex K.
        assert sums("JPEG", quality=50) == (3688, 5505)
        assert sums("JPEG", mode="L", quality=50) == (3688,)
        assert sums("JPEG", quality=100) == (64, 64)
        assert sums("PNG") == ()

    def test_what_is_written_is_upright_without_being_told(self, encode: Encode) -> None:
        found, _ = read_picture(encode(quarters(), "JPEG", exif=oriented(6)))
        with Image.open(io.BytesIO(write_jpeg(found))) as written:
            assert not written.getexif()
            assert np.abs(corners(written) - np.array(TURNED[6])).max() <= 12


class TestSize:
    """The shorter side is exactly what was asked for, and nothing is squeezed."""

    def test_the_shorter_side_is_exact_and_the_aspect_kept(self) -> None:
        rng = random.Random(0)
        for _ in range(2000):
            size = rng.randrange(16, 4000), rng.randrange(16, 4000)
            shorter_side = rng.randrange(32, 512)
            fitted = fit_shorter_side(size, shorter_side)
            assert min(fitted) == shorter_side
            scale = shorter_side / min(size)
            assert max(abs(a * scale - b) for a, b in zip(size, fitted, strict=True)) <= 0.5

    @pytest.mark.parametrize("size", [(33, 40), (96, 64), (64, 96), (500, 333), (601, 600)])
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    @pytest.mark.parametrize("shorter_side", [32, 64, 256])
    def test_pictures_are_made_smaller_and_larger(
        self, encode: Encode, make_picture: Make, size: tuple[int, int], file_format: str,
        shorter_side: int,
    ) -> None:  # fmt: skip
        content = encode(make_picture(1, *size), file_format)
        found, original = read_picture(content, shorter_side)
        assert found.size == fit_shorter_side(size, shorter_side)
        assert (original.width, original.height) == size

    @pytest.mark.parametrize("mode", ["RGB", "L"])
    @pytest.mark.parametrize("size", [(1200, 900), (901, 1203), (640, 480)])
    def test_a_reduced_decode_is_as_good_as_a_full_one(
        self, encode: Encode, make_picture: Make, mode: str, size: tuple[int, int]
    ) -> None:
        content = encode(make_picture(2, *size).convert(mode), "JPEG", quality=95)
        quick, _ = read_picture(content, 128)
        whole, _ = read_picture(content)
        slow = whole.resize(fit_shorter_side(size, 128), Image.Resampling.BICUBIC)
        assert_close(quick, slow, 2)

    def test_a_strip_is_refused(self, encode: Encode) -> None:
        for size in ((2000, 90), (90, 2000)):
            with pytest.raises(PictureError) as caught:
                read_picture(encode(Image.new("RGB", size), "PNG"), 256)
            assert caught.value.reason == "too narrow"


class TestRefusal:
    """What holds no whole picture is refused with a reason to count by."""

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b"<!DOCTYPE html><html><body>404</body></html>", "not an image"),
            (b"\x00" * 1000, "not an image"),
            (b"\xff\xd8\xff", "not an image"),
            (b"plain text", "not an image"),
        ],
    )
    def test_what_is_no_picture(self, content: bytes, reason: str) -> None:
        with pytest.raises(PictureError) as caught:
            read_picture(content)
        assert caught.value.reason == reason
        assert caught.value.detail

    @pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
    @pytest.mark.parametrize(
        ("file_format", "mode"),
        [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("TIFF", "RGB"),
         ("BMP", "RGB"), ("PPM", "RGB"), ("WEBP", "RGB"), ("MPO", "RGB")],
    )  # fmt: skip
    @pytest.mark.parametrize("shorter_side", [0, 32])
    def test_a_truncated_file_is_never_taken_for_whole(
        self, encode: Encode, make_picture: Make, file_format: str, mode: str, share: float,
        shorter_side: int,
    ) -> None:  # fmt: skip
        content = encode(make_picture(3, 200, 150).convert(mode), file_format)
        with pytest.raises(PictureError) as caught:
            read_picture(content[: int(share * len(content))], shorter_side)
        if file_format in ("JPEG", "PNG", "MPO"):
            assert caught.value.reason == "truncated"

    @pytest.mark.parametrize("shorter_side", [0, 32])
    def test_a_jpeg_whose_middle_was_overwritten_is_damaged(
        self, encode: Encode, make_picture: Make, shorter_side: int
    ) -> None:
        content = bytearray(encode(make_picture(4, 400, 300)))
        middle = len(content) // 2
        content[middle : middle + 4000] = random.Random(0).randbytes(4000)
        with pytest.raises(PictureError) as caught:
            read_picture(bytes(content), shorter_side)
        assert caught.value.reason in ("damaged", "truncated")

    def test_a_bomb_is_refused_before_it_is_decoded(self, encode: Encode) -> None:
        content = encode(Image.new("RGB", (64, 48)), "PNG")
        assert read_picture(content, max_pixels=64 * 48)[0].size == (64, 48)
        cut = content[:60]  # the header alone tells
        for bytes_to_read in (content, cut):
            with pytest.raises(PictureError) as caught:
                read_picture(bytes_to_read, max_pixels=64 * 48 - 1)
            assert caught.value.reason == "too large"

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "PPM"])
    @pytest.mark.parametrize("limit", [1, 64 * 48 // 3, 64 * 48 - 1, None])
    def test_pillows_own_limit_has_no_say(
        self, encode: Encode, monkeypatch: pytest.MonkeyPatch, kind: str, limit: int | None
    ) -> None:
        content = encode(Image.new("RGB", (64, 48), RED), kind)
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
        assert read_picture(content, 32, 64 * 48)[0].size == (43, 32)
        assert limit == PIL.Image.MAX_IMAGE_PIXELS
        with pytest.raises(PictureError) as caught:
            read_picture(content, 32, 64 * 48 - 1)
        assert caught.value.reason == "too large"
        assert caught.value.detail == "64 x 48 pixels, limit 3,071"

    @pytest.mark.parametrize(
        ("settings", "size"),
        [({}, (64, 48)), ({"lossless": True}, (64, 47)), ({"exif": b"Exif\0\0II*\0"}, (63, 48))],
    )
    def test_a_webp_is_measured_before_memory_is_taken_for_it(
        self, encode: Encode, settings: dict[str, Any], size: tuple[int, int]
    ) -> None:
        assert webp_size(encode(Image.new("RGB", size), "WEBP", **settings)) == size

    @pytest.mark.parametrize(
        ("file_format", "mode"),
        [
            *[("JPEG", mode) for mode in ("RGB", "L", "CMYK")],
            *[("PNG", mode) for mode in ("RGB", "RGBA", "P", "1")],
            *[("TIFF", mode) for mode in ("RGB", "L")],
            *[("BMP", mode) for mode in ("RGB", "P")],
            ("GIF", "P"),
            ("WEBP", "RGB"),
            ("JPEG2000", "RGB"),
            ("PPM", "RGB"),
            ("MPO", "RGB"),
        ],
    )
    def test_no_damage_whatsoever_escapes_as_another_error(
        self, encode: Encode, make_picture: Make, file_format: str, mode: str
    ) -> None:
        whole = encode(make_picture(5).convert(mode), file_format)
        rng = random.Random(f"{file_format} {mode}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(60):
                try:
                    found, original = read_picture(damaged(whole, rng), 32)
                except PictureError as error:
                    assert error.reason and "\n" not in error.reason
                else:
                    assert found.mode == "RGB"
                    assert found.size == fit_shorter_side((original.width, original.height), 32)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return bytes cut off, cut out, or overwritten at random, often in the header."""
    spoilt = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(rng.choice((min(300, len(spoilt)), len(spoilt))))
        way = rng.randrange(3)
        if way == 0:
            del spoilt[max(at, 1) :]
        elif way == 1:
            del spoilt[at : at + rng.randrange(1, 40)]
        else:
            spoilt[at : at + 8] = rng.randbytes(rng.randrange(1, 9))
        if not spoilt:
            break
    return bytes(spoilt)


class TestWriting:
    """A picture is written as the same bytes each time, hardly worse than it was."""

    def test_the_same_pixels_give_the_same_bytes(self, make_picture: Make) -> None:
        assert write_jpeg(make_picture(6)) == write_jpeg(make_picture(6).copy())

    def test_the_longest_side_is_that_of_the_format(self) -> None:
        assert write_jpeg(Image.new("RGB", (JPEG_SIDE, 1)))
        with pytest.raises(PictureError, match="65501 x 1 pixels, and no side of a JPEG has over"):
            write_jpeg(Image.new("RGB", (JPEG_SIDE + 1, 1)))

    def test_the_quality_is_high(self, encode: Encode, make_picture: Make) -> None:
        written = write_jpeg(make_picture(6, 200, 150))
        found, original = read_picture(written)
        assert original.is_plain
        assert_close(found, make_picture(6, 200, 150), 8.4)
        assert len(written) == len(encode(make_picture(6, 200, 150), "JPEG", quality=JPEG_QUALITY))


def test_premultiplied_grey_that_pillow_holds() -> None:
    image = Image.new("LA", (8, 6), (90, 255))
    assert read_image(image.convert("La"))[0].getpixel((3, 3)) == (90, 90, 90)
