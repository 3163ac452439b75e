"""A gallery gives the pictures that a list names, or all that are there, each once."""

import hashlib
import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from utils.common.errors import SourceError
from utils.common.labels import PAN
from utils.sources.catalog import FITZPATRICK17K
from utils.sources.files.tree import FileTree
from utils.sources.readers.gallery import name_from_url
from utils.sources.readers.series import MOST_OF_A_RUN, runs_of
from utils.sources.record import ANY_SPLIT, TEST_ONLY, TRAIN_OR_VAL
from utils.sources.source import Reading
from utils.sources.web.download import RemoteFile
from utils.sources.web.online import GalleryPictures

A, B, C, D, E = (letter * 32 for letter in "abcde")
URL = "https://www.dermaamin.com/site/images/clinical-pic/x/x/{}.jpg"
PUBLISHED = "\n".join(
    ["md5hash,label,url", f"{A},x,{URL.format('a')}", f"{B},x,{URL.format('b')}", f"{C},x,", ""]
)
TABLE, OWN = "fitzpatrick17k/fitzpatrick17k.csv", "fitzpatrick.csv"


def read(tree: FileTree) -> Reading:
    reading = FITZPATRICK17K("fitzpatrick17k", tree)
    assert reading is not None
    return reading


def local(*names: str) -> dict[str, str]:
    return {f"fitzpatrick17k/{name}": "" for name in names}


class TestPublishedTable:
    def test_what_is_listed_and_there_is_read(self, plant) -> None:
        reading = read(plant({TABLE: PUBLISHED, **local(f"{A}.jpg", f"{C}.JPG", "holiday.jpg")}))
        assert {record.md5 for record in reading.records} == {A, C}
        assert {record.label for record in reading.records} == {PAN}
        assert {record.splits for record in reading.records} == {ANY_SPLIT}
        assert {record.group for record in reading.records} == {
            record.identity for record in reading.records
        }
        assert reading.absent == 1
        assert [(left.original, left.rule) for left in reading.left_out] == [
            ("fitzpatrick17k/holiday.jpg", "not on its list")
        ]

    def test_the_table_may_lie_anywhere_and_name_its_hashes_in_capitals(self, plant) -> None:
        tree = plant({"x/fitzpatrick17k.csv": PUBLISHED.replace(A, A.upper()), **local(f"{A}.jpg")})
        assert [record.md5 for record in read(tree).records] == [A]

    def test_a_row_twice_is_a_picture_once(self, plant) -> None:
        tree = plant({TABLE: PUBLISHED + PUBLISHED.partition("\n")[2], **local(f"{A}.jpg")})
        reading = read(tree)
        assert (len(reading.records), reading.absent) == (1, 2)

    def test_the_archive_of_the_authors_may_be_unzipped_inside(self, plant) -> None:
        tree = plant({TABLE: PUBLISHED, **local(f"data/finalfitz17k/{A}.jpg")})
        assert [record.md5 for record in read(tree).records] == [A]

    @pytest.mark.parametrize("name", ["../../x", "../holiday/x", "/etc/passwd"])
    def test_no_hash_leads_out(self, plant, tmp_path: Path, name: str) -> None:
        (tmp_path / "x.jpg").write_bytes(b"secret")
        tree = plant({TABLE: f"md5hash,url\n{name},\n", "holiday/x.jpg": "", **local(f"{A}.jpg")})
        with pytest.raises(SourceError, match=r"csv names '.*' \(row 1, column md5hash\)\. Expec"):
            read(tree)

    def test_of_two_files_of_one_name_the_second_is_left_out(self, plant) -> None:
        tree = plant({TABLE: PUBLISHED, **local(f"{A}.jpg", f"more/{A.upper()}.jpg")})
        reading = read(tree)
        assert len(reading.records) == 1
        assert [left.rule for left in reading.left_out] == ["another file has its name"]

    @pytest.mark.parametrize("written", [f"{A}.jpg", f" {A.upper()} ", f"x/{A}.PNG"])
    def test_hashes_are_read_with_or_without_ending(self, plant, written: str) -> None:
        tree = plant({TABLE: f"md5hash,url\n{written},\n", **local(f"{A}.jpg", f"{A}_b.png")})
        reading = read(tree)
        assert [record.md5 for record in reading.records] == [A]
        assert [left.rule for left in reading.left_out] == ["not on its list"]

    @pytest.mark.parametrize("mark", ["NA", "nan", "-", " ", "None"])
    def test_a_mark_for_missing_is_no_url(self, plant, mark: str) -> None:
        text = f"md5hash,url\n{A},{mark}\n{mark},{mark}\n"
        (entry,) = FITZPATRICK17K.listed(plant({TABLE: text}))
        assert (entry.md5, entry.url) == (A, "")

    @pytest.mark.parametrize("folder", ["unknown", "-", "missing/none"])
    def test_a_series_is_one_whatever_it_is_called(self, plant, folder: str) -> None:
        urls = [f"https://example.org/{folder}/_{n}.jpg" for n in (1, 2)]
        text = "\n".join(["md5hash,url", f"{A},{urls[0]}", f"{B},{urls[1]}"])
        reading = read(plant({TABLE: text, **local(f"{A}.jpg", f"{B}.jpg")}))
        assert {record.group for record in reading.records} == {f"fitzpatrick17k//{folder}/_"}

    def test_a_picture_with_several_urls_joins_their_series_and_is_told(self, plant) -> None:
        urls = [URL.format(f"{name}{n}") for name, n in (("p", 1), ("p", 9), ("q", 1), ("q", 9))]
        rows = zip((A, B, B, C), urls, strict=True)
        text = "\n".join(["md5hash,url", *map(",".join, rows)])
        reading = read(plant({TABLE: text, **local(f"{A}.jpg", f"{B}.jpg", f"{C}.jpg")}))
        assert len({record.group for record in reading.records}) == 1
        assert reading.notes[0] == (
            f"fitzpatrick17k: 1 pictures are listed with several URLs ({B}); each is one"
        )

    def test_consecutive_pages_of_one_diagnosis_are_one_group(self, plant) -> None:
        page = "http://example.org/img?imageId={}"
        rows = ((A, "acne", 7), (B, "Acne", 8), (C, "scabies", 9), (D, "acne", 20), (E, "", 21))
        lines = [",".join((md5, label, page.format(number))) for md5, label, number in rows]
        text = "\n".join(["md5hash,label,url", *lines])
        reading = read(plant({TABLE: text, **local(*(f"{row[0]}.jpg" for row in rows))}))
        groups = {record.md5: record.group for record in reading.records}
        assert groups[A] == groups[B] == "fitzpatrick17k//img?imageId=7"
        assert len({groups[C], groups[D], groups[E], groups[A]}) == 4

    def test_no_run_is_a_whole_atlas(self) -> None:
        runs = runs_of({("/img?id", number): "acne" for number in range(1000)})
        sizes = Counter(runs.values())
        assert max(sizes.values()) == MOST_OF_A_RUN and len(sizes) == 5

    def test_a_list_of_other_pictures_is_told(self, plant) -> None:
        reading = read(plant({TABLE: PUBLISHED, **local("mole.jpg")}))
        assert reading.notes == [
            f"fitzpatrick17k: none of the 3 names in {TABLE}, column md5hash ({A!r}, {B!r}), is "
            "that of one of the 1 pictures ('mole.jpg')"
        ]


class TestWhatMayBeFetched:
    """Nothing that a stranger's archive names is asked for."""

    def zipped(self, **files: str) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"{name}.csv", content)
        return stream.getvalue()

    def test_urls_of_tables_in_archives_are_read_but_never_fetched(self, plant) -> None:
        tables = self.zipped(fitzpatrick17k=PUBLISHED)
        tree = plant({"fitzpatrick17k/x.zip": tables, **local(f"{A}.jpg")})
        assert len(FITZPATRICK17K.listed(tree)) == 3
        assert FITZPATRICK17K.fetchable(tree) == []
        reading = read(tree)
        assert [record.md5 for record in reading.records] == [A]
        assert reading.notes == [
            "fitzpatrick17k: 1 pictures are named by a table in an archive alone and are never "
            "downloaded; unpack that table if you trust it"
        ]

    def test_of_both_only_the_user_s_own_are_fetched(self, plant) -> None:
        stranger = self.zipped(fitzpatrick="train_url,test_url\nhttp://127.0.0.1/a,\n")
        tree = plant({"x.zip": stranger, TABLE: PUBLISHED})
        assert [entry.url for entry in FITZPATRICK17K.listed(tree)] == ["http://127.0.0.1/a"]
        assert FITZPATRICK17K.fetchable(tree) == []
        tree = plant({OWN: f"train_url,test_url\n{URL.format('a')},\n"})
        assert [entry.url for entry in FITZPATRICK17K.fetchable(tree)] == [URL.format("a")]

    def test_a_server_that_an_archive_names_is_not_asked(self, plant, server, quick) -> None:
        url, table = server.serve("/a.jpg", b"x"), server.serve("/t.csv", b"md5hash,url\n")
        rows = f"md5hash,url\n{A},{url}\n"
        stranger = self.zipped(
            fitzpatrick17k=rows, fitzpatrick=f"train_url,test_url\n{url},{url}\n"
        )
        tree = plant({"fitzpatrick17k/x.zip": stranger})
        pictures = GalleryPictures(FITZPATRICK17K, RemoteFile(TABLE, (table,)), quick)
        assert pictures.pending(tree) == [
            f"Still to be downloaded: {Path(TABLE).name} and the pictures that it names."
        ]
        pictures(tree)
        assert (server.asked["/a.jpg"], server.asked["/t.csv"]) == (0, 1)


class TestWithoutTable:
    def test_all_pictures_that_are_there_are_taken_and_that_is_said(self, plant) -> None:
        reading = read(plant(local(f"{A}.jpg", f"{B}.png", "mole.jpg")))
        assert {record.original.rpartition("/")[2]: record.md5 for record in reading.records} == {
            f"{A}.jpg": A,
            f"{B}.png": B,
            "mole.jpg": "",
        }
        assert {record.splits for record in reading.records} == {ANY_SPLIT}
        assert reading.notes == [
            "fitzpatrick17k: no fitzpatrick17k.csv; all its pictures are taken"
        ]

    def test_an_empty_folder_is_nothing(self, plant) -> None:
        assert FITZPATRICK17K("fitzpatrick17k", plant(local("notes.txt"))) is None


class TestOwnList:
    def own(self, *rows: tuple[str, str]) -> dict[str, str]:
        lines = ["train_url,test_url", *(f"{train},{test}" for train, test in rows), ""]
        return {TABLE: PUBLISHED, OWN: "\n".join(lines)}

    def test_only_its_pictures_count_and_its_columns_split_them(self, plant) -> None:
        files = self.own((URL.format("a"), ""), ("", URL.format("b")))
        reading = read(plant(files | local(f"{A}.jpg", f"{B}.jpg", f"{C}.jpg")))
        assert {record.md5: record.splits for record in reading.records} == {
            A: TRAIN_OR_VAL,
            B: TEST_ONLY,
        }
        assert [left.original for left in reading.left_out] == [f"fitzpatrick17k/{C}.jpg"]

    def test_neighbours_in_a_series_stay_where_the_list_has_them_and_are_told(self, plant) -> None:
        urls = [URL.format(f"mole{number}") for number in (1, 2, 3, 9)]
        names = [name_from_url(url) for url in urls]
        own = f"train_url,test_url\n{urls[0]},{urls[1]}\n{urls[2]},\n{urls[3]},\n"
        reading = read(plant({OWN: own, **local(*(f"{name}.jpg" for name in names))}))
        series = {record.identity: record.series for record in reading.records}
        of_test = series.pop(f"fitzpatrick17k/{names[1]}")
        assert of_test is None
        assert all(of for of in series.values())
        assert reading.notes[0] == (
            "fitzpatrick17k: 2 pictures that the list calls train are neighbours, in a numbered "
            f"series, of pictures that it calls test ({names[0]}, {names[2]}); they stay as listed"
        )

    def test_what_is_in_both_columns_is_test(self, plant) -> None:
        files = self.own((URL.format("a"), URL.format("b")), (URL.format("b"), URL.format("a")))
        reading = read(plant(files | local(f"{A}.jpg", f"{B}.jpg")))
        assert [record.splits for record in reading.records] == [TEST_ONLY, TEST_ONLY]

    def test_a_picture_under_two_urls_is_test_where_one_of_them_is(self, plant) -> None:
        files = self.own((URL.format("a"), URL.format("b")))
        files[TABLE] = f"md5hash,url\n{A},{URL.format('a')}\n{A},{URL.format('b')}\n"
        reading = read(plant(files | local(f"{A}.jpg")))
        assert [record.splits for record in reading.records] == [TEST_ONLY]

    def test_a_url_with_several_hashes_is_told(self, plant) -> None:
        url = URL.format("a")
        files = self.own((url, ""))
        files[TABLE] = f"md5hash,url\n{A},{url}\n{B},{url}\n{A},{url}\n"
        reading = read(plant(files | local(f"{A}.jpg")))
        assert [record.md5 for record in reading.records] == [A]
        assert reading.notes == [f"{TABLE}: 1 URLs have several MD5s ({url}); the first counts"]

    def test_a_list_without_rows_is_told(self, plant) -> None:
        reading = read(plant(self.own() | local(f"{A}.jpg", f"{B}.jpg", f"{C}.jpg")))
        assert len(reading.records) == 3
        assert reading.notes == ["fitzpatrick.csv: no rows; fitzpatrick17k.csv counts instead"]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
    def test_a_list_is_read_as_excel_saves_it(self, plant, encoding: str) -> None:
        url = URL.format("a")
        own = f"sep=;\r\nTrain_URL ;Test_URL\r\n{url};nan\r\n".encode(encoding)
        entries = FITZPATRICK17K.listed(plant({TABLE: PUBLISHED, OWN: own}))
        assert [(entry.url, entry.splits) for entry in entries] == [(url, TRAIN_OR_VAL)]

    def test_a_url_twice_is_a_picture_once(self, plant) -> None:
        files = self.own(*[(URL.format("a"), URL.format("b"))] * 3)
        assert len(read(plant(files | local(f"{A}.jpg", f"{B}.jpg"))).records) == 2

    def test_empty_cells_name_nothing(self, plant) -> None:
        files = self.own(("", ""), (URL.format("a"), ""), ("", ""))
        reading = read(plant(files | local(f"{A}.jpg", f"{C}.jpg")))
        assert ([record.md5 for record in reading.records], reading.absent) == ([A], 0)

    def test_a_url_that_the_table_does_not_know_has_a_name_of_its_own(self, plant) -> None:
        url = "https://example.org/img?imageId=5"
        files = self.own((url, ""))
        reading = read(plant(files | local(f"{name_from_url(url)}.jpg")))
        assert [(record.md5, record.splits) for record in reading.records] == [("", TRAIN_OR_VAL)]

    def test_it_counts_without_the_published_table_too(self, plant) -> None:
        url = URL.format("a")
        files = self.own((url, ""))
        del files[TABLE]
        reading = read(plant(files | local(f"{name_from_url(url)}.jpg", f"{A}.jpg")))
        assert len(reading.records) == 1


class TestNamesFromUrls:
    URLS = (
        "http://atlasdermatologico.com.br/img?imageId=1",
        "http://atlasdermatologico.com.br/img?imageId=2",
        "https://example.org/a/mole1.jpg",
        "https://example.org/b/mole1.jpg",
        "https://example.org/a/MOLE1.jpg",
        "https://example.org/",
        "https://example.org/..%2f..%2fpasswd.jpg",
        "https://example.org/" + 300 * "x" + ".jpg",
        "https://example.org/a/\u00e4 b*c?.jpg",
        "not a url at all",
    )

    def test_they_are_safe_and_differ_even_without_regard_to_case(self) -> None:
        names = [name_from_url(url) for url in self.URLS]
        assert len({name.casefold() for name in names}) == len(self.URLS)
        for name in names:
            assert name == Path(name).name
            assert name == name.lower()
            assert len(name) < 100
            assert not set(name) & set('/\\:*?"<>|. ')

    def test_the_digest_is_that_of_the_url(self) -> None:
        for url in self.URLS:
            assert name_from_url(url).endswith(hashlib.sha256(url.encode()).hexdigest()[:12])


class TestTheRealTables:
    def tree(self, folder: Path, tmp_path: Path, own: bool) -> FileTree:
        files = [TABLE, *([OWN] if own else [])]
        for target, name in ((TABLE, "fitzpatrick17k.csv"), (OWN, "fitzpatrick_user_list.csv")):
            (tmp_path / target).parent.mkdir(exist_ok=True)
            (tmp_path / target).write_bytes((folder / "fitzpatrick17k" / name).read_bytes())
        return FileTree(tmp_path, files)

    def test_the_published_table(self, real_tables: Path, tmp_path: Path) -> None:
        entries = FITZPATRICK17K.listed(self.tree(real_tables, tmp_path, own=False))
        assert len(entries) == len({entry.md5 for entry in entries}) == 16_577
        assert sum("://www.dermaamin.com/" in entry.url for entry in entries) == 12_631
        assert sum("://atlasdermatologico.com.br/" in entry.url for entry in entries) == 3_905
        assert sum(not entry.url for entry in entries) == 41
        assert len({entry.url for entry in entries if entry.url}) == 16_577 - 41
        assert {entry.splits for entry in entries} == {ANY_SPLIT}

    def test_a_list_of_a_user_s_own(self, real_tables: Path, tmp_path: Path) -> None:
        entries = FITZPATRICK17K.listed(self.tree(real_tables, tmp_path, own=True))
        splits = [entry.splits for entry in entries]
        # 2,612 and 435 distinct URLs; the one in both columns is test.
        assert (splits.count(TRAIN_OR_VAL), splits.count(TEST_ONLY)) == (2_612 - 1, 435)
        assert len({entry.url for entry in entries}) == len(entries) == 3_046
        assert all(entry.md5 == entry.name for entry in entries)
