"""No file is passed over in silence: each is used, left out by a named rule, or not understood."""

import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from utils.common.disk.derived import DERIVED_RULE
from utils.common.disk.listing import CLUTTER_RULE
from utils.sources.catalog import SOURCES
from utils.sources.collect import Collected, choose_sources, read_all
from utils.sources.files.tree import REPEATED, FileTree
from utils.sources.record import NO_COLLECTION, NOT_UNDERSTOOD
from utils.sources.unclaimed import (
    NOT_ASKED,
    NOT_CHOSEN,
    OTHER_NAME,
    OTHER_PLACE,
    UNFINISHED_RULE,
)

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def rules(collected: Collected) -> dict[str, tuple[str, str]]:
    return {left.original: (left.source, left.rule) for left in collected.left_out}


def lines(collected: Collected) -> list[str]:
    return collected.describe(Path("ALL_DATA")).splitlines()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_each_file_has_one_account_and_they_add_up(plant, encode, make_picture) -> None:
    jpeg = encode(make_picture(1))
    files = {
        "hospital_varese/train/a.jpg": jpeg,
        "hospital_varese/train/no ending": jpeg,
        "hospital_varese/train/b.jpg_large": jpeg,
        "hospital_varese/train/c.txt": jpeg,
        "hospital_varese/train/d.HEIC": HEIC,
        "hospital_varese/train/a_mask.png": jpeg,
        "hospital_varese/train/e.npy": "numbers",
        "hospital_varese/train/notes.txt": "words",
        "hospital_varese/list.csv": "a,b\n",
        "hospital_varese/#recycle/f.jpg": jpeg,
        "hospital_varese/other/g.jpg": jpeg,
        "holiday/h.jpg": jpeg,
        "holiday/i": jpeg,
        "holiday/j.xyz": "?",
        "holiday/k.csv": "x\n",
        "holiday/l.zip.part": "half",
        "holiday/m.7Z": "7z",
        "holiday/.DS_Store": "",
        "LICENSE": "words",
        "README.md": "words",
        "more.zip": zipped({"hospital_varese/test/n.jpg": jpeg, "hospital_varese/test/o.bin": b"?",
                            "hospital_varese/test/p": jpeg, "__MACOSX/._n.jpg": b""}),
    }  # fmt: skip
    collected = read_all(SOURCES, plant(files))
    used = {record.original for record in collected.records}
    assert used == {
        *(f"hospital_varese/train/{name}" for name in ("a.jpg", "no ending", "b.jpg_large")),
        *("hospital_varese/train/c.txt", "hospital_varese/train/d.HEIC"),
        *("hospital_varese/test/n.jpg", "hospital_varese/test/p"),
    }
    assert rules(collected) == {
        "hospital_varese/train/a_mask.png": ("hospital_varese", DERIVED_RULE),
        "hospital_varese/train/e.npy": ("hospital_varese", NOT_UNDERSTOOD),
        "hospital_varese/#recycle/f.jpg": (NO_COLLECTION, CLUTTER_RULE),
        "hospital_varese/other/g.jpg": ("hospital_varese", "not in a folder train or test"),
        "hospital_varese/test/o.bin": ("hospital_varese", NOT_UNDERSTOOD),
        "holiday/h.jpg": (NO_COLLECTION, NOT_UNDERSTOOD),
        "holiday/i": (NO_COLLECTION, NOT_UNDERSTOOD),
        "holiday/j.xyz": (NO_COLLECTION, NOT_UNDERSTOOD),
        "holiday/k.csv": (NO_COLLECTION, NOT_UNDERSTOOD),
        "holiday/l.zip.part": (NO_COLLECTION, UNFINISHED_RULE),
        "holiday/m.7Z": (NO_COLLECTION, "cannot be read as it is (7z)"),
        "holiday/.DS_Store": (NO_COLLECTION, CLUTTER_RULE),
        "__MACOSX/._n.jpg": (NO_COLLECTION, CLUTTER_RULE),
    }
    assert collected.num_files == len(files) - 1 + 4
    assert lines(collected)[-1] == (
        "24 files in ALL_DATA, those in archives among them = 7 pictures + 7 left out by a rule + "
        "4 tables and texts + 6 not understood"
    )
    assert (
        "Not understood: 6 files: 1 .bin in hospital_varese/test, 1 .csv in holiday, 1 .jpg in "
        "holiday, 1 .npy in hospital_varese/train, 1 .xyz in holiday and 1 more "
        "(rejected.csv names each)"
    ) in lines(collected)
    assert f"no collection: 3 left out ({CLUTTER_RULE})" in lines(collected)


def test_the_drawn_collections_leave_nothing_that_is_not_understood(drawn_all_data: Path) -> None:
    collected = read_all(SOURCES, FileTree.scan(drawn_all_data))
    assert NOT_UNDERSTOOD not in {left.rule for left in collected.left_out}
    assert NO_COLLECTION not in {left.source for left in collected.left_out}
    num_files = sum(path.is_file() for path in drawn_all_data.rglob("*"))
    assert collected.num_files == num_files
    assert f"{num_files:,} files in ALL_DATA" in lines(collected)[-1]


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("isic_2018", ["HAM10000_images_part_1/ISIC_0024306.jpg", "HAM10000_metadata.csv"]),
        ("isic_2018", ["skin-cancer-mnist-ham10000/HAM10000_images_part_2/ISIC_0029306.jpg"]),
        ("isic_2018", ["archive/ham10000_images_part_1/ISIC_0024307.jpg"]),
        ("isic_2018", ["dataverse_files/ISIC2018_Task3_Test_Images/ISIC_0034524.jpg"]),
        ("isic_2019", ["ISIC_2019_Training_Input/ISIC_2019_Training_Input/ISIC_0000001.jpg"]),
        ("pad_ufes_20", ["images/imgs_part_1/imgs_part_1/PAT_1_2_3.png", "metadata.csv"]),
        ("imagenet_mini", ["imagenetmini-1000/imagenet-mini/train/n01440764/n01440764_1.JPEG"]),
        ("imagenet_mini", ["imagenet-mini/imagenet-mini/val/n01440764/ILSVRC2012_val_1.JPEG"]),
        ("fitzpatrick17k", [f"data/finalfitz17k/{'0a' * 16}.jpg"]),
    ],
)
def test_common_copies_of_the_collections_are_read_as_they_are(
    plant, source: str, paths: list[str]
) -> None:
    tables = dict.fromkeys(paths[1:], "image_id,lesion_id\nISIC_0024306,HAM_1\n")
    collected = read_all(SOURCES, plant({paths[0]: "", **tables}))
    assert [(record.source, record.original) for record in collected.records] == [
        (source, paths[0])
    ]
    assert collected.left_out == []
    assert collected.unclaimed.num_documents == len(paths) - 1


def test_pixels_that_are_written_as_a_table_are_left_out_by_name(plant) -> None:
    names = ("hmnist_28_28_RGB.csv", "hmnist_8_8_L.csv")
    tree = plant({"HAM10000_images_part_1/ISIC_0024306.jpg": "", **dict.fromkeys(names, "")})
    found = rules(read_all(SOURCES, tree))
    assert found == dict.fromkeys(
        names, (NO_COLLECTION, "pictures of a few pixels, written as a table")
    )


@pytest.mark.parametrize(
    ("folder", "names", "line"),
    [
        ("a/b", ["ISIC_0024306.jpg", "ISIC_0034320.jpg"],
         "2 files ISIC_*.jpg in a/b: put them into ISIC2018_Task3_Training_Input/"),
        ("test", ["ISIC_0034524.jpg"],
         "1 file ISIC_*.jpg in test: put them into ISIC2018_Task3_Test_Input/"),
        ("new", ["ISIC_0053454.JPG", "ISIC_0000001_downsampled.JPG"],
         "2 files ISIC_*.jpg in new: put them into ISIC_2019_Training_Input/ or "
         "ISIC_2019_Test_Input/ (if they are of the challenge)"),
        ("PAD-UFES-20/images", ["PAT_1_2_3.png"],
         "1 file PAT_*.png in PAD-UFES-20/images: put them into img_part_1/"),
        ("f17k", ["0123456789abcdef" * 2 + ".jpg"],
         "1 file <md5hash>.jpg in f17k: put them into fitzpatrick17k/"),
        ("mini/val/n01440764", ["ILSVRC2012_val_00000293.JPEG"],
         "1 file ILSVRC2012_val_*.jpeg in mini/val/n01440764: put them into imagenet-mini/val/"),
        ("d7/NEL", ["NEL025.JPG"],
         "1 file like NEL025.jpg in d7/NEL: put them into release_v0/images/"),
        ("Hospital Varese/train", ["a.jpg"],
         "Hospital Varese looks like hospital_varese: rename it"),
        ("milk10k/images", ["ISIC_8149219.jpg", "ISIC_0051817.jpg"], None),
        ("holiday", ["IMG_0001.jpg"], None),
    ],
)  # fmt: skip
def test_a_known_collection_in_another_layout_is_named(
    plant, folder: str, names: list[str], line: str | None
) -> None:
    collected = read_all(SOURCES, plant({f"{folder}/{name}": "" for name in names}))
    assert collected.unclaimed.hints == ([line] if line else [])
    assert Counter(left.rule for left in collected.left_out) == {NOT_UNDERSTOOD: len(names)}
    assert line is None or line in lines(collected)


def test_of_many_such_folders_a_few_are_named(plant) -> None:
    tree = plant({f"folder {n}/PAT_1_2_{n}.png": "" for n in range(9)})
    hints = read_all(SOURCES, tree).unclaimed.hints
    assert len(hints) == 6
    assert hints[-1] == "4 more folders hold pictures of known collections"


def test_what_only_leaves_out_is_called_so(plant) -> None:
    tree = plant(
        {"img_part_1/PAT_1_2_3.png": "", "hospital_varese/train/a.jpg": "", "fitzpatrick.csv": "",
         "holiday/a.jpg": "", "hospital_varese/readme.txt": ""}
    )  # fmt: skip
    collected = read_all(choose_sources(["pad_ufes_20"]), tree)
    assert rules(collected) == {
        "hospital_varese/train/a.jpg": (NO_COLLECTION, NOT_CHOSEN),
        "fitzpatrick.csv": (NO_COLLECTION, NOT_ASKED),
        "holiday/a.jpg": (NO_COLLECTION, NOT_UNDERSTOOD),
    }


def test_pictures_of_a_collection_beside_where_it_keeps_them_are_told(plant) -> None:
    table = "case_num,clinic,derm\n1,A/a.jpg,A/b.jpg\n"
    index = {f"release_v0/meta/{name}_indexes.csv": "indexes\n" for name in ("valid", "test")}
    tree = plant(
        {"release_v0/meta/meta.csv": table, "release_v0/meta/train_indexes.csv": "indexes\n0\n",
         "release_v0/images/A/a.jpg": "", "release_v0/images/A/b.jpg": "",
         "release_v0/extra/c.jpg": "", **index}
    )  # fmt: skip
    assert rules(read_all(SOURCES, tree)) == {"release_v0/extra/c.jpg": ("derm7pt", OTHER_PLACE)}


def test_what_lies_unpacked_beside_its_archive_is_counted_too(plant) -> None:
    archive = zipped({"hospital_varese/train/a.jpg": b"", "hospital_varese/train/b.jpg": b""})
    tree = plant({"hospital_varese/train/a.jpg": "", "x.zip": archive})
    collected = read_all(SOURCES, tree)
    assert rules(collected) == {"x.zip: hospital_varese/train/a.jpg": (NO_COLLECTION, REPEATED)}
    assert (len(collected.records), collected.num_files) == (2, 3)


class TestLinks:
    """A folder has the files under each of its names, and is understood if one of them is."""

    @pytest.fixture
    def linked(self, plant):
        def write(name: str, target: str, files: dict[str, str]) -> FileTree:
            tree = plant(files)
            try:
                (tree.root / name).symlink_to(tree.root / target, target_is_directory=True)
            except OSError:
                pytest.skip("no links here")
            return FileTree.scan(tree.root)

        return write

    @pytest.mark.parametrize("real", ["a", "z"])
    def test_a_collection_that_is_a_link_is_found(self, linked, real: str) -> None:
        files = {f"{real}/train/1.jpg": "", f"{real}/test/2.jpg": ""}
        collected = read_all(SOURCES, linked("hospital_varese", real, files))
        assert [record.original for record in collected.records] == [
            "hospital_varese/test/2.jpg",
            "hospital_varese/train/1.jpg",
        ]
        assert rules(collected) == dict.fromkeys(files, (NO_COLLECTION, OTHER_NAME))
        assert collected.num_files == 4

    def test_what_is_not_understood_is_so_once(self, linked) -> None:
        collected = read_all(SOURCES, linked("m", "holiday", {"holiday/deep/1.xyz": "?"}))
        assert rules(collected) == {
            "holiday/deep/1.xyz": (NO_COLLECTION, NOT_UNDERSTOOD),
            "m/deep/1.xyz": (NO_COLLECTION, OTHER_NAME),
        }


def test_of_collections_inside_each_other_each_file_is_one_s(plant) -> None:
    tree = plant(
        {"imagenet-mini/train/n1/a.jpg": "", "imagenet-mini/train/hospital_varese/test/b.jpg": ""}
    )
    collected = read_all(SOURCES, tree)
    assert {record.original: record.source for record in collected.records} == {
        "imagenet-mini/train/n1/a.jpg": "imagenet_mini",
        "imagenet-mini/train/hospital_varese/test/b.jpg": "hospital_varese",
    }
    assert (
        "imagenet_mini: 1 files lie in a folder of another collection, which has them"
        in collected.notes
    )
    assert collected.num_files == 2


def test_folders_of_one_collection_inside_each_other_have_their_files_once(plant) -> None:
    inner = "ISIC2018_Task3_Training_Input/HAM10000_images_part_1"
    tree = plant({f"{inner}/ISIC_0024306.jpg": "", f"{inner}/holiday.jpg": ""})
    collected = read_all(SOURCES, tree)
    assert [record.original for record in collected.records] == [f"{inner}/ISIC_0024306.jpg"]
    assert rules(collected) == {f"{inner}/holiday.jpg": ("isic_2018", "name of another form")}
    assert collected.num_files == 2


def test_a_second_download_lies_where_the_first_one_would(plant, encode, make_picture) -> None:
    files = {f"ISIC_000000{n}.jpg": encode(make_picture(n)) for n in range(3)}
    tree = plant(
        {
            "ISIC_2019_Training_Input.zip": zipped(files),
            "ISIC_2019_Training_Input (1).zip": zipped(files),
        }
    )
    collected = read_all(choose_sources(("isic_2019",)), tree)
    assert len(collected.records) == 3
    assert Counter(left.rule for left in collected.left_out) == {REPEATED: 3}


def test_what_holds_numbers_is_no_picture(plant, encode, make_picture) -> None:
    content = b"\x89HDF\r\n\x1a\n" + bytes(500)
    tree = plant({"hospital_varese/train/x.h5": content, "hospital_varese/train/y": content})
    collected = read_all(choose_sources(("hospital_varese",)), tree)
    assert set(rules(collected).values()) == {("hospital_varese", NOT_UNDERSTOOD)}


@pytest.mark.parametrize("around", ["", "download", "dataverse_files.zip"])
def test_an_archive_called_as_a_collection_s_folder_is_unpacked_into_one(
    plant, encode, make_picture, around: str
) -> None:
    parts = {
        "HAM10000_images_part_1.zip": zipped({"ISIC_0024306.jpg": encode(make_picture(1))}),
        "HAM10000_images_part_2.zip": zipped({"ISIC_0029306.jpg": encode(make_picture(2))}),
    }
    if around.endswith(".zip"):
        tree = plant({around: zipped({**parts, "HAM10000_metadata": b"lesion_id,image_id\n"})})
        above = "dataverse_files/"
    else:
        above = f"{around}/" if around else ""
        tree = plant({f"{above}{name}": content for name, content in parts.items()})
    collected = read_all(choose_sources(("isic_2018",)), tree)
    assert [record.original for record in collected.records] == [
        f"{above}HAM10000_images_part_1/ISIC_0024306.jpg",
        f"{above}HAM10000_images_part_2/ISIC_0029306.jpg",
    ]
    assert collected.left_out == []
