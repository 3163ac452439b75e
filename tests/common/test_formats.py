"""Formats are told by content, and none is opened that the table does not name."""

import importlib.util
import io
import struct
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from utils.common.pictures import SUFFIXES, PictureError, read_picture
from utils.common.reading import formats
from utils.common.reading.chunks import jpeg_xl_size
from utils.common.reading.formats import (
    BY_NAME,
    FORMATS,
    HEAD_BYTES,
    is_read,
    missing_package,
    picture_format,
)

Encode = Callable[..., bytes]
Make = Callable[..., Image.Image]

HEADS = {
    "BUFR": b"BUFR\0\0\0\4",
    "CUR": b"\0\0\2\0\1\0",
    "DCX": struct.pack("<I", 0x3ADE68B1),
    "FITS": b"SIMPLE  =                    T",
    "FLI": struct.pack("<IHHHHHH", 900, 0xAF12, 2, 64, 48, 8, 3),
    "FTEX": b"FTEX\0\0\0\0",
    "GBR": struct.pack(">5I", 28, 2, 64, 48, 1) + b"GIMP",
    "GRIB": b"GRIB\0\0\0\1",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "IM": b"Image type: RGB image\r\n",
    "IMT": b"*made by hand\nwidth 64\nheight 48\n\x0c",
    "IPTC": b"\x1c\x03\x3c\0\2\1\0",
    "MCIDAS": b"\0\0\0\0\0\0\0\4",
    "MPEG": b"\0\0\1\xb3\x04\0\x30",
    "PCD": bytes(2048) + b"PCD_IPI",
    "PIXAR": b"\200\350\0\0",
    "PSD": b"8BPS\0\1",
    "SUN": struct.pack(">I", 0x59A66A95),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0",
    "XPM": b"/* XPM */\nstatic char",
    "XVTHUMB": b"P7 332\n",
}
"""First bytes of what Pillow opens and does not write."""


def unread() -> list[str]:
    Image.init()
    return sorted(name for name in Image.OPEN if name not in BY_NAME)


def head_of(name: str) -> bytes:
    """Return a file of a format, or its beginning."""
    if name in HEADS:
        return HEADS[name] + bytes(600)
    if name not in Image.SAVE:
        pytest.skip("a format of a later Pillow, of which nothing is known yet")
    stream = io.BytesIO()
    mode = {"MSP": "1", "XBM": "1", "BLP": "P"}.get(name, "RGB")
    Image.new(mode, (64, 48)).save(stream, name)
    return stream.getvalue()


@pytest.fixture
def no_plugin_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail where a plugin of a format that is not read is called."""

    def fail(*_: object) -> None:
        raise AssertionError("a plugin was called")

    for name in unread():
        monkeypatch.setitem(Image.OPEN, name, (fail, Image.OPEN[name][1]))


@pytest.mark.usefixtures("no_plugin_opens")
@pytest.mark.parametrize("name", unread())
def test_what_pillow_could_open_besides_is_refused_by_name(name: str) -> None:
    content = head_of(name)
    assert picture_format(content[:HEAD_BYTES]) == name
    assert not is_read(name)
    with pytest.raises(PictureError) as caught:
        read_picture(content, 256)
    assert (caught.value.reason, caught.value.detail) == ("format not read", name)


def test_a_plugin_of_tomorrow_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a plugin was called")

    Image.init()
    monkeypatch.setattr(Image, "ID", [*Image.ID, "NOVEL"])
    monkeypatch.setitem(Image.OPEN, "NOVEL", (fail, lambda head: head.startswith(b"NOVEL")))
    with pytest.raises(PictureError) as caught:
        read_picture(b"NOVEL" + bytes(100))
    assert (caught.value.reason, caught.value.detail) == ("format not read", "NOVEL")


@pytest.mark.parametrize("ending", sorted(SUFFIXES))
def test_an_ending_belongs_to_one_format(ending: str) -> None:
    assert ending == ending.lower() and ending.startswith(".")
    assert sum(ending in one.endings for one in FORMATS) == 1


@pytest.mark.parametrize(
    "name", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM", "AVIF"]
)
def test_what_pillow_writes_is_told_and_read(encode: Encode, make_picture: Make, name: str) -> None:
    content = encode(make_picture(1), name)
    assert picture_format(content[:64]) == name
    assert is_read(name)
    assert read_picture(content)[1].format == name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"BMI,age,sex\n21,40,f\n",
        b"P1,P2\n3,4\n",
        b"/* a style sheet */ a {}",
        b"#define SIZE 3\n",
        b"%PDF-1.4",
        b"PK\3\4" + bytes(60),
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\n\0\0\0" * 30,
        bytes(4096),
        b"image,lesion_id\nISIC_0000001,IL_1\n",
    ],
)
def test_what_is_no_picture_is_called_none(content: bytes) -> None:
    assert picture_format(content) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
        (b"FUJIFILMCCD-RAW 0201", "camera raw"),
        (b"v/1\1\2\0\0\0channels", "OpenEXR"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe", "Radiance"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (bytes(128) + b"DICM\2\0\0\0", "DICOM"),
        (b"<svg xmlns", "SVG"),
    ],
)
def test_other_pictures_are_known_by_name(head: bytes, name: str) -> None:
    assert picture_format(head + bytes(80)) == name


def test_a_raw_file_in_the_dress_of_a_tiff_is_not_read_as_its_thumbnail(encode: Encode) -> None:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    tags.tagtype[50706] = 1
    content = encode(Image.new("RGB", (64, 48)), "TIFF", tiffinfo=tags)
    with pytest.raises(PictureError) as caught:
        read_picture(content)
    assert (caught.value.reason, caught.value.detail) == ("format not read", "camera raw")


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("JPEG XL", b"\xff\x0a\xfa\x1f"),
        ("DICOM", bytes(128) + b"DICM\2\0\0\0"),
    ],
)
def test_a_missing_package_is_one_phrase_to_count_by(
    monkeypatch: pytest.MonkeyPatch, name: str, head: bytes
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    package = BY_NAME[name].package
    assert not is_read(name)
    assert missing_package(name) == package
    for rest in (bytes(100), bytes(300)):
        with pytest.raises(PictureError) as caught:
            read_picture(head + rest)
        assert caught.value.reason == f"{name} needs {package}"
        assert caught.value.detail == f"pip install {package}"


def test_a_pillow_without_a_decoder_says_so(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode(Image.new("RGB", (64, 48)), "WEBP")
    factory, _ = Image.OPEN["WEBP"]
    monkeypatch.setitem(Image.OPEN, "WEBP", (factory, lambda _: "support not installed"))
    with pytest.raises(PictureError) as caught:
        read_picture(content)
    assert (caught.value.reason, caught.value.detail) == (
        "format not read",
        "WEBP: this Pillow was built without it",
    )


JPEG_XL = bytes.fromhex(
    "ff0acb4024080001007400 4b188b15009488316edcb8071001 48ec070ef4e100d207e8272e960301"
)
"""64 x 48 pixels of (200, 120, 100), as libjxl wrote them."""


class TestOptional:
    """What packages read that not everybody has."""

    @pytest.fixture
    def heif(self) -> ModuleType:
        return pytest.importorskip("pillow_heif")

    @pytest.fixture
    def as_before(self) -> Iterator[None]:
        """Check that nothing becomes known to other people's Image.open."""
        Image.init()
        before = set(Image.OPEN), set(Image.ID), set(Image.EXTENSION)
        yield
        assert (set(Image.OPEN), set(Image.ID), set(Image.EXTENSION)) == before

    @pytest.mark.usefixtures("as_before")
    def test_heic_is_read(self, heif: ModuleType, make_picture: Make) -> None:
        image = make_picture(1, 128, 96)
        stream = io.BytesIO()
        heif.from_pillow(image).save(stream, quality=95)
        found, original = read_picture(stream.getvalue())
        assert (original.format, found.size, found.mode) == ("HEIF", (128, 96), "RGB")
        assert np.abs(np.asarray(found).astype(int) - np.asarray(image)).mean() < 9
        with pytest.raises(PictureError) as caught:
            read_picture(stream.getvalue(), max_pixels=128 * 96 - 1)
        assert caught.value.reason == "too large"

    @pytest.mark.usefixtures("as_before")
    def test_jpeg_xl_is_read(self) -> None:
        if importlib.util.find_spec("pillow_jxl") is None:
            pytest.skip("without pillow-jxl-plugin")
        found, original = read_picture(JPEG_XL)
        assert (original.format, found.size) == ("JXL", (64, 48))
        assert np.abs(np.array(found.getpixel((9, 9))) - (200, 120, 100)).max() <= 2
        with pytest.raises(PictureError) as caught:
            read_picture(JPEG_XL, max_pixels=64 * 48 - 1)
        assert caught.value.reason == "too large"


@pytest.mark.parametrize(
    "size", [(64, 48), (300, 200), (8, 8), (1000, 1000), (1600, 900), (9000, 701), (701, 9000)]
)
@pytest.mark.parametrize("is_boxed", [False, True])
def test_a_jpeg_xl_is_measured_before_it_is_decoded(size: tuple[int, int], is_boxed: bool) -> None:
    if importlib.util.find_spec("pillow_jxl") is None:
        pytest.skip("without pillow-jxl-plugin")
    from pillow_jxl.pillow_jxl import Encoder

    encoder = Encoder(mode="L", lossless=True, effort=1, use_container=is_boxed)
    content = encoder(bytes(size[0] * size[1]), *size, jpeg_encode=False)
    assert jpeg_xl_size(content) == size


def test_the_table_is_all_that_there_is() -> None:
    assert formats.SUFFIXES == SUFFIXES
    assert {one.name for one in FORMATS if one.package} == {"HEIC", "JPEG XL", "DICOM"}
