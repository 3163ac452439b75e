"""A collection asked for by name comes with its licence, or the user learns how to get it."""

import contextlib
import io
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from utils.common.errors import DownloadError, OutputError, SettingsError, SourceError
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.record import Record
from utils.sources.source import Reading, Source
from utils.sources.web.delivery import LICENCE_NAME, choose_downloads, deliver, terms
from utils.sources.web.download import LOCK_NAME, SPARE_BYTES
from utils.sources.web.manners import Manners
from utils.sources.web.remote import RemoteFile, flaw_of

ALL_DATA = Path("ALL_DATA")
OPEN = [source for source in SOURCES if source.folder]
CLOSED = [source.name for source in SOURCES if not source.folder]
PAD = SOURCES[NAMES.index("pad_ufes_20")]


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, name * 100)
    return stream.getvalue()


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOCK_NAME
    )


class TestChoice:
    def test_all_are_those_without_a_login(self) -> None:
        chosen = choose_downloads(["all"], ALL_DATA)
        assert [source.name for source in chosen] == [name for name in NAMES if name not in CLOSED]
        assert {"isic_2018", "pad_ufes_20", "hiba"} <= {source.name for source in chosen}

    @pytest.mark.parametrize("name", ["derm7pt", "hospital_varese", "imagenet_mini"])
    def test_a_login_is_never_worked_around(self, name: str) -> None:
        assert name in CLOSED

    def test_names_are_chosen_in_the_order_of_the_catalog(self) -> None:
        chosen = choose_downloads(["hiba", "isic_2019", "hiba"], ALL_DATA)
        assert [source.name for source in chosen] == ["isic_2019", "hiba"]

    def test_an_unknown_name_is_one_line_that_lists_the_known_ones(self) -> None:
        with pytest.raises(SettingsError) as caught:
            choose_downloads(["isic", "hiba"], ALL_DATA)
        assert str(caught.value) == (
            "--download does not know isic. "
            f"Expected 'open', 'starter', or some of {', '.join(NAMES)}."
        )

    @pytest.mark.parametrize("name", CLOSED)
    def test_what_takes_a_login_is_told_with_its_page_and_place(self, name: str) -> None:
        source = SOURCES[NAMES.index(name)]
        with pytest.raises(DownloadError) as caught:
            choose_downloads(["hiba", name], ALL_DATA)
        line = str(caught.value)
        assert line.startswith(f"--download cannot fetch {name}. ")
        assert source.page in line
        assert f"Put it in ALL_DATA: {source.place}." in line


@pytest.fixture
def pad(server) -> Source:
    """Return a collection of one bundle with two mirrors, else of two parts."""
    whole = RemoteFile(
        "pad_ufes_20/whole.zip", (f"{server.url}/gone.zip", f"{server.url}/whole.zip")
    )
    parts = tuple(
        RemoteFile(
            f"pad_ufes_20/imgs_part_{number}.zip",
            (f"{server.url}/{number}.zip",),
            size=len(zipped(f"{number}")),
            holds=(f"imgs_part_{number}",),
        )
        for number in (1, 2)
    )
    for number in (1, 2):
        server.serve(f"/{number}.zip", zipped(f"{number}"))
    return replace(PAD, bundles=((whole,), parts))


@pytest.fixture
def fetch(tmp_path: Path, quick: Manners) -> Callable[..., str]:
    """Give a function that fetches collections below `tmp_path`/ALL_DATA and returns the text."""

    def run(*sources: Source, **settings: bool) -> str:
        lines = deliver(sources, tmp_path / "ALL_DATA", manners=quick, **settings)
        return "\n".join(lines)

    return run


class TestDelivery:
    def test_licence_and_citation_come_first_and_stay_beside_the_files(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        server.serve("/whole.zip", zipped("whole"))
        lines = deliver([pad], tmp_path / "ALL_DATA")
        first = next(lines)
        assert (server.asked.total(), list(tmp_path.iterdir())) == (0, [])
        assert pad.licence in first
        assert pad.citation in first
        text = fetch(pad)
        assert "pad_ufes_20/whole.zip downloaded." in text
        assert text.endswith(f"Now run: python create_dataset.py --all-data {tmp_path}/ALL_DATA")
        assert files_in(tmp_path / "ALL_DATA/pad_ufes_20") == [LICENCE_NAME, "whole.zip"]
        assert (tmp_path / "ALL_DATA/pad_ufes_20" / LICENCE_NAME).read_text() == terms(pad)
        assert server.asked == {"/gone.zip": 1, "/whole.zip": 1}

    def test_a_second_time_nothing_is_asked_for(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        server.serve("/whole.zip", zipped("whole"))
        fetch(pad)
        server.asked.clear()
        assert "there" in fetch(pad)
        assert server.asked.total() == 0

    def test_what_a_kill_left_is_removed_though_all_is_there_but_not_by_a_dry_run(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        server.serve("/whole.zip", zipped("whole"))
        fetch(pad)
        folder = tmp_path / "ALL_DATA/pad_ufes_20"
        whole = files_in(folder)
        mine = [".mine.partial", ".mine.part.json"]
        left = [f".{LICENCE_NAME}.4711.partial", ".whole.zip.part.json"]
        for name in (*mine, *left):
            (folder / name).write_text("{}")
        fetch(pad, dry=True)
        assert files_in(folder) == sorted([*whole, *mine, *left])
        fetch(pad)
        assert files_in(folder) == sorted([*whole, *mine])

    def test_where_the_bundle_does_not_come_its_parts_do_and_are_enough_the_next_time(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        fetch(pad)
        assert files_in(tmp_path / "ALL_DATA/pad_ufes_20") == [
            LICENCE_NAME, "imgs_part_1.zip", "imgs_part_2.zip"
        ]  # fmt: skip
        server.asked.clear()
        server.serve("/whole.zip", zipped("whole"))
        fetch(pad)
        assert server.asked.total() == 0

    def test_what_was_unpacked_by_hand_is_there(
        self, server, fetch, plant, pad: Source, tmp_path: Path
    ) -> None:
        plant({"x/imgs_part_1/PAT_1_1_1.png": "", "imgs_part_2/PAT_2_2_2.PNG": ""})
        fetch(pad)
        assert server.asked.total() == 0

    def test_one_that_does_not_come_does_not_stop_the_others(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        lost = replace(
            pad,
            name="hiba",
            folder="hiba",
            bundles=((RemoteFile("hiba/x", (f"{server.url}/x",)),),),
        )
        with pytest.raises(DownloadError) as caught:
            fetch(lost, pad)
        host = server.url.removeprefix("http://")
        assert str(caught.value) == (
            f"Not everything came. hiba: x could not be downloaded ({host}: HTTP 404). "
            f"Get it by hand: {pad.page}. "
            "Run the same command again later: it goes on where it was."
        )
        assert "pad_ufes_20/imgs_part_1.zip" in files_in(tmp_path / "ALL_DATA")

    def test_the_disk_is_looked_at_before_the_first_byte(
        self, server, fetch, pad: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = shutil.disk_usage(tmp_path)._replace(free=3 * 10**9)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
        large = replace(pad, bundles=((replace(pad.bundles[0][0], roughly=4 * 10**9),),))
        with pytest.raises(OutputError) as caught:
            fetch(large)
        assert "has 3.0 GB free. Expected 4.3 GB for what is still to come." in str(caught.value)
        assert server.asked.total() == 0
        assert files_in(tmp_path) == []

    def test_a_dry_run_asks_and_writes_nothing(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        text = fetch(pad, dry=True)
        assert text.startswith(terms(pad))
        assert text.endswith("Dry run: nothing was downloaded.")
        assert "pad_ufes_20/whole.zip  ?   to fetch" in text
        assert (server.asked.total(), list(tmp_path.iterdir())) == (0, [])

    def test_a_file_that_is_another_is_not_touched(
        self, fetch, pad: Source, tmp_path: Path
    ) -> None:
        (tmp_path / "ALL_DATA/pad_ufes_20").mkdir(parents=True)
        (tmp_path / "ALL_DATA/pad_ufes_20/imgs_part_1.zip").write_text("mine")
        with pytest.raises(SourceError, match="has 4 bytes"):
            fetch(pad)
        assert (tmp_path / "ALL_DATA/pad_ufes_20/imgs_part_1.zip").read_text() == "mine"

    def test_beside_another_process_nothing_is_fetched(
        self, server, fetch, plant, pad: Source
    ) -> None:
        tree = plant({})
        with (
            FileLock(tree.root / LOCK_NAME),
            pytest.raises(DownloadError, match="Another process is downloading into"),
        ):
            fetch(pad)
        assert server.asked.total() == 0

    def test_what_a_fetcher_brings_comes_too(self, fetch, pad: Source) -> None:
        told = []

        def fetcher(tree, retry_failed: bool, private_hosts: bool, limit: int | None) -> list[str]:
            told.append(retry_failed)
            return ["pictures came"]

        def reader(name: str, tree) -> Reading:
            record = Record(name, "a.jpg", "a", "PAN", "a")
            return Reading([record] if told[-1] else [])

        gallery = replace(pad, bundles=(), fetcher=fetcher, reader=reader, roughly=5)
        assert "pictures came" in fetch(gallery, retry_failed=True)
        with pytest.raises(DownloadError, match="None of its pictures came"):
            fetch(gallery)
        assert told == [True, False]

    def test_pictures_that_are_there_are_not_still_to_come(
        self, fetch, plant, pad: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither in the figures nor where the disk must have room for the rest."""

        def fetcher(tree, retry_failed: bool, private_hosts: bool, limit: int | None) -> list[str]:
            return []

        tree = plant({"pad_ufes_20/deep/1.jpg": bytes(3 * 10**6), "other/2.jpg": bytes(10**6)})
        gallery = replace(pad, bundles=(), fetcher=fetcher, roughly=5 * 10**6, roughly_each=10**6)
        for limit, missing in ((None, "2.0"), (4, "1.0"), (2, "0.0")):
            text = fetch(gallery, dry=True, limit=limit)
            assert f"pad_ufes_20/  {missing}  what is missing" in text
        for room, is_enough in ((2 * 10**6 - 1, False), (2 * 10**6, True)):
            free = shutil.disk_usage(tree.root)._replace(free=SPARE_BYTES + room)
            monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: free)
            with contextlib.nullcontext() if is_enough else pytest.raises(OutputError):
                fetch(gallery)

    def test_what_did_not_come_leaves_no_folder_that_looks_like_a_collection(
        self, server, fetch, pad: Source, tmp_path: Path
    ) -> None:
        server.replies.clear()
        with pytest.raises(DownloadError):
            fetch(pad)
        assert files_in(tmp_path) == []


class TestCatalog:
    def test_what_needs_no_login_can_be_fetched(self) -> None:
        assert all(source.bundles or source.fetcher for source in OPEN)
        assert not [s for s in SOURCES if s.bundles and not s.folder]

    @pytest.mark.parametrize("source", OPEN, ids=[source.name for source in OPEN])
    def test_its_files_lie_in_its_folder_and_come_from_the_web(self, source: Source) -> None:
        for file in (file for bundle in source.bundles for file in bundle):
            assert file.path == f"{source.folder}/{file.name}"
            assert file.mirrors
            assert all(mirror.startswith("https://") for mirror in file.mirrors)
            assert len(file.md5) in (0, 32)
            assert len(file.sha256) in (0, 64)

    def test_a_picture_archive_of_pad_is_checked_by_its_published_hash(self) -> None:
        parts = [file for file in PAD.bundles[1] if file.name.startswith("imgs_part")]
        assert [bool(file.sha256 and file.size and file.holds) for file in parts] == [True] * 3

    def test_the_published_tables_are_what_the_catalog_says(self, real_tables: Path) -> None:
        found = {path.name: path for path in real_tables.rglob("*.*")}
        files = [f for source in SOURCES for bundle in source.bundles for f in bundle]
        known = [file for file in files if file.name in found and (file.size or file.sha256)]
        assert {file.name: flaw_of(found[file.name], file) for file in known} == {
            file.name: "" for file in known
        }
        assert {file.name for file in known} >= {
            "ISIC_2019_Training_GroundTruth.csv",
            "ISIC_2019_Training_Metadata.csv",
            "ISIC_2019_Test_Metadata.csv",
            "metadata.csv",
        }


def test_the_dry_run_of_everything_names_every_file(tmp_path: Path) -> None:
    text = "\n".join(deliver(choose_downloads(["all"], tmp_path), tmp_path / "none", dry=True))
    for source in OPEN:
        assert source.licence in text
        for file in source.bundles[0] if source.bundles else ():
            assert file.path in text
