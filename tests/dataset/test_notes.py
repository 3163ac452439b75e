"""What was done to the pixels of a picture is told with the figures of the assembly."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from utils.common.disk.location import Location
from utils.common.pictures import read_picture
from utils.common.reading.colours.icc import DISPLAY_P3, rgb_profile, srgb_curve
from utils.dataset.images.notes import collect_notes, describe_notes
from utils.dataset.images.prepare import PictureJob, Prepared, prepare_picture
from utils.dataset.output.journal import Journal

Encode = Callable[..., bytes]
Make = Callable[..., Image.Image]


def prepared(content: bytes, folder: Path, side: int = 256) -> Prepared:
    (folder / "original").write_bytes(content)
    place = Location(str(folder / "original"))
    return prepare_picture(PictureJob(7, place, folder / "x.jpg", side, "", 1, 10**8))


def test_a_converted_picture_says_so_after_a_way_through_the_journal(
    encode: Encode, make_picture: Make, tmp_path: Path
) -> None:
    profile = rgb_profile(DISPLAY_P3, srgb_curve)
    result = prepared(encode(make_picture(1, 300, 200), icc_profile=profile), tmp_path)
    assert result.notes == "converted to sRGB from RGB"
    journal = Journal(tmp_path / "journal")
    journal.add([result])
    assert journal.read() == {7: result}


def test_the_name_of_a_profile_is_no_note_of_its_own(
    encode: Encode, make_picture: Make, tmp_path: Path
) -> None:
    profile = rgb_profile(DISPLAY_P3, srgb_curve)
    named = profile.replace("RGB".encode("utf-16-be"), "; X".encode("utf-16-be"))
    result = prepared(encode(make_picture(1, 300, 200), icc_profile=named), tmp_path)
    assert describe_notes(collect_notes([("a.jpg", result)])) == [
        "Kept, converted to sRGB: 1 (from , X 1)"
    ]


def test_bytes_are_kept_only_where_they_are_srgb(
    encode: Encode, make_picture: Make, tmp_path: Path
) -> None:
    image, profile = make_picture(1, 300, 200), rgb_profile(DISPLAY_P3, srgb_curve)
    for content, is_kept in (
        (encode(image), True),
        (encode(image, icc_profile=profile), False),
        (encode(image, icc_profile=b"broken"), False),
    ):
        prepared(content, tmp_path, 0)
        written = (tmp_path / "x.jpg").read_bytes()
        assert (written == content) == is_kept
        assert b"ICC_PROFILE" not in written
        assert read_picture(written)[1].is_plain


def test_each_kind_of_note_is_a_line() -> None:
    results = [
        ("a.jpg", Prepared(1, notes="converted to sRGB from P3")),
        ("b.jpg", Prepared(2, notes="converted to sRGB from P3; of one colour only")),
        ("c.jpg", Prepared(3, notes="converted to sRGB from Adobe RGB")),
        ("d.jpg", Prepared(4)),
    ]
    assert describe_notes(collect_notes(results)) == [
        "Kept, converted to sRGB: 3 (from P3 2, from Adobe RGB 1)",
        "Kept, of one colour only: 1 (b.jpg)",
    ]
    assert describe_notes(collect_notes([])) == []
