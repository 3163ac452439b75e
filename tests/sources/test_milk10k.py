"""MILK10k: one lesion in two views, a table for each side, altered pictures left out."""

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from utils.common.errors import SourceError
from utils.common.labels import DERM, DERM_CLINIC
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.readers.isic import NUMBERS
from utils.sources.record import TEST_ONLY, TRAIN_OR_VAL
from utils.sources.source import Reading

MILK10K = SOURCES[NAMES.index("milk10k")]
HEADER = "lesion_id,image_type,isic_id,image_manipulation"
VIEWS = ("clinical: close-up", "dermoscopic")


def read(tree: FileTree) -> Reading:
    reading = MILK10K.read(tree)
    assert reading is not None
    return reading


def laid_out(side: str, *rows: str, header: str = HEADER) -> dict[str, str]:
    """Return a table and empty pictures in folders of their lesions, by path."""
    files = {f"MILK10k_{side}_Metadata.csv": "\n".join([header, *rows, ""])}
    for lesion, _, picture, *_ in (row.split(",") for row in rows):
        files[f"MILK10k_{side}_Input/{lesion}/{picture}.jpg"] = ""
    return files


def lesion(number: int, manipulation: str = "instrument only") -> list[str]:
    return [
        f"IL_{number},{kind},ISIC_{1_000_000 + 2 * number + view},{manipulation}"
        for view, kind in enumerate(VIEWS)
    ]


Plant = Callable[[Mapping[str, str]], FileTree]


def test_both_views_of_a_lesion_are_one_group_of_their_side(plant: Plant) -> None:
    train, test = laid_out("Training", *lesion(1), *lesion(2)), laid_out("Test", *lesion(3))
    records = read(plant(train | test)).records
    assert Counter((r.label, r.group, r.splits) for r in records) == {
        (label, f"milk10k/IL_{number}", splits): 1
        for number, splits in ((1, TRAIN_OR_VAL), (2, TRAIN_OR_VAL), (3, TEST_ONLY))
        for label in (DERM, DERM_CLINIC)
    }
    assert {record.identity for record in records} == {f"isic/ISIC_100000{n}" for n in range(2, 8)}


def test_altered_pictures_are_left_out_and_their_twins_are_not(plant: Plant) -> None:
    close_up, dermoscopic = lesion(1)
    reading = read(
        plant(laid_out("Training", close_up.replace("instrument only", "Altered "), dermoscopic))
    )
    assert [record.label for record in reading.records] == [DERM]
    assert [left.rule for left in reading.left_out] == ["altered by its publisher"]


def test_a_lesion_on_both_sides_is_told_by_both_and_its_picture_is_test(plant: Plant) -> None:
    train, test = laid_out("Training", *lesion(1), *lesion(2)), laid_out("Test", lesion(1)[0])
    del test["MILK10k_Test_Input/IL_1/ISIC_1000002.jpg"]
    records = {record.original[-11:-4]: record for record in read(plant(train | test)).records}
    assert records["1000002"].splits == TEST_ONLY
    assert records["1000002"].group == records["1000003"].group


def test_without_the_table_of_one_side_its_pictures_are_left_out_and_it_is_named(
    plant: Plant,
) -> None:
    files = laid_out("Training", *lesion(1)) | laid_out("Test", *lesion(2))
    del files["MILK10k_Test_Metadata.csv"]
    reading = read(plant(files))
    assert {record.group for record in reading.records} == {"milk10k/IL_1"}
    assert [left.rule for left in reading.left_out] == ["not in its table"] * 2
    assert reading.notes == ["milk10k: no MILK10k_Test_Metadata.csv; see where to get it"]


def test_without_any_table_one_line_names_both(plant: Plant) -> None:
    with pytest.raises(SourceError) as caught:
        read(plant({"MILK10k_Training_Input/IL_1/ISIC_1.jpg": ""}))
    assert "MILK10k_Training_Metadata.csv and MILK10k_Test_Metadata.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", HEADER.split(",")[1:])
def test_a_table_without_a_column_is_one_line(plant: Plant, column: str) -> None:
    tree = plant(laid_out("Training", *lesion(1), header=HEADER.replace(column, "other")))
    with pytest.raises(SourceError, match=f"has no column {column} ") as caught:
        read(tree)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["clinical: overview", "TBP tile: close-up", "", "unknown"])
def test_an_unknown_kind_of_picture_is_a_row_with_its_reason(plant: Plant, kind: str) -> None:
    reading = read(plant(laid_out("Test", f"IL_1,{kind},ISIC_1000001,instrument only")))
    assert reading.records == []
    assert [left.rule for left in reading.left_out] == [f"image_type is {kind or 'empty'}"]


@pytest.mark.parametrize("inside", ["", "MILK10k_Test_Input/", "MILK10k_Test_Input/IL_1/"])
def test_the_archive_may_be_flat_or_nested(
    plant: Callable[..., FileTree], zipped: Callable[..., bytes], inside: str
) -> None:
    files = laid_out("Test", *lesion(1))
    archive = zipped({f"{inside}ISIC_100000{n}.jpg": b"" for n in (2, 3)})
    table = files["MILK10k_Test_Metadata.csv"]
    reading = read(
        plant({"MILK10k_Test_Metadata.csv": table, "milk10k/MILK10k_Test_Input.zip": archive})
    )
    assert {record.label for record in reading.records} == {DERM, DERM_CLINIC}
    assert reading.left_out == []


def test_a_listed_picture_that_is_absent_is_counted(plant: Plant) -> None:
    files = laid_out("Training", *lesion(1))
    del files["MILK10k_Training_Input/IL_1/ISIC_1000002.jpg"]
    reading = read(plant(files))
    assert (len(reading.records), reading.absent) == (1, 1)


def test_no_id_is_one_of_the_challenges(real_tables: Path) -> None:
    def ids(folder: str, column: str) -> set[str]:
        found: set[str] = set()
        for path in sorted((real_tables / folder).glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as stream:
                found |= {row[column].upper()[:12] for row in csv.DictReader(stream)}
        return found

    own = ids("MILK10k", "isic_id")
    assert len(own) == 2 * (5_240 + 479)
    assert not own & (ids("ISIC2018", "image") | ids("ISIC2019", "image"))
    own |= ids("HIBA", "isic_id")
    assert not [one for one in own for numbers in NUMBERS if int(one[5:]) in numbers]
