"""A temporary folder is gone after its process, even if that was killed."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from utils.common.disk.scratch import scratch_folder

ROOT = Path(__file__).parents[2]
MAKE = "from utils.common.disk.scratch import scratch_folder; print(scratch_folder('made-')); "


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def run(place: Path, then: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", f"import os, tempfile; tempfile.tempdir = {str(place)!r}; "
         f"{MAKE}{then}"],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return Path(done.stdout.strip())


def test_it_goes_with_its_process(place: Path) -> None:
    folder = run(place, "pass")
    assert folder.parent == place and not folder.exists()


def test_what_a_killed_process_left_is_swept_by_the_next(place: Path) -> None:
    left = run(place, "import sys; sys.stdout.flush(); os._exit(9)")
    assert left.is_dir()
    (left / "content").write_bytes(b"x")
    (place / "made-by-somebody-else").mkdir()
    mine = scratch_folder("made-")
    other = scratch_folder("made-")
    assert not left.exists()
    assert mine.is_dir() and other.is_dir() and mine != other
    assert (place / "made-by-somebody-else").is_dir()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_leaves_it_to_its_parent(place: Path) -> None:
    folder = scratch_folder("made-")
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    child.join()
    assert folder.is_dir()
