"""A person's corrections are obeyed, each row is accounted for, and no picture is lost."""

from pathlib import Path

import pytest

from utils.common.errors import SourceError
from utils.common.labels import DERM_CLINIC, OTHER, PAN
from utils.sources import collect
from utils.sources.catalog import SOURCES
from utils.sources.collect import Collected
from utils.sources.corrections import CORRECTED_RULE

PICTURES = {f"hospital_varese/train/v{number}.jpg": "" for number in range(4)}


def read(plant, *rows: str, header: str = "source,original,label") -> Collected:
    table = "".join(f"{row}\n" for row in (header, *rows))
    return collect.read_all(SOURCES, plant(PICTURES | {"corrections.csv": table}))


def labels(collected: Collected) -> dict[str, str]:
    return {Path(record.original).stem: record.label for record in collected.records}


def test_without_a_table_nothing_changes(plant) -> None:
    collected = collect.read_all(SOURCES, plant(PICTURES))
    assert set(labels(collected).values()) == {PAN}
    assert not any(record.is_corrected for record in collected.records)
    assert "corrections" not in collected.describe(Path("ALL_DATA"))


def test_a_picture_gets_the_class_that_a_person_gave_it_or_none(plant) -> None:
    collected = read(
        plant,
        "hospital_varese,hospital_varese/train/v0.jpg,DERM_CLINIC",
        "hospital_varese,hospital_varese/train/v1.jpg,leave out",
        "hospital_varese,hospital_varese/train/v2.jpg,pan",
    )
    assert labels(collected) == {"v0": DERM_CLINIC, "v2": PAN, "v3": PAN}
    corrected = {Path(r.original).stem for r in collected.records if r.is_corrected}
    assert corrected == {"v0", "v2"}
    assert [(left.original, left.rule) for left in collected.left_out] == [
        ("hospital_varese/train/v1.jpg", CORRECTED_RULE)
    ]
    told = collected.describe(Path("ALL_DATA"))
    assert (
        "corrections.csv: 3 rows; another class for 1 pictures (PAN -> DERM_CLINIC 1), 1 left out, "
        "1 confirmed"
    ) in told
    assert "hospital_varese: 1 left out (left out by corrections.csv)" in told
    assert "5 files in ALL_DATA" in told
    assert "3 pictures + 1 left out by a rule + 1 tables and texts" in told


def test_rows_that_match_nothing_are_told(plant) -> None:
    collected = read(
        plant,
        "hospital_varese,hospital_varese/train/gone.jpg,OTHER",
        "isic_2018,ISIC_0000001.jpg,OTHER",
    )
    assert collected.notes[-2:] == [
        "corrections.csv: 1 rows of collections not read: isic_2018",
        "corrections.csv: 1 rows match no picture: hospital_varese: hospital_varese/train/gone.jpg",
    ]


def test_names_are_read_as_the_manifest_writes_them(plant) -> None:
    table = 'source,original,label\nhospital_varese,"hospital_varese/train/\\x{3d}a,b.jpg",OTHER\n'
    tree = plant({"hospital_varese/train/=a,b.jpg": "", "corrections.csv": table})
    assert [record.label for record in collect.read_all(SOURCES, tree).records] == [OTHER]


TWICE = (
    "ISIC2018_Task3_Training_Input/ISIC_0024306.jpg",
    "ISIC_2019_Training_Input/ISIC_0024306.jpg",
)
"""One picture in two collections."""


def read_twice(plant, *rows: str) -> Collected:
    table = "".join(f"{row}\n" for row in ("source,original,label", *rows))
    return collect.read_all(SOURCES, plant(dict.fromkeys(TWICE, "") | {"corrections.csv": table}))


def test_a_picture_of_two_collections_is_corrected_in_both(plant) -> None:
    collected = read_twice(plant, f"isic_2018,{TWICE[0]},{PAN}")
    assert [(one.label, one.is_corrected) for one in collected.records] == [(PAN, True)] * 2
    collected = read_twice(plant, f"isic_2019,{TWICE[1]},leave out")
    assert collected.records == []
    assert sorted((left.original, left.source) for left in collected.left_out) == [
        (TWICE[0], "isic_2018"), (TWICE[1], "isic_2019"),
    ]  # fmt: skip
    assert "1 rows; another class for 0 pictures, 2 left out" in "".join(collected.notes)


def test_two_classes_for_one_picture_of_two_collections_are_one_line(plant) -> None:
    with pytest.raises(SourceError) as caught:
        read_twice(plant, f"isic_2018,{TWICE[0]},{PAN}", f"isic_2019,{TWICE[1]},leave out")
    assert str(caught.value).startswith(
        f"corrections.csv: {TWICE[1]} is leave out and {TWICE[0]}, the same picture, is {PAN}"
    )


def test_a_file_that_two_rows_of_a_table_name_is_left_out_once(plant) -> None:
    files = {
        "release_v0/meta/meta.csv": "case_num,clinic,derm\n1,a.jpg,b.jpg\n2,c.jpg,b.jpg\n",
        **{f"release_v0/meta/{split}_indexes.csv": "indexes\n" for split in ("valid", "test")},
        "release_v0/meta/train_indexes.csv": "indexes\n0\n1\n",
        **{f"release_v0/images/{name}.jpg": "" for name in "abc"},
    }
    place = "derm7pt,release_v0/images/b.jpg"
    for label, told in (("leave out", "0 pictures, 1 left"), (PAN, "1 pictures (DERM -> PAN 1)")):
        table = f"source,original,label\n{place},{label}\n"
        collected = collect.read_all(SOURCES, plant(files | {"corrections.csv": table}))
        assert told in "".join(collected.notes)
        assert collected.num_files == 8
        line = next(one for one in collected.describe(Path("x")).splitlines() if "derm7pt" in one)
        assert line.split()[1:3] == (["2", "1"] if label == "leave out" else ["3", "0"])


@pytest.mark.parametrize(
    ("rows", "found", "expected"),
    [
        (["hospital_varese,v.jpg,PANORAMA"], "row 1: label is 'PANORAMA'", "leave out"),
        (["hospital_varese,v.jpg,"], "row 1: label is ''", "one of DERM"),
        (["hospital_varese,v.jpg,LOW_QUALITY"], "row 1: label is 'LOW_QUALITY'", "one of DERM"),
        (
            ["hospital_varese,v.jpg,PAN", "hospital_varese,v.jpg,OTHER"],
            "row 2: v.jpg is OTHER here and PAN above",
            "one row for each picture",
        ),
    ],
)
def test_a_row_that_makes_no_sense_is_one_line(plant, rows, found: str, expected: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(plant, *rows)
    assert found in str(caught.value)
    assert expected in str(caught.value)


def test_a_missing_column_is_one_line(plant) -> None:
    with pytest.raises(SourceError, match="has no column label"):
        read(plant, "hospital_varese,v.jpg", header="source,original")
