"""Blank results: pictures that were made white, black or negative by a wrong reading."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tests.common.test_colour import with_chunks
from tests.common.test_costs import chunk
from utils.common.pictures import ONE_COLOUR, PictureError, read_picture
from utils.common.reading.colours.conversion import CLEAR
from utils.common.reading.colours.depth import SCALED

Encode = Callable[..., bytes]
Make = Callable[..., Image.Image]


def ramp(highest: int, kind: str = "<u2") -> np.ndarray:
    return np.linspace(0, highest, 64 * 48).reshape(48, 64).astype(kind)


def raw_tiff(values: np.ndarray, order: str, planes: int, **tags: int) -> bytes:
    """Return a TIFF, height x width x channels, of one plane (1) or of one for each channel (2)."""
    height, width, channels = values.shape
    values = values.astype(values.dtype.newbyteorder(order))
    parts = np.moveaxis(values, -1, 0) if planes == 2 else values[None]
    size, start = parts[0].nbytes, 320
    lists = {
        "bits": [8 * values.itemsize] * channels,
        "places": [start + number * size for number in range(len(parts))],
        "sizes": [size] * len(parts),
        "extra": [tags.pop("alpha", 0)] * max(1, channels - 3),
    }
    found = {
        "width": 256,
        "height": 257,
        "bits": 258,
        "packing": 259,
        "colours": 262,
        "places": 273,
    }
    found |= {"channels": 277, "sizes": 279, "planes": 284, "extra": 338, "format": 339}
    given = {"width": width, "height": height, "colours": 2, "channels": channels, "planes": planes}
    table, body = [], b""
    for name, number in found.items():
        entry = lists.get(name, [(given | tags).get(name, 1)])
        if name == "extra" and (channels < 4 or tags.get("colours") == 5):
            continue
        packed = struct.pack(f"{order}{len(entry)}I", *entry)
        if len(entry) > 1:
            packed, body = struct.pack(f"{order}I", 160 + len(body)), body + packed
        table.append(struct.pack(f"{order}HHI", number, 4, len(entry)) + packed)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(table))
    whole = (head + b"".join(table)).ljust(160, b"\0") + body
    assert len(whole) <= start
    return whole.ljust(start, b"\0") + parts.tobytes()


def grey(content: bytes) -> np.ndarray:
    return np.asarray(read_picture(content)[0])[:, :, 0]


class TestDepth:
    """Values of 10, 12 or 14 bit in a file for 16."""

    @pytest.mark.parametrize("bits", [8, 10, 12, 14])
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_the_range_that_is_used_is_shown(self, encode: Encode, kind: str, bits: int) -> None:
        values = ramp(2**bits - 3)
        content = encode(Image.fromarray(values), kind)
        assert np.abs(grey(content) - values * (255 / (2**bits - 1))).max() <= 0.51
        assert read_picture(content)[1].notes == (SCALED.format(bits),)

    def test_the_whole_range_is_nothing_to_tell(self, encode: Encode) -> None:
        content = encode(Image.fromarray(ramp(65535)), "PNG")
        assert np.abs(grey(content) - ramp(65535) / 257.0).max() <= 0.51
        assert read_picture(content)[1].notes == ()

    @pytest.mark.parametrize(
        ("told", "shown"), [(12, 300 / 4095), (16, 300 / 65535), (8, 300 / 1023)]
    )
    def test_a_png_that_tells_its_bits_is_believed_if_it_can_be(
        self, encode: Encode, told: int, shown: float
    ) -> None:
        content = with_chunks(encode(Image.fromarray(ramp(300)), "PNG"), (b"sBIT", bytes([told])))
        assert abs(int(grey(content).max()) - 255 * shown) <= 0.51

    def test_a_png_that_spreads_its_bits_as_it_should_is_left_alone(self, encode: Encode) -> None:
        content = encode(Image.fromarray(ramp(65535)), "PNG")
        assert np.array_equal(grey(content), grey(with_chunks(content, (b"sBIT", b"\x0c"))))

    def test_a_tiff_that_tells_its_largest_value(self, encode: Encode) -> None:
        tags = ImageFileDirectory_v2()
        tags[281] = 4000
        content = encode(Image.fromarray(ramp(900)), "TIFF", tiffinfo=tags)
        assert abs(int(grey(content).max()) - 255 * 900 / 4095) <= 0.51

    def test_a_tiff_packed_in_12_bit(self) -> None:
        values = ramp(1000)
        pairs = values.reshape(-1, 2).astype(int)
        packed = np.stack(
            [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1
        ).astype(np.uint8)  # fmt: skip
        entries = [
            (256, 64),
            (257, 48),
            (258, 12),
            (259, 1),
            (262, 1),
            (273, 200),
            (277, 1),
            (278, 48),
        ]
        entries.append((279, packed.size))
        directory = struct.pack("<H", len(entries))
        directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
        content = b"II*\0\x08\0\0\0" + directory
        content += bytes(200 - len(content)) + packed.tobytes()
        assert np.abs(grey(content) - values * (255 / 4095)).max() <= 0.51

    @pytest.mark.parametrize("ending", [".png", ".tiff"])
    @pytest.mark.parametrize("channels", [3, 4])
    def test_colours_of_12_bit_are_not_nearly_black(self, ending: str, channels: int) -> None:
        pixels = np.full((48, 64, channels), 65535, dtype=np.uint16)
        pixels[:, :, :3] = (640, 1920, 4000)  # blue, green, red
        done, content = cv2.imencode(ending, pixels)
        assert done
        picture, original = read_picture(content.tobytes())
        wanted = np.array([4000, 1920, 640]) * (255 / 4095)
        assert np.abs(np.array(picture.getpixel((8, 8))) - wanted).max() <= 1
        assert SCALED.format(12) in original.notes

    def test_grey_of_12_bit_with_alpha(self) -> None:
        rows = np.stack([ramp(4095), np.full((48, 64), 65535)], axis=-1).astype(">u2")
        pixels = b"".join(b"\0" + row.tobytes() for row in rows)
        header = struct.pack(">IIBBBBB", 64, 48, 16, 4, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        content += chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
        assert np.abs(grey(content) - ramp(4095) * (255 / 4095)).max() <= 0.51
        assert read_picture(content)[1].notes == (SCALED.format(12),)

    @pytest.mark.parametrize("highest", [4095, 65535])
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("planes", [1, 2])
    def test_raw_colours_of_16_bit_in_every_order(
        self, planes: int, order: str, highest: int
    ) -> None:
        values = np.stack([ramp(highest), ramp(highest)[::-1], ramp(highest) // 2], axis=-1)
        shown = np.asarray(read_picture(raw_tiff(values, order, planes))[0])
        assert np.abs(shown - values * (255 / highest)).max() <= 1

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(
        "kind", ["grey", "negative", "grey 16", "grey float", "CMYK 16", "colours and two more"]
    )
    def test_raw_planes_of_every_kind(self, order: str, kind: str) -> None:
        grey_values, tags = ramp(255), {"colours": 1}
        values = grey_values[..., None].astype(np.uint8)
        wanted = np.repeat(grey_values[..., None], 3, axis=-1)
        if kind == "negative":
            values, tags = 255 - values, {"colours": 0}
        elif kind == "grey 16":
            values = values.astype(np.uint16) * 257
        elif kind == "grey float":
            values, tags = values.astype(np.float32), {"colours": 1, "format": 3}
        elif kind == "CMYK 16":
            black = 255 - grey_values
            values = np.stack([black * 0, black * 0, black * 0, black], axis=-1) * 257
            tags = {"colours": 5}
        elif kind == "colours and two more":
            values, tags = np.repeat(values, 5, axis=-1), {}
        shown = np.asarray(read_picture(raw_tiff(values, order, 2, **tags))[0])
        assert np.abs(shown - wanted.astype(int)).max() <= 1

    def test_packed_float_values_of_another_order_of_bytes(self) -> None:
        values = (ramp(255) / 255).astype(np.float32)[..., None]
        packed = zlib.compress(values.astype(">f4").tobytes())
        content = raw_tiff(values, ">", 1, colours=1, format=3)[:320] + packed
        for tag, value in ((259, 8), (279, len(packed))):
            head = struct.pack(">HHI", tag, 4, 1)
            at = content.index(head) + 8
            content = content[:at] + struct.pack(">I", value) + content[at + 4 :]
        assert np.abs(grey(content) - ramp(255).astype(int)).max() <= 1

    def test_dark_colours_whose_lower_bytes_cannot_be_had(self) -> None:
        values = np.stack([ramp(4095)] * 3 + [np.full((48, 64), 65535, np.uint16)], axis=-1)
        with pytest.raises(PictureError, match="premultiplied"):
            read_picture(raw_tiff(values, "<", 1, alpha=1))

    def test_kinds_of_tiff_that_are_not_read_are_called_so(self) -> None:
        values = np.stack([ramp(255) / 255] * 3, axis=-1).astype(np.float32)
        with pytest.raises(PictureError) as caught:
            read_picture(raw_tiff(values, "<", 1, format=3))
        assert (caught.value.reason, caught.value.detail) == (
            "format not read",
            "TIFF: unknown pixel mode",
        )

    def test_a_tiff_whose_zero_is_white(self, encode: Encode) -> None:
        content = encode(Image.fromarray(ramp(65535)), "TIFF")
        place = content.index(struct.pack("<HHI", 262, 3, 1)) + 8
        content = content[:place] + b"\0\0" + content[place + 2 :]
        assert np.abs(grey(content) - (255 - ramp(65535) / 257.0)).max() <= 0.51

    def test_large_pictures_are_converted_in_parts(
        self, encode: Encode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = encode(Image.fromarray(ramp(4095)), "PNG")
        layered = Image.new("RGBA", (64, 48), (10, 20, 30, 77))
        layered.paste((90, 80, 70, 255), (0, 20, 64, 48))
        clear = encode(layered, "PNG")
        whole = [read_picture(one)[0].tobytes() for one in (content, clear)]
        monkeypatch.setattr("utils.common.reading.colours.depth.STRIP_PIXELS", 64 * 7)
        assert [read_picture(one)[0].tobytes() for one in (content, clear)] == whole


class TestTransparency:
    """Nobody means a picture of which nothing is to be seen."""

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
    def test_alpha_that_is_zero_everywhere_is_distrusted(
        self, encode: Encode, make_picture: Make, kind: str
    ) -> None:
        image = make_picture(1)
        image.putalpha(0)
        settings: dict[str, Any] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        found, original = read_picture(encode(image, kind, **settings))
        assert np.array_equal(np.asarray(found), np.asarray(make_picture(1)))
        assert original.notes == (CLEAR,)

    def test_a_bmp_of_32_bit_without_a_use_for_the_fourth(self, make_picture: Make) -> None:
        pixels = np.zeros((64, 96, 4), dtype=np.uint8)
        pixels[:, :, :3] = np.asarray(make_picture(1))[::-1, :, ::-1]
        masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        info = struct.pack("<IiiHHIIiiII", 108, 96, 64, 1, 32, 3, pixels.size, 0, 0, 0, 0)
        info += struct.pack("<4I", *masks) + b"BGRs" + bytes(48)
        content = (
            b"BM" + struct.pack("<IHHI", 122 + pixels.size, 0, 0, 122) + info + pixels.tobytes()
        )
        found, original = read_picture(content)
        assert np.array_equal(np.asarray(found), np.asarray(make_picture(1)))
        assert original.notes == (CLEAR,)

    def test_one_pixel_that_is_seen_is_enough(self, encode: Encode, make_picture: Make) -> None:
        image = make_picture(1)
        image.putalpha(0)
        image.putpixel((3, 3), (9, 9, 9, 255))
        found, original = read_picture(encode(image, "PNG"))
        assert (found.getpixel((3, 3)), found.getpixel((50, 9))) == ((9, 9, 9), (255, 255, 255))
        assert CLEAR not in original.notes


class TestOneColour:
    """A picture that shows nothing is kept, since it may be meant, and told."""

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_it_is_told(self, encode: Encode, kind: str) -> None:
        content = encode(Image.new("RGB", (64, 48), (9, 60, 90)), kind)
        assert read_picture(content)[1].notes == (ONE_COLOUR,)
        assert read_picture(content, 32)[1].notes == (ONE_COLOUR,)

    def test_one_pixel_that_differs_is_enough(self, encode: Encode) -> None:
        image = Image.new("RGB", (64, 48))
        image.putpixel((5, 7), (0, 0, 1))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        assert read_picture(stream.getvalue())[1].notes == ()
