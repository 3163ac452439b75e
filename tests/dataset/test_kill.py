"""An assembly killed at any moment and run again ends as an undisturbed one."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from utils.common.disk.writing import sha256_of_file
from utils.standins.drawings import draw_all_data

ROOT = Path(__file__).resolve().parents[2]
NUM_KILLS = int(os.environ.get("SKIN_NUM_KILLS", "6"))


def command(all_data: Path, output: Path) -> list[str]:
    flags = ["--all-data", str(all_data), "--output", str(output), "--no-download"]
    return [sys.executable, str(ROOT / "create_dataset.py"), *flags, "--workers", "2"]


def fingerprint(output: Path) -> dict[str, str]:
    return {
        path.relative_to(output).as_posix(): sha256_of_file(path)
        for path in sorted(output.rglob("*"))
        if path.is_file() and ".state" not in path.parts
    }


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_the_same(tmp_path: Path) -> None:
    all_data = tmp_path / "ALL_DATA"
    draw_all_data(all_data, pictures=24, workers=2)
    started = time.monotonic()
    subprocess.run(command(all_data, tmp_path / "whole"), check=True, capture_output=True)
    seconds = time.monotonic() - started
    expected = fingerprint(tmp_path / "whole")
    rng = np.random.default_rng(0)
    tries = killed = 0
    output = tmp_path / "killed"
    while killed < NUM_KILLS and tries < 4 * NUM_KILLS:
        tries += 1
        process = subprocess.Popen(
            command(all_data, output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=seconds * rng.uniform(0.05, 0.98))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += not (output / "manifest.csv").exists()
        subprocess.run(command(all_data, output), check=True, capture_output=True)
        assert fingerprint(output) == expected
        shutil.rmtree(output)
    print(f"\n{killed} of {tries} kills came before the end; all ended the same")
    assert killed == NUM_KILLS
