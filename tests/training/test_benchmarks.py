"""The benchmark scripts of training run on what is at hand."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.preloaded import Preloaded
from tests.training.conftest import TINY, make_tree

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run(preloaded: Preloaded) -> Run:
    """Give a function that runs a script."""
    return preloaded.run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "more", "said"),
    [
        ("train_step", (), "test_resnet  float32 "),
        ("memory", ("--workers", "1"), "test_resnet  recomputed "),
    ],
)
def test_a_table_has_its_rows(run: Run, script: str, more: tuple[str, ...], said: str) -> None:
    flags = ("--quick", "--models", TINY, "--device", "cpu")
    done = run("-m", f"benchmarks.speed.{script}", *flags, *more)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="tells no peak there")
def test_what_keeping_freed_memory_gains_has_a_row(run: Run) -> None:
    done = run("-m", "benchmarks.speed.freed_memory", "--quick", "--models", "test_resnet")
    assert done.returncode == 0, done.stderr
    assert "\ntest_resnet  " in done.stdout


@pytest.mark.slow
def test_what_assessing_costs_is_one_ratio(run: Run, tiny_dataset: Path) -> None:
    flags = ("--model", TINY, "--input-size", "64", "--batch-size", "4", "--pairs", "3")
    done = run("-m", "benchmarks.speed.assessing_step", str(tiny_dataset), *flags)
    assert done.returncode == 0, done.stderr
    assert f"\n{TINY} at 64 pixels, batches of 4: a step that assesses" in done.stdout


@pytest.mark.slow
def test_small_maps_have_a_row_for_each_input_size_or_a_line_that_says_why_not(run: Run) -> None:
    flags = ("--model", "test_resnet", "--input-sizes", "64", "--batch-size", "2", "--pairs", "2")
    done = run("-m", "benchmarks.speed.small_maps", *flags)
    if torch.backends.cpu.get_cpu_capability() == "AVX2":
        assert done.returncode == 0, done.stderr
        assert "\n    64  " in done.stdout
    else:
        assert done.returncode == 2
        assert done.stderr.startswith("Error: Nothing of test_resnet is changed on this processor")


@pytest.mark.slow
def test_the_loader_has_a_row_for_each_kind_of_original(run: Run) -> None:
    done = run("-m", "benchmarks.speed.loader", "--quick")
    assert done.returncode == 0, done.stderr
    for row in ("\nJPEG 600 x 450 ", "\nJPEG 4000 x 3000 ", "\nPNG 2000 x 1500 ", "\n      2 "):
        assert row in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="libraries' threads never wait long there")
def test_a_busy_machine_has_a_row_for_each_way_and_all_have_the_same_weights(run: Run) -> None:
    flags = ("--quick", "--model", "test_resnet", "--workers", "1")
    done = run("-m", "benchmarks.speed.busy_machine", *flags)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[-2:]
    assert [row.split()[0] for row in rows] == ["ours", "default"]
    assert all(row.endswith(" yes") for row in rows)


@pytest.mark.slow
def test_frozen_epochs_are_timed_both_ways(run: Run, tiny_dataset: Path, tmp_path: Path) -> None:
    given = ("--data-dir", str(tiny_dataset), "--output", str(tmp_path), "--model", TINY)
    flags = ("--only", "speed", "--frozen", "2", "--rounds", "1", "--batch-size", "8")
    done = run("-m", "benchmarks.quality.less_work", *given, *flags)
    assert done.returncode == 0, done.stderr
    assert "\n2 frozen epochs of test_resnet, val included: " in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(run: Run) -> None:
    done = run("-m", "benchmarks.speed.gpu")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: PyTorch finds no CUDA device. On a CPU run each module of benchmarks/ by itself.\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends groups of processes")
def test_ours_and_a_peer_have_a_row_each_and_are_compared(run: Run) -> None:
    flags = ("--quick", "--model", TINY, "--workers", "0", "--peers", "naive", "timm")
    done = run("-m", "benchmarks.peers.compare", *flags)
    assert done.returncode == 0, done.stderr
    for row in ("\nours  ", "\nnaive  ", "\ntimm  ", "the fastest peer, takes", "the smallest: "):
        assert row in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends groups of processes")
def test_a_target_that_is_never_reached_says_so(run: Run, tmp_path: Path) -> None:
    data_dir = make_tree(tmp_path / "DATASET", (4, 1, 1))
    flags = ("--data-dir", str(data_dir), "--model", TINY, "--workers", "0", "--max-epochs", "1")
    flags += ("--peers", "torchvision", "--seeds", "0")
    done = run(
        "-m", "benchmarks.peers.time_to_accuracy", *flags, "--target", "0.01", "--batch-size", "4"
    )
    assert done.returncode == 0, done.stderr
    assert "Ours takes " in done.stdout
    done = run(
        "-m", "benchmarks.peers.time_to_accuracy", *flags, "--target", "1.01", "--batch-size", "4"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not reached") == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends groups of processes")
def test_a_peer_that_takes_too_long_is_stopped_and_its_time_so_far_counts(
    run: Run, tmp_path: Path
) -> None:
    data_dir = make_tree(tmp_path / "DATASET", (4, 1, 1))
    flags = ("--data-dir", str(data_dir), "--model", TINY, "--workers", "0", "--max-epochs", "1")
    flags += ("--peers", "torchvision", "--seeds", "0", "--target", "0.01", "--batch-size", "4")
    done = run("-m", "benchmarks.peers.time_to_accuracy", *flags, "--give-up", "0.01")
    assert done.returncode == 0, done.stderr
    assert "\ntorchvision, seed 0: > " in done.stdout
    assert " x the time of torchvision, the best peer: <= 0.5 MISSED" in done.stdout


@pytest.mark.slow
def test_trainings_at_once_are_those_one_after_another(run: Run, tmp_path: Path) -> None:
    data_dir = make_tree(tmp_path / "DATASET", (6, 2, 2))
    flags = ("--data-dir", str(data_dir), "--model", TINY, "--epochs", "2", "--seeds", "1")
    flags += ("--variants", "lr x 3")

    def train(jobs: int) -> tuple[str, list[Path]]:
        output = tmp_path / "runs"
        done = run(
            "-m",
            "benchmarks.quality.defaults",
            *flags,
            "--output",
            str(output),
            "--jobs",
            str(jobs),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, sorted(output.glob("*/*/report.json"))

    table, reports = train(2)
    assert "\nlr x 3 " in table
    before = [report.stat().st_mtime_ns for report in reports]
    reports[0].unlink()  # as if it had been cut short
    assert train(1) == (table, reports)
    assert reports[0].stat().st_mtime_ns > before[0]
    assert reports[1].stat().st_mtime_ns == before[1]


@pytest.mark.slow
def test_a_training_that_fails_names_its_log(run: Run, tmp_path: Path) -> None:
    data_dir = make_tree(tmp_path / "DATASET", (6, 2, 2))
    (data_dir / "train/DERM/0.jpg").write_bytes(b"no picture")
    flags = ("--data-dir", str(data_dir), "--model", TINY, "--epochs", "1", "--seeds", "1")
    done = run("-m", "benchmarks.quality.defaults", *flags, "--output", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert done.stderr.startswith("Error: A training failed: Error: ")
    assert "0.jpg" in done.stderr
    assert str(tmp_path / "runs/defaults-0/training.log") in done.stderr
