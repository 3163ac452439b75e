"""ISIC ids tell train from test even where the folders are swapped, and lesions stay together."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from utils.common.errors import SourceError
from utils.common.labels import DERM, TEST, TRAIN
from utils.dataset.planning.plan import plan_pictures
from utils.sources import collect
from utils.sources.catalog import SOURCES
from utils.sources.files.tables import read_table
from utils.sources.files.tree import FileTree, stem
from utils.sources.readers.isic import NO_NUMBER
from utils.sources.record import TEST_ONLY, TRAIN_OR_VAL
from utils.sources.source import Reading

BY_NAME = {source.name: source for source in SOURCES}
TRAIN_2018, TEST_2018 = "ISIC2018_Task3_Training_Input", "ISIC2018_Task3_Test_Input"
TRAIN_2019, TEST_2019 = "ISIC_2019_Training_Input", "ISIC_2019_Test_Input"
MARKED_TRAIN = ("ISIC_0000000", "ISIC_0024306", "ISIC_0034320", "ISIC_0060001_downsampled")
MARKED_TEST = ("ISIC_0034321", "ISIC_0034523", "ISIC_0034524", "ISIC_0036064")
MUTE = ("ISIC_0053454", "ISIC_0053455", "ISIC_0073254")

SIDE = {TRAIN_OR_VAL: TRAIN, TEST_ONLY: TEST}


def pictures(folder: str, ids: Iterable[str]) -> dict[str, str]:
    return {f"{folder}/{picture}.jpg": "" for picture in ids}


def table(ids: Iterable[str], *columns: str, end: str = "\n") -> str:
    lines = [",".join(["image", *columns])]
    lines += [",".join([picture, *("0.0" for _ in columns)]) for picture in ids]
    return end.join([*lines, ""])


def lesions(rows: Mapping[str, str], column: str = "image", end: str = "\n") -> str:
    lines = [f"{column},lesion_id"] + [f"{picture},{lesion}" for picture, lesion in rows.items()]
    return end.join([*lines, ""])


def read(name: str, tree: FileTree) -> Reading:
    reading = BY_NAME[name].read(tree)
    assert reading is not None
    return reading


def sides(reading: Reading) -> dict[str, str]:
    """Return train or test by the picture's stem."""
    return {
        record.original.rpartition("/")[2].removesuffix(".jpg"): SIDE[record.splits]
        for record in reading.records
    }


def truth() -> dict[str, str]:
    """Return the side of every picture of the made-up challenge."""
    train = dict.fromkeys((*MARKED_TRAIN, MUTE[0]), TRAIN)
    return train | dict.fromkeys((*MARKED_TEST, *MUTE[1:]), TEST)


def layout(swapped: bool) -> dict[str, str]:
    """Lay out the made-up challenge, in the right folders or in each other's."""
    folder = {TRAIN: TRAIN_2019, TEST: TEST_2019}
    if swapped:
        folder = {TRAIN: TEST_2019, TEST: TRAIN_2019}
    return {f"{folder[side]}/{picture}.jpg": "" for picture, side in truth().items()}


TABLES = {
    "ISIC_2019_Training_GroundTruth.csv": table([p for p, s in truth().items() if s == TRAIN]),
    "ISIC_2019_Test_GroundTruth.csv": table([p for p, s in truth().items() if s == TEST], "MEL"),
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("tables", [{}, TABLES], ids=["by marker ids", "by tables"])
class TestSwappedFolders:
    def test_each_picture_is_read_as_what_it_is(
        self, plant, swapped: bool, tables: dict[str, str]
    ) -> None:
        assert sides(read("isic_2019", plant(layout(swapped) | tables))) == truth()

    def test_both_ways_give_the_same_records(
        self, plant, swapped: bool, tables: dict[str, str]
    ) -> None:
        reading = read("isic_2019", plant(layout(swapped) | tables))
        assert {record.label for record in reading.records} == {DERM}
        assert {record.identity for record in reading.records} == {
            f"isic/{picture.removesuffix('_downsampled')}" for picture in truth()
        }

    def test_the_user_is_told_of_a_swap_and_of_nothing_else(
        self, plant, swapped: bool, tables: dict[str, str]
    ) -> None:
        notes = [
            n for n in read("isic_2019", plant(layout(swapped) | tables)).notes if "lesion" not in n
        ]
        assert len(notes) == (2 if swapped else 0)
        assert all("each is read as what it is" in note for note in notes)


class TestMarkers:
    """Without a table the ids decide, folder by folder."""

    @pytest.mark.parametrize("picture", MARKED_TRAIN)
    @pytest.mark.parametrize("folder", [TRAIN_2019, TEST_2019])
    def test_one_training_mark_makes_a_training_folder(
        self, plant, folder: str, picture: str
    ) -> None:
        found = sides(read("isic_2019", plant(pictures(folder, [picture, *MUTE]))))
        assert set(found.values()) == {TRAIN}

    @pytest.mark.parametrize("picture", MARKED_TEST)
    @pytest.mark.parametrize("folder", [TRAIN_2019, TEST_2019])
    def test_one_test_mark_makes_a_test_folder(self, plant, folder: str, picture: str) -> None:
        found = sides(read("isic_2019", plant(pictures(folder, [picture, *MUTE]))))
        assert set(found.values()) == {TEST}

    @pytest.mark.parametrize(
        ("marked", "rest"),
        [
            ((*MARKED_TRAIN[:2], MARKED_TEST[0]), TRAIN),
            ((*MARKED_TEST[:2], MARKED_TRAIN[0]), TEST),
            ((*MARKED_TEST, *MARKED_TRAIN[:3]), TEST),
        ],
    )
    @pytest.mark.parametrize("folder", [TRAIN_2019, TEST_2019])
    def test_of_both_marks_each_counts_for_itself_and_the_majority_for_the_rest(
        self, plant, folder: str, marked: tuple[str, ...], rest: str
    ) -> None:
        reading = read("isic_2019", plant(pictures(folder, [*marked, *MUTE])))
        assert sides(reading) == {p: truth()[p] for p in marked} | dict.fromkeys(MUTE, rest)
        assert any(folder in note for note in reading.notes)

    @pytest.mark.parametrize("outer", [TRAIN_2019, TEST_2019])
    def test_of_folders_inside_each_other_each_speaks_for_its_own_files(
        self, plant, outer: str
    ) -> None:
        inner = TEST_2019 if outer == TRAIN_2019 else TRAIN_2019
        laid = {TRAIN_2019: (*MARKED_TRAIN, MUTE[0]), TEST_2019: (*MARKED_TEST, *MUTE[1:])}
        files = pictures(outer, laid[outer]) | pictures(f"{outer}/{inner}", laid[inner])
        reading = read("isic_2019", plant(files))
        assert sides(reading) == truth()
        assert len(reading.records) == len(truth())

    @pytest.mark.parametrize(("folder", "side"), [(TRAIN_2019, TRAIN), (TEST_2019, TEST)])
    def test_without_any_mark_the_name_is_trusted_and_that_is_said(
        self, plant, folder: str, side: str
    ) -> None:
        reading = read("isic_2019", plant(pictures(folder, MUTE)))
        assert set(sides(reading).values()) == {side}
        assert (
            f"isic_2019: nothing but its name tells what {folder} is; read as {side}"
        ) in reading.notes

    def test_the_folders_of_2018_are_read_by_mark_too(self, plant) -> None:
        tree = plant(pictures(TEST_2018, MARKED_TRAIN[:3]) | pictures(TRAIN_2018, MARKED_TEST))
        expected = {p: truth()[p] for p in (*MARKED_TRAIN[:3], *MARKED_TEST)}
        assert sides(read("isic_2018", tree)) == expected

    def test_a_table_overrules_folder_and_mark(self, plant) -> None:
        files = pictures(TRAIN_2019, [*MARKED_TRAIN[:2], *MUTE])
        tree = plant(files | {"deep/er/ISIC_2019_Test_GroundTruth.csv": table([MUTE[1]])})
        assert sides(read("isic_2019", tree)) == {
            **dict.fromkeys((*MARKED_TRAIN[:2], MUTE[0], MUTE[2]), TRAIN),
            MUTE[1]: TEST,
        }

    @pytest.mark.parametrize("name", ["ISIC_0053454.JPG", "isic_0053454.jpg", "ISIC_0053454.jpeg"])
    def test_the_case_of_a_name_does_not_matter(self, plant, name: str) -> None:
        tree = plant(
            {f"{TRAIN_2019}/{name}": "", "ISIC_2019_Test_GroundTruth.csv": table(["ISIC_0053454"])}
        )
        (record,) = read("isic_2019", tree).records
        assert (record.identity, record.splits) == ("isic/ISIC_0053454", TEST_ONLY)


class TestWhichPictures:
    @pytest.mark.parametrize("folder", [TEST_2018, TEST_2019, TRAIN_2019])
    def test_the_synthetic_picture_is_left_out(self, plant, folder: str) -> None:
        name = "isic_2018" if folder == TEST_2018 else "isic_2019"
        reading = read(name, plant(pictures(folder, ["ISIC_0035068", "ISIC_0035069"])))
        assert [record.identity for record in reading.records] == ["isic/ISIC_0035069"]
        assert [left.rule for left in reading.left_out] == ["synthetic picture"]

    @pytest.mark.parametrize("folder", [TRAIN_2018, TRAIN_2019, TEST_2019])
    def test_what_the_archive_got_elsewhere_is_left_out(self, plant, folder: str) -> None:
        """Half of MILK10k, and much else that it has under such ids, is no dermoscopy."""
        name = "isic_2018" if folder == TRAIN_2018 else "isic_2019"
        own = ["ISIC_0036064", "ISIC_0053453", "ISIC_0073254"]
        others = ["ISIC_0036065", "ISIC_0053452", "ISIC_0073255", "ISIC_8149219"]
        reading = read(name, plant(pictures(folder, [*own, *others])))
        assert sorted(sides(reading)) == own
        assert [stem(left.original) for left in reading.left_out] == others
        assert {left.rule for left in reading.left_out} == {NO_NUMBER}

    def test_other_names_are_left_out(self, plant) -> None:
        names = ["holiday", "ISIC_123", "ISIC_00000001", "ISIC_0000001_mask", "ISIC_0000001 (1)"]
        reading = read("isic_2019", plant(pictures(TRAIN_2019, names)))
        assert reading.records == []
        assert {left.rule for left in reading.left_out} == {"name of another form"}

    def test_2018_and_2019_share_each_identity_and_group(self, plant) -> None:
        rows = {"ISIC_0024306": "HAM_0000001", "ISIC_0024307": "HAM_0000001"}
        tree = plant(
            pictures(TRAIN_2018, rows)
            | pictures(TRAIN_2019, rows)
            | {"HAM10000_metadata.csv": lesions(rows, "image_id")}
        )
        old, new = read("isic_2018", tree).records, read("isic_2019", tree).records
        assert {(r.identity, r.group) for r in old} == {(r.identity, r.group) for r in new}
        assert len({record.identity for record in [*old, *new]}) == 2

    def test_the_size_that_a_file_was_reduced_to_is_not_its_name(self, plant) -> None:
        files = pictures(TRAIN_2019, ["ISIC_0012653_downsampled"])
        rows = {"ISIC_0012653_downsampled": "MSK4_0011169"}
        tree = plant(files | {"ISIC_2019_Training_Metadata.csv": lesions(rows)})
        (record,) = read("isic_2019", tree).records
        assert (record.identity, record.group) == ("isic/ISIC_0012653", "isic/MSK4_0011169")
        assert record.splits == TRAIN_OR_VAL


LESIONS = {
    "ISIC_0024306": "HAM_0000550",
    "ISIC_0024307": "HAM_0000550",
    "ISIC_0024308": "HAM_0000551",
    "ISIC_0024309": "",
}


class TestLesions:
    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("ISIC_2019_Training_Metadata.csv", "image"),
            ("HAM10000_metadata", "image_id"),
            ("HAM10000_metadata.csv", "image_id"),
            ("some/where/else/HAM10000_metadata.csv", "image_id"),
        ],
    )
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("collection", ["isic_2018", "isic_2019"])
    def test_pictures_of_one_lesion_are_one_group(
        self, plant, name: str, column: str, end: str, collection: str
    ) -> None:
        folder = TRAIN_2018 if collection == "isic_2018" else TRAIN_2019
        tree = plant(pictures(folder, LESIONS) | {name: lesions(LESIONS, column, end)})
        reading = read(collection, tree)
        group = {record.identity[-1]: record.group for record in reading.records}
        assert group["6"] == group["7"]
        assert len(set(group.values())) == 3
        is_enough = collection == "isic_2018" or name == "ISIC_2019_Training_Metadata.csv"
        assert reading.notes[0] == (
            f"{collection}: 1 pictures have no lesion_id (empty 1): each is a group of its own"
        )
        assert ["not all lesions" in note for note in reading.notes[1:]] == [True] * (not is_enough)

    def test_a_table_with_windows_line_ends_decides_the_side(self, plant) -> None:
        tree = plant(
            pictures(TRAIN_2019, MUTE)
            | {"ISIC_2019_Test_GroundTruth.csv": table(MUTE, "MEL", "NV", end="\r\n")}
        )
        assert set(sides(read("isic_2019", tree)).values()) == {TEST}

    def test_without_lesions_each_picture_is_a_group_and_that_is_said_once(self, plant) -> None:
        tree = plant(
            pictures(TRAIN_2018, MARKED_TRAIN[:3]) | pictures(TRAIN_2019, MARKED_TRAIN[:3])
        )
        collected = collect.read_all([BY_NAME["isic_2018"], BY_NAME["isic_2019"]], tree)
        assert len({record.group for record in collected.records}) == 3
        assert [("lesion" in note) for note in collected.notes] == [True]

    def test_a_test_set_alone_needs_no_lesions(self, plant) -> None:
        assert read("isic_2019", plant(pictures(TEST_2019, MARKED_TEST))).notes == []

    @pytest.mark.parametrize("mark", ["NA", "nan", "-", " ", "?"])
    def test_a_mark_for_missing_is_no_lesion(self, plant, mark: str) -> None:
        rows = dict.fromkeys(MARKED_TRAIN[:3], mark)
        tree = plant(
            pictures(TRAIN_2019, rows) | {"ISIC_2019_Training_Metadata.csv": lesions(rows)}
        )
        reading = read("isic_2019", tree)
        assert {record.group for record in reading.records} == {f"isic/{one}" for one in rows}
        written = repr(mark) if mark.strip() else "empty"
        assert reading.notes == [
            f"isic_2019: 3 pictures have no lesion_id ({written} 3): each is a group of its own"
        ]

    def test_a_lesion_is_one_however_it_is_written(self, plant) -> None:
        written = ["HAM_0000550", "ham_0000550 ", "HAM_0000550\u00a0"]
        rows = dict(zip(MARKED_TRAIN[:3], written, strict=True))
        tree = plant(
            pictures(TRAIN_2019, rows) | {"ISIC_2019_Training_Metadata.csv": lesions(rows)}
        )
        assert {r.group for r in read("isic_2019", tree).records} == {"isic/HAM_0000550"}

    def test_tables_that_contradict_each_other_join_both_lesions(self, plant) -> None:
        one, two, three = MARKED_TRAIN[:3]
        tree = plant(
            pictures(TRAIN_2019, (one, two, three))
            | {"ISIC_2019_Training_Metadata.csv": lesions({one: "BCN_1", two: "BCN_2"})}
            | {"HAM10000_metadata.csv": lesions({one: "HAM_1", three: "HAM_1"}, "image_id")}
        )
        reading = read("isic_2019", tree)
        groups = {record.identity[5:]: record.group for record in reading.records}
        assert groups == {one: "isic/BCN_1", two: "isic/BCN_2", three: "isic/BCN_1"}
        assert reading.notes == [
            f"isic_2019: 1 pictures have rows with different ids ({one}); "
            "whatever such a picture joins is one group"
        ]

    def test_ids_of_patients_go_before_lesions_where_a_table_has_them(self, plant) -> None:
        rows = zip(MARKED_TRAIN[:3], ["L1,IP_1", "L2,IP_1", "L3,NA"], strict=True)
        text = "\n".join(["image,lesion_id,patient_id", *map(",".join, rows), ""])
        tree = plant(
            pictures(TRAIN_2019, MARKED_TRAIN[:3]) | {"ISIC_2019_Training_Metadata.csv": text}
        )
        reading = read("isic_2019", tree)
        assert [r.group for r in reading.records] == ["isic/IP_1", "isic/IP_1", "isic/L3"]

    @pytest.mark.parametrize("ending", ["", ".jpg", "_downsampled", "_downsampled.JPG", " "])
    def test_ids_are_found_however_a_table_writes_them(self, plant, ending: str) -> None:
        one, two = MARKED_TRAIN[:2]
        rows = {f"{one.lower()}{ending}": "L1", f"{two}{ending}": "L1"}
        tree = plant(
            pictures(TRAIN_2019, (one, two)) | {"ISIC_2019_Training_Metadata.csv": lesions(rows)}
        )
        assert {record.group for record in read("isic_2019", tree).records} == {"isic/L1"}

    @pytest.mark.parametrize("column", ["image_id", "isic_id", "Image"])
    def test_the_column_of_the_ids_may_be_called_otherwise(self, plant, column: str) -> None:
        one, two = MARKED_TRAIN[:2]
        rows = lesions({one: "L1", two: "L1"}, column)
        tree = plant(
            pictures(TRAIN_2019, (one, two))
            | {"ISIC_2019_Training_Metadata.csv": rows, "ISIC_2019_Test_GroundTruth.csv": rows}
        )
        reading = read("isic_2019", tree)
        assert {(r.group, r.splits) for r in reading.records} == {("isic/L1", TEST_ONLY)}

    def test_a_table_without_ids_is_one_line(self, plant) -> None:
        broken = {"ISIC_2019_Test_GroundTruth.csv": "picture,MEL\n"}
        assert BY_NAME["isic_2019"].read(plant(broken)) is None  # nothing needs it
        tree = plant(pictures(TEST_2019, MARKED_TEST))
        with pytest.raises(SourceError) as caught:
            BY_NAME["isic_2019"].read(tree)
        assert str(caught.value) == (
            f"{tree.root / 'ISIC_2019_Test_GroundTruth.csv'} has no column of pictures. "
            "Expected one named image or image_id or isic_id. Download it again."
        )

    def test_a_table_of_other_lesions_is_told_with_examples_of_both(self, plant) -> None:
        one, two = MARKED_TRAIN[:2]
        tree = plant(
            pictures(TRAIN_2019, (one,))
            | {"ISIC_2019_Training_Metadata.csv": lesions({f"{two}.jpg": "L1"})}
        )
        assert read("isic_2019", tree).notes == [
            "isic_2019: none of the 1 names in ISIC_2019_Training_Metadata.csv, column image or "
            f"image_id or isic_id ('{two}'), is that of one of the 1 pictures ('{one}')"
        ]

    def test_training_pictures_that_no_table_lists_are_told(self, plant) -> None:
        one, two = MARKED_TRAIN[:2]
        tree = plant(
            pictures(TRAIN_2019, (one, two))
            | {"ISIC_2019_Training_Metadata.csv": lesions({one: "L1"})}
        )
        assert read("isic_2019", tree).notes == [
            f"isic_2019: 1 of 2 training pictures are in no table of lesions ({two}); "
            "each is a group of its own"
        ]

    def test_a_picture_in_the_tables_of_both_sides_is_test_and_is_told(self, plant) -> None:
        tables = {
            "ISIC_2019_Training_GroundTruth.csv": table(MARKED_TEST[:2]),
            "ISIC_2019_Test_GroundTruth.csv": table(MARKED_TEST[:1]),
            "ISIC2018_Task3_Training_GroundTruth.csv": table(MARKED_TEST[:1]),
        }
        reading = read("isic_2019", plant(pictures(TEST_2019, MARKED_TEST[:1]) | tables))
        assert [record.splits for record in reading.records] == [TEST_ONLY]
        assert reading.notes == [
            f"ISIC: 1 pictures are in tables of both sides ({MARKED_TEST[0]}) and count as test"
        ]


def ids_of(*numbers: range) -> list[str]:
    return [f"ISIC_{number:07}" for some in numbers for number in some]


WHOLE_TRAIN = ids_of(range(2_903), range(24_306, 34_321), range(53_453, 65_866))
WHOLE_TEST = ids_of(range(34_321, 36_026), range(65_866, 72_399))
WHOLE = {
    "ISIC_2019_Training_Metadata.csv": table(WHOLE_TRAIN, "lesion_id"),
    "ISIC_2019_Test_GroundTruth.csv": table(WHOLE_TEST, "MEL"),
}


class TestWholeTables:
    """A table that lists all of one side tells the other one as well."""

    OWN = (WHOLE_TRAIN[0], WHOLE_TRAIN[-1], WHOLE_TEST[0], WHOLE_TEST[-1])

    def read(self, plant, folder: str, more: Iterable[str], *tables: str) -> Reading:
        files = pictures(folder, (*self.OWN, *more))
        return read("isic_2019", plant(files | {name: WHOLE[name] for name in tables}))

    @pytest.mark.parametrize("folder", [TRAIN_2019, TEST_2019])
    @pytest.mark.parametrize("name", WHOLE)
    def test_what_that_of_one_side_lacks_is_of_the_other(
        self, plant, folder: str, name: str
    ) -> None:
        reading = self.read(plant, folder, (), name)
        assert sides(reading) == dict.fromkeys(self.OWN[:2], TRAIN) | dict.fromkeys(
            self.OWN[2:], TEST
        )
        assert [note for note in reading.notes if "taken for" in note] == []

    def test_what_neither_lists_is_of_no_challenge(self, plant) -> None:
        """ISIC_0015670 is a tile of a whole body, of the challenge of 2024."""
        others = ["ISIC_0015670", "ISIC_0073254"]
        reading = self.read(plant, TRAIN_2019, others, *WHOLE)
        assert sorted(sides(reading)) == sorted(self.OWN)
        assert [(stem(left.original), left.rule) for left in reading.left_out] == [
            (other, NO_NUMBER) for other in others
        ]

    def test_a_table_that_lacks_one_tells_nothing_of_the_other_side(self, plant) -> None:
        name = "ISIC_2019_Training_Metadata.csv"
        text = WHOLE[name].rpartition("ISIC")[0]
        reading = read("isic_2019", plant(pictures(TRAIN_2019, self.OWN) | {name: text}))
        assert sides(reading)[self.OWN[3]] == TRAIN


def assert_no_group_is_split(plan) -> None:
    splits: dict[str, set[str]] = {}
    for planned in plan:
        splits.setdefault(planned.record.group, set()).add(planned.split)
    assert not [group for group, found in splits.items() if len(found) > 1]


@pytest.mark.slow
class TestTheRealTables:
    """The published tables against the rules, with nothing but the names of the pictures."""

    TABLES = (
        "ISIC2018/ISIC2018_Task3_Training_GroundTruth.csv",
        "ISIC2018/ISIC2018_Task3_Test_GroundTruth.csv",
        "ISIC2019/ISIC_2019_Training_GroundTruth.csv",
        "ISIC2019/ISIC_2019_Test_GroundTruth.csv",
        "ISIC2019/ISIC_2019_Training_Metadata.csv",
        "ISIC2019/ISIC_2019_Test_Metadata.csv",
        "HAM10000/HAM10000_metadata.csv",
    )

    def ids(self, folder: Path, number: int) -> list[str]:
        tree = FileTree(folder, self.TABLES)
        return [row["image"] for row in read_table(tree, self.TABLES[number], ("image",))]

    def tree(self, folder: Path, tables: Iterable[str], swapped: bool) -> FileTree:
        places = [TRAIN_2018, TEST_2018, TRAIN_2019, TEST_2019]
        if swapped:
            places[2:] = places[:1:-1]
        files = [*tables]
        for number, place in enumerate(places):
            files += pictures(place, self.ids(folder, number))
        return FileTree(folder, files)

    @pytest.mark.parametrize(
        ("tables", "swapped"),
        [(TABLES, True), (TABLES[4:5], True), (TABLES[6:], False), ((), False), ((), True)],
        ids=["all", "training metadata", "HAM10000", "none", "none, swapped"],
    )
    def test_every_id_once_and_on_its_own_side(
        self, real_tables: Path, tables: tuple[str, ...], swapped: bool
    ) -> None:
        tree = self.tree(real_tables, tables, swapped)
        collected = collect.read_all([BY_NAME["isic_2018"], BY_NAME["isic_2019"]], tree)
        side: dict[str, set[str]] = {}
        for record in collected.records:
            side.setdefault(record.identity, set()).add(SIDE[record.splits])
        counts = Counter(next(iter(found)) for found in side.values() if len(found) == 1)
        # The test table lists 8,238 pictures; ISIC_0035068, which is synthetic, is left out.
        assert counts == {TRAIN: 25_331, TEST: 8_238 - 1}
        assert len(self.ids(real_tables, 2)) == 25_331
        assert len(self.ids(real_tables, 3)) == 8_238
        expected = {TRAIN: self.ids(real_tables, 2), TEST: self.ids(real_tables, 3)}
        for which, ids in expected.items():
            for picture in ids:
                if picture != "ISIC_0035068":
                    assert side[f"isic/{picture.removesuffix('_downsampled')}"] == {which}

    def test_no_lesion_is_in_two_splits_and_the_test_set_stays_whole(
        self, real_tables: Path
    ) -> None:
        tree = self.tree(real_tables, self.TABLES, swapped=True)
        collected = collect.read_all([BY_NAME["isic_2018"], BY_NAME["isic_2019"]], tree)
        plan = plan_pictures(collected.records, (), seed=0, allow_empty=True)
        assert_no_group_is_split(plan)
        counts = Counter(planned.split for planned in plan)
        assert counts[TEST] == 8_237
        assert counts.total() == 25_331 + 8_237
        assert abs(counts["val"] / 25_331 - 0.15) < 0.01
        lesions_found = {
            planned.record.group
            for planned in plan
            if not planned.record.group[5:].startswith("ISIC")
        }
        assert len(lesions_found) == 3_576 + 7_470 + 801
        assert [note for note in collected.notes if "lesion" in note] == [
            "isic_2019: 2,084 pictures have no lesion_id (empty 2,084): each is a group of its own"
        ]
