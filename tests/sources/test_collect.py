"""The user learns what was found, what was left out and why, and where to get what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from utils.common.errors import SettingsError
from utils.common.labels import COLLECTED_CLASSES
from utils.sources import collect
from utils.sources.catalog import NAMES, SOURCES, sources_for
from utils.sources.files.tree import FileTree
from utils.sources.web.download import LOCK_NAME


class TestChoice:
    def test_without_names_all_are_chosen(self) -> None:
        assert collect.choose_sources(()) == list(SOURCES)

    def test_names_are_chosen_in_the_order_of_the_catalog(self) -> None:
        chosen = collect.choose_sources(["hiba", "isic_2018", "hiba"])
        assert [source.name for source in chosen] == ["isic_2018", "hiba"]

    def test_an_unknown_name_is_one_line_that_lists_the_known_ones(self) -> None:
        with pytest.raises(SettingsError) as caught:
            collect.choose_sources(["hiba", "isic2018", "HIBA"])
        assert str(caught.value) == (
            f"--only does not know isic2018, HIBA. Expected some of {', '.join(NAMES)}."
        )


class TestDescription:
    def test_absent_collections_are_named_with_where_to_get_and_put_them(self, plant) -> None:
        tree = plant({"img_part_1/PAT_1_2_3.png": ""})
        text = collect.read_all(SOURCES, tree).describe(Path("ALL_DATA"))
        for source in SOURCES:
            lines = [line for line in text.splitlines() if line.startswith("Not there:")]
            named = [line for line in lines if f" {source.title}." in line]
            assert len(named) == (source.name != "pad_ufes_20")
            assert all(source.page in line and source.place in line for line in named)

    def test_what_was_not_chosen_is_not_missed(self, plant) -> None:
        tree = plant({"img_part_1/PAT_1_2_3.png": ""})
        chosen = collect.choose_sources(["pad_ufes_20"])
        assert "Not there" not in collect.read_all(chosen, tree).describe(Path("ALL_DATA"))

    def test_what_was_left_out_is_counted_by_rule(self, plant) -> None:
        names = ["PAT_1_2_3.png", "a.png", "b.png"]
        tree = plant({f"img_part_1/{name}": "" for name in names})
        lines = collect.read_all(SOURCES, tree).describe(Path("ALL_DATA")).splitlines()
        assert "pad_ufes_20: 2 left out (name of another form)" in lines
        assert lines[1].split() == ["pad_ufes_20", "1", "2", "0"]

    def test_it_is_plain_ascii(self, drawn_all_data: Path) -> None:
        collected = collect.read_all(SOURCES, FileTree.scan(drawn_all_data))
        assert collected.describe(Path("ALL_DATA")).isascii()

    @pytest.mark.parametrize("label", COLLECTED_CLASSES)
    def test_the_remedy_names_all_that_would_fill_a_class(self, label: str) -> None:
        text = collect.remedy(label, Path("ALL_DATA"))
        assert "ALL_DATA" in text
        assert all(source.title in text and source.place in text for source in sources_for(label))


class TestFetching:
    def test_a_fetcher_shared_by_two_collections_is_called_once(self, plant) -> None:
        calls = []

        def fetcher(tree: FileTree, retry_failed: bool, private_hosts: bool) -> list[str]:
            calls.append(tree)
            (tree.root / "came.csv").write_text("")
            return ["came.csv came"]

        sources = [replace(source, fetcher=fetcher) for source in SOURCES[:3]]
        tree, notes = collect.fetch(sources, plant({}))
        assert (len(calls), notes, tree.files) == (1, ["came.csv came"], ["came.csv"])

    def test_beside_another_process_nothing_is_fetched_and_the_run_goes_on(self, plant) -> None:
        tree = plant({})
        with FileLock(tree.root / LOCK_NAME):
            again, (note,) = collect.fetch(SOURCES, tree)
        assert again is tree
        assert note.startswith("Nothing downloaded: Another process is downloading into ")

    def test_without_fetchers_nothing_happens(self, plant) -> None:
        sources = [source for source in SOURCES if source.fetcher is None]
        assert collect.fetch(sources, plant({"a.txt": ""}))[1] == []


def test_the_records_stand_in_the_order_of_the_catalog(drawn_all_data: Path) -> None:
    tree = FileTree.scan(drawn_all_data)
    records = collect.read_all(SOURCES, tree).records
    order = [NAMES.index(record.source) for record in records]
    assert order == sorted(order)
    assert records == collect.read_all(SOURCES, tree).records


class TestOutput:
    """The output is neither part of a collection nor does it hold one."""

    @pytest.fixture
    def all_data(self, plant) -> Path:
        return plant({"imagenet-mini/train/n1/a.jpg": "", "x/img_part_1/PAT_1_2_3.png": ""}).root

    @pytest.mark.parametrize(
        "output", ["DATASET", "x/DATASET", "../DATASET", "imagenet-mini-out", "new/deep/er"]
    )
    def test_beside_the_collections_it_may_lie(self, all_data: Path, output: str) -> None:
        folders = FileTree.scan(all_data).listing.folders
        collect.check_output(all_data, all_data / output)
        collect.check_output(all_data, all_data / output, folders)

    @pytest.mark.parametrize("is_listed", [False, True])
    @pytest.mark.parametrize(
        ("output", "folder"),
        [
            ("imagenet-mini", "imagenet-mini"),
            ("imagenet-mini/OUT", "imagenet-mini"),
            ("x/../imagenet-mini/train/n1/OUT", "imagenet-mini"),
            ("x/img_part_1/OUT", "x/img_part_1"),
        ],
    )
    def test_in_a_collection_it_is_refused(
        self, all_data: Path, output: str, folder: str, is_listed: bool
    ) -> None:
        folders = FileTree.scan(all_data).listing.folders if is_listed else None
        with pytest.raises(SettingsError) as caught:
            collect.check_output(all_data, all_data / output, folders)
        assert str(caught.value) == (
            f"The output {all_data / output} lies in the folder of a collection, "
            f"{all_data / folder}. Expected a folder of its own for the data set. "
            "Choose another --output."
        )

    @pytest.mark.parametrize("output", [".", "..", "x/.."])
    def test_around_all_collections_it_is_refused(self, all_data: Path, output: str) -> None:
        with pytest.raises(SettingsError, match="lie inside the output"):
            collect.check_output(all_data, all_data / output)

    def test_around_one_of_them_it_is_refused(self, all_data: Path) -> None:
        with pytest.raises(SettingsError, match=r"holds the folder of a collection, .*img_part_1"):
            collect.check_output(all_data, all_data / "x", FileTree.scan(all_data).listing.folders)

    def test_so_is_one_in_a_folder_that_a_collection_links_to(self, all_data: Path) -> None:
        outside = all_data.parent / "elsewhere"
        outside.mkdir()
        try:
            (all_data / "imagenet-mini" / "val").symlink_to(outside, target_is_directory=True)
        except OSError:
            pytest.skip("no links here")
        folders = FileTree.scan(all_data).listing.folders
        with pytest.raises(SettingsError, match=r"lies in the folder of a collection, .*val\."):
            collect.check_output(all_data, outside / "OUT", folders)

    @pytest.mark.parametrize("output", ["OUT", "elsewhere"])
    def test_so_is_one_that_a_link_leads_into(self, all_data: Path, output: str) -> None:
        outside = all_data.parent / "elsewhere" / "varese"
        (outside / "train").mkdir(parents=True)
        try:
            (all_data / "hospital_varese").symlink_to(outside, target_is_directory=True)
        except OSError:
            pytest.skip("no links here")
        target = outside / output if output == "OUT" else outside.parent
        with pytest.raises(SettingsError, match=r"the folder of a collection, .*hospital_varese"):
            collect.check_output(all_data, target, FileTree.scan(all_data).listing.folders)
