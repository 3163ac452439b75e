"""The benchmark of the assembly runs on a few pictures."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_many_pictures_become_four_thirds_as_many(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.speed.create_dataset", "--folder", str(tmp_path)]
    done = subprocess.run(
        [*command, "--scale", "30"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    header, row = (line.split() for line in done.stdout.splitlines()[-2:])
    assert header[0] == "originals"
    assert (row[0], row[4]) == ("30", "40")  # a LOW_QUALITY picture for three others
    assert not any(tmp_path.iterdir())
