"""The file for SLURM is sound, and would run what the README says."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from utils.training.settings import read_settings

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "train.slurm"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def test_bash_can_read_it() -> None:
    subprocess.run(["bash", "-n", str(FILE)], check=True)


def test_in_dry_mode_it_tells_a_command_that_the_script_understands() -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLURM")},
        "DRY_RUN": "1", "SLURM_JOB_NUM_NODES": "3", "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_ID": "77",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", str(FILE), "--model", "vit", "-b", "64", "--output-dir", "a folder"],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    command = shlex.split(done.stdout)
    script = command.index("launch_training_test.py")
    assert {"--nnodes=3", "--nproc-per-node=2", "--rdzv-id=77"} <= set(command[:script])
    settings, _ = read_settings(command[script + 1 :])
    assert (settings.model, settings.batch_size, settings.output_dir) == ("vit", 64, "a folder")
