"""A colour comes out as it is meant, whatever space its file names."""

import binascii
import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.common.test_costs import chunk
from utils.common.pictures import PictureError, read_image, read_picture
from utils.common.reading.colours.icc import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    Primaries,
    rgb_profile,
    srgb_curve,
)
from utils.common.reading.colours.profiles import Profile, find_profile
from utils.common.reading.colours.to_srgb import BROKEN, is_srgb, to_srgb
from utils.common.reading.decoders import open_picture

Encode = Callable[..., bytes]

SKIN = (200, 120, 100)
IN_SRGB = {"Display P3": (213, 115, 95), "Adobe RGB": (224, 121, 99)}
"""What SKIN of other spaces is in sRGB, by their definitions."""

PROFILES = {
    "Display P3": rgb_profile(DISPLAY_P3, srgb_curve),
    "Adobe RGB": rgb_profile(ADOBE_RGB, 563 / 256),
}
PRO_PHOTO = Primaries((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585))


def skin(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (64, 48), SKIN).convert(mode)


def colour_of(content: bytes) -> np.ndarray:
    return np.asarray(read_picture(content)[0]).reshape(-1, 3).mean(axis=0)


def notes_of(content: bytes) -> list[str]:
    return [note for note in read_picture(content)[1].notes if "one colour" not in note]


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Put chunks behind the first one of a PNG."""
    added = b"".join(
        struct.pack(">I", len(body)) + kind + body
        + struct.pack(">I", binascii.crc32(kind + body))
        for kind, body in chunks
    )  # fmt: skip
    return png[:33] + added + png[33:]


def icc_chunk(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"name\0\0" + zlib.compress(profile)


def grey_profile(gamma: float) -> bytes:
    """Return a version 2 profile of grey, without a name."""
    white = b"".join(struct.pack(">i", round(value * 65536)) for value in (0.9642, 1, 0.8249))
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, len(curve))
    body = table + b"XYZ \0\0\0\0" + white + curve
    head = struct.pack(">I4xI", 128 + len(body), 0x02400000) + b"mntrGRAYXYZ "
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white
    return head.ljust(128, b"\0") + body


def points(space: Primaries) -> tuple[bytes, bytes]:
    values = [*space.white, *space.red, *space.green, *space.blue]
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


class TestProfiles:
    """ICC profiles, in every format that carries them."""

    @pytest.mark.parametrize("space", sorted(PROFILES))
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "MPO"])
    def test_colours_of_a_wide_space_are_those_of_srgb(
        self, encode: Encode, space: str, kind: str
    ) -> None:
        content = encode(skin(), kind, icc_profile=PROFILES[space], quality=98)
        picture, original = read_picture(content)
        assert np.abs(colour_of(content) - IN_SRGB[space]).max() <= 2
        assert original.notes[0] == "converted to sRGB from RGB"  # as the profile calls itself
        assert not original.is_plain
        assert "icc_profile" not in picture.info

    def test_a_jpeg_decoded_at_a_reduced_scale_is_converted_alike(self, encode: Encode) -> None:
        content = encode(skin().resize((800, 600)), icc_profile=PROFILES["Display P3"], quality=98)
        small = read_picture(content, 64)[0]
        assert np.abs(np.array(small.getpixel((9, 9))) - IN_SRGB["Display P3"]).max() <= 2

    @pytest.mark.parametrize("mode", ["RGBA", "P", "L", "1"])
    def test_pictures_of_other_modes_have_profiles_too(self, encode: Encode, mode: str) -> None:
        linear = rgb_profile(SRGB, 1.0)
        image = skin("L").convert(mode) if mode in ("L", "1") else skin(mode)
        found = colour_of(encode(image, "PNG", icc_profile=linear))
        before = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(axis=0)
        assert found[0] > before[0] + 20 or mode == "1"
        assert notes_of(encode(image, "PNG", icc_profile=linear)) == ["converted to sRGB from RGB"]

    def test_what_is_transparent_stays_white(self, encode: Encode) -> None:
        image = skin("RGBA")
        image.paste((200, 120, 100, 0), (0, 0, 32, 48))
        found, _ = read_picture(encode(image, "PNG", icc_profile=PROFILES["Display P3"]))
        assert found.getpixel((8, 8)) == (255, 255, 255)
        assert np.abs(np.array(found.getpixel((56, 8))) - IN_SRGB["Display P3"]).max() <= 1

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_grey_and_cmyk_follow_their_own_profiles(self, encode: Encode, mode: str) -> None:
        # A profile made of sRGB's own tables: lcms draws the grey one, CMYK must be refused.
        grey = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        content = encode(skin(mode), "JPEG", quality=98, icc_profile=grey)
        plain = encode(skin(mode), "JPEG", quality=98)
        assert np.abs(colour_of(content) - colour_of(plain)).max() <= 1
        assert notes_of(content) == ([] if mode == "L" else [BROKEN])

    def test_lab_is_a_colour_space_of_its_own(self, encode: Encode) -> None:
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(skin(), srgb, lab, outputMode="LAB")
        assert image is not None
        assert np.abs(colour_of(encode(image, "TIFF")) - SKIN).max() <= 2

    @pytest.mark.parametrize(
        "profile",
        [
            rgb_profile(SRGB, srgb_curve),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ],
    )
    def test_srgb_is_known_by_what_it_does(
        self, encode: Encode, make_picture: Callable[..., Image.Image], profile: bytes
    ) -> None:
        image = make_picture(1)
        found, original = read_picture(encode(image, "JPEG", icc_profile=profile, quality=95))
        plain, _ = read_picture(encode(image, "JPEG", quality=95))
        assert found.tobytes() == plain.tobytes()
        assert original.is_plain and original.notes == ()

    @pytest.mark.parametrize("profile", [b"no profile", b"\0" * 200, PROFILES["Display P3"][:300]])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
    def test_a_broken_profile_is_ignored_and_counted(
        self, encode: Encode, kind: str, profile: bytes
    ) -> None:
        content = encode(skin(), kind, icc_profile=profile, quality=98)
        assert np.abs(colour_of(content) - SKIN).max() <= 2
        assert notes_of(content) == [BROKEN]
        assert not read_picture(content)[1].is_plain

    def test_parts_of_a_profile_that_are_missing_make_it_a_broken_one(self, encode: Encode) -> None:
        content = encode(skin(), "JPEG", icc_profile=PROFILES["Display P3"], quality=98)
        assert content.count(b"ICC_PROFILE\0\1\1") == 1
        with open_picture(content.replace(b"_PROFILE\0\1\1", b"_PROFILE\0\1\2")) as image:
            assert find_profile(image).is_broken

    @pytest.mark.parametrize("numbers", [b"\1\1", b"\0\0", b"\0\1"])
    @pytest.mark.parametrize("times", [1, 2])
    def test_parts_that_are_there_twice_or_numbered_oddly(
        self, encode: Encode, times: int, numbers: bytes
    ) -> None:
        content = encode(skin(), "JPEG", icc_profile=PROFILES["Display P3"], quality=98)
        start = content.index(b"ICC_PROFILE") - 4
        end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        part = content[start : start + 16] + numbers + content[start + 18 : end]
        content = content[:start] + part * times + content[end:]
        assert np.abs(colour_of(content) - IN_SRGB["Display P3"]).max() <= 2
        assert notes_of(content) == ["converted to sRGB from RGB"]

    @pytest.mark.parametrize("alpha", [0, 255])
    @pytest.mark.parametrize("mode", ["LA", "LA;16"])
    def test_grey_with_alpha_follows_a_profile_for_grey(
        self, encode: Encode, mode: str, alpha: int
    ) -> None:
        image = Image.merge("LA", [Image.new("L", (64, 48), 100), Image.new("L", (64, 48), alpha)])
        content = encode(image, "PNG", icc_profile=grey_profile(1.0))
        if mode == "LA;16":
            pixels = (b"\0" + bytes((100, 100, alpha, alpha)) * 64) * 48
            header = struct.pack(">IIBBBBB", 64, 48, 16, 4, 0, 0, 0)
            content = content[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels))
            content = with_chunks(content + chunk(b"IEND", b""), icc_chunk(grey_profile(1.0)))
        assert np.abs(colour_of(content) - 168).max() <= 1  # of linear light, as sRGB has it
        assert "converted to sRGB from a profile without a name" in notes_of(content)

    def test_the_name_of_a_profile_is_fit_to_print(self) -> None:
        profile = PROFILES["Display P3"].replace(
            "RGB".encode("utf-16-be"), "\x1b[m".encode("utf-16-be"), 1
        )
        _, note = to_srgb(skin(), Profile(profile))
        assert note == "converted to sRGB from [m"


class TestPng:
    """A PNG's own ways to name its colours, and which of them counts."""

    @pytest.fixture
    def plain(self, encode: Encode) -> bytes:
        return encode(skin(), "PNG")

    @pytest.mark.parametrize(
        ("code", "space"), [(12, "Display P3"), (1, None), (2, None), (200, None)]
    )
    def test_code_points(self, plain: bytes, code: int, space: str | None) -> None:
        content = with_chunks(plain, (b"cICP", bytes([code, 13, 0, 1])))
        assert np.abs(colour_of(content) - IN_SRGB.get(space or "", SKIN)).max() <= 1
        assert notes_of(content) == ([f"converted to sRGB from {space}"] if space else [])

    def test_hdr_comes_out_with_paper_white(self, plain: bytes) -> None:
        for transfer, white, name in ((16, 0.5807, "PQ"), (18, 0.75, "HLG")):
            image = Image.new("RGB", (64, 48), (round(white * 255),) * 3)
            stream = io.BytesIO()
            image.save(stream, "PNG")
            content = with_chunks(stream.getvalue(), (b"cICP", bytes([9, transfer, 0, 1])))
            assert colour_of(content).min() >= 253
            assert notes_of(content) == [f"converted to sRGB from BT.2020 {name}"]

    def test_gamma_and_primaries(self, plain: bytes) -> None:
        linear = (np.array(SKIN) / 255) ** (1 / 2.4) * 1.055 - 0.055
        assert np.abs(colour_of(with_chunks(plain, gamma(1.0))) - linear * 255).max() <= 1.5
        wide = with_chunks(plain, points(DISPLAY_P3))
        assert np.abs(colour_of(wide) - IN_SRGB["Display P3"]).max() <= 1
        both = with_chunks(plain, gamma(1 / 2.2 * 1.2), points(DISPLAY_P3))
        assert notes_of(both) == ["converted to sRGB from gamma 1.8 and other primaries"]

    @pytest.mark.parametrize(
        "chunks", [(gamma(1 / 2.2),), (points(SRGB),), (gamma(0.45455), points(SRGB))]
    )
    def test_what_is_near_srgb_is_left_alone(
        self, plain: bytes, chunks: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        content = with_chunks(plain, *chunks)
        assert tuple(colour_of(content)) == SKIN
        assert notes_of(content) == []

    @pytest.mark.parametrize(
        "chunk",
        [
            gamma(0),
            (b"cHRM", bytes(32)),
            (b"iCCP", b"x\0\0no zlib"),
            (b"iCCP", b"x\0\7" + bytes(9)),
        ],
    )
    def test_what_cannot_be_is_ignored_and_counted(
        self, plain: bytes, chunk: tuple[bytes, bytes]
    ) -> None:
        content = with_chunks(plain, chunk)
        assert tuple(colour_of(content)) == SKIN
        assert notes_of(content) == [BROKEN]

    def test_a_profile_that_unpacks_without_end_is_ignored(self, plain: bytes) -> None:
        content = with_chunks(plain, icc_chunk(bytes(2**24)))
        assert notes_of(content) == [BROKEN]

    def test_a_png_that_is_decoded_already_is_converted_alike(self, plain: bytes) -> None:
        for chunks in ((gamma(1.0),), (points(DISPLAY_P3),), (gamma(1.0), (b"sRGB", b"\0"))):
            content = with_chunks(plain, *chunks)
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                assert read_image(image)[0].tobytes() == read_picture(content)[0].tobytes()

    def test_the_order_is_that_of_the_specification(self, plain: bytes) -> None:
        p3, adobe = (b"cICP", bytes([12, 13, 0, 1])), icc_chunk(PROFILES["Adobe RGB"])
        srgb, linear = (b"sRGB", b"\0"), gamma(1.0)
        for chunks, wanted in (
            ((p3, adobe, linear), IN_SRGB["Display P3"]),
            ((adobe, srgb, linear), IN_SRGB["Adobe RGB"]),
            ((srgb, linear), SKIN),
        ):
            assert np.abs(colour_of(with_chunks(plain, *chunks)) - wanted).max() <= 1


class TestElsewhere:
    """EXIF, BMP, JPEG 2000 and AVIF name colours in their own ways."""

    @pytest.mark.parametrize("told", ["R03", "space"])
    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
    def test_adobe_rgb_of_cameras(self, encode: Encode, kind: str, told: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = 1  # Pillow writes none into a PNG that holds a directory alone
        exif.get_ifd(0x8769)[0xA001] = 65535 if told == "R03" else 2
        if told == "R03":
            exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
        content = encode(skin(), kind, exif=exif, quality=98)
        assert np.abs(colour_of(content) - IN_SRGB["Adobe RGB"]).max() <= 3
        assert notes_of(content) == ["converted to sRGB from Adobe RGB"]

    @pytest.mark.parametrize("space", [1, 65535])
    def test_srgb_and_uncalibrated_stay(self, encode: Encode, space: int) -> None:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA001] = space
        _, original = read_picture(encode(skin(), "JPEG", exif=exif))
        assert original.is_plain

    def test_a_profile_in_a_bmp(self, encode: Encode) -> None:
        pixels = encode(skin(), "BMP")[54:]
        profile = PROFILES["Display P3"]
        info = struct.pack("<IiiHHIIiiII", 124, 64, 48, 1, 24, 0, len(pixels), 0, 0, 0, 0)
        info += (
            bytes(16)
            + b"DEBM"
            + bytes(48)
            + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
        )
        head = b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(profile), 0, 0, 138)
        content = head + info + pixels + profile
        assert np.abs(colour_of(content) - IN_SRGB["Display P3"]).max() <= 1

    def test_a_profile_in_a_jpeg_2000(self, encode: Encode) -> None:
        content = encode(skin(), "JPEG2000")
        place = content.index(b"colr") - 4
        (size,) = struct.unpack_from(">I", content, place)
        profile = PROFILES["Display P3"]
        box = struct.pack(">I", 11 + len(profile)) + b"colr\2\0\0" + profile
        header = content.index(b"jp2h") - 4
        (before,) = struct.unpack_from(">I", content, header)
        content = content[:place] + box + content[place + size :]
        grown = struct.pack(">I", before + len(box) - size)
        content = content[:header] + grown + content[header + 4 :]
        assert np.abs(colour_of(content) - IN_SRGB["Display P3"]).max() <= 2

    def test_code_points_in_an_avif(self, encode: Encode) -> None:
        content = encode(skin(), "AVIF", quality=98)
        place = content.index(b"colrnclx") + 8
        content = content[:place] + struct.pack(">HH", 12, 13) + content[place + 4 :]
        assert np.abs(colour_of(content) - IN_SRGB["Display P3"]).max() <= 3
        assert notes_of(content) == ["converted to sRGB from Display P3"]


def test_a_profile_for_another_kind_of_picture_is_a_broken_one() -> None:
    picture, note = to_srgb(skin("CMYK"), Profile(PROFILES["Display P3"]))
    assert note == BROKEN
    assert picture.tobytes() == skin("CMYK").convert("RGB").tobytes()


def test_pro_photo_and_primaries_that_are_none() -> None:
    wide = rgb_profile(PRO_PHOTO, 1.8)
    assert not is_srgb(Profile(wide))
    picture, _ = to_srgb(Image.new("RGB", (8, 8), (128, 128, 128)), Profile(wide))
    assert np.ptp(picture.getpixel((3, 3))) <= 1  # grey stays grey
    for broken in (
        Primaries((0.6, 0), (0.3, 0.6), (0.15, 0.06)),
        Primaries((0.3, 0.3), (0.3, 0.3), (0.3, 0.3)),
    ):
        with pytest.raises(ValueError, match="primaries"):
            rgb_profile(broken, 2.2)


def test_a_damaged_png_is_damaged_with_and_without_a_profile(encode: Encode) -> None:
    content = with_chunks(encode(skin(), "PNG"), icc_chunk(b"broken"))
    with pytest.raises(PictureError):
        read_picture(content[:-40])
