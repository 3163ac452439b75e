"""An unchanged data set is known at once; any change of what went in or lies there is noticed."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from utils.dataset.build import build
from utils.dataset.settings import DatasetSettings
from utils.sources.record import LeftOut, Record

UP_TO_DATE = "No picture written"


@pytest.fixture
def made(tmp_path: Path, small_all_data) -> tuple[DatasetSettings, list[Record]]:
    """Return the settings and the records of a data set that was assembled."""
    root, records = small_all_data
    shutil.copytree(root, tmp_path / "ALL_DATA")
    settings = DatasetSettings(
        str(tmp_path / "ALL_DATA"), str(tmp_path / "DATASET"), workers=1, image_size=32
    )
    assert "pictures written" in build(records, [], settings)
    return settings, records


def test_the_second_run_looks_at_no_picture_and_says_the_same(made, monkeypatch) -> None:
    settings, records = made
    monkeypatch.setattr("utils.dataset.build.assemble", None)
    summary = build(records, [], settings)
    assert UP_TO_DATE in summary
    assert "No pair across splits: nothing leaks." in summary
    assert UP_TO_DATE in build(records, [], replace(settings, workers=2))


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
            patch.setattr("utils.dataset.build.assemble", None)
            with pytest.raises(TypeError):  # so it is not taken for unchanged
                build(records, [], settings)
        build(records, [], settings)
        assert snapshot(output) == expected


def test_other_records_rules_and_settings_break_the_seal(made) -> None:
    settings, records = made
    assert UP_TO_DATE not in build(records[1:], [], settings)
    assert UP_TO_DATE not in build(records, [], settings)
    assert UP_TO_DATE not in build(records, [], replace(settings, image_size=48))
    left_out = [LeftOut("made", "notes.txt", "no picture")]
    assert "left out by a rule" in build(records, left_out, settings)
