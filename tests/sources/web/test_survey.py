"""What a list of URLs holds is counted, and the real lists hold what is known of them."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from utils.sources.files.tables import Row, read_table
from utils.sources.files.tree import FileTree
from utils.sources.web.survey import describe, repeats, survey

ROOT = Path(__file__).resolve().parents[3]
ROWS = [
    {"md5hash": "a", "label": "x", "url": "https://one.org/p/Mole1.JPG"},
    {"md5hash": "b", "label": "x", "url": "https://one.org/q/mole1.jpg"},
    {"md5hash": "b", "label": "y", "url": "http://two.org/img?imageId=1"},
    {"md5hash": "c", "label": "y", "url": "http://two.org/img?imageId=1"},
    {"md5hash": "d", "label": "z", "url": ""},
    {"md5hash": "", "label": "z", "url": "http://[broken/a.jpg"},
]


def test_urls_are_counted_by_host_ending_name_and_label() -> None:
    found = survey(ROWS, "url")
    assert found.num_empty == 1
    assert found.hosts == {"https://one.org": 2, "http://two.org": 2, "http://": 1}
    assert found.endings == {".jpg": 2, "": 3}
    assert repeats(found.urls) == ["http://two.org/img?imageId=1"]
    assert repeats(found.names) == ["mole1.jpg"]
    assert found.labels["http://two.org"] == {"y": 2}


def test_it_is_told_in_words() -> None:
    text = describe(ROWS)
    assert "6 rows\nmd5hash: 1 repeated\n" in text
    assert "url: 5 URLs, 4 different, 1 empty cells, 1 repeated, 1 file names of" in text
    assert "repeated: http://two.org/img?imageId=1" in text


def test_what_stands_in_both_columns_of_a_list_is_named() -> None:
    rows = [{"train_url": "http://a/1", "test_url": "http://a/2"},
            {"train_url": "http://a/2", "test_url": ""}]  # fmt: skip
    assert describe(rows).endswith("in all columns: http://a/2")


def test_as_a_command(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("url\nhttp://a/1.jpg\n")
    for argument, code in ((tmp_path / "t.csv", 0), (tmp_path / "absent.csv", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "utils.sources.web.survey", str(argument)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (code, code // 2)


class TestRealLists:
    """The figures that are published of Fitzpatrick17k, or were counted by others."""

    @pytest.fixture
    def read(self, real_tables: Path):
        def rows(name: str) -> list[Row]:
            return read_table(FileTree(real_tables / "fitzpatrick17k", [name]), name, ())

        return rows

    def test_the_published_table(self, read) -> None:
        rows = read("fitzpatrick17k.csv")
        found = survey(rows, "url")
        dermaamin, atlas = "https://www.dermaamin.com", "http://atlasdermatologico.com.br"
        assert len(rows) == 16_577
        assert found.num_empty == 41
        assert found.hosts == {dermaamin: 12_631, atlas: 3_905}
        assert found.endings == {".jpg": 12_631, "": 3_905}
        assert repeats(found.urls) == repeats(found.names) == []
        assert repeats(Counter(row["md5hash"] for row in rows)) == []
        assert len({row["label"] for row in rows}) == 114
        assert len(found.labels[atlas]) == 92
        assert Counter(row["fitzpatrick_scale"] for row in rows) == {
            "1": 2_947, "2": 4_808, "3": 3_308, "4": 2_781, "5": 1_533, "6": 635, "-1": 565,
        }  # fmt: skip

    def test_a_list_of_one_s_own(self, read) -> None:
        rows = read("fitzpatrick_user_list.csv")
        train, test = survey(rows, "train_url"), survey(rows, "test_url")
        assert [train.hosts.total(), len(train.urls), train.num_empty] == [2_620, 2_612, 0]
        assert [test.hosts.total(), len(test.urls), test.num_empty] == [436, 435, 2_184]
        assert set(train.hosts) == set(test.hosts) == {"https://www.dermaamin.com"}
        assert (len(repeats(train.urls)), len(repeats(test.urls))) == (8, 1)
        assert repeats(train.names) == repeats(test.names) == []
        assert len(set(train.urls) & set(test.urls)) == 1
        published = survey(read("fitzpatrick17k.csv"), "url").urls
        both = set(train.urls) | set(test.urls)
        assert (len(both), both <= set(published)) == (3_046, True)
