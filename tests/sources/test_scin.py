"""SCIN: how a picture was taken decides its class, its case its group, raters leave cases out."""

from collections.abc import Callable, Mapping

import pytest

from utils.common.errors import SourceError
from utils.common.labels import DERM_CLINIC, PAN
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.record import ANY_SPLIT
from utils.sources.source import Reading

SCIN = SOURCES[NAMES.index("scin")]
CASES = "case_id," + ",".join(f"image_{n}_path" for n in (1, 2, 3))
CASES += "," + ",".join(f"image_{n}_shot_type" for n in (1, 2, 3))
VOTE = "dermatologist_gradable_for_skin_condition_"
LABELS = "case_id," + ",".join(f"{VOTE}{n}" for n in (1, 2, 3))
YES, NO = "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT", "NO_IMAGE_QUALITY_INSUFFICIENT"
ONE, TWO = "-1000600354148496558", "8463743675328695830"

Plant = Callable[[Mapping[str, str | bytes]], FileTree]
Case = Mapping[str, str]
"""Shot types by number of picture, in the order of the columns."""


def laid_out(
    cases: Mapping[str, Case], votes: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, str]:
    """Return the two tables and empty pictures, by path."""
    files, rows = {}, [CASES]
    for case, shots in cases.items():
        paths = [f"dataset/images/{number}.png" for number in shots]
        files |= {f"scin/{path}": "" for path in paths}
        padding = [""] * (3 - len(shots))
        rows.append(",".join([case, *paths, *padding, *shots.values(), *padding]))
    given = dict.fromkeys(cases, (YES, "", "")) | dict(votes or {})
    labels = [LABELS, *(",".join([case, *of_case]) for case, of_case in given.items())]
    tables = {"scin_cases.csv": rows, "scin_labels.csv": labels}
    return files | {f"scin/dataset/{name}": "\n".join(text) for name, text in tables.items()}


def read(tree: FileTree) -> Reading:
    reading = SCIN.read(tree)
    assert reading is not None
    return reading


def by_number(reading: Reading) -> dict[str, str]:
    """Return the class, or the rule, of each picture."""
    found = {record.original: record.label for record in reading.records}
    found |= {left.original: left.rule for left in reading.left_out}
    return {path.rpartition("/")[2].removesuffix(".png"): told for path, told in found.items()}


def test_the_shot_type_decides_and_not_the_position(plant: Plant) -> None:
    one = {"-1": "AT_DISTANCE", "2": "CLOSE_UP", "-3": "AT_AN_ANGLE"}
    two = {"4": "CLOSE_UP", "5": "AT_DISTANCE"}
    reading = read(plant(laid_out({ONE: one, TWO: two})))
    assert by_number(reading) == {
        "-1": PAN,
        "2": DERM_CLINIC,
        "-3": "image_shot_type is AT_AN_ANGLE",
        "4": DERM_CLINIC,
        "5": PAN,
    }
    assert {record.group for record in reading.records} == {f"scin/{ONE}", f"scin/{TWO}"}
    assert {record.splits for record in reading.records} == {ANY_SPLIT}
    assert reading.notes == []


@pytest.mark.parametrize("votes", [(NO, "", ""), (YES, YES, NO), (YES, f" {NO.lower()} ", YES)])
def test_one_vote_of_too_low_quality_leaves_out_the_whole_case(
    plant: Plant, votes: tuple[str, ...]
) -> None:
    cases = {ONE: {"1": "AT_DISTANCE", "2": "CLOSE_UP"}, TWO: {"3": "CLOSE_UP"}}
    rule = "a rater found its case of too low quality"
    reading = read(plant(laid_out(cases, {ONE: votes})))
    assert by_number(reading) == {"1": rule, "2": rule, "3": DERM_CLINIC}


def test_cases_that_share_a_picture_are_one_group_and_it_is_one_picture(plant: Plant) -> None:
    cases = {
        ONE: {"1": "CLOSE_UP", "2": "AT_DISTANCE"},
        TWO: {"1": "CLOSE_UP", "3": "AT_DISTANCE"},
        "7": {"4": "CLOSE_UP"},
    }
    reading = read(plant(laid_out(cases)))
    groups = {record.original[-5]: record.group for record in reading.records}
    assert len(groups) == len(reading.records) == 4
    assert groups["1"] == groups["2"] == groups["3"] != groups["4"]


def test_a_shared_picture_is_left_out_where_one_of_its_cases_is(plant: Plant) -> None:
    cases = {ONE: {"1": "CLOSE_UP"}, TWO: {"1": "CLOSE_UP", "2": "CLOSE_UP"}}
    reading = read(plant(laid_out(cases, {ONE: (NO, "", "")})))
    assert by_number(reading)["1"] == "a rater found its case of too low quality"
    assert by_number(reading)["2"] == DERM_CLINIC


def test_a_shared_picture_with_two_shot_types_is_left_out(plant: Plant) -> None:
    cases = {ONE: {"1": "CLOSE_UP"}, TWO: {"1": "AT_DISTANCE"}}
    assert by_number(read(plant(laid_out(cases)))) == {"1": "its rows give several image_shot_type"}


@pytest.mark.parametrize("shot", ["FROM_AFAR", "CLOSE_UP_2", ""])
def test_an_unknown_shot_type_is_a_row_with_its_reason(plant: Plant, shot: str) -> None:
    reading = read(plant(laid_out({ONE: {"1": shot}})))
    assert by_number(reading) == {"1": f"image_shot_type is {shot or 'empty'}"}


def test_case_ids_that_a_spreadsheet_rounded_are_a_reason_and_join_nothing(plant: Plant) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP"}, TWO: {"2": "CLOSE_UP"}, "7": {"3": "CLOSE_UP"}})
    files = {path: text.replace(ONE, "-1.00E+18") for path, text in files.items()}
    files = {path: text.replace(TWO, "8.46E+18") for path, text in files.items()}
    rule = "its case_id was rounded by a spreadsheet"
    assert by_number(read(plant(files))) == {"1": rule, "2": rule, "3": DERM_CLINIC}


def test_a_case_without_votes_is_left_out(plant: Plant) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP"}, TWO: {"2": "CLOSE_UP"}})
    labels = "scin/dataset/scin_labels.csv"
    files[labels] = "\n".join(line for line in files[labels].splitlines() if ONE not in line)
    assert by_number(read(plant(files))) == {
        "1": "its case_id is not in scin_labels.csv",
        "2": DERM_CLINIC,
    }


def test_a_listed_picture_that_is_absent_is_counted_and_one_without_path_is_none(
    plant: Plant,
) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP", "2": "AT_DISTANCE"}})
    del files["scin/dataset/images/2.png"]
    cases = "scin/dataset/scin_cases.csv"
    files[cases] += "AT_AN_ANGLE"  # the third shot type, without a path
    reading = read(plant(files))
    assert (len(reading.records), reading.absent, reading.notes) == (1, 1, [])


@pytest.mark.parametrize("table", ["scin_cases.csv", "scin_labels.csv"])
def test_a_missing_table_is_one_line(plant: Plant, table: str) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP"}})
    del files[f"scin/dataset/{table}"]
    with pytest.raises(SourceError) as caught:
        read(plant(files))
    assert table in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["case_id", "image_2_path", "image_3_shot_type", f"{VOTE}2"])
def test_a_table_without_a_column_is_one_line(plant: Plant, column: str) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP"}})
    tree = plant({path: text.replace(column, "other") for path, text in files.items()})
    with pytest.raises(SourceError, match=f"has no column {column} ") as caught:
        read(tree)
    assert "\n" not in str(caught.value)


def test_a_table_of_other_pictures_is_told(plant: Plant) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP"}})
    files["scin/dataset/images/x.png"] = files.pop("scin/dataset/images/1.png")
    assert read(plant(files)).notes == [
        "scin: none of the 1 names in scin/dataset/scin_cases.csv, column image_1_path or "
        "image_2_path or image_3_path ('dataset/images/1.png'), is that of one of the 1 pictures "
        "('x.png')"
    ]


@pytest.mark.parametrize("inside", ["", "dataset/"])
def test_an_archive_may_be_flat_or_nested(
    plant: Plant, zipped: Callable[[Mapping[str, bytes]], bytes], inside: str
) -> None:
    files = laid_out({ONE: {"1": "CLOSE_UP", "2": "AT_DISTANCE"}})
    members = {path.removeprefix("scin/dataset/"): text for path, text in files.items()}
    content = zipped({f"{inside}{path}": text.encode() for path, text in members.items()})
    assert by_number(read(plant({"scin.zip": content}))) == {"1": DERM_CLINIC, "2": PAN}
