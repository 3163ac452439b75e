"""A table's names are those of whole files, with or without their endings."""

import pytest

from utils.sources.readers.filenames import NamedPictures, tell_no_match

PATHS = ("h/a/ISIC_1.jpg", "h/ISIC_12.JPG", "h/ISIC_1_mask.png", "h/a.b.png", "h/mu\u0308.jpg")


@pytest.mark.parametrize(
    ("written", "found"),
    [
        *((name, PATHS[0]) for name in ("ISIC_1", "isic_1", "ISIC_1.jpg", "ISIC_1.PNG")),
        *((name, PATHS[0]) for name in ("images/ISIC_1.jpg", r"images\ISIC_1")),
        ("ISIC_12", PATHS[1]),
        ("a.b", PATHS[3]),
        ("M\u00fc", PATHS[4]),
        *((name, None) for name in ("ISIC", "ISIC_", "SIC_1", "ISIC_1_", "a", "ISIC_1.txt", "")),
    ],
)
def test_whole_names_alone_are_found(written: str, found: str | None) -> None:
    assert NamedPictures(PATHS).find(written) == found


def test_of_two_files_of_one_name_the_first_counts_and_the_other_is_known() -> None:
    pictures = NamedPictures(["a/1.jpg", "b/1.PNG", "b/2.png"])
    assert (list(pictures), pictures.repeated) == (["a/1.jpg", "b/2.png"], ["b/1.PNG"])


def test_a_table_of_other_pictures_is_told_with_examples_of_both() -> None:
    names, paths = ["ISIC_1", "ISIC_2", "ISIC_3"], ["h/IMG_1.jpg", "h/IMG_2.jpg", "h/IMG_3.jpg"]
    assert tell_no_match("hiba", "h/metadata.csv", "isic_id", names, paths) == (
        "hiba: none of the 3 names in h/metadata.csv, column isic_id ('ISIC_1', 'ISIC_2'), is that "
        "of one of the 3 pictures ('IMG_1.jpg', 'IMG_2.jpg')"
    )
