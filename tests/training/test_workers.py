"""A process that reads pictures may die, stop or lack memory: one line, and none stays behind."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.popen_fork import Popen
from pathlib import Path

import cv2
import pytest

import launch_training_test
from models.preprocessing import Preprocessing
from utils.common.errors import run_script
from utils.common.labels import VAL
from utils.training.data import workers
from utils.training.data.batches import Batch, BatchReader
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.data.workers import LostWorkerError, Workers, no_memory

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120
KILLED = (
    "A process that reads pictures was ended by the system (signal 9), usually because memory ran "
    "out. Take fewer --workers, or end what else uses memory; then continue with --resume."
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has signals")


@pytest.fixture
def make_loader(tiny_dataset: Path, small_preprocessing: Preprocessing):
    def make(count: int = 2) -> PictureLoader:
        return PictureLoader(read_folder(tiny_dataset), small_preprocessing, 2, count, 0)

    return make


def send(loader: PictureLoader, number: int) -> None:
    """Send a signal to one of a loader's workers."""
    os.kill(loader._workers.processes[0].pid, number)


@pytest.mark.slow
@pytest.mark.parametrize("is_between_passes", [False, True])
def test_a_killed_worker_is_one_line_and_the_others_are_ended(
    make_loader, is_between_passes: bool
) -> None:
    loader = make_loader()
    batches = loader.training_batches(0)
    next(batches)
    if is_between_passes:
        list(batches)
        batches = loader.training_batches(1)
    send(loader, signal.SIGKILL)
    with pytest.raises(LostWorkerError) as raised:
        list(batches)
    assert str(raised.value) == KILLED
    loader.close()
    assert not any(process.is_alive() for process in loader._workers.processes)


@pytest.mark.slow
def test_a_stopped_worker_is_told_and_at_last_ended(
    make_loader, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "TICK_S", 0.01)
    loader = make_loader()
    batches = loader.training_batches(0)
    next(batches)
    send(loader, signal.SIGSTOP)
    with pytest.raises(LostWorkerError) as raised:
        list(batches)
    assert str(raised.value) == (
        "No batch has come for 15 minutes: the processes that read pictures were stuck and have "
        "been ended. See whether the disk responds; then continue with --resume."
    )
    assert capsys.readouterr().err == (
        "Warning: no batch has come for 60 s: the disk is slow, or a process that reads pictures "
        "is stuck. After 15 minutes the training ends.\n"
    )
    loader.close()
    assert not any(process.is_alive() for process in loader._workers.processes)


@pytest.mark.slow
@pytest.mark.parametrize("number_of_pass", [0, 1, 2, 6])
def test_a_run_whose_worker_is_killed_goes_on_to_the_same_bits(
    command_line: Callable[..., list[str]],
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    assert_same_run: Callable[[Path, Path], None],
    number_of_pass: int,
) -> None:
    """In both epochs' training, in validation and in the test."""
    passes = iter(range(10**6))
    serve = PictureLoader._serve

    def disturbed(loader: PictureLoader, tickets: list[object]) -> Iterator[Batch]:
        is_disturbed = next(passes) == number_of_pass
        if is_disturbed:  # before a short pass, all of which may be ready after its first batch
            kill_all(loader)
        for batch in serve(loader, tickets):
            if is_disturbed:  # in the first pass they start only now
                kill_all(loader)
            yield batch

    def kill_all(loader: PictureLoader) -> None:
        for process in loader._workers.processes:
            process.kill()

    monkeypatch.setattr(PictureLoader, "_serve", disturbed)
    others = set(multiprocessing.active_children())
    with pytest.raises(SystemExit) as raised:
        run_script(
            lambda: launch_training_test.main(
                command_line(tmp_path, "-b", "4", "-j", "2", "--patience", "0")
            )
        )
    assert raised.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"Error: {KILLED}"
    assert set(multiprocessing.active_children()) <= others
    run = tmp_path / "test_resnet-1"
    assert launch_training_test.main(["--resume", str(run), "-j", "0"]) == 0
    assert_same_run(whole_run, run)


@pytest.fixture(scope="module")
def whole_run(
    command_line: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a run that nobody disturbed."""
    runs = tmp_path_factory.mktemp("whole")
    assert launch_training_test.main(command_line(runs, "-b", "4", "--patience", "0")) == 0
    return runs / "test_resnet-1"


ENDING = """
import os, sys
from pathlib import Path
from models.preprocessing import Preprocessing
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder

wanted = Preprocessing(32, 32, (0.5,) * 3, (0.5,) * 3, "bicubic", 0.9)
loader = PictureLoader(read_folder(Path(sys.argv[1])), wanted, 2, 2, 0, start_method=sys.argv[2])
batches = loader.training_batches(0)
next(batches)
print(*(process.pid for process in loader._workers.processes), flush=True)
{end}
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux tells of processes")
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("raise RuntimeError('a bug')", 1),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.kill(os.getpid(), 15)", -15),
        ("os._exit(3)", 3),
    ],
)
def test_however_the_main_process_ends_no_worker_stays(
    tiny_dataset: Path, method: str, end: str, code: int
) -> None:
    script = f"def main():\n{indented(ENDING.format(end=end))}\nif __name__ == '__main__': main()"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny_dataset), method],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == code
    left = [int(word) for word in done.stdout.split()]
    assert len(left) == 2
    deadline = time.monotonic() + PATIENCE_S
    while any(map(is_running, left)):
        assert time.monotonic() < deadline, "a worker stays behind"
        time.sleep(0.01)


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (-9, KILLED),
        (
            -7,
            "A process that reads pictures was ended by the system (signal 7), usually because "
            "shared memory ran out. Make /dev/shm larger (docker run --shm-size), or take fewer "
            "--workers; then continue with --resume.",
        ),
        (
            -11,
            "A process that reads pictures was ended by the system (signal 11). Continue "
            "with --resume; if it happens again, --workers 0 shows where.",
        ),
        (1, "A process that reads pictures has ended with exit code 1. Continue with --resume."),
    ],
)
def test_each_end_of_a_process_has_its_line(code: int, told: str) -> None:
    class Dead:
        exitcode = code

    assert str(Workers()._lost([Dead()])) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "Memory ran out while pictures were read. Take fewer --workers, or end "),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "Memory ran"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "Memory ran out while pictures were "),
        (cv2.error("Insufficient memory (Failed to allocate 9 bytes)"), "Memory ran out while "),
        (
            RuntimeError("unable to mmap 602112 bytes from file </torch_1_2_3>: Cannot allocate"),
            "Shared memory ran out while pictures were read. Make /dev/shm larger (docker run ",
        ),
    ],
)
@pytest.mark.parametrize("count", [0, 1])
def test_too_little_memory_for_a_batch_is_one_line(
    make_loader, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str, count: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(BatchReader, "_stack", fail)
    with pytest.raises(LostWorkerError) as raised:
        list(make_loader(count).evaluation_batches(VAL))
    assert str(raised.value).startswith(told)
    assert str(raised.value).endswith("then continue with --resume.")


def test_other_errors_are_no_lack_of_memory() -> None:
    for error in (RuntimeError("a bug"), OSError(errno.ENOENT, "No such file"), ValueError("x")):
        assert no_memory(error) is None


def test_processes_that_cannot_be_started_are_one_line(
    make_loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(Popen, "_launch", refuse)
    with pytest.raises(LostWorkerError) as raised:
        list(make_loader().evaluation_batches(VAL))
    assert str(raised.value) == (
        "The processes that read pictures cannot be started: Resource temporarily unavailable. "
        "Take fewer --workers."
    )
