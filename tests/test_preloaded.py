"""A fork of a process with torch in it is, for what a test looks at, a new process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.preloaded import ROOT, Preloaded

FACTS = """
import os, sys
import __main__
print(sys.argv, __name__, getattr(__main__, "__file__", None), __main__.__dict__ is globals())
print(os.getcwd(), os.environ.get("SKIN_TEST"), os.environ.get("HOME"), sys.stdin.read() == "")
print("aside", file=sys.stderr)
"""


def both(programs: Preloaded, *arguments: str, **settings) -> list[tuple[int, str, str]]:
    """Return what a new process and a fork end with and say."""
    new = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, **{"cwd": ROOT, **settings},
    )  # fmt: skip
    fork = programs.run(*arguments, **settings)
    return [(done.returncode, done.stdout, done.stderr) for done in (new, fork)]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "program.py").write_text(f"import beside\n{FACTS}")
    return tmp_path / "program.py"


def test_a_script_has_its_own_arguments_folder_environment_and_streams(
    preloaded: Preloaded, program: Path
) -> None:
    settings = {"cwd": program.parent, "env": {"SKIN_TEST": "1"}}
    new, fork = both(preloaded, "program.py", "-x", "a b", **settings)
    assert new == fork
    assert new[0] == 0 and new[2] == "aside\n"


@pytest.mark.parametrize(
    ("arguments", "pythonpath"), [(("-c", FACTS, "1"), ""), (("-m", "program", "1"), "{}")]
)
def test_so_have_code_and_a_module(
    preloaded: Preloaded, program: Path, arguments: tuple[str, ...], pythonpath: str
) -> None:
    env = {"PYTHONPATH": pythonpath.format(program.parent)}
    new, fork = both(preloaded, *arguments, env=env)
    assert new == fork
    assert new[0] == 0


@pytest.mark.parametrize(
    "ending",
    [
        "", "sys.exit(3)", "sys.exit('words')", "os._exit(4)", "os.kill(os.getpid(), 9)",
        "os.kill(os.getpid(), 15)", "import atexit; atexit.register(print, 'the end')",
    ],
)  # fmt: skip
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX has signals")
def test_it_ends_as_a_new_process_does(preloaded: Preloaded, ending: str) -> None:
    new, fork = both(preloaded, "-c", f"import os, sys\nprint('begun', flush=True)\n{ending}")
    assert new == fork


def test_a_failure_shows_its_traceback(preloaded: Preloaded) -> None:
    done = preloaded.run("-c", "raise LookupError('where')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and done.stderr.endswith("\nLookupError: where\n")


def test_one_that_does_not_end_is_ended(preloaded: Preloaded) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        preloaded.run("-c", "while True: pass", timeout=0.2)


def test_torch_is_there_and_each_starts_anew(preloaded: Preloaded) -> None:
    code = "import sys, torch; print(hasattr(torch, 'mark'), torch.get_num_threads()); torch.mark=1"
    assert [preloaded.run("-c", code).stdout for _ in range(2)] == ["False 1\n"] * 2


RANK = """
import os, sys
print("rank", os.environ["RANK"], "leads", os.getsid(0) == os.getpid(), *sys.argv[1:])
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torchrun is a fork")
@pytest.mark.parametrize("code", [0, 3])
def test_torchrun_starts_forks_as_it_starts_processes(
    preloaded: Preloaded, tmp_path: Path, code: int
) -> None:
    (tmp_path / "rank.py").write_text(RANK)
    own = ("--standalone", "--nproc-per-node=2", tmp_path / "rank.py", code)
    process = preloaded.torchrun(*own, env={**os.environ, "MASTER_ADDR": "127.0.0.1"})
    said, errors = process.communicate(timeout=120)
    assert sorted(said.splitlines()) == [f"rank {rank} leads True {code}" for rank in (0, 1)]
    assert process.returncode == (1 if code else 0)
    # Either of them may be the first that is seen to have ended.
    blamed = [pid for pid in process.workers() if f"exitcode  : {code} (pid: {pid})" in errors]
    assert bool(blamed) == bool(code)
    assert len(process.workers()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX has signals")
def test_what_a_test_leaves_running_is_killed(preloaded: Preloaded) -> None:
    ended = preloaded.start("-c", "print('done')")
    assert ended.communicate(timeout=60)[0] == "done\n"
    left = preloaded.start("-c", "import time; time.sleep(600)")
    preloaded.end_all()
    left.communicate(timeout=60)
    assert (ended.returncode, left.returncode) == (0, -9)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torchrun is a fork")
def test_torchruns_processes_are_killed_with_it(preloaded: Preloaded, tmp_path: Path) -> None:
    (tmp_path / "rank.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    own = ("--standalone", "--nproc-per-node=2", tmp_path / "rank.py")
    process = preloaded.torchrun(*own, env={**os.environ, "MASTER_ADDR": "127.0.0.1"})
    deadline = time.monotonic() + 60
    while len(process.workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = process.workers()
    preloaded.end_all()
    process.communicate(timeout=60)  # their streams are open until the last of them has ended
    assert process.returncode == -9 and len(workers) == 2
