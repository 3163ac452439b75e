"""A PNG is judged by its pixels, whatever its other chunks are like."""

import struct
import zlib

import pytest

from tests.common.corpus import draw, encode
from tests.common.test_costs import chunk
from utils.common.pictures import PictureError, read_picture
from utils.common.reading.colours.to_srgb import BROKEN

WHOLE = encode(draw(0, 64, 48), "PNG")
HEAD, REST, END = WHOLE[:33], WHOLE[33:-12], WHOLE[-12:]


def with_wrong_sum(whole: bytes) -> bytes:
    return whole[:-1] + bytes((whole[-1] ^ 1,))


HARMLESS = {
    "text of another checksum": with_wrong_sum(chunk(b"tEXt", b"a\0b")),
    "resolution of another checksum": with_wrong_sum(chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1))),
    "short resolution": chunk(b"pHYs", b"\0"),
    "text of an unknown compression": chunk(b"zTXt", b"key\0\5text"),
    "text of five megabytes": chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(5_000_000))),
    "the same, of another kind": chunk(b"iTXt", b"key\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
    "many texts": chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(1_000_000))) * 70,
    "short head of an animation": chunk(b"acTL", b"\0"),
    "private": chunk(b"prVt", b"x" * 99),
}


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("is_behind", [False, True])
def test_chunks_that_no_pixel_depends_on(name: str, is_behind: bool) -> None:
    parts = (HEAD, REST, HARMLESS[name], END) if is_behind else (HEAD, HARMLESS[name], REST, END)
    found, original = read_picture(b"".join(parts))
    assert found.tobytes() == read_picture(WHOLE)[0].tobytes()
    assert original.notes == ()


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"gAMA", b"\0"),
        with_wrong_sum(chunk(b"gAMA", struct.pack(">I", 100_000))),
        with_wrong_sum(chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile"))),
    ],
)
def test_damage_to_what_it_says_of_its_colours_is_counted(damaged: bytes) -> None:
    found, original = read_picture(HEAD + damaged + REST + END)
    assert found.tobytes() == read_picture(WHOLE)[0].tobytes()
    assert original.notes == (BROKEN,)


def test_damaged_transparency_concerns_pixels() -> None:
    with pytest.raises(PictureError):
        read_picture(HEAD + with_wrong_sum(chunk(b"tRNS", bytes(6))) + REST + END)


def test_pngs_for_apple_devices_are_not_read() -> None:
    with pytest.raises(PictureError) as caught:
        read_picture(HEAD[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + HEAD[8:] + REST + END)
    assert (caught.value.reason, caught.value.detail) == (
        "format not read",
        "PNG of Apple's own kind (CgBI)",
    )
