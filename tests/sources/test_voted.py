"""VizWiz-QualityIssues: people's votes tell poor photographs from good ones."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from utils.common.errors import SourceError
from utils.common.labels import LOW_QUALITY, OTHER
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.readers.voted import ALONE, BAD_VOTES, BETWEEN, SEVERAL
from utils.sources.record import TEST_ONLY, TRAIN_OR_VAL
from utils.sources.source import Reading

VIZWIZ = SOURCES[NAMES.index("vizwiz")]
FLAWS = ("FRM", "BLR", "DRK", "BRT", "OBS", "OTH", "NON", "ROT")
Plant = Callable[[Mapping[str, str | bytes]], FileTree]
Entry = Mapping[str, Any]


def entry(name: str, unrecognizable: object = 0, **flaws: object) -> Entry:
    return {
        "flaws": dict.fromkeys(FLAWS, 0) | flaws,
        "image": f"VizWiz_{name}.jpg",
        "unrecognizable": unrecognizable,
    }


GOOD = entry("val_00000001", NON=5)
POOR = entry("val_00000002", 2, BLR=4)


def laid_out(**lists: list[Entry]) -> dict[str, str]:
    """Return lists and empty pictures, by path."""
    files = {f"vizwiz/{side}.json": json.dumps(entries) for side, entries in lists.items()}
    for side, entries in lists.items():
        files |= {f"vizwiz/{side}/{entry['image']}": "" for entry in entries}
    return files


def read(tree: FileTree) -> Reading:
    reading = VIZWIZ.read(tree)
    assert reading is not None
    return reading


def by_number(reading: Reading) -> dict[str, str]:
    found = {record.original: record.label for record in reading.records}
    found |= {left.original: left.rule for left in reading.left_out}
    return {path[-12:-4]: told for path, told in found.items()}


@pytest.mark.parametrize(
    ("votes", "told"),
    [
        ({"BLR": 4, "unrecognizable": 2}, LOW_QUALITY),
        ({"DRK": 5, "NON": 1, "unrecognizable": 5}, LOW_QUALITY),
        ({"BRT": 4, "BLR": 3, "unrecognizable": 2}, LOW_QUALITY),
        ({"BLR": 3, "DRK": 3, "unrecognizable": 5}, BETWEEN),
        ({"BLR": 5, "unrecognizable": 1}, BETWEEN),
        ({"FRM": 5, "OBS": 5, "ROT": 5, "unrecognizable": 5}, BETWEEN),
        ({"NON": 4}, OTHER),
        ({"NON": 5, "ROT": 5}, OTHER),
        ({"NON": 3}, BETWEEN),
        ({"NON": 5, "unrecognizable": 1}, BETWEEN),
        ({"NON": 6}, BAD_VOTES),
        ({"NON": 4, "BLR": -1}, BAD_VOTES),
        ({"NON": 4.0}, BAD_VOTES),
        ({"NON": True}, BAD_VOTES),
        ({"NON": "4"}, BAD_VOTES),
        ({"NON": None}, BAD_VOTES),
        ({"NON": 4, "unrecognizable": 9}, BAD_VOTES),
    ],
)
def test_the_votes_decide(plant: Plant, votes: dict[str, Any], told: str) -> None:
    reading = read(plant(laid_out(val=[GOOD, entry("val_00000007", **votes)])))
    assert by_number(reading) == {"00000001": OTHER, "00000007": told}


@pytest.mark.parametrize("lost", ["flaws", "unrecognizable"])
def test_an_entry_without_votes_is_a_row_with_its_reason(plant: Plant, lost: str) -> None:
    cut = {key: value for key, value in POOR.items() if key != lost}
    assert by_number(read(plant(laid_out(val=[GOOD, cut]))))["00000002"] == BAD_VOTES


def test_the_val_list_is_test_and_each_picture_a_group(plant: Plant) -> None:
    train = [entry("train_00000001", NON=5), entry("train_00000002", 4, DRK=5)]
    reading = read(plant(laid_out(train=train, val=[GOOD, POOR])))
    assert Counter((record.label, record.splits) for record in reading.records) == {
        (label, splits): 1 for label in (OTHER, LOW_QUALITY) for splits in (TRAIN_OR_VAL, TEST_ONLY)
    }
    assert len({record.group for record in reading.records}) == 4
    assert reading.notes == reading.left_out == []


def test_the_votes_go_along_with_a_poor_picture_alone(plant: Plant) -> None:
    reading = read(plant(laid_out(val=[GOOD, entry("val_00000002", 3, BLR=5, BRT=1)])))
    votes = {record.label: record.votes for record in reading.records}
    assert votes[OTHER] == ""
    assert json.loads(votes[LOW_QUALITY]) == {
        "blurred": 5,
        "dark": 0,
        "bright": 1,
        "unrecognizable": 3,
        "voters": 5,
    }


def test_poor_pictures_without_good_ones_of_the_same_side_are_left_out(plant: Plant) -> None:
    train = [entry("train_00000003", NON=5)]
    reading = read(plant(laid_out(train=train, val=[POOR])))
    assert by_number(reading) == {"00000003": OTHER, "00000002": ALONE}


def test_a_picture_listed_twice_counts_once_and_not_with_other_votes(plant: Plant) -> None:
    one, other = entry("val_00000003", NON=5), entry("val_00000003", 2, BLR=5)
    assert by_number(read(plant(laid_out(val=[GOOD, one, one]))))["00000003"] == OTHER
    assert by_number(read(plant(laid_out(val=[GOOD, one, other]))))["00000003"] == SEVERAL


def test_what_is_in_both_lists_is_test(plant: Plant) -> None:
    files = laid_out(train=[GOOD], val=[GOOD])
    del files["vizwiz/train/VizWiz_val_00000001.jpg"]
    assert [record.splits for record in read(plant(files)).records] == [TEST_ONLY]


@pytest.mark.parametrize("other", [{"images": []}, [{"image": GOOD["image"], "answers": []}], "?"])
def test_of_several_lists_of_a_name_the_one_with_votes_is_read(plant: Plant, other: Any) -> None:
    """VizWiz publishes captions and answers for the same pictures, as train.json and val.json."""
    files = laid_out(val=[GOOD, POOR])
    reading = read(plant({"vizwiz/annotations/val.json": json.dumps(other), **files}))
    assert by_number(reading) == {"00000001": OTHER, "00000002": LOW_QUALITY}
    assert reading.notes == ["vizwiz: vizwiz/val.json is read, not vizwiz/annotations/val.json"]


def test_names_are_found_with_or_without_their_ending_and_strangers_are_told(plant: Plant) -> None:
    files = laid_out(val=[GOOD, POOR])
    files["vizwiz/val.json"] = files["vizwiz/val.json"].replace(".jpg", "")
    files["vizwiz/val/VizWiz_val_99999999.jpg"] = ""
    reading = read(plant(files))
    assert by_number(reading) == {
        "00000001": OTHER,
        "00000002": LOW_QUALITY,
        "99999999": "not in its list",
    }


def test_absent_pictures_and_entries_without_a_name_are_counted(plant: Plant) -> None:
    files = laid_out(val=[GOOD, POOR, {**GOOD, "image": None}, {**GOOD, "image": ""}])
    del files["vizwiz/val/VizWiz_val_00000002.jpg"]
    files = {path: text for path, text in files.items() if path.endswith(("json", "1.jpg"))}
    reading = read(plant(files))
    assert (len(reading.records), reading.absent) == (1, 1)
    assert reading.notes == ["vizwiz: 2 entries of vizwiz/val.json name no picture"]


def test_a_list_of_other_pictures_is_told_with_examples_of_both(plant: Plant) -> None:
    files = laid_out(val=[GOOD])
    files["vizwiz/val/a.jpg"] = files.pop("vizwiz/val/VizWiz_val_00000001.jpg")
    assert read(plant(files)).notes == [
        "vizwiz: none of the 1 names in vizwiz/val.json, column image ('VizWiz_val_00000001.jpg'), "
        "is that of one of the 1 pictures ('a.jpg')"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps([GOOD, POOR])[:-40], r"cannot be read as JSON \(.* at character \d+\)"),
        ("", r"cannot be read as JSON \(Expecting value at character 0\)"),
        (b"\xff\xfe\xff", r"cannot be read as JSON \(no JSON\)"),
        ("[" * 100_000, r"cannot be read as JSON \(no JSON\)"),
        (json.dumps({"image": "x.jpg"}), "is no list of objects"),
        (json.dumps([GOOD, 3]), "is no list of objects"),
        (json.dumps([entry("x") | {"image": "../x.jpg"}]), r"names '../x.jpg' \(entry 1\)"),
        (json.dumps([entry("x") | {"image": "C:\\x.jpg"}]), r"names 'C:\\\\x.jpg' \(entry 1\)"),
    ],
)
def test_what_is_no_list_of_votes_is_one_line(plant: Plant, text: str | bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        read(plant({"vizwiz/val.json": text, "vizwiz/val/x.jpg": ""}))
    assert "\n" not in str(caught.value)
    assert "Download it again" in str(caught.value)


def test_without_a_list_one_line_names_both(plant: Plant) -> None:
    with pytest.raises(SourceError, match=r"Expected train\.json or val\.json\."):
        read(plant({"vizwiz/val/x.jpg": ""}))


def test_a_list_of_another_collection_is_not_taken_for_it(plant: Plant) -> None:
    files = laid_out(val=[GOOD])
    reading = read(plant(files | {"val.json": "[]", "other/train.json": "?"}))
    assert len(reading.records) == 1


@pytest.mark.parametrize("inside", ["", "val/", "x/val/"])
def test_an_archive_may_be_flat_or_nested(
    plant: Plant, zipped: Callable[[Mapping[str, bytes]], bytes], inside: str
) -> None:
    files = laid_out(val=[GOOD, POOR])
    archive = zipped({f"{inside}{entry['image']}": b"" for entry in (GOOD, POOR)})
    lists = {"vizwiz/val.json": files["vizwiz/val.json"]}
    assert set(by_number(read(plant({**lists, "vizwiz/val.zip": archive}))).values()) == {
        OTHER,
        LOW_QUALITY,
    }


def test_the_published_lists_hold_as_many_of_each_class(real_tables: Path, plant: Plant) -> None:
    lists = {
        side: (real_tables / f"VizWiz-QualityIssues/{side}.json").read_text()
        for side in ("train", "val")
    }
    tree = plant({f"vizwiz/{side}.json": text for side, text in lists.items()})
    named = (f"vizwiz/{side}/{one['image']}" for side in lists for one in json.loads(lists[side]))
    tree = FileTree(tree.root, [*tree.files, *named])
    reading = read(tree)
    assert reading.absent == 0
    assert Counter((record.label, record.splits) for record in reading.records) == {
        (LOW_QUALITY, TRAIN_OR_VAL): 1_792,
        (LOW_QUALITY, TEST_ONLY): 673,
        (OTHER, TRAIN_OR_VAL): 4_005,
        (OTHER, TEST_ONLY): 1_217,
    }
    assert len(reading.records) + len(reading.left_out) == VIZWIZ.num_pictures
