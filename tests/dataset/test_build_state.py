"""An unchanged data set is known at once; any change of what went in or lies there is noticed."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from utils.common.disk.location import Location
from utils.common.disk.stamps import HAS_CHANGE_TIME
from utils.common.limits import MAX_FILE_BYTES
from utils.dataset.images.prepare import PictureJob, Prepared, prepare_picture
from utils.dataset.settings import DatasetSettings
from utils.dataset.update import update_dataset
from utils.sources.record import LeftOut, Record

UP_TO_DATE = "No picture written"
NEEDS_CHANGE_TIME = pytest.mark.skipif(not HAS_CHANGE_TIME, reason="--verify alone finds it here")


@pytest.fixture
def made(tmp_path: Path, small_all_data) -> tuple[DatasetSettings, list[Record]]:
    """Return the settings and the records of a data set that was assembled."""
    root, records = small_all_data
    shutil.copytree(root, tmp_path / "ALL_DATA")
    settings = DatasetSettings(
        str(tmp_path / "ALL_DATA"), str(tmp_path / "DATASET"), workers=1, image_size=32, min_size=32
    )
    assert "pictures written" in update_dataset(records, [], settings)
    return settings, records


def test_the_second_run_looks_at_no_picture_and_says_the_same(made, monkeypatch) -> None:
    settings, records = made
    monkeypatch.setattr("utils.dataset.update.assemble", None)
    summary = update_dataset(records, [], settings)
    assert UP_TO_DATE in summary
    assert "No pair across splits: nothing leaks." in summary
    assert UP_TO_DATE in update_dataset(records, [], replace(settings, workers=2))


def test_every_change_is_noticed_and_mended(made, snapshot, monkeypatch) -> None:
    settings, records = made
    output, original = Path(settings.output), Path(settings.all_data) / records[0].original
    picture = next(output.glob("train/*/*.jpg"))

    def touch() -> None:
        os.utime(original, (1, 1))

    def cut() -> None:
        picture.write_bytes(picture.read_bytes()[:-1])

    expected = snapshot(output)
    tables = [path.unlink for path in output.iterdir() if path.is_file()]
    assert len(tables) == 6
    for change in (touch, cut, picture.unlink, *tables):
        change()
        with monkeypatch.context() as patch:
            patch.setattr("utils.dataset.update.assemble", None)
            with pytest.raises(TypeError):  # so it is not taken for unchanged
                update_dataset(records, [], settings)
        update_dataset(records, [], settings)
        assert snapshot(output) == expected


def test_other_records_rules_and_settings_are_noticed(made) -> None:
    settings, records = made
    assert UP_TO_DATE not in update_dataset(records[1:], [], settings)
    assert UP_TO_DATE not in update_dataset(records, [], settings)
    assert UP_TO_DATE not in update_dataset(records, [], replace(settings, image_size=48))
    left_out = [LeftOut("made", "notes.txt", "no picture")]
    assert "left out by a rule" in update_dataset(records, left_out, settings)


def keep_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no stamp tell anything, as on a disk that sets all times back."""
    for place in ("utils.common.disk.location.stamp_of", "utils.common.disk.stamps.stamp_of"):
        monkeypatch.setattr(place, lambda found: (found.st_size, 0, 0, 0))


def spoil(path: Path) -> None:
    """Change bytes in the middle of a file and set its time back."""
    found, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@NEEDS_CHANGE_TIME
@pytest.mark.parametrize("which", ["original", "picture"])
def test_a_file_that_was_swapped_with_its_size_and_time_kept_is_noticed(
    made, snapshot, which: str
) -> None:
    settings, records = made
    output = Path(settings.output)
    before = snapshot(output)
    original = Path(settings.all_data) / records[0].original
    whole = original.read_bytes()
    spoil(original if which == "original" else next(output.glob("test/*/*.jpg")))
    answer = update_dataset(records, [], settings)
    assert UP_TO_DATE not in answer
    if which == "original":
        assert snapshot(output) != before
        original.write_bytes(whole)
        update_dataset(records, [], settings)
    assert snapshot(output) == before


def test_an_unusable_original_is_read_again_whatever_its_stamp(made, snapshot, monkeypatch) -> None:
    settings, records = made
    original = Path(settings.all_data) / records[0].original
    before, whole = snapshot(Path(settings.output)), original.read_bytes()
    original.write_bytes(bytes(len(whole)))
    with monkeypatch.context() as patch:
        keep_stamp(patch)
        assert "Not usable: 1 (not an image)" in update_dataset(records, [], settings)
        assert UP_TO_DATE in update_dataset(records, [], settings)
        original.write_bytes(whole)
        assert "Not usable" not in update_dataset(records, [], settings)
    assert snapshot(Path(settings.output)) == before


def test_a_file_that_is_never_read_makes_no_further_run_a_full_one(made, monkeypatch) -> None:
    settings, records = made
    original = Path(settings.all_data) / records[0].original
    with original.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    told = "Not usable: 1 (too large)"
    lines = update_dataset(records, [], settings).splitlines()
    assert told in lines
    monkeypatch.setattr("utils.dataset.update.assemble", None)
    lines = update_dataset(records, [], settings).splitlines()
    assert told in lines
    assert UP_TO_DATE in lines[-1]


def test_another_version_of_an_optional_decoder_reads_its_pictures_again_and_no_others(
    made, snapshot, make_picture, monkeypatch
) -> None:
    heif = pytest.importorskip("pillow_heif")
    settings, records = made
    heif.from_pillow(make_picture(7)).save(Path(settings.all_data) / "a.jpg")  # so phones export
    records = [*records, Record("made", "a.jpg", "made/a.jpg", "PAN", "made/a.jpg")]
    update_dataset(records, [], settings)
    before = snapshot(Path(settings.output))
    read: list[str] = []

    def prepare(job: PictureJob) -> Prepared:
        read.append(Path(job.original.path).name)
        return prepare_picture(job)

    monkeypatch.setattr("utils.dataset.images.collected.prepare_picture", prepare)
    for version, expected in (("", []), ("pillow-heif 999", ["a.jpg"]), ("pillow-heif 999", [])):
        read.clear()
        for module in ("utils.dataset.images.prepare", "utils.common.reading.formats"):
            monkeypatch.setattr(f"{module}.with_version", lambda _, version=version: version)
        assert UP_TO_DATE in update_dataset(records, [], settings)
        assert read == expected
    assert snapshot(Path(settings.output)) == before


def test_an_altered_state_is_none(made, monkeypatch) -> None:
    settings, records = made
    state = Path(settings.output) / ".state" / "build_state.json"
    whole = state.read_text()
    for content in (
        *("", "[]", "null", "[" * 100_000, "{", '{"checksum": 1}'),
        *(whole.replace("nothing leaks", "all is well"), whole.replace('"inputs": "', '"x": "')),
    ):
        state.write_text(content)
        assert "nothing leaks" in update_dataset(records, [], settings)
        assert state.read_text() == whole


class TestVerify:
    def test_nothing_was_changed(self, made, snapshot) -> None:
        settings, records = made
        before = snapshot(Path(settings.output))
        answer = update_dataset(records, [], replace(settings, verify=True))
        num_pictures = sum(path.endswith(".jpg") for path in before)
        assert answer.splitlines()[-3:] == [
            f"Verified: {len(records)} originals and {num_pictures} pictures were hashed.",
            "Nothing was changed since.",
            f"{UP_TO_DATE}: {settings.output} is up to date ({num_pictures} pictures).",
        ]
        assert snapshot(Path(settings.output)) == before

    def test_what_no_stamp_tells_is_found_named_and_made_again(
        self, made, snapshot, monkeypatch
    ) -> None:
        settings, records = made
        output, original = Path(settings.output), Path(settings.all_data) / records[0].original
        before, whole = snapshot(output), original.read_bytes()
        keep_stamp(monkeypatch)
        update_dataset(records, [], settings)  # with the stamps of now on
        harmed = sorted(output.glob("train/*/*.jpg"))[1:4]
        for path in (original, *harmed[:2], output / "contact_sheet.png"):
            spoil(path)
        harmed[2].unlink()
        spoilt = snapshot(output)
        dry = update_dataset(records, [], replace(settings, verify=True, dry_run=True))
        names = ", ".join(path.relative_to(output).as_posix() for path in harmed)
        assert (
            "1 originals are no longer what was read and would be read again: "
            f"{records[0].original}.\n"
            "3 pictures are no longer what was written and would be made again: "
            f"{names}.\n"
            "1 other files are no longer what was written and would be written again: "
            "contact_sheet.png.\n"
        ) in dry
        assert snapshot(output) == spoilt
        answer = update_dataset(records, [], replace(settings, verify=True))
        assert f"and were read again: {records[0].original}." in answer
        assert f"and were made again: {names}." in answer
        original.write_bytes(whole)
        update_dataset(records, [], replace(settings, verify=True))
        assert snapshot(output) == before

    def test_it_is_no_part_of_what_decides_on_the_data_set(self, made) -> None:
        settings, records = made
        update_dataset(records, [], replace(settings, verify=True))
        assert UP_TO_DATE in update_dataset(records, [], settings)

    def test_what_a_limit_left_aside_was_never_read(self, made, snapshot) -> None:
        settings, records = made
        few = replace(settings, limit=1)
        update_dataset(records, [], replace(few, fresh=True))
        before = snapshot(Path(settings.output))
        answer = update_dataset(records, [], replace(few, verify=True))
        assert "Nothing was changed since." in answer.splitlines()
        assert snapshot(Path(settings.output)) == before

    def test_what_a_run_wrote_that_another_may_complete_was_not_changed(
        self, made, monkeypatch
    ) -> None:
        settings, records = made
        read, locked = Location.read, str(Path(settings.all_data) / records[0].original)

        def read_others(location: Location) -> bytes:
            if location.path == locked:
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(location)

        monkeypatch.setattr(Location, "read", read_others)
        told = "Not usable: 1 (unreadable); the next run tries again"
        os.utime(locked, (1, 1))
        assert told in update_dataset(records, [], settings).splitlines()
        lines = update_dataset(records, [], replace(settings, verify=True)).splitlines()
        assert {told, "Nothing was changed since."} <= set(lines)
        monkeypatch.undo()
        assert "Not usable" not in update_dataset(records, [], settings)

    def test_a_fresh_data_set_has_nothing_to_verify(self, made) -> None:
        settings, records = made
        lines = update_dataset(records, [], replace(settings, fresh=True, verify=True)).splitlines()
        assert "Verified: 0 originals and 0 pictures were hashed." in lines
        assert "Nothing was changed since." in lines

    def test_a_first_run_has_nothing_to_verify(self, made, snapshot, tmp_path: Path) -> None:
        settings, records = made
        other = replace(settings, output_dir=str(tmp_path / "OTHER"), verify=True)
        assert "Verified: 0 originals and 0 pictures were hashed." in update_dataset(
            records, [], other
        )
        assert snapshot(Path(other.output)) == snapshot(Path(settings.output))
