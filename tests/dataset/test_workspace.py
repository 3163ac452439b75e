"""The output folder is locked, keeps what is finished, and touches nothing that is not its own."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.errors import DatasetError, OutputError
from utils.dataset.output.manifest import MANIFEST_NAME, read_manifest
from utils.dataset.output.workspace import STATE_NAME, Workspace
from utils.sources.files.tree import FileTree


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys of all results as they are noted."""
    keys: list[str] = []
    note = Workspace.note

    def counted(self: Workspace, results) -> None:
        results = list(results)
        keys.extend(result.key for result in results)
        note(self, results)

    monkeypatch.setattr(Workspace, "note", counted)
    return keys


@pytest.fixture
def made(tmp_path: Path, build, small_all_data) -> Path:
    """Return a finished data set."""
    build(tmp_path / "DATASET", *small_all_data)
    return tmp_path / "DATASET"


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.jpg") if STATE_NAME not in path.parts)


class TestLock:
    def test_a_second_one_on_the_same_folder_stops_at_once(self, tmp_path: Path) -> None:
        with Workspace(tmp_path), pytest.raises(OutputError) as caught, Workspace(tmp_path):
            pass
        assert str(caught.value) == (
            f"Another create_dataset.py is writing to {tmp_path}. "
            "Wait for it to end, or choose another --output."
        )

    def test_after_the_first_has_ended_however_it_may_go_on(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), Workspace(tmp_path):
            raise RuntimeError
        with Workspace(tmp_path):
            pass

    def test_strangers_leave_it_unlocked(self, tmp_path: Path) -> None:
        (tmp_path / "train").mkdir()
        (tmp_path / "train" / "holiday.jpg").write_bytes(b"mine")
        with pytest.raises(DatasetError), Workspace(tmp_path):
            pass
        (tmp_path / "train" / "holiday.jpg").unlink()
        with Workspace(tmp_path):
            pass

    def test_a_reader_leaves_no_trace(self, tmp_path: Path) -> None:
        with Workspace(tmp_path / "DATASET", read_only=True) as workspace:
            assert workspace.prepared == {}
        assert list(tmp_path.iterdir()) == []


class TestStrangers:
    @pytest.mark.parametrize(
        "stranger", ["train/holiday.jpg", "train/PAN/me.jpg", "test/notes.txt", "val/X/a/b.png"]
    )
    def test_they_are_refused_and_left_alone(
        self, tmp_path: Path, build, small_all_data, snapshot, stranger: str
    ) -> None:
        (tmp_path / stranger).parent.mkdir(parents=True)
        (tmp_path / stranger).write_bytes(b"mine")
        with pytest.raises(DatasetError) as caught:
            build(tmp_path, *small_all_data)
        assert stranger in str(caught.value)
        assert snapshot(tmp_path) == {stranger: b"mine"}

    def test_files_beside_the_splits_are_nobody_s_business(
        self, tmp_path: Path, build, small_all_data
    ) -> None:
        (tmp_path / "notes.txt").write_bytes(b"mine")
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "holiday.jpg").write_bytes(b"mine")
        build(tmp_path, *small_all_data)
        with Workspace(tmp_path) as workspace:
            workspace.clear()
        assert (tmp_path / "notes.txt").read_bytes() == b"mine"
        assert (tmp_path / "old" / "holiday.jpg").read_bytes() == b"mine"
        assert not (tmp_path / "train").exists()

    @pytest.mark.parametrize("clutter", [".DS_Store", "Thumbs.db", "desktop.ini"])
    def test_what_a_file_browser_leaves_behind_is_no_stranger(
        self, made: Path, build, small_all_data, clutter: str
    ) -> None:
        (made / "train" / "PAN" / clutter).write_bytes(b"x")
        assert build(made, *small_all_data).is_unchanged


class TestSecondRun:
    def test_it_notes_nothing_and_writes_nothing(
        self, made: Path, build, small_all_data, noted: list[str], snapshot
    ) -> None:
        before = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}
        assembled = build(made, *small_all_data)
        assert (assembled.num_moved, assembled.num_removed, noted) == (0, 0, [])
        after = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}
        assert {p: t for p, t in after.items() if STATE_NAME not in p.parts} == {
            p: t for p, t in before.items() if STATE_NAME not in p.parts
        }

    @pytest.mark.parametrize("harm", ["change", "remove", "empty"])
    def test_a_picture_that_was_touched_is_made_again(
        self, made: Path, build, small_all_data, noted: list[str], snapshot, harm: str
    ) -> None:
        before = snapshot(made)
        victims = [pictures(made / "train" / "PAN")[0], pictures(made / "test" / "LOW_QUALITY")[0]]
        for victim in victims:
            if harm == "remove":
                victim.unlink()
            else:
                victim.write_bytes(b"" if harm == "empty" else victim.read_bytes() + b"x")
        build(made, *small_all_data)
        assert snapshot(made) == before
        assert 1 <= len(noted) <= 4  # the two, and a parent of one of them at most

    def test_a_changed_original_is_read_again(
        self, tmp_path: Path, build, small_all_data, make_picture, encode, noted: list[str]
    ) -> None:
        root, records = small_all_data
        copy = tmp_path / "ALL_DATA"
        for record in records:
            (copy / record.original).parent.mkdir(parents=True, exist_ok=True)
            (copy / record.original).write_bytes((root / record.original).read_bytes())
        build(tmp_path / "DATASET", copy, records, low_quality=0)
        noted.clear()
        (copy / records[0].original).write_bytes(encode(make_picture(999), "PNG"))
        assembled = build(tmp_path / "DATASET", copy, records, low_quality=0)
        assert (len(noted), assembled.num_moved) == (1, 1)
        build(tmp_path / "FRESH", copy, records, low_quality=0)
        assert (tmp_path / "DATASET" / MANIFEST_NAME).read_bytes() == (
            tmp_path / "FRESH" / MANIFEST_NAME
        ).read_bytes()

    def test_a_lost_manifest_is_written_again_and_no_picture(
        self, made: Path, build, small_all_data, noted: list[str], snapshot
    ) -> None:
        before = snapshot(made)
        (made / MANIFEST_NAME).unlink()
        build(made, *small_all_data)
        assert snapshot(made) == before
        assert noted == []

    @pytest.mark.parametrize("first", [{"limit": 1}, {"seed": 5}, {"low_quality": 0.0}])
    def test_what_an_earlier_run_wrote_is_taken_away(
        self, tmp_path: Path, made: Path, build, small_all_data, snapshot, first: dict[str, float]
    ) -> None:
        other = tmp_path / "OTHER"
        build(other, *small_all_data, **first)
        build(other, *small_all_data)
        assert snapshot(other) == snapshot(made)

    def test_a_name_in_other_capitals_may_be_that_of_the_same_file(
        self, tmp_path: Path, build, small_all_data, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on the disks of Windows and macOS."""
        root, records = small_all_data
        copy, output = tmp_path / "ALL_DATA", tmp_path / "DATASET"
        shutil.copytree(root, copy)
        before, after = (replace(records[0], original=f"derm/{name}.png") for name in "aA")
        (copy / records[0].original).rename(copy / before.original)
        build(output, copy, [before, *records[1:]])
        (copy / before.original).rename(copy / after.original)
        unlink = Path.unlink

        def unlink_all(path: Path, missing_ok: bool = False) -> None:
            unlink(path, missing_ok)
            for other in path.parent.glob("*.jpg"):
                if other.name.casefold() == path.name.casefold():
                    unlink(other)

        monkeypatch.setattr(Path, "unlink", unlink_all)
        build(output, copy, [after, *records[1:]])
        assert all((output / row.file).is_file() for row in read_manifest(output))

    def test_a_class_that_is_gone_leaves_no_folder(self, made: Path, build, small_all_data) -> None:
        root, records = small_all_data
        rest = [record for record in records if record.label != "PAN"]
        build(made, root, rest, allow_empty=True)
        assert not list(made.glob("*/PAN"))
        assert list(made.glob("*/OTHER"))


class TestJournal:
    def journal(self, folder: Path) -> Path:
        (path,) = (folder / STATE_NAME).glob("*.jsonl")
        return path

    @pytest.mark.parametrize("cut", [1, 20, 150])
    def test_a_torn_last_line_costs_its_picture_only(
        self, made: Path, build, small_all_data, noted: list[str], snapshot, cut: int
    ) -> None:
        before = snapshot(made)
        journal = self.journal(made)
        content = journal.read_bytes()
        journal.write_bytes(content[:-cut])
        build(made, *small_all_data)
        assert snapshot(made) == before
        assert len(noted) <= 2
        noted.clear()
        build(made, *small_all_data)
        assert noted == []

    @pytest.mark.parametrize(
        "line", [b'{"key":"x","unknown":1}\n', b"\x00\x00\x00\n", b"\n", b"[]\n", b'{"key":"cut']
    )
    def test_a_foreign_or_spoilt_line_is_passed_over(
        self, made: Path, build, small_all_data, line: bytes
    ) -> None:
        journal = self.journal(made)
        journal.write_bytes(line + (b"" if line.endswith(b"\n") else b"\n") + journal.read_bytes())
        assert build(made, *small_all_data).is_unchanged

    def test_a_lost_journal_costs_time_and_nothing_else(
        self, made: Path, build, small_all_data, snapshot
    ) -> None:
        before = snapshot(made)
        self.journal(made).unlink()
        build(made, *small_all_data)
        assert snapshot(made) == before

    def test_what_very_many_say_alike_is_held_once(self, made: Path) -> None:
        """From the journal as from another process."""
        noted = list(Workspace(made).prepared.values())
        sent = [pickle.loads(pickle.dumps(result)) for result in noted]
        assert sent == noted
        jpegs = [one for one in noted + sent if one.original_format == "JPEG"]
        assert len(jpegs) > 2
        assert len({id(one.original_format) for one in jpegs}) == 1
        assert {one.original_tables for one in jpegs} == {"1858 2780"}  # of quality 75
        assert len({id(one.original_tables) for one in jpegs}) == 1


class TestLinks:
    """Nothing outside the folder is written, removed or cut, whatever links are planted in it."""

    @pytest.fixture
    def private(self, tmp_path: Path, made: Path) -> Path:
        folder = tmp_path / "private"
        folder.mkdir()
        (folder / "diary.txt").write_bytes(b"line without end")
        (folder / ".half.7.partial").write_bytes(b"mine")
        for picture in pictures(made / "train" / "PAN"):
            (folder / picture.name).write_bytes(b"mine")
        try:
            os.symlink(folder, tmp_path / "link")
        except OSError:
            pytest.skip("links need a right here")
        return folder

    def assert_refused(self, made: Path, private: Path, build, small_all_data, snapshot) -> str:
        before = snapshot(private)
        lines = []
        for wanted in ({}, {"limit": 1}):
            with pytest.raises((OutputError, DatasetError)) as caught:
                build(made, *small_all_data, **wanted)
            lines.append(str(caught.value))
        with pytest.raises((OutputError, DatasetError)), Workspace(made) as workspace:
            workspace.clear()
        assert snapshot(private) == before
        return lines[0]

    @pytest.mark.parametrize("place", [".state", ".state/staged", ".state/staged/0f"])
    def test_folders_of_the_working_state(
        self, made: Path, private: Path, build, small_all_data, snapshot, place: str
    ) -> None:
        if place == ".state":
            (made / place).rename(made / "old")
        (made / place).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(private, made / place)
        line = self.assert_refused(made, private, build, small_all_data, snapshot)
        assert line == (
            f"{made / place} is a link, and what lies behind it is not this script's. Expected a "
            "file or folder that this script wrote. Remove the link."
        )

    @pytest.mark.parametrize("place", [".state", ".state/unpacked", ".state/lock"])
    def test_where_archives_are_unpacked(
        self, made: Path, private: Path, small_all_data, snapshot, place: str
    ) -> None:
        """What is stale there is removed."""
        before = snapshot(private)
        (made / ".state" / "lock").unlink(missing_ok=True)
        if place == ".state":
            (made / ".state").rename(made / "old")
        os.symlink(private, made / place)
        with pytest.raises(OutputError, match="is a link, and what lies behind it"):
            FileTree.scan(small_all_data[0], made / ".state")
        assert snapshot(private) == before

    @pytest.mark.parametrize("name", ["prepared.jsonl", "lock", "build_state.json"])
    def test_files_of_the_working_state(
        self, made: Path, private: Path, build, small_all_data, snapshot, name: str
    ) -> None:
        (made / ".state" / name).unlink(missing_ok=True)
        os.symlink(private / "diary.txt", made / ".state" / name)
        line = self.assert_refused(made, private, build, small_all_data, snapshot)
        assert line.startswith(f"{made / '.state' / name} is a link")

    @pytest.mark.parametrize("place", ["train", "train/PAN", "val/mine", "train/PAN/deeper"])
    def test_folders_of_pictures(
        self, made: Path, private: Path, build, small_all_data, snapshot, place: str
    ) -> None:
        if (made / place).exists():
            (made / place).rename(made / "old")
        os.symlink(private, made / place)
        line = self.assert_refused(made, private, build, small_all_data, snapshot)
        assert f"holds 1 files that this script did not write ({place})" in line

    def test_pictures(self, made: Path, private: Path, build, small_all_data, snapshot) -> None:
        picture = pictures(made / "train" / "PAN")[0]
        picture.unlink()
        os.symlink(private / picture.name, picture)
        line = self.assert_refused(made, private, build, small_all_data, snapshot)
        assert f"did not write (train/PAN/{picture.name})" in line

    def test_what_is_written_replaces_a_link_and_does_not_follow_it(
        self, made: Path, private: Path, build, small_all_data, snapshot
    ) -> None:
        before, untouched = snapshot(made), snapshot(private)
        for name in (MANIFEST_NAME, "rejected.csv", "leak_report.json", "contact_sheet.png"):
            (made / name).unlink()
            os.symlink(private / "diary.txt", made / name)
        os.symlink(private / "diary.txt", made / f".{MANIFEST_NAME}.{os.getpid()}.partial")
        build(made, *small_all_data)
        assert snapshot(private) == untouched
        (made / "contact_sheet.png").unlink()
        build(made, *small_all_data)
        assert snapshot(made) == before
        assert snapshot(private) == untouched


class TestCopies:
    def test_a_copy_of_a_data_set_is_hashed_and_not_made_again(
        self, tmp_path: Path, made: Path, build, small_all_data, noted: list[str], snapshot
    ) -> None:
        copy = tmp_path / "COPY"
        shutil.copytree(made, copy)
        for picture in pictures(copy):
            os.utime(picture, ns=(1, 1))
        assembled = build(copy, *small_all_data)
        assert (assembled.num_moved, assembled.num_removed, noted) == (0, 0, [])
        assert snapshot(copy) == snapshot(made)

    def test_pictures_that_changed_places_are_made_again(
        self, made: Path, build, small_all_data, snapshot
    ) -> None:
        before = snapshot(made)
        one, other, *_ = pictures(made / "train" / "PAN")
        third = made / "third"
        for old, new in ((one, third), (other, one), (third, other)):
            old.rename(new)
        build(made, *small_all_data)
        assert snapshot(made) == before
