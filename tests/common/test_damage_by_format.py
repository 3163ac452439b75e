"""Damage is found in every format that is read, and oddities that touch no pixel are not damage."""

import io
import struct
import zlib
from typing import Any, ClassVar

import numpy as np
import pytest
import simplejpeg
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from tests.common.corpus import FAULTS, PLAIN_PIXELS, WHOLE, damaged, draw, encode
from utils.common.pictures import PictureError, read_picture

COUNT = 8
ZEROS = ("zeroed sector", "zeroed tail")
END = b"\xff\xd9"


def reason(content: bytes) -> str:
    try:
        read_picture(content)
    except PictureError as error:
        return error.reason
    return ""


def segment(mark: int, body: bytes) -> bytes:
    return bytes((0xFF, mark)) + struct.pack(">H", len(body) + 2) + body


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(read_picture(content)[0])


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_read(name: str) -> None:
    assert reason(WHOLE[name]()) == ""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WHOLE)
def test_damage_is_found_whatever_the_format(name: str, fault: str) -> None:
    if name in PLAIN_PIXELS and fault in ZEROS:
        pytest.skip("zeros are pixels there, like any other")
    assert [reason(content) for content in damaged(name, fault, COUNT)].count("") == 0


def test_a_hole_in_the_fine_scans_of_a_progressive_jpeg_is_found() -> None:
    content = WHOLE["JPEG progressive"]()
    last = content.rindex(b"\xff\xda") + 1000
    assert reason(content[:last] + bytes(512) + content[last + 512 :]) == "damaged"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_holes_anywhere_in_the_scans_of_a_fine_progressive_jpeg_are_found(mode: str) -> None:
    content = encode(draw(14).convert(mode), "JPEG", quality=95, progressive=True)
    first = content.index(b"\xff\xda")
    for place in range(first, len(content) - 512, len(content) // 25):
        assert reason(content[:place] + bytes(512) + content[place + 512 :]) != ""


def test_a_hole_in_a_jpeg_of_arithmetic_coding_is_found() -> None:
    content = WHOLE["JPEG"]().replace(b"\xff\xc0", b"\xff\xc9", 1)
    place = len(content) // 2
    holed = content[:place] + bytes(512) + content[place + 512 :]
    with pytest.raises(PictureError, match="zero bytes in a row"):
        read_picture(holed)


def test_jpegs_of_12_bit_are_called_so() -> None:
    content = bytearray(WHOLE["JPEG"]())
    content[content.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(PictureError) as caught:
        read_picture(bytes(content))
    assert (caught.value.reason, caught.value.detail) == ("format not read", "JPEG of 12 bit")


@pytest.mark.parametrize("shape", [(1, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("quality", [75, 100])
def test_drawn_stripes_of_which_each_block_is_like_the_last(
    shape: tuple[int, int], quality: int
) -> None:
    one = np.kron(np.array([[0, 255]], np.uint8), np.ones(shape[::-1], np.uint8))
    across = one if shape[0] < shape[1] else one.T
    image = Image.fromarray(np.tile(across, (600, 600))[:600, :900])
    for picture in (image, image.transpose(Image.Transpose.TRANSPOSE)):
        assert reason(encode(picture, "JPEG", quality=quality, progressive=True)) == ""


def test_a_hole_in_a_jpeg_that_by_chance_does_not_come_out_of_step_is_found() -> None:
    content = WHOLE["JPEG"]()
    silent = content[:10846] + bytes(512) + content[10846 + 512 :]
    assert simplejpeg.decode_jpeg(silent, strict=True).any()
    assert reason(silent) == "damaged"


def test_a_hole_where_a_webp_tells_how_its_blocks_are_predicted_is_found() -> None:
    content = WHOLE["WebP lossy"]()
    assert reason(content[:1080] + bytes(512) + content[1080 + 512 :]) == "damaged"


def test_a_hole_at_the_end_of_a_png_is_found() -> None:
    content = WHOLE["PNG"]()
    assert reason(content[:-522] + bytes(512) + content[-10:]) == "damaged"


class TestOddJpegs:
    """Each of these looks as it did before; a strict decoder warns of all but a few."""

    WHOLE = encode(draw(30), "JPEG", quality=92)
    VERSION = WHOLE.index(b"JFIF\0") + 5
    SCAN = WHOLE.index(b"\xff\xda")
    SCAN_END = SCAN + 2 + int.from_bytes(WHOLE[SCAN + 2 : SCAN + 4], "big")
    RESTARTS = encode(draw(30), "JPEG", quality=92, restart_marker_blocks=3)

    ODD: ClassVar = {
        "JFIF 0.00": WHOLE[:VERSION] + b"\0\0" + WHOLE[VERSION + 2 :],
        "JFIF 2.01": WHOLE[:VERSION] + b"\2\1" + WHOLE[VERSION + 2 :],
        "part of a profile": WHOLE[:2] + segment(0xE2, b"ICC_PROFILE\0\1\2rest") + WHOLE[2:],
        "profile twice": WHOLE[:2] + 2 * segment(0xE2, b"ICC_PROFILE\0\1\1rest") + WHOLE[2:],
        "segment longer than it says": WHOLE[:2] + segment(0xE5, b"ab") + b"cd" + WHOLE[2:],
        "zeros between segments": WHOLE[:SCAN] + bytes(7) + WHOLE[SCAN:],
        "zeros before the end": WHOLE[:-2] + bytes(20) + END,
        "many zeros before the end": WHOLE[:-2] + bytes(2000) + END,
        "FF before the end": WHOLE[:-2] + b"\xff" * 20 + END,
        "bytes behind the end": WHOLE + bytes(range(256)) * 300,
        "a second picture behind the end": WHOLE + WHOLE,
        "scan of a phone": WHOLE[: SCAN_END - 2] + b"\0" + WHOLE[SCAN_END - 1 :],
        "unknown Adobe transform": WHOLE[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\5") + WHOLE[2:],
        "restart marks and zeros": RESTARTS[:-2] + bytes(3) + END,
    }

    @pytest.mark.parametrize("name", ODD)
    def test_the_same_pixels_come_out(self, name: str) -> None:
        assert np.array_equal(pixels(self.ODD[name]), pixels(self.WHOLE))

    def test_the_height_may_come_after_the_pixels(self) -> None:
        frame = self.WHOLE.index(b"\xff\xc0") + 5
        late = self.WHOLE[:frame] + bytes(2) + self.WHOLE[frame + 2 : -2]
        late += segment(0xDC, self.WHOLE[frame : frame + 2]) + END
        assert np.array_equal(pixels(late), pixels(self.WHOLE))

    def test_without_any_height_it_is_damaged(self) -> None:
        frame = self.WHOLE.index(b"\xff\xc0") + 5
        assert reason(self.WHOLE[:frame] + bytes(2) + self.WHOLE[frame + 2 :]) != ""

    @pytest.mark.parametrize("name", ODD)
    def test_damage_beside_an_oddity_is_found(self, name: str) -> None:
        odd = self.ODD[name]
        middle = odd.index(b"\xff\xda") + 4000
        assert reason(odd[:middle] + bytes(512) + odd[middle + 512 :]) == "damaged"
        assert reason(odd[:middle]) in ("truncated", "damaged")

    def test_a_mark_that_damage_made_among_the_pixels_is_no_oddity(self) -> None:
        place = self.WHOLE.index(b"\xff\0", self.SCAN_END)
        flipped = self.WHOLE[: place + 1] + b"\1" + self.WHOLE[place + 2 :]
        assert reason(flipped) == "damaged"


class TestUnusualSampling:
    """Kinds of JPEG that the strict decoder does not know, each channel in a scan of its own."""

    PICTURE = draw(31, 192, 128)

    def content(self, factors: tuple[tuple[int, int], ...]) -> bytes:
        """Put the channels together from grey JPEGs: a scan of one channel is the same bytes."""
        most = [max(sides) for sides in zip(*factors, strict=True)]
        frame = struct.pack(">BHHB", 8, *self.PICTURE.size[::-1], 3)
        tables, scans = b"", b""
        channels = self.PICTURE.convert("YCbCr").split()
        for number, (channel, sides) in enumerate(zip(channels, factors, strict=True), 1):
            size = [-(-a * b // c) for a, b, c in zip(channel.size, sides, most, strict=True)]
            grey = encode(channel.resize(size), "JPEG", quality=92)
            scan = grey.index(b"\xff\xda")
            tables = grey[grey.index(b"\xff\xdb") : grey.index(b"\xff\xc0")]
            tables += grey[grey.index(b"\xff\xc4") : scan]
            frame += bytes((number, sides[0] << 4 | sides[1], 0))
            scans += segment(0xDA, bytes((1, number, 0, 0, 63, 0))) + grey[scan + 10 : -2]
        return b"\xff\xd8" + tables + segment(0xC0, frame) + scans + END

    @pytest.mark.parametrize(
        "factors",
        [
            ((4, 2), (1, 1), (1, 1)),
            ((3, 1), (1, 1), (1, 1)),
            ((2, 2), (2, 1), (1, 2)),
            ((2, 2), (2, 1), (2, 1)),
        ],
    )
    def test_they_are_read_by_another_decoder(self, factors: tuple[tuple[int, int], ...]) -> None:
        found = pixels(self.content(factors))
        with Image.open(io.BytesIO(self.content(factors))) as image:
            assert np.array_equal(found, np.asarray(image.convert("RGB")))
        assert np.abs(found.astype(int) - np.asarray(self.PICTURE)).mean() < 6

    def test_their_damage_is_heard(self) -> None:
        content = self.content(((4, 2), (1, 1), (1, 1)))
        first = content.index(b"\xff\xda") + 500
        assert reason(content[:first] + bytes(512) + content[first + 512 :]) == "damaged"
        assert reason(content[: first + 2000]) in ("truncated", "damaged")


class TestOddContainers:
    @pytest.mark.parametrize(
        ("kind", "options", "behind"),
        [
            ("PNG", {}, bytes(70_000)),
            ("PNG", {}, b"x" * 70_000),
            ("GIF", {}, bytes(500)),
            ("GIF", {}, None),
            ("GIF", {"save_all": True, "append_images": [33]}, bytes(30)),
            ("WEBP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0" + bytes(400)}, b""),
            ("WEBP", {"xmp": b"<x:xmpmeta/>" + bytes(400)}, b""),
            ("WEBP", {}, bytes(100)),
            ("TIFF", {"compression": "tiff_lzw"}, bytes(100)),
            ("AVIF", {"speed": 10}, bytes(100)),
            ("AVIF", {"speed": 10, "xmp": b"<x:xmpmeta/>" + bytes(400)}, b""),
            ("JPEG2000", {}, bytes(100)),
        ],
    )
    def test_padding_is_no_damage(
        self, kind: str, options: dict[str, Any], behind: bytes | None
    ) -> None:
        more = [draw(number) for number in options.get("append_images", [])]
        content = encode(draw(32), kind, **options | ({"append_images": more} if more else {}))
        assert reason(content[:-1] if behind is None else content + behind) == ""

    @pytest.mark.parametrize("colour", ["black", "white", (200, 120, 100)])
    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("JPEG", {}),
            ("JPEG", {"progressive": True}),
            ("WEBP", {"quality": 100, "method": 0}),
            ("WEBP", {"lossless": True, "method": 0, "quality": 0}),
            ("JPEG2000", {}),
            ("JPEG2000", {"irreversible": True, "quality_layers": [80, 40, 20, 10]}),
            ("AVIF", {"speed": 10}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {"compression": "packbits"}),
            ("GIF", {}),
        ],
    )
    def test_a_flat_picture_is_no_damaged_one(
        self, kind: str, options: dict[str, object], colour: object
    ) -> None:
        picture = Image.new("RGB", (600, 500), colour)
        assert reason(encode(picture, kind, **options)) == ""

    def test_pages_and_frames_are_counted(self) -> None:
        more = {"save_all": True, "append_images": [draw(33), draw(34)]}
        for kind in ("GIF", "TIFF", "WEBP", "PNG"):
            assert read_picture(encode(draw(32), kind, **more))[1].num_frames == 3, kind

    def test_a_ring_of_pages_ends(self) -> None:
        content = bytearray(encode(draw(32), "TIFF"))
        (first,) = struct.unpack_from("<I", content, 4)
        (count,) = struct.unpack_from("<H", content, first)
        struct.pack_into("<I", content, first + 2 + 12 * count, first)
        assert read_picture(bytes(content))[1].num_frames == 1


@pytest.mark.parametrize("name", WHOLE)
def test_no_damage_whatsoever_ends_in_another_error(name: str) -> None:
    """Random bytes at random places, and headers above all: a row, or a picture."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    content = WHOLE[name]()
    for number in range(25):
        spoilt = bytearray(content)
        span = 200 if number % 2 else len(content)
        for place in rng.integers(0, span, rng.integers(1, 6)):
            spoilt[place] = rng.integers(256)
        try:
            read_picture(bytes(spoilt), 64, max_pixels=1_000_000)
        except PictureError as error:
            assert error.detail


def test_an_exception_that_no_decoder_should_raise_is_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise NotImplementedError("a kind of its own")

    def fill_up(*_: object) -> None:
        raise MemoryError

    content = WHOLE["BMP"]()
    monkeypatch.setattr(BmpImageFile, "_open", fail)
    with pytest.raises(PictureError) as caught:
        read_picture(content)
    assert caught.value.args == ("damaged", "a kind of its own")
    monkeypatch.setattr(BmpImageFile, "_open", fill_up)
    with pytest.raises(PictureError) as caught:
        read_picture(content)
    assert caught.value.args == ("too large", "there is not enough memory to decode it")
