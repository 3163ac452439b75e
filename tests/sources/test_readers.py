"""Each layout gives the classes, groups and published splits that its tables and folders tell."""

import itertools
from pathlib import Path

import pytest

from utils.common.errors import SourceError
from utils.common.labels import DERM, DERM_CLINIC, OTHER, PAN
from utils.sources.catalog import SOURCES
from utils.sources.files.tree import FileTree, is_picture, stem
from utils.sources.record import (
    ANY_SPLIT,
    TEST_ONLY,
    TRAIN_ONLY,
    TRAIN_OR_VAL,
    VAL_ONLY,
    Record,
)
from utils.sources.source import Reading
from utils.standins.layouts import STAND_INS

BY_NAME = {source.name: source for source in SOURCES}
STRAYS = (".DS_Store", "LICENSE.txt", "ATTRIBUTION.txt", "._a.jpg", "Thumbs.db", "notes.docx")


def read(name: str, tree: FileTree) -> Reading:
    reading = BY_NAME[name].read(tree)
    assert reading is not None
    return reading


def by_file(reading: Reading) -> dict[str, Record]:
    records = {record.original.rpartition("/")[2]: record for record in reading.records}
    assert len(records) == len(reading.records)
    return records


class TestFoldersOfPatients:
    """PAD-UFES-20: three flat folders, the patient in the file's name."""

    @pytest.mark.parametrize("folder", ["img_part", "imgs_part", "IMGS_PART"])
    def test_both_spellings_are_read_and_grouped_by_patient(self, plant, folder: str) -> None:
        names = ["PAT_1_2_3.png", "PAT_1_4_5.png", "PAT_12_2_7.png", "PAT_9_1_1.PNG"]
        tree = plant({f"{folder}_{1 + n % 3}/{name}": "" for n, name in enumerate(names)})
        reading = read("pad_ufes_20", tree)
        records = by_file(reading)
        assert sorted(records) == sorted(names)
        assert {record.label for record in reading.records} == {DERM_CLINIC}
        assert {record.splits for record in reading.records} == {ANY_SPLIT}
        groups = {name: record.group for name, record in records.items()}
        assert groups["PAT_1_2_3.png"] == groups["PAT_1_4_5.png"]
        assert len(set(groups.values())) == 3

    def test_a_lesion_number_shared_by_two_patients_does_not_join_them(self, plant) -> None:
        records = by_file(
            read("pad_ufes_20", plant({f"img_part_1/PAT_{n}_7_{n}.png": "" for n in (1, 2)}))
        )
        assert len({record.group for record in records.values()}) == 2

    def test_both_spellings_side_by_side_give_each_picture_once(self, plant) -> None:
        tree = plant({"img_part_1/PAT_1_2_3.png": "", "imgs_part_1/PAT_1_2_3.png": ""})
        assert len({record.identity for record in read("pad_ufes_20", tree).records}) == 1

    def test_other_names_are_left_out_with_the_rule(self, plant) -> None:
        reading = read("pad_ufes_20", plant({"img_part_1/holiday.png": "", "img_part_2/a.txt": ""}))
        assert reading.records == []
        assert [(left.original, left.rule) for left in reading.left_out] == [
            ("img_part_1/holiday.png", "name of another form")
        ]

    def test_the_whole_name_must_be_of_the_form(self, plant) -> None:
        names = ["PAT_1_2_3.png", "PAT_1_2_3_b.png", "PAT_1_2_3 (1).png", "PAT_1_2_3x.png"]
        reading = read("pad_ufes_20", plant({f"img_part_1/{name}": "" for name in names}))
        assert list(by_file(reading)) == ["PAT_1_2_3.png"]
        assert [left.rule for left in reading.left_out] == ["name of another form"] * 3

    def test_a_patient_is_one_whatever_the_case_of_a_name(self, plant) -> None:
        tree = plant({"img_part_1/PAT_1_2_3.png": "", "img_part_1/pat_1_2_4.PNG": ""})
        assert {r.group for r in read("pad_ufes_20", tree).records} == {"pad_ufes_20/PAT_1"}

    def test_one_patient_with_most_pictures_is_told(self, plant) -> None:
        names = [f"PAT_7_1_{n}.png" for n in range(40)] + [f"PAT_{n}_1_1.png" for n in range(8, 20)]
        reading = read("pad_ufes_20", plant({f"img_part_1/{name}": "" for name in names}))
        assert reading.notes == [
            "pad_ufes_20: 40 of its 52 pictures are one group, 'PAT_7', and go into one split "
            "together; see whether that is one patient"
        ]


class TestFoldersOfSplits:
    """Varese and imagenet-mini: what is train and what is test, folders tell."""

    def test_varese(self, plant) -> None:
        tree = plant({"hospital_varese/train/a.jpg": "", "hospital_varese/Test/b.BMP": ""})
        records = by_file(read("hospital_varese", tree))
        assert records["a.jpg"].splits == TRAIN_OR_VAL
        assert records["b.BMP"].splits == TEST_ONLY
        assert {record.label for record in records.values()} == {PAN}

    def test_imagenet(self, plant) -> None:
        tree = plant(
            {
                "imagenet-mini/train/n01440764/n01440764_1.JPEG": "",
                "imagenet-mini/train/n01440764/n01440764_2.JPEG": "",
                "imagenet-mini/val/n01440764/ILSVRC2012_val_00000293.JPEG": "",
            }
        )
        records = by_file(read("imagenet_mini", tree))
        assert records["n01440764_1.JPEG"].splits == TRAIN_OR_VAL
        assert records["ILSVRC2012_val_00000293.JPEG"].splits == TEST_ONLY
        assert {record.label for record in records.values()} == {OTHER}
        assert len({record.group for record in records.values()}) == 3

    def test_files_of_one_name_in_two_folders_are_two_pictures(self, plant) -> None:
        tree = plant({"hospital_varese/train/1.jpg": "", "hospital_varese/test/1.jpg": ""})
        records = read("hospital_varese", tree).records
        assert len({record.identity for record in records}) == 2
        assert len({record.group for record in records}) == 2

    def test_blanks_around_a_folder_s_name_do_not_count(self, plant) -> None:
        tree = plant({"hospital_varese/Test\u00a0/b.jpg": ""})
        assert [record.splits for record in read("hospital_varese", tree).records] == [TEST_ONLY]

    def test_pictures_in_no_such_folder_are_left_out_with_the_rule(self, plant) -> None:
        reading = read("hospital_varese", plant({"hospital_varese/a.jpg": ""}))
        assert [left.rule for left in reading.left_out] == ["not in a folder train or test"]


class TestFoldersLeftOut:
    """Caltech-256: things by kind, and people, who are left out."""

    def test_people_are_left_out_and_things_are_not(self, plant) -> None:
        root = "256_ObjectCategories"
        names = ["056.dog/056_0001.jpg", "159.People/159_0001.jpg", "056.dog/greg/a.jpg"]
        faces = f"{root}/253.faces-easy-101/253_0001.jpg"
        tree = plant({**{f"{root}/{name}": "" for name in names}, faces: "", f"{root}/RENAME": ""})
        reading = read("caltech256", tree)
        assert sorted(by_file(reading)) == ["056_0001.jpg", "a.jpg"]
        assert {record.label for record in reading.records} == {OTHER}
        assert {record.splits for record in reading.records} == {ANY_SPLIT}
        assert len({record.group for record in reading.records}) == 2
        assert {left.original.split("/")[1] for left in reading.left_out} == {
            "159.People",
            "253.faces-easy-101",
        }


HIBA_HEADER = "isic_id,image_type,lesion_id,patient_id"


def hiba(plant, *rows: str, table: str = "metadata.csv", header: str = HIBA_HEADER) -> FileTree:
    pictures = {f"hospital_buenos_aires/images/{row.split(',')[0]}.jpg": "" for row in rows}
    text = "\n".join([header, *rows, ""])
    return plant({f"hospital_buenos_aires/{table}": text, **pictures})


class TestLabelledTable:
    """Hospital Italiano de Buenos Aires: a table tells class and patient."""

    @pytest.mark.parametrize("table", ["metadata.csv", "metadata.cvs", "Metadata.CSV"])
    def test_the_kind_of_picture_decides_the_class(self, plant, table: str) -> None:
        tree = hiba(
            plant,
            "ISIC_1,clinical: overview,IL_1,IP_1",
            "ISIC_2,clinical: close-up,IL_2,IP_2",
            "ISIC_3,dermoscopic,IL_3,IP_3",
            "ISIC_4,TBP tile: close-up,IL_4,IP_4",
            table=table,
        )
        reading = read("hiba", tree)
        assert {name: record.label for name, record in by_file(reading).items()} == {
            "ISIC_1.jpg": DERM_CLINIC,
            "ISIC_2.jpg": DERM_CLINIC,
            "ISIC_3.jpg": DERM,
        }
        assert [left.rule for left in reading.left_out] == ["image_type is TBP tile: close-up"]
        assert {record.splits for record in reading.records} == {ANY_SPLIT}

    def test_a_group_is_the_patient_else_the_lesion_else_the_picture(self, plant) -> None:
        tree = hiba(
            plant,
            "ISIC_1,clinical: overview,IL_1,IP_1",
            "ISIC_2,dermoscopic,IL_2,IP_1",
            "ISIC_3,dermoscopic,IL_3,",
            "ISIC_4,clinical: overview,IL_3,",
            "ISIC_5,dermoscopic,,",
            "ISIC_6,dermoscopic,,",
        )
        group = {name[5]: record.group for name, record in by_file(read("hiba", tree)).items()}
        assert group["1"] == group["2"]  # across both classes
        assert group["3"] == group["4"]
        assert len(set(group.values())) == 4

    def test_case_and_blanks_of_the_kind_do_not_count(self, plant) -> None:
        tree = hiba(
            plant,
            "ISIC_1,Dermoscopic ,,IP_1",
            "ISIC_2, CLINICAL: Overview,,IP_2",
            "ISIC_3,clinical\u00a0,,IP_3",
            "ISIC_4,dermoscopical,,IP_4",
            "ISIC_5,non-clinical,,IP_5",
            "ISIC_6,NA,,IP_6",
            "ISIC_7,na ,,IP_7",
            "ISIC_8,,,IP_8",
        )
        reading = read("hiba", tree)
        assert [record.label for record in reading.records] == [DERM, DERM_CLINIC, DERM_CLINIC]
        assert [left.rule for left in reading.left_out] == [
            *("image_type is dermoscopical", "image_type is non-clinical"),
            *("image_type is NA", "image_type is NA", "image_type is empty"),
        ]

    def test_kinds_without_end_are_told_in_a_few_lines(self, plant) -> None:
        reading = read("hiba", hiba(plant, *(f"ISIC_{n},kind {n},,IP_{n}" for n in range(20))))
        assert len({left.rule for left in reading.left_out}) == 6
        assert reading.left_out[-1].rule == "image_type is something else"

    @pytest.mark.parametrize("mark", ["NA", "nan", "None", "-", " ", "", "unknown", "#N/A", "-999"])
    def test_a_missing_patient_is_no_patient(self, plant, mark: str) -> None:
        rows = (f"ISIC_{n},dermoscopic,IL_{n // 2},{mark}" for n in range(6))
        reading = read("hiba", hiba(plant, *rows, "ISIC_9,dermoscopic,,IP_1"))
        assert len({record.group for record in reading.records}) == 4
        written = repr(mark) if mark.strip() else "empty"
        assert reading.notes == [
            f"hiba: 6 pictures have no patient_id ({written} 6): 6 are grouped by lesion_id"
        ]

    def test_a_patient_is_one_however_he_is_written(self, plant) -> None:
        rows = [
            f"ISIC_{n},dermoscopic,,{patient}"
            for n, patient in enumerate(
                ["12", "12.0", "012", "IP_0", "IP_0 ", "ip_0", "I\u00adP_0"]
            )
        ]
        reading = read("hiba", hiba(plant, *rows))
        assert [record.group for record in reading.records] == ["hiba/012"] * 3 + ["hiba/IP_0"] * 4
        assert reading.notes == [
            "hiba: 2 ids (patient_id) are written in several ways; each is one"
        ]

    def test_a_table_names_its_pictures_with_or_without_ending(self, plant) -> None:
        names = ["ISIC_1", "ISIC_2.jpg", "isic_3.JPG", "images/ISIC_4.png", "ISIC_5 "]
        rows = [f"{name},dermoscopic,,IP_{n}" for n, name in enumerate(names)]
        files = {f"hospital_buenos_aires/ISIC_{n}.jpg": "" for n in range(1, 6)}
        files |= {f"hospital_buenos_aires/ISIC_{n}_b.png": "" for n in range(1, 6)}
        table = "\n".join([HIBA_HEADER, *rows])
        reading = read("hiba", plant(files | {"hospital_buenos_aires/metadata.csv": table}))
        assert sorted(by_file(reading)) == [f"ISIC_{n}.jpg" for n in range(1, 6)]
        assert {left.rule for left in reading.left_out} == {"not in its table"}
        assert reading.absent == 0

    def test_an_isic_id_is_one_identity_whatever_its_case(self, plant) -> None:
        rows = "isic_0000001,dermoscopic,,IP_1"
        assert [r.identity for r in read("hiba", hiba(plant, rows)).records] == [
            "isic/ISIC_0000001"
        ]

    def test_rows_that_contradict_each_other_are_told(self, plant) -> None:
        tree = hiba(
            plant,
            "ISIC_1,dermoscopic,,IP_1",
            "ISIC_1,dermoscopic,,IP_2",
            "ISIC_2,dermoscopic,,IP_2",
            "ISIC_3,dermoscopic,,IP_3",
            "ISIC_3,clinical: overview,,IP_3",
            "ISIC_4,dermoscopic,,IP_4",
            "ISIC_4,,,IP_4",
        )
        reading = read("hiba", tree)
        assert [record.group for record in reading.records] == ["hiba/IP_1"] * 2 + ["hiba/IP_4"]
        assert [left.rule for left in reading.left_out] == ["its rows give several image_type"]
        assert reading.notes == [
            "hiba: 1 pictures have rows with different ids "
            "(hospital_buenos_aires/images/ISIC_1.jpg); whatever such a picture joins is one group"
        ]

    def test_rows_without_a_picture_are_counted(self, plant) -> None:
        tree = hiba(plant, "ISIC_1,dermoscopic,,IP_1")
        with (tree.root / "hospital_buenos_aires/metadata.csv").open("a") as stream:
            stream.write("NA,dermoscopic,,IP_7\n,dermoscopic,,IP_8\n")
        reading = read("hiba", FileTree.scan(tree.root))
        assert (len(reading.records), reading.absent) == (1, 0)
        assert reading.notes == [
            "hiba: 2 rows of hospital_buenos_aires/metadata.csv name no picture"
        ]

    def test_a_table_of_other_pictures_is_told(self, plant) -> None:
        tree = plant(
            {
                "hospital_buenos_aires/metadata.csv": f"{HIBA_HEADER}\nISIC_1,dermoscopic,,\n",
                "hospital_buenos_aires/images/IMG_1.jpg": "",
            }
        )
        assert read("hiba", tree).notes == [
            "hiba: none of the 1 names in hospital_buenos_aires/metadata.csv, column isic_id "
            "('ISIC_1'), is that of one of the 1 pictures ('IMG_1.jpg')"
        ]

    def test_of_several_tables_the_one_that_is_read_is_named(self, plant) -> None:
        tree = hiba(plant, "ISIC_1,dermoscopic,,IP_1")
        other = tree.root / "hospital_buenos_aires/metadata.cvs"
        other.write_text(f"{HIBA_HEADER}\nISIC_1,dermoscopic,,IP_2\n")
        assert read("hiba", FileTree.scan(tree.root)).notes == [
            "hiba: hospital_buenos_aires/metadata.csv is read, "
            "not hospital_buenos_aires/metadata.cvs"
        ]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
    def test_a_table_is_read_as_excel_saves_it(self, plant, encoding: str) -> None:
        tree = hiba(plant, "ISIC_1,dermoscopic,,IP_1", "ISIC_2,dermoscopic,,\u00e4")
        path = tree.root / "hospital_buenos_aires/metadata.csv"
        path.write_bytes(f"sep=;\r\n{path.read_text('utf-8').replace(',', ';')}".encode(encoding))
        assert [record.group for record in read("hiba", tree).records] == [
            "hiba/IP_1", "hiba/\u00e4",
        ]  # fmt: skip

    def test_pictures_and_rows_without_each_other_are_counted(self, plant) -> None:
        tree = hiba(plant, "ISIC_1,dermoscopic,IL_1,IP_1")
        (tree.root / "hospital_buenos_aires/images/ISIC_9.jpg").write_bytes(b"")
        with (tree.root / "hospital_buenos_aires/metadata.csv").open("a") as stream:
            stream.write("ISIC_7,dermoscopic,IL_7,IP_7\n")
        reading = read("hiba", FileTree.scan(tree.root))
        assert (len(reading.records), reading.absent) == (1, 1)
        assert [left.rule for left in reading.left_out] == ["not in its table"]

    def test_a_table_without_its_columns_is_one_line(self, plant) -> None:
        tree = hiba(plant, "ISIC_1,IP_1", header="isic_id,patient_id")
        with pytest.raises(SourceError) as caught:
            read("hiba", tree)
        assert str(caught.value).startswith(
            f"{tree.root / 'hospital_buenos_aires/metadata.csv'} has no column image_type "
        )
        assert "\n" not in str(caught.value)

    def test_no_table_is_one_line_that_names_what_to_put_there(self, plant) -> None:
        with pytest.raises(SourceError) as caught:
            read("hiba", plant({"hospital_buenos_aires/images/ISIC_1.jpg": ""}))
        assert "metadata.csv or metadata.cvs" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_table_without_patients_groups_by_lesion_and_says_so(self, plant) -> None:
        tree = hiba(
            plant, "ISIC_1,dermoscopic,IL_1", "ISIC_2,dermoscopic,IL_1",
            header="isic_id,image_type,lesion_id",
        )  # fmt: skip
        reading = read("hiba", tree)
        assert len({record.group for record in reading.records}) == 1
        assert reading.notes == [
            "hiba: the table has no column patient_id; grouped by what is left"
        ]

    def test_a_table_of_another_collection_is_not_taken_for_it(self, plant) -> None:
        tree = hiba(plant, "ISIC_1,dermoscopic,IL_1,IP_1")
        (tree.root / "metadata.csv").write_text("patient_id,img_id\nPAT_1,PAT_1_2_3.png\n")
        assert len(read("hiba", FileTree.scan(tree.root)).records) == 1

    @pytest.mark.parametrize("name", ["../../x", "../images/ISIC_1", "/etc/passwd"])
    def test_no_name_in_the_table_leads_out(self, plant, tmp_path: Path, name: str) -> None:
        (tmp_path / "x.jpg").write_bytes(b"secret")
        tree = plant(
            {
                "hospital_buenos_aires/metadata.csv": f"{HIBA_HEADER}\n{name},dermoscopic,,\n",
                "hospital_buenos_aires/images/ISIC_1.jpg": "",
            }
        )
        with pytest.raises(SourceError) as caught:
            read("hiba", tree)
        assert str(caught.value) == (
            f"{tree.root / 'hospital_buenos_aires/metadata.csv'} names '{name}' "
            "(row 1, column isic_id). Expected files of the collection itself. "
            "Download it again, or remove its folder to leave this collection out."
        )


class TestTestOnly:
    """ISIC collection 217: overviews of backs, all of them for the test."""

    HEADER = "isic_id,image_type,patient_id"

    def backs(self, plant, *rows: str) -> Reading:
        files = {f"isic_217/{row.split(',')[0]}.jpg": "" for row in rows}
        return read(
            "isic_217", plant({"isic_217/metadata.csv": "\n".join([self.HEADER, *rows])} | files)
        )

    def test_overviews_are_test_and_grouped_by_patient(self, plant) -> None:
        rows = [f"ISIC_000000{n},clinical: overview,IP_{n // 2}" for n in range(4)]
        records = self.backs(plant, *rows).records
        assert {(record.label, record.splits) for record in records} == {(PAN, TEST_ONLY)}
        assert len({record.group for record in records}) == 2
        assert {record.identity[:5] for record in records} == {"isic/"}

    @pytest.mark.parametrize("kind", ["clinical: close-up", "dermoscopic", "clinical", ""])
    def test_what_is_no_overview_is_left_out(self, plant, kind: str) -> None:
        reading = self.backs(plant, "ISIC_0000001,TBP tile: overview,IP_1", f"ISIC_2,{kind},IP_1")
        assert len(reading.records) == 1
        assert [left.rule for left in reading.left_out] == [f"image_type is {kind or 'empty'}"]


def derm7pt(plant, cases: list[tuple[str, str]], pictures: list[str] | None = None) -> FileTree:
    """Lay out cases of (clinic, derm); train, valid and test take turns."""
    rows = [f"{number},{clinic},{derm}" for number, (clinic, derm) in enumerate(cases, start=1)]
    files = {"release_v0/meta/meta.csv": "\n".join(["case_num,clinic,derm", *rows, ""])}
    for start, split in enumerate(("train", "valid", "test")):
        indexes = "\n".join(["indexes", *map(str, range(start, len(cases), 3)), ""])
        files[f"release_v0/meta/{split}_indexes.csv"] = indexes
    named = pictures or [path for case in cases for path in case]
    return plant(files | {f"release_v0/images/{path}": "" for path in named})


class TestPairedTable:
    """Derm7pt: one case a row, a clinical and a dermoscopic picture, published splits."""

    def test_classes_groups_and_splits(self, plant) -> None:
        cases = [(f"NEL/NEL{n}.JPG", f"NEL/Nel{n + 50}.jpg") for n in range(10, 16)]
        reading = read("derm7pt", derm7pt(plant, cases))
        records = by_file(reading)
        for number, (clinic, derm) in enumerate(cases):
            pair = records[clinic[4:]], records[derm[4:]]
            assert [record.label for record in pair] == [DERM_CLINIC, DERM]
            assert pair[0].group == pair[1].group
            assert {record.splits for record in pair} == {
                (TRAIN_ONLY, VAL_ONLY, TEST_ONLY)[number % 3]
            }
        assert len({record.group for record in reading.records}) == 6

    def test_one_file_for_both_counts_as_dermoscopic_only(self, plant) -> None:
        reading = read("derm7pt", derm7pt(plant, [("A/a.jpg", "A/b.jpg"), ("A/c.jpg", "A/c.jpg")]))
        assert {name: record.label for name, record in by_file(reading).items()} == {
            "a.jpg": DERM_CLINIC,
            "b.jpg": DERM,
            "c.jpg": DERM,
        }
        assert reading.notes == [
            "derm7pt: 1 cases name one file twice; it counts as DERM, not as DERM_CLINIC"
        ]

    def test_one_file_for_both_written_in_two_cases_of_letters_is_still_one(self, plant) -> None:
        tree = derm7pt(plant, [("A/C.JPG", "A/c.jpg")], pictures=["A/c.jpg"])
        assert [record.label for record in read("derm7pt", tree).records] == [DERM]

    def test_paths_are_found_whatever_their_case(self, plant) -> None:
        tree = derm7pt(plant, [("nel/NEL1.jpg", "NEL/nel2.JPG")], ["NEL/Nel1.JPG", "NEL/Nel2.jpg"])
        reading = read("derm7pt", tree)
        assert sorted(by_file(reading)) == ["Nel1.JPG", "Nel2.jpg"]
        assert reading.absent == 0

    def test_what_is_missing_is_counted_and_what_is_unlisted_left_out(self, plant) -> None:
        tree = derm7pt(plant, [("A/a.jpg", "A/b.jpg")], ["A/a.jpg", "A/x.jpg"])
        reading = read("derm7pt", tree)
        assert (len(reading.records), reading.absent) == (1, 1)
        assert [left.rule for left in reading.left_out] == ["not in its table"]

    @pytest.mark.parametrize("mark", ["", "NA", "-", "unknown"])
    def test_rows_without_a_case_are_cases_of_their_own(self, plant, mark: str) -> None:
        tree = derm7pt(plant, [(f"A/a{n}.jpg", f"A/b{n}.jpg") for n in range(3)])
        table = tree.root / "release_v0/meta/meta.csv"
        table.write_text(
            table.read_text().replace("\n1,", f"\n{mark},").replace("\n2,", f"\n{mark},")
        )
        reading = read("derm7pt", tree)
        assert [record.group for record in reading.records] == [
            *["derm7pt/row 1"] * 2, *["derm7pt/row 2"] * 2, *["derm7pt/case 3"] * 2,
        ]  # fmt: skip
        assert reading.notes == ["derm7pt: 2 rows have no case_num; each is a case of its own"]

    def test_a_case_is_one_however_it_is_written(self, plant) -> None:
        tree = derm7pt(plant, [(f"A/a{n}.jpg", f"A/b{n}.jpg") for n in range(2)])
        table = tree.root / "release_v0/meta/meta.csv"
        table.write_text(table.read_text().replace("\n2,", "\n1.0,"))
        assert {record.group for record in read("derm7pt", tree).records} == {"derm7pt/case 1"}

    def test_paths_without_ending_and_cells_without_path(self, plant) -> None:
        cases = [("NEL/nel1", r"NEL\Nel2.JPG"), ("NA", "NEL/Nel3"), ("", "NEL/Nel")]
        tree = derm7pt(plant, cases, [f"NEL/Nel{n}.jpg" for n in (1, 2, 3, 33)])
        reading = read("derm7pt", tree)
        assert list(by_file(reading)) == ["Nel2.jpg", "Nel1.jpg", "Nel3.jpg"]
        assert reading.absent == 1
        assert reading.notes == ["derm7pt: 2 cells of derm and clinic name no picture"]

    def test_a_file_of_two_cases_is_told(self, plant) -> None:
        reading = read("derm7pt", derm7pt(plant, [("A/a.jpg", "A/b.jpg"), ("A/c.jpg", "A/b.jpg")]))
        assert len({record.identity for record in reading.records}) == 3
        assert reading.notes == [
            "derm7pt: 1 files belong to several cases (release_v0/images/A/b.jpg); "
            "these cases stay together"
        ]

    def test_a_table_of_other_pictures_is_told(self, plant) -> None:
        reading = read("derm7pt", derm7pt(plant, [("A/a.jpg", "A/b.jpg")], ["B/x.jpg"]))
        assert reading.notes == [
            "derm7pt: none of the 1 names in release_v0/meta/meta.csv, column derm ('A/b.jpg'), is "
            "that of one of the 1 pictures ('x.jpg')"
        ]

    @pytest.mark.parametrize("index", ["0.0", " 0", "00"])
    def test_a_row_s_number_may_be_written_as_programs_do(self, plant, index: str) -> None:
        tree = derm7pt(plant, [("A/a.jpg", "A/b.jpg")])
        (tree.root / "release_v0/meta/train_indexes.csv").write_text(f"indexes\n{index}\n")
        assert {record.splits for record in read("derm7pt", tree).records} == {TRAIN_ONLY}

    @pytest.mark.parametrize("path", ["../../x.jpg", "../meta/x.jpg", "/x.jpg", "C:/x.jpg"])
    def test_no_path_in_the_table_leads_out(self, plant, tmp_path: Path, path: str) -> None:
        (tmp_path / "x.jpg").write_bytes(b"secret")
        tree = derm7pt(plant, [(path, "A/b.jpg")], ["A/b.jpg"])
        with pytest.raises(SourceError, match=r"meta\.csv names '.*' \(row 1, column clinic\)"):
            read("derm7pt", tree)

    @pytest.mark.parametrize("table", ["meta.csv", "train_indexes.csv", "test_indexes.csv"])
    def test_a_missing_table_is_one_line(self, plant, table: str) -> None:
        tree = derm7pt(plant, [("A/a.jpg", "A/b.jpg")])
        (tree.root / "release_v0/meta" / table).unlink()
        with pytest.raises(SourceError) as caught:
            read("derm7pt", FileTree.scan(tree.root))
        assert f"meta/{table}" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_rows_in_another_order_are_one_line(self, plant) -> None:
        """The published splits count rows: sorted by anything else, test would be in train."""
        tree = derm7pt(plant, [(f"A/a{n}.jpg", f"A/b{n}.jpg") for n in range(12)])
        table = tree.root / "release_v0/meta/meta.csv"
        header, *rows = table.read_text().splitlines()
        table.write_text("\n".join([header, *sorted(rows)]))
        with pytest.raises(SourceError) as caught:
            read("derm7pt", tree)
        assert str(caught.value) == (
            f"{table} has its rows in another order than published. Expected case_num to rise, "
            "for the tables of splits count rows. Unzip the collection again."
        )

    def test_a_case_that_no_split_names_is_left_out(self, plant) -> None:
        tree = derm7pt(
            plant, [("A/a.jpg", "A/b.jpg"), ("A/c.jpg", "A/d.jpg"), ("A/e.jpg", "A/b.jpg")]
        )
        (tree.root / "release_v0/meta/test_indexes.csv").write_text("indexes\n")
        reading = read("derm7pt", tree)
        assert sorted(by_file(reading)) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
        assert [(left.original, left.rule) for left in reading.left_out] == [
            ("release_v0/images/A/e.jpg", "its case is in none of the published splits")
        ]

    @pytest.mark.parametrize("index", ["3", "-1", "x", "", "0", "\u00b2", "0.5", "1" * 5_000])
    def test_a_row_that_is_not_there_or_named_twice_is_one_line(self, plant, index: str) -> None:
        tree = derm7pt(plant, [("A/a.jpg", "A/b.jpg")] * 3)
        with (tree.root / "release_v0/meta/test_indexes.csv").open("a", encoding="utf-8") as stream:
            stream.write(f'"{index}"\n')
        with pytest.raises(SourceError, match="each row from 0 to 2 at most once"):
            read("derm7pt", tree)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_what_is_not_there_is_none(plant, name: str) -> None:
    assert BY_NAME[name].read(plant({"holiday/a.jpg": "", "readme.txt": ""})) is None


SPLITS = {
    "isic_2018": {TRAIN_OR_VAL, TEST_ONLY},
    "isic_2019": {TRAIN_OR_VAL, TEST_ONLY},
    "pad_ufes_20": {ANY_SPLIT},
    "hiba": {ANY_SPLIT},
    "derm7pt": {TRAIN_ONLY, VAL_ONLY, TEST_ONLY},
    "hospital_varese": {TRAIN_OR_VAL, TEST_ONLY},
    "fitzpatrick17k": {ANY_SPLIT},
    "imagenet_mini": {TRAIN_OR_VAL, TEST_ONLY},
}
"""What some collections' publishers leave open, of each of their classes."""


def facts(reading: Reading) -> set[tuple[object, ...]]:
    """Return all that a reading says but where ALL_DATA keeps the files."""
    return {
        (record.identity.casefold(), record.label, record.group.casefold(), record.splits)
        for record in reading.records
    }


@pytest.fixture(scope="module")
def tree(drawn_all_data: Path) -> FileTree:
    """Return the tree of all drawn collections."""
    return FileTree.scan(drawn_all_data)


class TestDrawings:
    """All layouts, as they are drawn."""

    @pytest.mark.parametrize("name", sorted(BY_NAME))
    def test_a_drawn_collection_is_read_whole(self, tree: FileTree, name: str) -> None:
        reading = read(name, tree)
        assert {record.label for record in reading.records} == set(BY_NAME[name].labels)
        assert reading.absent == 0
        assert all(record.source == name for record in reading.records)
        assert all((tree.root / record.original).is_file() for record in reading.records)
        drawn = STAND_INS[name].plan(1).drawings
        assert len(reading.records) + len(reading.left_out) >= len(drawn)
        assert len(reading.left_out) < len(reading.records)

    @pytest.mark.parametrize("name", sorted(SPLITS))
    def test_published_splits_are_known(self, tree: FileTree, name: str) -> None:
        found = {(record.label, record.splits) for record in read(name, tree).records}
        assert found == set(itertools.product(BY_NAME[name].labels, SPLITS[name]))

    @pytest.mark.parametrize("name", sorted(BY_NAME))
    def test_it_is_drawn_as_what_it_is_read_as(self, tree: FileTree, name: str) -> None:
        drawn = {
            path.rpartition("/")[2]: drawing.label
            for drawing in STAND_INS[name].plan(1).drawings
            for path in drawing.paths
        }
        for record in read(name, tree).records:
            assert drawn.get(record.original.rpartition("/")[2], record.label) == record.label

    def test_no_drawn_picture_is_overlooked(self, tree: FileTree) -> None:
        readings = [read(name, tree) for name in BY_NAME]
        known = {record.original for reading in readings for record in reading.records}
        known |= {left.original for reading in readings for left in reading.left_out}
        assert known == set(pictures_of(tree))

    @pytest.mark.parametrize("name", ["isic_2018", "isic_2019"])
    def test_the_synthetic_picture_alone_is_left_out(self, tree: FileTree, name: str) -> None:
        left_out = {stem(left.original): left.rule for left in read(name, tree).left_out}
        assert left_out == {"ISIC_0035068": "synthetic picture"}

    @pytest.mark.parametrize("name", sorted(BY_NAME))
    @pytest.mark.parametrize("way", ["deeper", "upper case", "both"])
    def test_a_folder_may_sit_deeper_and_be_written_otherwise(
        self, tree: FileTree, tmp_path: Path, name: str, way: str
    ) -> None:
        moved = moved_tree(tree, tmp_path / "ALL_DATA", way)
        assert facts(read(name, moved)) == facts(read(name, tree))

    @pytest.mark.parametrize("name", sorted(BY_NAME))
    def test_stray_files_change_nothing(self, tree: FileTree, tmp_path: Path, name: str) -> None:
        strewn = moved_tree(tree, tmp_path / "ALL_DATA", "")
        for folder in {(strewn.root / path).parent for path in strewn.files}:
            for stray in STRAYS:
                (folder / stray).write_text("x")
        with_strays = FileTree.scan(strewn.root)
        assert read(name, with_strays) == read(name, tree)


def pictures_of(tree: FileTree) -> list[str]:
    return [path for path in tree.files if is_picture(path)]


def moved_tree(tree: FileTree, root: Path, way: str) -> FileTree:
    """Copy a tree's tables and the names of its pictures, under other folders."""
    for path in tree.files:
        top, slash, rest = path.partition("/")
        if way in ("upper case", "both") and slash:
            top = top.upper()
        target = (
            root / ("unzipped here" if way in ("deeper", "both") else "") / f"{top}{slash}{rest}"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"" if is_picture(path) else (tree.root / path).read_bytes())
    return FileTree.scan(root)
