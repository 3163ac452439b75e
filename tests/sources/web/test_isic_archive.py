"""A collection of the ISIC archive comes by its API: page by page, then picture by picture."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from utils.common.disk.writing import write_bytes
from utils.common.errors import DownloadError
from utils.common.labels import PAN
from utils.sources.catalog import FOLDERS, NAMES, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.record import TEST_ONLY
from utils.sources.source import Source
from utils.sources.web.delivery import deliver
from utils.sources.web.isic_archive import COLUMNS, ArchiveCollection
from utils.sources.web.manners import Manners

FIRST, SECOND = "/search/?collections=217&limit=100", "/search/?cursor=2"


def entry(number: int, url: str, kind: str = "clinical: overview") -> dict[str, Any]:
    return {
        "isic_id": f"ISIC_{number:07d}",
        "attribution": "somebody",
        "copyright_license": "CC-BY",
        "files": {"full": {"url": url, "size": 1}},
        "metadata": {
            "acquisition": {"image_type": kind, "pixels_x": 9},
            "clinical": {"patient_id": f"IP_{number // 2}"},
        },
    }


def page(*entries: Any, following: str | None = None) -> bytes:
    return json.dumps({"count": 3, "next": following, "results": entries}).encode() + b" " * 600


@pytest.fixture
def backs(server, quick: Manners, encode: Any, make_picture: Any) -> Source:
    """Return the collection as a server has it: two pages, three pictures."""
    urls = [
        server.serve(f"/{number}.jpg?Signature=x", encode(make_picture(number)))
        for number in range(3)
    ]
    second = server.serve(SECOND, page(entry(2, urls[2])))
    server.serve(FIRST, page(entry(0, urls[0]), entry(1, urls[1]), following=second))
    source = SOURCES[NAMES.index("isic_217")]
    assert isinstance(source.fetcher, ArchiveCollection)
    fetcher = replace(source.fetcher, api=f"{server.url}/search/", manners=quick)
    return replace(source, fetcher=fetcher)


@pytest.fixture
def fetch(backs: Source, tmp_path: Path, quick: Manners) -> Callable[..., str]:
    """Give a function that fetches it below `tmp_path`/ALL_DATA and returns the text."""

    def run(**settings: Any) -> str:
        return "\n".join(deliver([backs], tmp_path / "ALL_DATA", manners=quick, **settings))

    return run


def test_its_table_and_pictures_are_what_the_reader_reads(
    server, backs: Source, fetch, tmp_path: Path
) -> None:
    assert "isic_217: 3 of 3 missing pictures downloaded." in fetch()
    with (tmp_path / "ALL_DATA/isic_217/metadata.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["isic_id"] for row in rows] == [f"ISIC_000000{number}" for number in range(3)]
    assert tuple(rows[0]) == COLUMNS
    reading = backs.read(FileTree.scan(tmp_path / "ALL_DATA"))
    assert reading is not None
    assert {(record.label, record.splits) for record in reading.records} == {(PAN, TEST_ONLY)}
    assert len({record.group for record in reading.records}) == 2
    fetch()
    assert all(count == 1 for path, count in server.asked.items() if ".jpg" in path)


def test_a_limit_takes_a_part_and_a_larger_one_adds_to_it(fetch, tmp_path: Path) -> None:
    for limit, expected in ((1, 1), (2, 2), (None, 3)):
        fetch(limit=limit)
        assert len(list((tmp_path / "ALL_DATA/isic_217").glob("*.jpg"))) == expected


@pytest.mark.parametrize("place", ["", "images/", "own.zip"])
def test_what_a_user_has_of_it_is_neither_fetched_nor_changed(
    server, backs: Source, fetch, tmp_path: Path, zipped, encode, make_picture, place: str
) -> None:
    rows = (f"ISIC_{number:07d},male,clinical: overview,IP_{number}" for number in range(3))
    own = "\n".join(["isic_id,sex,image_type,patient_id", *rows, ""]).encode()
    files = {f"images/ISIC_{number:07d}.jpg": encode(make_picture(number)) for number in (0, 1)}
    folder = tmp_path / "ALL_DATA/isic_217"
    if place == "own.zip":
        write_bytes(folder / place, zipped({"metadata.csv": own, **files}))
    else:
        for name, content in {f"{place}metadata.csv": own, **files}.items():
            write_bytes(folder / name, content)
    assert "isic_217: 1 of 1 missing pictures downloaded." in fetch()
    assert [path for path in server.asked if ".jpg" in path] == ["/2.jpg?Signature=x"]
    tables = [path.read_bytes() for path in folder.rglob("*.csv") if path.name == "metadata.csv"]
    assert tables == ([] if place == "own.zip" else [own])
    reading = backs.read(FileTree.scan(tmp_path / "ALL_DATA", homes=FOLDERS))
    assert reading is not None
    assert (len(reading.records), reading.left_out, reading.notes) == (3, [], [])


def test_a_table_that_lacks_a_picture_or_a_column_is_written_anew(fetch, tmp_path: Path) -> None:
    table = tmp_path / "ALL_DATA/isic_217/metadata.csv"
    for text in ("isic_id,image_type\nISIC_0000000,dermoscopic\n", "isic_id\n", "a\0"):
        write_bytes(table, text.encode())
        fetch()
        assert table.read_text().startswith(",".join(COLUMNS) + "\nISIC_0000000,somebody,")


def test_a_page_that_breaks_off_is_asked_for_again(server, reply, fetch) -> None:
    body = server.replies[FIRST][0].body
    server.serve(FIRST, reply(body, cut=100), reply(b"", 429), reply(body))
    assert "3 of 3" in fetch()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (page(entry(0, "u"))[:200], "no page of its search"),
        (b"[]", "no page of its search"),
        (json.dumps({"results": "many"}).encode(), "no page of its search"),
        (json.dumps({"results": [], "next": 3}).encode(), "no page of its search"),
        (page("ISIC_0000001"), "an entry of another form than known"),
        (page({**entry(0, "u"), "files": None}), "an entry of another form than known"),
        (page({**entry(0, "u"), "metadata": {}}), "an entry of another form than known"),
        (page({**entry(0, "u"), "isic_id": "../../x"}), "an entry without an ISIC id"),
        (page({**entry(0, "u"), "attribution": ["x"]}), "an entry of another form than known"),
    ],
)
def test_what_is_no_answer_of_the_archive_is_one_line_and_leaves_nothing(
    server, fetch, tmp_path: Path, body: bytes, words: str
) -> None:
    server.serve(FIRST, body)
    with pytest.raises(DownloadError, match=f"lists no pictures: {words}") as caught:
        fetch()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ALL_DATA/isic_217/metadata.csv").exists()


@pytest.mark.parametrize("status", [401, 404, 500])
def test_an_archive_that_does_not_answer_is_one_line(server, reply, fetch, status: int) -> None:
    server.serve(FIRST, reply(b"no", status, "text/plain"))
    with pytest.raises(DownloadError, match=f"lists no pictures: HTTP {status}"):
        fetch()
