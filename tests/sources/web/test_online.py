"""What may be fetched without asking is fetched once, checked, and spoken of plainly."""

import csv
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.common.errors import SourceError
from utils.common.labels import PAN
from utils.sources.catalog import LESION_TABLE
from utils.sources.files.tree import FileTree
from utils.sources.readers.gallery import UrlGallery, name_from_url
from utils.sources.web.ledger import COLUMNS, LEDGER_NAME, read_ledger
from utils.sources.web.manners import Manners
from utils.sources.web.online import GalleryPictures, LesionTable
from utils.sources.web.remote import RemoteFile

GALLERY = UrlGallery(("fitzpatrick17k",), "fitzpatrick17k.csv", "fitzpatrick.csv", PAN)
FOLDER = "fitzpatrick17k"


def picture(seed: int, file_format: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, file_format)
    return stream.getvalue()


CONTENTS = [picture(number) for number in range(6)]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


NAMES = [f"{md5(content)}.jpg" for content in CONTENTS]


@pytest.fixture
def fetcher(server, quick: Manners) -> GalleryPictures:
    """Return a fetcher of a gallery of six pictures, all of which the server has."""
    rows = ["md5hash,url"]
    for number, content in enumerate(CONTENTS):
        path = f"/img?imageId={number}" if number % 2 else f"/{number}.jpg"
        rows.append(f"{md5(content)},{server.serve(path, content)}")
    table = "\n".join([*rows, f"{md5(b'lost')},", ""]).encode() + b" " * 500
    urls = (server.serve("/table.csv", table),)
    return GalleryPictures(
        GALLERY, RemoteFile(f"{FOLDER}/fitzpatrick17k.csv", urls, md5=md5(table)), quick
    )


def pictures(root: Path) -> list[str]:
    return sorted(path.name for path in (root / FOLDER).glob("*") if path.suffix != ".csv")


def statuses(root: Path) -> dict[str, tuple[str, str]]:
    """Return status and detail of each URL's path."""
    with (root / FOLDER / LEDGER_NAME).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all(tuple(row) == COLUMNS for row in rows)
    return {"/" + row["url"].split("/", 3)[3]: (row["status"], row["detail"]) for row in rows}


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

    def test_what_is_pending_is_counted_and_not_fetched(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        (line,) = fetcher.pending(plant({}))
        assert "fitzpatrick17k.csv and the pictures that it names" in line
        assert not server.asked
        tree = plant({})
        fetcher(tree)
        assert fetcher.pending(tree.scan_again()) == []
        lost = tree.root / FOLDER / NAMES[2]
        lost.unlink()
        (line,) = fetcher.pending(tree.scan_again())
        assert line.endswith("not counted here: 1 pictures of fitzpatrick17k.")
        assert not lost.exists()

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

    def test_what_did_not_come_is_counted_and_asked_for_again_only_when_told_to(
        self, plant, server, reply, fetcher: GalleryPictures
    ) -> None:
        tree = plant({})
        server.serve("/0.jpg", reply(b"", 404))
        server.serve("/2.jpg", reply(b"", 503))
        server.serve("/img?imageId=1", CONTENTS[3])
        server.serve("/4.jpg", b"<html>" + b"moved" * 200)
        notes = fetcher(tree)
        host = server.url.removeprefix("http://")
        assert notes[0] == "fitzpatrick17k: 2 of 6 missing pictures downloaded."
        assert sorted(notes[1:]) == [
            "  3 will not be asked for again without --retry-failed (downloads.csv names them)",
            f"  not downloaded: 1 ({host}: HTTP 404)",
            f"  not downloaded: 1 ({host}: HTTP 503)",
            f"  not downloaded: 1 ({host}: a web page in place of the picture)",
            f"  not downloaded: 1 ({host}: other content than published)",
        ]
        assert pictures(tree.root) == sorted([NAMES[3], NAMES[5]])
        assert statuses(tree.root) == {
            "/0.jpg": ("failed", "HTTP 404"),
            "/img?imageId=1": ("failed", "other content than published"),
            "/2.jpg": ("missed", "HTTP 503"),
            "/img?imageId=3": ("ok", ""),
            "/4.jpg": ("failed", "a web page in place of the picture"),
            "/img?imageId=5": ("ok", ""),
        }
        server.serve("/0.jpg", CONTENTS[0])
        server.serve("/2.jpg", CONTENTS[2])
        server.asked.clear()
        again = fetcher(FileTree.scan(tree.root))
        assert again[0] == "fitzpatrick17k: 1 of 1 missing pictures downloaded."
        assert server.asked == {"/2.jpg": 1}
        server.asked.clear()
        assert fetcher(FileTree.scan(tree.root)) == []
        assert server.asked.total() == 0
        told = fetcher(FileTree.scan(tree.root), True)
        assert told[0] == "fitzpatrick17k: 1 of 3 missing pictures downloaded."
        assert set(server.asked) == {"/0.jpg", "/img?imageId=1", "/4.jpg"}
        assert statuses(tree.root)["/0.jpg"] == ("ok", "")

    def test_each_request_is_counted_over_all_runs(
        self, plant, server, reply, fetcher: GalleryPictures, quick: Manners
    ) -> None:
        tree = plant({})
        server.serve("/0.jpg", reply(b"", 503))
        fetcher(tree)
        server.serve("/0.jpg", reply(b"", 503), CONTENTS[0])
        fetcher(FileTree.scan(tree.root))
        entry = read_ledger(tree.root / FOLDER / LEDGER_NAME)[NAMES[0]]
        assert entry.attempts == server.asked["/0.jpg"] == 1 + quick.max_retries + 2
        assert entry.bytes == len(CONTENTS[0])

    def test_a_picture_that_is_lost_again_is_asked_for_again(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        tree = plant({})
        fetcher(tree)
        (tree.root / FOLDER / NAMES[0]).unlink()
        server.asked.clear()
        fetcher(FileTree.scan(tree.root))
        assert (server.asked, len(pictures(tree.root))) == ({"/0.jpg": 1}, 6)

    def test_a_failure_whose_picture_the_user_put_there_is_none(
        self, plant, server, reply, fetcher: GalleryPictures
    ) -> None:
        tree = plant({})
        server.serve("/0.jpg", reply(b"", 404))
        fetcher(tree)
        tree = plant({f"{FOLDER}/deep/{NAMES[0]}": CONTENTS[0]})
        assert fetcher(tree) == []
        assert statuses(tree.root)["/0.jpg"] == ("ok", "")

    @pytest.mark.parametrize("content", ["", "url,file\n", "\x00", "a,b\n1,2\n", 'url,"'])
    def test_a_ledger_that_is_none_is_written_anew(
        self, plant, fetcher: GalleryPictures, content: str
    ) -> None:
        tree = plant({f"{FOLDER}/{LEDGER_NAME}": content})
        fetcher(tree)
        assert {status for status, _ in statuses(tree.root).values()} == {"ok"}

    def test_a_failure_of_another_address_does_not_count(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        rows = f"md5hash,url\n{NAMES[0].removesuffix('.jpg')},{server.url}/gone.jpg\n"
        tree = plant({f"{FOLDER}/fitzpatrick17k.csv": rows})
        fetcher(tree)
        assert statuses(tree.root) == {"/gone.jpg": ("failed", "HTTP 404")}
        tree = plant({f"{FOLDER}/fitzpatrick17k.csv": rows.replace("gone", "0")})
        assert fetcher(tree) == ["fitzpatrick17k: 1 of 1 missing pictures downloaded."]
        assert statuses(tree.root) == {"/0.jpg": ("ok", "")}

    def test_a_damaged_ledger_is_written_anew_where_all_pictures_are_there(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        tree = plant({})
        fetcher(tree)
        before = (tree.root / FOLDER / LEDGER_NAME).read_text()
        (tree.root / FOLDER / LEDGER_NAME).write_text(before.replace(",ok,", ",fine,"))
        server.asked.clear()
        fetcher(FileTree.scan(tree.root))
        assert {status for status, _ in statuses(tree.root).values()} == {"ok"}
        assert server.asked.total() == 0

    def test_a_password_in_a_list_is_neither_used_nor_written_down(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        url = server.url.replace("//", "//me:secret@")
        tree = plant({"fitzpatrick.csv": f"train_url,test_url\n{url}/0.jpg,\n"})
        notes = fetcher(tree)
        host = server.url.removeprefix("http://")
        assert f"  not downloaded: 1 ({host}: a password in its address)" in notes
        assert "secret" not in (tree.root / FOLDER / LEDGER_NAME).read_text()
        assert server.asked["/0.jpg"] == 0

    def test_hosts_that_are_not_public_are_asked_only_if_that_is_wanted(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        strict = replace(fetcher, manners=replace(fetcher.manners, private_hosts=False))
        own = f"train_url,test_url\n{server.url}/0.jpg,\n"
        tree = plant({"fitzpatrick.csv": own, f"{FOLDER}/fitzpatrick17k.csv": "md5hash,url\n"})
        assert strict(tree)[0] == "fitzpatrick17k: 0 of 1 missing pictures downloaded."
        assert not server.asked
        assert strict(tree, False, True)[0] == (
            "fitzpatrick17k: 1 of 1 missing pictures downloaded."
        )

    def test_what_came_so_far_is_noted_when_it_is_stopped(
        self, plant, fetcher: GalleryPictures, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stopped(*_: object) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr("utils.sources.web.hosts.fetch_picture", stopped)
        tree = plant({})
        with pytest.raises(KeyboardInterrupt):
            fetcher(tree)
        assert set(statuses(tree.root).values()) == {("missed", "not asked for yet")}

    def test_of_a_list_of_one_s_own_only_its_pictures_come(
        self, plant, server, fetcher: GalleryPictures
    ) -> None:
        new = server.serve("/new/Mole.PNG", picture(9, "PNG"))
        own = f"train_url,test_url\n{server.url}/0.jpg,{server.url}/2.jpg\n{new},\n"
        tree = plant({"fitzpatrick.csv": own})
        assert fetcher(tree) == ["fitzpatrick17k: 3 of 3 missing pictures downloaded."]
        assert pictures(tree.root) == sorted([NAMES[0], NAMES[2], f"{name_from_url(new)}.png"])
        server.asked.clear()
        assert fetcher(FileTree.scan(tree.root)) == []

    def test_without_its_table_the_run_goes_on(self, plant, server, fetcher) -> None:
        tree = plant({f"{FOLDER}/{NAMES[0]}": CONTENTS[0]})
        lost = replace(fetcher, table=RemoteFile(fetcher.table.path, (f"{server.url}/gone.csv",)))
        host = server.url.removeprefix("http://")
        assert lost(tree) == [f"fitzpatrick17k.csv could not be downloaded ({host}: HTTP 404)."]
        assert pictures(tree.root) == [NAMES[0]]

    def test_a_table_with_other_content_is_not_kept(self, plant, fetcher) -> None:
        tree = plant({})
        (note,) = replace(fetcher, table=replace(fetcher.table, md5="0" * 32))(tree)
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
        with pytest.raises(SourceError, match="row 1, column md5hash"):
            fetcher(tree)
        assert pictures(tree.root) == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["ALL_DATA"]


class TestLesions:
    IDS = "image,lesion_id\nISIC_0000001,HAM_1\n"

    @pytest.fixture
    def lesion_table(self, server, quick: Manners) -> LesionTable:
        content = self.IDS.encode() + b"ISIC_0000002,HAM_2\n" * 50
        mirrors = (f"{server.url}/gone.csv", server.serve("/there.csv", content))
        table = replace(LESION_TABLE.table, mirrors=mirrors, size=len(content), md5=md5(content))
        return replace(LESION_TABLE, table=table, manners=quick)

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
        assert LESION_TABLE.table.path in FileTree.scan(tree.root).files

    def test_it_is_fetched_where_the_table_that_is_there_knows_one_part_of_the_lesions(
        self, plant, lesion_table: LesionTable
    ) -> None:
        ham = self.IDS.replace("image", "image_id")
        tree = plant({"ISIC_2019_Training_Input/ISIC_0053454.jpg": "", "HAM10000_metadata": ham})
        assert len(lesion_table(tree)) == 1
        assert LESION_TABLE.table.path in FileTree.scan(tree.root).files

    def test_it_is_pending_where_it_would_be_fetched(
        self, plant, server, lesion_table: LesionTable
    ) -> None:
        assert lesion_table.pending(plant({})) == []
        tree = plant({"ISIC_2019_Training_Input/ISIC_0024306.jpg": b""})
        assert lesion_table.pending(tree) == [f"Still to be downloaded: {LESION_TABLE.table.name}."]
        assert not server.asked

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
                "ISIC2018_Task3_Training_Input/ISIC_0024306.jpg": "",
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
        gone = replace(lesion_table.table, mirrors=(f"{server.url}/gone.csv",))
        (note,) = replace(lesion_table, table=gone)(tree)
        host = server.url.removeprefix("http://")
        assert note == (
            f"ISIC_2019_Training_Metadata.csv could not be downloaded ({host}: HTTP 404)."
        )
