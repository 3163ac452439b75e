"""Of the pictures that tables name, those that the rules keep come one by one, and no others."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from utils.common.errors import DownloadError
from utils.common.labels import LOW_QUALITY
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.files.tree import FileTree
from utils.sources.source import Source
from utils.sources.web.delivery import STARTER, choose_downloads, deliver, limit_for
from utils.sources.web.hosts import FAILED, MISSED, OK
from utils.sources.web.ledger import LEDGER_NAME, read_ledger
from utils.sources.web.listed import ListedPictures
from utils.sources.web.manners import Manners
from utils.sources.web.remote import RemoteFile

SHOTS = ("CLOSE_UP", "AT_DISTANCE", "AT_AN_ANGLE")
NUM_CASES = 12
YES, NO = "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT", "NO_IMAGE_QUALITY_INSUFFICIENT"
GRADABLE = [f"dermatologist_gradable_for_skin_condition_{number}" for number in (1, 2, 3)]


def scin_tables() -> dict[str, str]:
    """Return tables of cases with a picture of each shot type, every third case left out."""
    numbers = range(1, 4)
    columns = [f"image_{n}_path" for n in numbers] + [f"image_{n}_shot_type" for n in numbers]
    cases, labels = [["case_id", *columns]], [["case_id", *GRADABLE]]
    for case in range(NUM_CASES):
        paths = [f"dataset/images/-{case}{number}.png" for number in range(3)]
        cases.append([f"-{1_000 + case}", *paths, *SHOTS])
        labels.append([f"-{1_000 + case}", NO if case % 3 == 2 else YES, "", ""])
    return {
        f"scin_{name}.csv": "\n".join(map(",".join, rows)) + "\n" * 600
        for name, rows in (("cases", cases), ("labels", labels))
    }


def kept_names() -> set[str]:
    return {f"-{case}{n}.png" for case in range(NUM_CASES) if case % 3 != 2 for n in (0, 1)}


@pytest.fixture
def scin(server, quick: Manners, encode: Any, make_picture: Any) -> Source:
    """Return SCIN as a server has it that knows all pictures."""
    tables = scin_tables()
    for case in range(NUM_CASES):
        for number in range(3):
            content = encode(make_picture(10 * case + number), "PNG")
            server.serve(f"/dataset/images/-{case}{number}.png", content)
    files = tuple(
        RemoteFile(f"scin/{name}", (server.serve(f"/dataset/{name}", text.encode()),))
        for name, text in tables.items()
    )
    source = SOURCES[NAMES.index("scin")]
    assert isinstance(source.fetcher, ListedPictures)
    fetcher = replace(source.fetcher, base=f"{server.url}/", manners=quick)
    return replace(source, bundles=(files,), fetcher=fetcher)


@pytest.fixture
def fetch(tmp_path: Path, quick: Manners) -> Callable[..., str]:
    """Give a function that fetches collections below `tmp_path`/ALL_DATA and returns the text."""

    def run(*sources: Source, **settings: Any) -> str:
        return "\n".join(deliver(sources, tmp_path / "ALL_DATA", manners=quick, **settings))

    return run


def came(root: Path) -> set[str]:
    return {path.name for path in (root / "ALL_DATA/scin/images").glob("*.png")}


def test_only_what_the_rules_keep_is_asked_for_and_read(
    server, scin: Source, fetch, tmp_path: Path
) -> None:
    text = fetch(scin)
    assert "images: 16 of 16 missing pictures downloaded." in text
    assert came(tmp_path) == kept_names()
    assert max(server.asked.values()) == 1
    reading = scin.read(FileTree.scan(tmp_path / "ALL_DATA"))
    assert reading is not None
    assert (len(reading.records), reading.left_out) == (16, [])


def test_a_larger_limit_adds_to_a_smaller_one(server, scin: Source, fetch, tmp_path: Path) -> None:
    before: set[str] = set()
    for limit in (1, 3, 5, None):
        fetch(scin, limit=limit)
        found = came(tmp_path)
        assert before <= found
        per_class = Counter(name[-5] for name in found)
        assert set(per_class.values()) == {min(8, limit or 8)}
        before = found
    assert max(server.asked.values()) == 1
    entries = read_ledger(tmp_path / "ALL_DATA/scin/images" / LEDGER_NAME)
    assert {entry.status for entry in entries.values()} == {OK}
    assert set(entries) == kept_names()


def test_a_smaller_limit_forgets_nothing_that_was_noted(
    server, scin: Source, fetch, tmp_path: Path
) -> None:
    server.replies["/dataset/images/-00.png"] = []
    fetch(scin)
    fetch(scin, limit=1)
    entries = read_ledger(tmp_path / "ALL_DATA/scin/images" / LEDGER_NAME)
    assert Counter(entry.status for entry in entries.values()) == {OK: 15, FAILED: 1}


def test_a_bucket_that_refuses_everything_is_one_line_and_is_asked_again_later(
    server, reply, scin: Source, fetch, tmp_path: Path, quick: Manners
) -> None:
    pages = {path: list(replies) for path, replies in server.replies.items()}
    for path in pages:
        if "images" in path:
            server.serve(path, reply(b"who are you", 401, "text/plain"))
    with pytest.raises(DownloadError, match="None of its pictures came"):
        fetch(scin)
    asked = sum(count for path, count in server.asked.items() if "images" in path)
    assert asked < quick.max_host_failures + quick.threads_per_host
    entries = read_ledger(tmp_path / "ALL_DATA/scin/images" / LEDGER_NAME)
    assert {(entry.status, entry.detail) for entry in entries.values()} == {
        (MISSED, "host refuses everything (HTTP 401)")
    }
    server.replies.update(pages)
    assert "16 of 16" in fetch(scin)
    assert came(tmp_path) == kept_names()


@pytest.mark.parametrize("status", [403, 404])
def test_a_picture_that_is_forbidden_or_gone_is_not_asked_for_again(
    server, reply, scin: Source, fetch, tmp_path: Path, status: int
) -> None:
    server.serve("/dataset/images/-00.png", reply(b"no", status, "text/plain"))
    for _ in range(2):
        fetch(scin)
    assert server.asked["/dataset/images/-00.png"] == 1
    fetch(scin, retry_failed=True)
    assert server.asked["/dataset/images/-00.png"] == 2
    assert came(tmp_path) == kept_names() - {"-00.png"}


def test_what_broke_off_or_was_put_off_comes_in_the_end(
    server, reply, scin: Source, fetch, tmp_path: Path
) -> None:
    undisturbed = {path: replies[0].body for path, replies in server.replies.items()}
    for number, (path, body) in enumerate(undisturbed.items()):
        if "images" in path and number % 2:
            server.serve(path, reply(body, cut=200), reply(b"", 429), reply(body))
    fetch(scin)
    assert {
        f"/dataset/images/{path.name}": path.read_bytes()
        for path in (tmp_path / "ALL_DATA/scin/images").glob("*.png")
    } == {
        path: body for path, body in undisturbed.items() if path.rpartition("/")[2] in kept_names()
    }


def test_what_lies_there_elsewhere_or_in_an_archive_is_not_fetched(
    server, scin: Source, fetch, tmp_path: Path, zipped: Any, encode: Any, make_picture: Any
) -> None:
    root = tmp_path / "ALL_DATA/scin"
    (root / "dataset/images").mkdir(parents=True)
    (root / "dataset/images/-00.png").write_bytes(encode(make_picture(0), "PNG"))
    (root / "more.zip").write_bytes(zipped({"-11.png": encode(make_picture(11), "PNG")}))
    assert "14 of 14" in fetch(scin)
    assert not server.asked["/dataset/images/-00.png"]
    assert not server.asked["/dataset/images/-11.png"]


def test_a_run_of_the_assembly_fetches_none_of_it(scin: Source, tmp_path: Path, plant) -> None:
    from utils.sources import collect

    tree = plant({f"scin/{name}": text for name, text in scin_tables().items()})
    assert collect.fetch([scin], tree) == (tree, [])
    assert collect.pending([scin], tree) == []


def test_a_name_of_a_stranger_stays_on_the_host_and_in_the_folder(
    server, scin: Source, plant
) -> None:
    tables = scin_tables()
    tables["scin_cases.csv"] = tables["scin_cases.csv"].replace(
        "dataset/images/-00.png", "@evil.example?x=/-00.png"
    )
    tree = plant({f"scin/{name}": text for name, text in tables.items()})
    assert isinstance(scin.fetcher, ListedPictures)
    wanted = {one.name: one.url for one in scin.fetcher.wanted(tree)}
    assert wanted["-00.png"] == f"{server.url}/%40evil.example%3Fx%3D/-00.png"


def test_real_poor_pictures_of_training_are_not_fetched(plant) -> None:
    def entry(name: str, unrecognizable: int, **votes: int) -> dict[str, Any]:
        flaws = dict.fromkeys(("BLR", "DRK", "BRT", "NON"), 0) | votes
        return {"image": f"VizWiz_{name}.jpg", "flaws": flaws, "unrecognizable": unrecognizable}

    lists = {
        side: [entry(f"{side}_1", 0, NON=5), entry(f"{side}_2", 3, BLR=5), entry(f"{side}_3", 1)]
        for side in ("train", "val")
    }
    tree = plant({f"vizwiz/{side}.json": json.dumps(entries) for side, entries in lists.items()})
    source = SOURCES[NAMES.index("vizwiz")]
    assert isinstance(source.fetcher, ListedPictures)
    wanted = {one.name for one in source.fetcher.wanted(tree)}
    assert wanted == {"VizWiz_train_1.jpg", "VizWiz_val_1.jpg", "VizWiz_val_2.jpg"}


def test_a_name_that_no_path_can_have_is_that_of_no_picture(plant) -> None:
    votes = {"flaws": {"BLR": 0, "DRK": 0, "BRT": 0, "NON": 5}, "unrecognizable": 0}
    entries = [{"image": f"VizWiz_val_{sign}.jpg", **votes} for sign in ("1", "\ud800")]
    tree = plant({"vizwiz/val.json": json.dumps(entries), "vizwiz/VizWiz_val_1.jpg": ""})
    source = SOURCES[NAMES.index("vizwiz")]
    reading = source.read(tree)
    assert reading is not None
    assert reading.notes == ["vizwiz: 1 entries of vizwiz/val.json name no picture"]
    assert isinstance(source.fetcher, ListedPictures)
    assert [one.name for one in source.fetcher.wanted(tree)] == ["VizWiz_val_1.jpg"]


class TestStarter:
    SOURCES = choose_downloads([STARTER], Path("ALL_DATA"))

    def test_it_fills_every_class_without_a_login_and_within_3_gb(self, tmp_path: Path) -> None:
        assert all(source.folder for source in self.SOURCES)
        filled = {label for source in self.SOURCES for label in source.labels}
        assert filled >= {"DERM", "DERM_CLINIC", "OTHER", "PAN", LOW_QUALITY}
        limit = limit_for([STARTER], None)
        lines = list(deliver(self.SOURCES, tmp_path / "none", dry=True, limit=limit))
        (told,) = (line for line in lines if line.startswith("About "))
        assert 0 < float(told.split()[1]) <= 3

    @pytest.mark.parametrize(
        ("names", "limit", "expected"),
        [(["starter"], None, 250), (["starter"], 9, 9), (["open"], None, None), (["scin"], 5, 5)],
    )
    def test_a_limit_of_the_user_goes_before_its_own(
        self, names: list[str], limit: int | None, expected: int | None
    ) -> None:
        assert limit_for(names, limit) == expected

    def test_open_is_all_that_needs_no_login(self) -> None:
        chosen = choose_downloads(["open"], Path("ALL_DATA"))
        assert chosen == [source for source in SOURCES if source.folder]
        assert {source.name for source in self.SOURCES} <= {source.name for source in chosen}


def test_the_published_tables_want_what_the_catalog_says(real_tables: Path, plant) -> None:
    tables = (real_tables / "SCIN").glob("*.csv")
    tree = plant({f"scin/{path.name}": path.read_bytes() for path in tables})
    source = SOURCES[NAMES.index("scin")]
    assert isinstance(source.fetcher, ListedPictures)
    wanted = source.fetcher.wanted(tree)
    assert len(wanted) == 1_272 + 2_806
    assert all(one.url.startswith("https://storage.googleapis.com/") for one in wanted)
    with (real_tables / "SCIN/scin_cases.csv").open(newline="") as stream:
        paths = {row[f"image_{n}_path"] for row in csv.DictReader(stream) for n in (1, 2, 3)}
    assert {one.url.partition("dx-scin-public-data/")[2] for one in wanted} <= paths
