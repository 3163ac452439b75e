"""Several processes train as one: the same order, the same weights, each test picture once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from models.outputs import UNKNOWN
from models.preprocessing import Preprocessing
from tests.preloaded import Fork, Preloaded
from utils.common.labels import TEST, TRAIN
from utils.training.data.batches import IGNORED
from utils.training.data.loader import PictureLoader, deal, smallest_share
from utils.training.data.pictures import read_folder
from utils.training.processes.rendezvous import fresh_store

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "launch_training_test.py")
PATIENCE_S = 120
MANY_EPOCHS = 20
"""So many that a run is still at work when a signal sent after the second one reaches it."""
WITHOUT_BATCH_NORM = ("--model", "test_vit", "--patience", "0")

CommandLine = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv there")


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which gloo speaks to this computer alone."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}


@pytest.fixture
def launch(environment: dict[str, str], preloaded: Preloaded) -> Iterator[Callable[..., Fork]]:
    """Give a function that starts the script with some processes; none outlives the test."""
    if sys.platform != "linux":
        pytest.skip("torchrun is a fork")
    started: list[Fork] = []

    def start(processes: int, arguments: list[str], *flags: str) -> Fork:
        if not processes:
            started.append(preloaded.start(SCRIPT, *arguments, env=environment))
            return started[-1]
        own_port = () if any("rdzv" in flag for flag in flags) else ("--standalone",)
        words = (f"--nproc-per-node={processes}", *own_port, *flags, SCRIPT, *arguments)
        started.append(preloaded.torchrun(*words, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def finish(process: Fork, code: int = 0) -> str:
    said = "".join(process.communicate(timeout=PATIENCE_S))
    assert process.returncode == code, said
    return said


def state(run: Path) -> dict:
    return torch.load(run / "last.pt", weights_only=True)


def largest_difference(one: Path, other: Path) -> float:
    weights, others = (state(run)["weights"] for run in (one, other))
    return max(float((weights[name] - others[name]).abs().max()) for name in weights)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9])
@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_dealing_gives_each_picture_to_one_process(size: int, processes: int) -> None:
    group = tuple(range(size))
    shares = [deal(group, rank, processes) for rank in range(processes)]
    busy = [share for share, is_idle in shares if not is_idle]
    assert sorted(index for share in busy for index in share) == list(group)
    assert all(len(share) >= min(2, size) for share, _ in shares)
    assert max(map(len, busy)) - min(map(len, busy)) <= 1
    assert min(len(share) for share, _ in shares) == smallest_share(size, processes)


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_the_stream_of_batches_is_that_of_one_process_dealt_out(
    tiny_dataset: Path, small_preprocessing: Preprocessing, processes: int
) -> None:
    def loader(rank: int, size: int) -> PictureLoader:
        pictures = read_folder(tiny_dataset)
        return PictureLoader(pictures, small_preprocessing, 7, 0, 0, rank=rank, num_processes=size)

    whole = loader(0, 1)
    shares = [loader(rank, processes).training_batches(2) for rank in range(processes)]
    for batch, *dealt in zip(whole.training_batches(2), *shares, strict=True):
        busy = [share for share in dealt if not (share.labels == IGNORED).any()]
        whole_again = batch.map(torch.empty_like)
        for rank, share in enumerate(busy):
            own = share.pixels, share.labels, share.targets
            for tensor, part in zip(whole_again.tensors(), own, strict=True):
                tensor[rank :: len(busy)] = part
        assert all(map(torch.equal, whole_again.tensors(), batch.tensors()))
        assert all(torch.equal(share.all_labels, batch.labels) for share in dealt)
        assert all(torch.equal(share.all_targets, batch.targets) for share in dealt)
        idle = [share for share in dealt if (share.labels == IGNORED).any()]
        assert all((share.targets == UNKNOWN).all() for share in idle)


def test_evaluation_is_dealt_out_in_equally_many_rounds(
    tiny_dataset: Path, small_preprocessing: Preprocessing
) -> None:
    pictures = read_folder(tiny_dataset)
    positions = range(len(pictures.splits[TEST]))
    rounds = [
        list(
            PictureLoader(
                pictures, small_preprocessing, 9, 0, 0, rank=rank, num_processes=4
            ).dealt_batches(TEST, positions)
        )
        for rank in range(4)
    ]
    assert len({len(batches) for batches in rounds}) == 1
    assert sum(len(b.labels) for batches in rounds for b in batches if b) == len(positions)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [(), ("--grad-accum-steps", "2", "--freeze-epochs", "1", "--epochs", "4", "--ema", "0.9")],
)
def test_two_processes_train_as_one_with_the_doubled_batch(
    command_line: CommandLine, launch, preloaded: Preloaded, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Twenty steps in float32, without batch norm; 15 test pictures are an odd number."""
    shared = (*WITHOUT_BATCH_NORM, "--epochs", "5", "--lr", "1e-4", *more)
    both = launch(2, command_line(tmp_path / "two", *shared, "-b", "3"))
    lone = preloaded.run(SCRIPT, *command_line(tmp_path / "one", *shared, "-b", "6"))
    assert lone.returncode == 0, lone.stdout + lone.stderr
    said = finish(both)
    assert said.count("Test accuracy:") == 1
    one, two = (tmp_path / name / "test_vit-1" for name in ("one", "two"))
    assert state(two)["facts"]["processes"] == 2
    assert state(one)["progress"]["epoch"] == state(two)["progress"]["epoch"] == 5
    difference = largest_difference(one, two)
    print(f"largest weight difference {more}: {difference:.1e}")
    assert difference <= 1e-4
    answers = [(run / "predictions.csv").read_text().splitlines() for run in (one, two)]
    names = [[row.split(",")[0] for row in rows] for rows in answers]
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0])
    banks = [load_file(run / "best.safetensors")["novelty.bank"].float() for run in (one, two)]
    torch.testing.assert_close(*banks, atol=1e-2, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, 2)])
def test_a_run_goes_on_with_another_number_of_processes(
    command_line: CommandLine, launch, tmp_path: Path, before: int, after: int
) -> None:
    size = ("-b", "4" if before else "8")
    shared = (*WITHOUT_BATCH_NORM, "--lr", "1e-4", *size)
    epochs = ("--epochs", str(MANY_EPOCHS))
    finish(launch(before, command_line(tmp_path / "whole", *shared, *epochs)))
    part = launch(before, command_line(tmp_path / "part", *shared, *epochs))
    run = tmp_path / "part" / "test_vit-1"
    wait_for_epoch(part, run, 2)
    part.send_signal(signal.SIGTERM)
    part.communicate(timeout=PATIENCE_S)
    assert not (run / "report.json").exists()
    finish(launch(after, ["--resume", str(run), "-j", "0"]))
    assert state(run)["progress"]["epoch"] == MANY_EPOCHS
    assert largest_difference(tmp_path / "whole" / "test_vit-1", run) <= 1e-4


@pytest.mark.slow
def test_of_three_processes_a_stopped_run_ends_with_the_same_bits(
    command_line: CommandLine, launch, tmp_path: Path
) -> None:
    """Two numbers have one sum, three have several: it matters in which order they are added."""
    shared = (*WITHOUT_BATCH_NORM, "-b", "3", "--epochs", str(MANY_EPOCHS))
    finish(launch(3, command_line(tmp_path / "whole", *shared)))
    part = launch(3, command_line(tmp_path / "part", *shared))
    run = tmp_path / "part" / "test_vit-1"
    wait_for_epoch(part, run, 2)
    part.send_signal(signal.SIGTERM)
    part.communicate(timeout=PATIENCE_S)
    assert not (run / "report.json").exists()
    finish(launch(3, ["--resume", str(run)]))
    assert largest_difference(tmp_path / "whole" / "test_vit-1", run) == 0


def wait_for_epoch(process: Fork, run: Path, epoch: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (run / "last.pt").exists() or state(run)["progress"]["epoch"] < epoch:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the run does not come on"
        time.sleep(0.1)  # reading the state takes time from those that train


@pytest.mark.slow
def test_a_killed_process_ends_the_others_with_one_line(
    command_line: CommandLine, launch, tmp_path: Path
) -> None:
    process = launch(2, command_line(tmp_path, "--epochs", "500"))
    wait_for_epoch(process, tmp_path / "test_resnet-1", 1)
    os.kill(process.workers()[1], signal.SIGKILL)
    started = time.monotonic()
    said = "".join(process.communicate(timeout=PATIENCE_S))
    assert process.returncode != 0
    assert time.monotonic() - started < 60
    assert said.partition("ChildFailedError")[0].count("Traceback") == 1  # torchrun's own


@pytest.mark.slow
def test_after_a_kill_torchrun_goes_on_by_itself(
    command_line: CommandLine, launch, tmp_path: Path
) -> None:
    arguments = command_line(tmp_path, *WITHOUT_BATCH_NORM, "--epochs", str(MANY_EPOCHS))
    process = launch(2, arguments, "--max-restarts=2")
    run = tmp_path / "test_vit-1"
    wait_for_epoch(process, run, 2)
    os.kill(process.workers()[0], signal.SIGKILL)
    said = finish(process)
    assert f"Restarted: continuing {run}." in said
    assert [folder.name for folder in tmp_path.iterdir() if folder.name[0] != "."] == [run.name]
    assert state(run)["progress"]["epoch"] == MANY_EPOCHS
    assert not list((tmp_path / ".jobs").iterdir())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_after_a_computer_is_lost_the_others_go_on_by_themselves(
    command_line: CommandLine, launch, tmp_path: Path
) -> None:
    """Two agents, as on two computers; the second and its process die."""
    arguments = command_line(tmp_path, *WITHOUT_BATCH_NORM, "--epochs", str(MANY_EPOCHS))
    meeting = (
        "--nnodes=1:2", "--max-restarts=3", "--rdzv-id=job", "--rdzv-backend=c10d",
        f"--rdzv-endpoint=127.0.0.1:{free_port()}",
        "--rdzv-conf=last_call_timeout=5,keep_alive_interval=1,keep_alive_max_attempt=3",
    )  # fmt: skip
    agents = [launch(1, arguments, *meeting)]
    time.sleep(1)  # the first one is then the host of the meeting
    agents.append(launch(1, arguments, *meeting))
    run = tmp_path / "test_vit-1"
    wait_for_epoch(agents[0], run, 2)
    lost = agents[1].workers()
    agents[1].kill()
    for worker in lost:
        os.kill(worker, signal.SIGKILL)
    said = finish(agents[0]) + "".join(agents[1].communicate())
    assert f"Restarted: continuing {run}." in said
    assert state(run)["progress"]["epoch"] == MANY_EPOCHS
    assert state(run)["facts"]["processes"] == 2
    report = json.loads((run / "report.json").read_text())
    assert report["processes_at_the_end"] == 1


def test_a_meeting_is_not_led_astray_by_what_is_left_of_one_before() -> None:
    store = dist.HashStore()
    for _ in range(3):
        with ThreadPoolExecutor(3) as pool:
            parts = list(pool.map(lambda rank: fresh_store(store, rank, 3), range(3)))
        assert not parts[2].check(["address"])
        parts[1].set("address", "here")
        assert parts[0].get("address") == parts[2].get("address") == b"here"


def test_a_meeting_does_not_wait_for_ever() -> None:
    with pytest.raises(dist.DistStoreError):
        fresh_store(dist.HashStore(), 0, 2, timedelta(milliseconds=50))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_sigterm_to_any_process_saves_the_state_once(
    command_line: CommandLine, launch, tmp_path: Path, rank: int
) -> None:
    process = launch(2, command_line(tmp_path, "--epochs", "500"))
    wait_for_epoch(process, tmp_path / "test_resnet-1", 1)
    os.kill(process.workers()[rank], signal.SIGTERM)
    said = "".join(process.communicate(timeout=PATIENCE_S))
    assert said.count("Stopped. Go on with:") == 1
    assert "exitcode  : 143" in said
    report = tmp_path / "test_resnet-1" / "settings.json"
    assert json.loads(report.read_text())["processes"] == 2


@pytest.mark.slow
def test_a_mistake_is_told_once(environment: dict[str, str], tmp_path: Path) -> None:
    """Torchrun as a user starts it, in new processes."""
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")
    flags = ("--data-dir", str(tmp_path / "nowhere"), "-b", "4", "-j", "0")
    done = subprocess.run(
        [sys.executable, *torchrun, SCRIPT, *flags], env=environment, capture_output=True,
        stdin=subprocess.DEVNULL, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.stdout + done.stderr).count("Error: There is no folder") == 1
    assert done.returncode != 0


def test_the_rate_is_scaled_only_where_that_was_asked_for(make_trainer) -> None:
    plain, linear, root = (
        make_trainer(lr_scaling=scaling) for scaling in ("none", "linear", "sqrt")
    )
    for trainer in (plain, linear, root):
        trainer.processes = 4
    assert np.isclose(linear.rate(1), 4 * plain.rate(1))
    assert np.isclose(root.rate(1), 2 * plain.rate(1))
    assert plain.loader.steps(TRAIN) > 1
