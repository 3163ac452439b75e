"""Pictures that share an id are one group, whatever else is missing or written otherwise."""

import random

from utils.sources.readers.grouping import tell_large_group
from utils.sources.readers.joining import group_by_ids
from utils.sources.record import Record

LEVELS = ("patient_id", "lesion_id")


def groups(*rows: tuple[str, str, str]) -> dict[str, str]:
    return dict(group_by_ids(LEVELS, ((picture, ids) for picture, *ids in rows)).names)


def notes(*rows: tuple[str, str, str]) -> list[str]:
    grouping = group_by_ids(LEVELS, ((picture, ids) for picture, *ids in rows))
    return grouping.notes("made", [row[0] for row in rows])


def test_the_patient_names_the_group_else_the_lesion() -> None:
    assert groups(("a", "P1", "L1"), ("b", "P1", "L2"), ("c", "", "L3"), ("d", "NA", "-")) == {
        "a": "P1",
        "b": "P1",
        "c": "L3",
    }


def test_spellings_of_one_patient_are_one_group_named_by_the_first() -> None:
    rows = [("a", "ip_0", ""), ("b", "IP_0 ", ""), ("c", "IP_0", ""), ("d", "IP_1", "")]
    assert groups(*rows) == {"a": "IP_0", "b": "IP_0", "c": "IP_0", "d": "IP_1"}
    assert notes(*rows) == ["made: 1 ids (patient_id) are written in several ways; each is one"]


def test_a_lesion_brings_a_picture_without_patient_to_its_patient() -> None:
    rows = [("a", "P1", "L1"), ("b", "", "L1"), ("c", "", "L1"), ("d", "", "L2")]
    assert groups(*rows) == {"a": "P1", "b": "P1", "c": "P1", "d": "L2"}
    assert notes(*rows) == [
        "made: 3 pictures have no patient_id (empty 3): 3 are grouped by lesion_id"
    ]


def test_a_lesion_under_two_patients_by_mistake_joins_them_and_is_told() -> None:
    rows = [(f"p{n}", f"P{n}", f"L{n}") for n in range(30)] + [("x", "P30", "L0")]
    found = groups(*rows)
    assert found["x"] == found["p0"] == "P0"
    assert len(set(found.values())) == 30
    assert notes(*rows) == [
        "made: 1 ids (lesion_id) stand under several of patient_id (L0); these are one group"
    ]


def test_lesions_that_are_numbered_by_patient_join_no_strangers() -> None:
    rows = [(f"{p}{n}", f"P{p}", str(n)) for p in range(9) for n in range(3)]
    assert len(set(groups(*rows).values())) == 9
    assert notes(*rows) == [
        "made: 3 ids (lesion_id) stand under several of patient_id (0, 1, 2); "
        "each counts within its patient_id only"
    ]


def test_rows_that_contradict_each_other_join_both_patients_and_are_told() -> None:
    rows = [("a", "P1", ""), ("a", "P2", ""), ("b", "P1", ""), ("c", "P2", ""), ("d", "P3", "")]
    assert groups(*rows) == {"a": "P1", "b": "P1", "c": "P1", "d": "P3"}
    assert notes(*rows) == [
        "made: 1 pictures have rows with different ids (a); "
        "whatever such a picture joins is one group"
    ]


def test_a_repeated_row_is_nothing_to_tell() -> None:
    assert notes(("a", "P1", "L1"), ("a", "P1", "L1"), ("a", "p1", "L1 ")) == [
        "made: 1 ids (patient_id) are written in several ways; each is one"
    ]


def test_missing_ids_are_told_by_how_they_are_written() -> None:
    rows = [*((f"n{n}", "NA", "") for n in range(3)), ("b", "", "L1"), ("c", "P1", "")]
    assert notes(*rows) == [
        "made: 4 pictures have no patient_id ('NA' 3, empty 1): 1 are grouped by lesion_id, "
        "each of the other 3 is a group of its own"
    ]
    rows = [*((f"n{n}", "nan", "?") for n in range(3)), ("c", "P1", "")]
    assert notes(*rows) == [
        "made: 3 pictures have no patient_id ('nan' 3): each is a group of its own"
    ]


def test_rounded_ids_join_no_strangers_and_are_told() -> None:
    rows = [("a", "1.23E+18", ""), ("b", "1.23E+18", "")]
    assert groups(*rows) == {}
    assert notes(*rows)[0] == (
        "made: patient_id of 2 pictures was rounded by a spreadsheet (1.23E+18) and tells no "
        "patients apart; it counts as missing"
    )


def test_a_lesion_or_a_picture_named_as_a_patient_does_not_join_him() -> None:
    grouping = group_by_ids(LEVELS, [("a", ("1", "")), ("b", ("", "1.0")), ("2", ("2", ""))])
    assert grouping.names == {"a": "1", "b": "lesion_id 1.0", "2": "2"}
    assert [grouping.name_of(picture, picture) for picture in ("1", "3", "a")] == [
        "picture 1", "3", "1",
    ]  # fmt: skip


def test_the_order_of_the_rows_changes_nothing() -> None:
    draw = random.Random(0)
    rows = [
        (f"i{draw.randrange(60)}", draw.choice(["", "NA", f"P{draw.randrange(20)}"]),
         draw.choice(["", f"L{draw.randrange(400)}"]))
        for _ in range(150)
    ]  # fmt: skip
    found = groups(*rows)
    for _ in range(5):
        draw.shuffle(rows)
        assert groups(*rows) == found
    for picture, patient, _ in rows:
        if patient.startswith("P"):
            same = {found[other] for other, whose, _ in rows if whose == patient}
            assert same == {found[picture]}


def records(*groups: str) -> list[Record]:
    return [Record("made", f"{n}", f"made/{n}", "DERM", f"made/{g}") for n, g in enumerate(groups)]


def test_a_group_that_holds_most_of_a_collection_is_told() -> None:
    assert tell_large_group("made", records(*["P1"] * 31, *map(str, range(29)))) == [
        "made: 31 of its 60 pictures are one group, 'P1', and go into one split together; "
        "see whether that is one patient"
    ]
    assert tell_large_group("made", records(*["P1"] * 30, *map(str, range(30)))) == []
    assert tell_large_group("made", records(*["P1"] * 50)) == []
    assert tell_large_group("made", []) == []


def test_a_few_words_among_numbered_ids_say_that_there_is_none() -> None:
    numbered = [(f"p{n}", f"IP_{n}", f"L{n}") for n in range(20)]
    strangers = [("x", "n\u00e3o consta", "L30"), ("y", "N\u00c3O CONSTA", ""), ("z", "999", "L3")]
    assert groups(*numbered, *strangers) == {
        **{picture: patient for picture, patient, _ in numbered},
        "x": "L30",
        "z": "IP_3",
    }
    assert notes(*numbered, *strangers) == [
        "made: 3 pictures have no patient_id ('N\\xc3O CONSTA' 2, '999' 1): 2 are grouped by "
        "lesion_id, each of the other 1 is a group of its own"
    ]


def test_words_are_ids_where_many_are_and_zeros_where_all_are_numbers() -> None:
    rows = [(f"p{n}", name, "") for n, name in enumerate(["JD", "JD", "AB", "P1", "P2", "P3"])]
    assert groups(*rows) == {picture: patient for picture, patient, _ in rows}
    rows = [(f"p{n}", str(n), "") for n in range(30)] + [("x", "0", ""), ("y", "999", "")]
    assert groups(*rows) == {picture: patient for picture, patient, _ in rows}
