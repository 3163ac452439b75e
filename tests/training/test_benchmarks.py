"""The benchmark scripts of training run on what is at hand."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("train_step.py", "test_resnet  float32 "),
        ("memory.py", "test_resnet  recomputed "),
    ],
)
def test_a_table_has_its_rows(script: str, said: str) -> None:
    flags = ("--quick", "--models", "test_resnet", "--device", "cpu")
    done = run(f"benchmarks/{script}", *flags)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="tells no peak there")
def test_what_keeping_freed_memory_gains_has_a_row() -> None:
    done = run("benchmarks/freed_memory.py", "--quick", "--models", "test_resnet")
    assert done.returncode == 0, done.stderr
    assert "\ntest_resnet  " in done.stdout


@pytest.mark.slow
def test_the_loader_has_a_row_for_each_kind_of_original() -> None:
    done = run("benchmarks/loader.py", "--quick")
    assert done.returncode == 0, done.stderr
    for row in ("\nJPEG 600 x 450 ", "\nJPEG 4000 x 3000 ", "\nPNG 2000 x 1500 ", "\n      2 "):
        assert row in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = run("benchmarks/gpu.py")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: PyTorch finds no CUDA device. On a CPU run each script in benchmarks/ by itself.\n"
    )
