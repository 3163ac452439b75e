"""A file that was repaired or swapped has another stamp, though its size and time are as before."""

import os
import shutil
from pathlib import Path

import pytest

from utils.common.disk.location import Location
from utils.common.disk.stamps import HAS_CHANGE_TIME, short_stamp, stamp_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.bmp"
    path.write_bytes(b"before")
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_an_untouched_file_keeps_its_stamp(file: Path) -> None:
    before = stamp_of(file.stat())
    file.read_bytes()
    assert stamp_of(file.stat()) == before
    assert short_stamp(file.stat()) == short_stamp(file.stat())


@pytest.mark.skipif(not HAS_CHANGE_TIME, reason="Windows tells no change time")
def test_bytes_that_were_changed_in_place_are_noticed(file: Path) -> None:
    before, facts = file.stat(), Location(str(file)).facts()
    file.write_bytes(b"after!")
    os.utime(file, ns=(10**18, 10**18))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert short_stamp(after) != short_stamp(before)
    assert Location(str(file)).facts() != facts


def test_folders_that_change_places_are_noticed(tmp_path: Path) -> None:
    for name, content in (("one", b"before"), ("two", b"after!")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.bmp").write_bytes(content)
        os.utime(tmp_path / name / "a.bmp", ns=(10**18, 10**18))
    place = Location(str(tmp_path / "one" / "a.bmp"))
    before = place.facts()
    for old, new in (("one", "three"), ("two", "one"), ("three", "two")):
        (tmp_path / old).rename(tmp_path / new)
    assert place.facts() != before


def test_a_copy_is_only_looked_at_again(file: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy2(file, tmp_path / "copy.bmp"))
    assert short_stamp(copy.stat()) != short_stamp(file.stat())
    assert Location(str(copy)).content_hash() == Location(str(file)).content_hash()


def test_what_cannot_be_read_has_neither(tmp_path: Path) -> None:
    nowhere = Location(str(tmp_path / "nowhere"))
    assert (nowhere.facts(), nowhere.content_hash()) == ((0, 0), b"")
