"""The two benchmark scripts run on what is at hand."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from utils.quality.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> str:
    words = [str(argument) for argument in arguments]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sheet_of_two_kinds(tmp_path: Path, textures: list[np.ndarray]) -> None:
    for i, texture in enumerate(textures):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), texture)
    sheet = tmp_path / "sheet.png"
    printed = run(
        "-m", "benchmarks.tools.degradation_sheet", tmp_path, sheet, "--kinds", "haze", "glare"
    )
    assert "2 kinds, severities 0-5, 4 parents" in printed
    assert cv2.imread(str(sheet)).shape == (2 * (24 + 450), 6 * 450, 3)


def test_speed_table_has_a_row_per_kind() -> None:
    printed = run("-m", "benchmarks.speed.degrade", "--pictures", 4, "--rounds", 2)
    for name in KINDS:
        assert f"\n{name} " in printed
    assert "a random draw costs" in printed
