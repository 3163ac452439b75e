"""A user's own folder is one more collection of OTHER, read by the rules of any other."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from tests.conftest import encoded
from tests.sources.files.conftest import tarred
from utils.common.errors import OutputError, SettingsError, SourceError
from utils.common.labels import OTHER
from utils.sources import collect
from utils.sources.catalog import NAMES, SOURCES
from utils.sources.extra import NAME, NO_PICTURE, OTHER_EXTRA, Extra, forget_extra, read_extra
from utils.sources.record import ANY_SPLIT

PNG = encoded(Image.new("RGB", (200, 150), (10, 200, 30)), "PNG")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Extra]:
    """Give a function that reads a folder of these files, which lies beside ALL_DATA."""

    def make(files: Mapping[str, bytes], folder: Path = tmp_path / "own") -> Extra:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return read_extra(folder, tmp_path / "ALL_DATA", tmp_path / "DATASET", None)

    return make


def test_each_picture_is_a_record_of_other_and_a_group_of_its_own(read, zipped) -> None:
    files = {"a.png": PNG, "scans/b": PNG, "more.zip": zipped({"c.png": PNG, "d/e.png": PNG})}
    extra = read(files)
    records = extra.reading.records
    assert [one.original for one in records] == [
        f"{NAME}/{path}" for path in ("a.png", "more/c.png", "more/d/e.png", "scans/b")
    ]
    for one in records:
        assert (one.source, one.label, one.splits) == (NAME, OTHER, ANY_SPLIT)
        assert one.group == one.identity
        assert extra.members[one.original].read() == PNG
    assert len({one.group for one in records}) == len(records)
    assert extra.num_files == len(records)


def test_a_folder_that_is_called_as_a_collections_is_no_collection(read) -> None:
    extra = read({f"{source.reader.folders[0]}/x.png": PNG for source in SOURCES[-2:]})
    assert {one.source for one in extra.reading.records} == {NAME}
    assert len(extra.reading.records) == 2


def test_every_file_has_its_fate(read, plant) -> None:
    files = {
        "a.png": PNG, "a_mask.png": PNG, "notes.txt": b"x", ".hidden": b"x", "torn.csv": b"x",
    }  # fmt: skip
    extra = read(files)
    rules = {left.original: left.rule for left in extra.reading.left_out}
    assert rules[f"{NAME}/notes.txt"] == rules[f"{NAME}/torn.csv"] == NO_PICTURE
    assert len(extra.reading.records) + len(rules) == extra.num_files == len(files)
    assert {left.source for left in extra.reading.left_out} == {NAME}
    tree = plant({"img_part_1/PAT_1_2_3.png": PNG, "LICENSE.txt": "x"})
    collected = collect.read_all(SOURCES, tree, extra)
    assert collected.num_files == len(files) + 2
    text = collected.describe(Path("ALL_DATA"))
    assert f"{len(files) + 2} files in ALL_DATA and {extra.folder.as_posix()}, " in text
    (line,) = (line for line in text.splitlines() if line.startswith(f"{NAME} "))
    assert line.split() == [NAME, "1", "4", "0"]


def test_its_pictures_can_be_corrected(read, plant) -> None:
    tree = plant({"corrections.csv": f"source,original,label\n{NAME},{NAME}/a.png,leave out\n"})
    collected = collect.read_all(SOURCES, tree, read({"a.png": PNG, "b.png": PNG}))
    assert [one.original for one in collected.records] == [f"{NAME}/b.png"]
    assert [left.original for left in collected.left_out] == [f"{NAME}/a.png"]


def test_with_one_collection_less_a_table_of_it_is_not_asked_for(read, plant) -> None:
    tree = plant({"stranger.csv": "a,b\n"})
    chosen = [source for source in SOURCES if source.name != "hiba"]
    rules = [
        [left.rule for left in collect.read_all(chosen, tree, extra).left_out]
        for extra in (None, read({"a.png": PNG}))
    ]
    assert rules[0] == rules[1]


def test_the_name_is_kept_free(read, plant) -> None:
    assert OTHER_EXTRA.name not in NAMES
    tree = plant({f"{NAME}/a.png": PNG})
    assert collect.read_all(SOURCES, tree).records == []
    with pytest.raises(SettingsError, match=f"ALL_DATA/{NAME} has the name under which"):
        collect.read_all(SOURCES, tree, read({"a.png": PNG}))


class TestRefused:
    @pytest.fixture(autouse=True)
    def places(self, tmp_path: Path) -> None:
        for name in ("ALL_DATA", "DATASET"):
            (tmp_path / name).mkdir()

    def refused(self, read: Callable[..., Extra], *arguments: object) -> str:
        with pytest.raises(SettingsError) as caught:
            read(*arguments)
        return str(caught.value)

    def test_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        for name, words in (("nowhere", "there is no folder"), ("file", "file is a file")):
            line = self.refused(read_extra, tmp_path / name, Path("ALL_DATA"), Path("D"), None)
            assert line.startswith("--other-extra: ")
            assert words in line
            assert "Expected a folder of its own with pictures that are not medical." in line

    @pytest.mark.parametrize("files", [{}, {"notes.txt": b"x"}, {"a_mask.png": PNG, "a.txt": b"x"}])
    def test_no_picture(self, read, tmp_path: Path, files: dict[str, bytes]) -> None:
        line = self.refused(read, files)
        assert line.startswith(
            f"--other-extra: {tmp_path / 'own'} holds no picture that can be used. Expected "
        )

    @pytest.mark.parametrize("place", ["ALL_DATA", "DATASET"])
    def test_a_folder_inside_another_place(self, read, tmp_path: Path, place: str) -> None:
        for folder, relation in (
            (tmp_path / place / "own", "lies in"), (tmp_path / place, "lies in"),
            (tmp_path, "holds"),
        ):  # fmt: skip
            line = self.refused(read, {"own.png": PNG}, folder)
            assert f"--other-extra: {folder} {relation} the " in line
            assert line.endswith("Move it elsewhere.")

    @pytest.mark.parametrize("link", ["a.png", "pictures"])
    def test_a_link_that_leads_there(self, read, tmp_path: Path, link: str) -> None:
        inside = tmp_path / "ALL_DATA" / link
        inside.mkdir() if link == "pictures" else inside.write_bytes(PNG)
        (tmp_path / "own").mkdir()
        os.symlink(inside, tmp_path / "own" / link)
        line = self.refused(read, {"b.png": PNG})
        assert f"--other-extra: {tmp_path / 'own' / link} lies in the folder of the coll" in line

    def test_a_folder_that_cannot_be_listed(
        self, read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scandir = os.scandir

        def shut(path: str) -> object:
            if str(path).endswith("shut"):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", shut)
        with pytest.raises(SourceError, match=r"own/shut cannot be listed \(Permission denied\)"):
            read({"shut/a.png": PNG})


class TestWhatWasUnpacked:
    """Of archives without random access, for as long as the folder is named."""

    @pytest.fixture
    def state(self, tmp_path: Path) -> Path:
        folder, state = tmp_path / "own", tmp_path / "DATASET" / ".state"
        folder.mkdir()
        (folder / "more.tar.gz").write_bytes(tarred({"a.png": PNG}, "w:gz"))
        extra = read_extra(folder, tmp_path / "ALL_DATA", tmp_path / "DATASET", state)
        assert [len(place.read()) for place in extra.members.values()] == [len(PNG)]
        assert len(list((state / NAME / "unpacked").iterdir())) == 1
        return state

    def test_it_is_removed_without_the_folder(self, state: Path) -> None:
        forget_extra(None)
        assert (state / NAME).exists()
        for _ in range(2):
            forget_extra(state)
            assert [path.name for path in state.iterdir()] == ["lock"]

    def test_not_while_another_run_writes_there(self, state: Path) -> None:
        with FileLock(state / "lock"), pytest.raises(OutputError, match="Another create_dataset"):
            forget_extra(state)
        assert (state / NAME).exists()

    @pytest.mark.parametrize("link", ["", NAME, f"{NAME}/unpacked"])
    def test_nothing_is_removed_through_a_link(
        self, state: Path, tmp_path: Path, link: str
    ) -> None:
        (state / link).rename(tmp_path / "elsewhere")
        try:
            (state / link).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        except OSError:
            pytest.skip("no links here")
        before = sorted(tmp_path.joinpath("elsewhere").rglob("*"))
        with contextlib.nullcontext() if "/" in link else pytest.raises(OutputError, match="link"):
            forget_extra(state)
        assert sorted(tmp_path.joinpath("elsewhere").rglob("*")) == before
