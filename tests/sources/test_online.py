"""What may be fetched without asking is fetched once, checked, and spoken of plainly."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.labels import PAN
from utils.sources.catalog import LESION_TABLE
from utils.sources.gallery import UrlGallery, name_from_url
from utils.sources.online import GalleryPictures, LesionTable
from utils.sources.tree import FileTree

pytestmark = pytest.mark.usefixtures("no_pauses")

GALLERY = UrlGallery(("fitzpatrick17k",), "fitzpatrick17k.csv", "fitzpatrick.csv", PAN)
FOLDER = "fitzpatrick17k"
CONTENTS = [b"\xff\xd8\xff" + bytes([number]) * 600 for number in range(6)]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


NAMES = [f"{md5(content)}.jpg" for content in CONTENTS]


@pytest.fixture
def fetcher(server) -> GalleryPictures:
    """Return a fetcher of a gallery of six pictures, all of which the server has."""
    rows = ["md5hash,url"]
    for number, content in enumerate(CONTENTS):
        path = f"/img?imageId={number}" if number % 2 else f"/{number}.jpg"
        rows.append(f"{md5(content)},{server.serve(path, content)}")
    table = "\n".join([*rows, f"{md5(b'lost')},", ""]).encode() + b" " * 500
    return GalleryPictures(GALLERY, (server.serve("/table.csv", table),), md5(table))


def pictures(root: Path) -> list[str]:
    return sorted(path.name for path in (root / FOLDER).glob("*") if path.suffix != ".csv")


class TestGallery:
    def test_table_and_pictures_come_under_the_names_of_their_content(
        self, plant, fetcher: GalleryPictures
    ) -> None:
        tree = plant({})
        assert fetcher(tree) == ["fitzpatrick17k: 6 of 6 missing pictures downloaded."]
        assert pictures(tree.root) == sorted(NAMES)
        reading = GALLERY("fitzpatrick17k", FileTree.scan(tree.root))
        assert reading is not None
        assert {record.md5 for record in reading.records} == {md5(content) for content in CONTENTS}
        assert reading.absent == 1

    def test_a_second_call_asks_for_nothing(self, plant, server, fetcher: GalleryPictures) -> None:
        tree = plant({})
        fetcher(tree)
        server.asked.clear()
        assert fetcher(FileTree.scan(tree.root)) == []
        assert server.asked.total() == 0

    def test_only_what_is_missing_is_asked_for(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        tree = plant({f"{FOLDER}/deep/{NAMES[0]}": CONTENTS[0], f"{FOLDER}/{NAMES[1]}": ""})
        assert fetcher(tree) == ["fitzpatrick17k: 4 of 4 missing pictures downloaded."]
        assert server.asked["/0.jpg"] == server.asked["/img?imageId=1"] == 0

    def test_what_did_not_come_is_counted_by_host_and_reason_and_asked_for_again(
        self, plant, server, reply, fetcher: GalleryPictures
    ) -> None:
        tree = plant({})
        server.serve("/0.jpg", reply(b"", 404))
        server.serve("/2.jpg", reply(b"", 404))
        server.serve("/img?imageId=1", CONTENTS[3])
        server.serve("/4.jpg", b"<html>" + b"moved" * 200)
        notes = fetcher(tree)
        assert notes[0] == "fitzpatrick17k: 2 of 6 missing pictures downloaded."
        assert sorted(notes[1:]) == [
            "  not downloaded: 1 (127.0.0.1: a web page in place of the file)",
            "  not downloaded: 1 (127.0.0.1: other content than published)",
            "  not downloaded: 2 (127.0.0.1: HTTP 404)",
        ]
        assert pictures(tree.root) == sorted([NAMES[3], NAMES[5]])
        server.serve("/0.jpg", CONTENTS[0])
        assert fetcher(FileTree.scan(tree.root))[0] == (
            "fitzpatrick17k: 1 of 4 missing pictures downloaded."
        )

    def test_of_a_list_of_one_s_own_only_its_pictures_come(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        new = server.serve("/new/Mole.PNG", b"\x89PNG" + b"x" * 600)
        own = f"train_url,test_url\n{server.url}/0.jpg,{server.url}/2.jpg\n{new},\n"
        tree = plant({"fitzpatrick.csv": own})
        assert fetcher(tree) == ["fitzpatrick17k: 3 of 3 missing pictures downloaded."]
        assert pictures(tree.root) == sorted([NAMES[0], NAMES[2], f"{name_from_url(new)}.png"])
        server.asked.clear()
        assert fetcher(FileTree.scan(tree.root)) == []

    def test_without_its_table_the_run_goes_on(self, plant, server, fetcher) -> None:
        tree = plant({f"{FOLDER}/{NAMES[0]}": CONTENTS[0]})
        lost = replace(fetcher, mirrors=(f"{server.url}/gone.csv",))
        assert lost(tree) == ["fitzpatrick17k.csv could not be downloaded (127.0.0.1: HTTP 404)."]
        assert pictures(tree.root) == [NAMES[0]]

    def test_a_table_with_other_content_is_not_kept(self, plant, fetcher) -> None:
        tree = plant({})
        (note,) = replace(fetcher, md5="0" * 32)(tree)
        assert "other content than published" in note
        assert FileTree.scan(tree.root).files == []

    def test_a_malformed_url_stops_nothing(self, plant, server, fetcher) -> None:
        own = f"train_url,test_url\nhttp://[broken/x.jpg,\nno url,\n{server.url}/0.jpg,\n"
        tree = plant({"fitzpatrick.csv": own})
        assert fetcher(tree)[0] == "fitzpatrick17k: 1 of 3 missing pictures downloaded."

    @pytest.mark.parametrize("name", ["../../evil", "/evil", "..\\..\\evil"])
    def test_no_hash_in_a_table_leads_out_of_the_folder(
        self, plant, server, fetcher, tmp_path: Path, name: str
    ) -> None:
        url = server.serve("/evil.jpg", CONTENTS[0])
        tree = plant({f"{FOLDER}/fitzpatrick17k.csv": f"md5hash,url\n{name},{url}\n"})
        fetcher(tree)
        assert pictures(tree.root) == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["ALL_DATA"]


class TestLesions:
    IDS = "image,lesion_id\nISIC_0000001,HAM_1\n"

    @pytest.fixture
    def lesion_table(self, server) -> LesionTable:
        content = self.IDS.encode() + b"ISIC_0000002,HAM_2\n" * 50
        mirrors = (f"{server.url}/gone.csv", server.serve("/there.csv", content))
        return replace(LESION_TABLE, mirrors=mirrors, md5=md5(content))

    @pytest.mark.parametrize(
        "folder",
        ["ISIC2018_Task3_Training_Input", "ISIC_2019_Training_Input", "ISIC_2019_Test_Input"],
    )
    def test_it_is_fetched_where_its_pictures_are(
        self, plant, lesion_table: LesionTable, folder: str
    ) -> None:
        tree = plant({f"x/{folder}/ISIC_0000001.jpg": ""})
        assert lesion_table(tree) == [
            "ISIC_2019_Training_Metadata.csv downloaded, so that pictures of one lesion "
            "stay together."
        ]
        assert "ISIC_2019_Training_Metadata.csv" in FileTree.scan(tree.root).files

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"img_part_1/PAT_1_2_3.png": ""},
            {
                "ISIC_2019_Training_Input/ISIC_0000001.jpg": "",
                "deep/ISIC_2019_Training_Metadata.csv": IDS,
            },
            {
                "ISIC_2019_Training_Input/ISIC_0000001.jpg": "",
                "HAM10000_metadata": IDS.replace("image", "image_id"),
            },
        ],
    )
    def test_it_is_not_fetched_where_nobody_needs_it(
        self, plant, server, lesion_table: LesionTable, files: dict[str, str]
    ) -> None:
        assert lesion_table(plant(files)) == []
        assert server.asked.total() == 0

    def test_without_it_the_run_goes_on(self, plant, server, lesion_table: LesionTable) -> None:
        tree = plant({"ISIC_2019_Training_Input/ISIC_0000001.jpg": ""})
        (note,) = replace(lesion_table, mirrors=(f"{server.url}/gone.csv",))(tree)
        assert note == (
            "ISIC_2019_Training_Metadata.csv could not be downloaded (127.0.0.1: HTTP 404)."
        )
