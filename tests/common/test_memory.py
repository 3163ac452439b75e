"""What is left of memory: the least of what system and container tell."""

import doctest
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from utils.common.system import memory
from utils.common.system.memory import available_memory, shared_memory_left

KEPT = """
from utils.common.system.memory import keep_large_freed_memory, return_freed_memory

def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * 4096

keep_large_freed_memory()
blocks = [b"x" * 2**20 for _ in range(128)]
spacer = b"x" * 2**20
del blocks
before = resident()
return_freed_memory()
print(before - resident())
"""

PAGE_FAULTS = """
import resource
from utils.common.system.memory import keep_large_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

{preparation}
size = 64 * 2**20
b"x" * size
before = faults()
for _ in range(10):
    b"x" * size
print(faults() - before)
"""


def write(root: Path, path: str, content: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


def test_the_system_tells(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal: 900 kB\nMemAvailable:   600 kB\nHugePages_Free: 0\n")
    assert available_memory(tmp_path) == 600 * 1024


@pytest.mark.parametrize(("limit", "left"), [("max", 614_400), ("300000", 300_000 - 100_000 + 50)])
@pytest.mark.parametrize(
    ("own", "limited"),
    [
        ("/", ""),
        ("/docker/1f", ""),  # as a container sees its own
        ("/system.slice/run-7.scope", "system.slice/run-7.scope"),
        ("/slurmstepd.scope/job_7/step_0/user/task_0", "slurmstepd.scope/job_7"),
    ],
)
def test_a_container_or_a_job_may_leave_less(
    tmp_path: Path, limit: str, left: int, own: str, limited: str
) -> None:
    write(tmp_path, "proc/meminfo", "MemAvailable:   600 kB\n")
    write(tmp_path, "proc/self/cgroup", f"0::{own}\n")
    folder = f"sys/fs/cgroup/{limited}"
    write(tmp_path, f"{folder}/memory.max", limit)
    write(tmp_path, f"{folder}/memory.current", "100000\n")
    write(tmp_path, f"{folder}/memory.stat", "anon 7\ninactive_file 50\n")
    assert available_memory(tmp_path) == left


@pytest.mark.parametrize("place", ["", "slurm/uid_1/job_7"])
def test_an_older_one_too(tmp_path: Path, place: str) -> None:
    write(tmp_path, "proc/self/cgroup", "5:cpu:/other\n4:memory:/slurm/uid_1/job_7/step_0\n0::/\n")
    folder = f"sys/fs/cgroup/memory/{place}"
    write(tmp_path, f"{folder}/memory.limit_in_bytes", "1000\n")
    write(tmp_path, f"{folder}/memory.usage_in_bytes", "1500\n")
    write(tmp_path, f"{folder}/memory.stat", "total_inactive_file 100\n")
    assert available_memory(tmp_path) == 0


def test_the_strictest_group_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/outer/inner\n")
    for place, limit in (("outer", 5_000), ("outer/inner", 3_000), ("beside", 1_000)):
        write(tmp_path, f"sys/fs/cgroup/{place}/memory.max", str(limit))
        write(tmp_path, f"sys/fs/cgroup/{place}/memory.current", "1000\n")
    assert available_memory(tmp_path) == 2_000


@pytest.mark.parametrize(("total", "left"), [(64, 5), (0, None)])  # 0: without a limit
def test_what_processes_can_still_share(monkeypatch, total: int, left: int | None) -> None:
    usage = SimpleNamespace(total=total, free=min(total, 5))
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda place: usage)
    assert shared_memory_left() == left


def test_where_nothing_limits_what_processes_share(tmp_path: Path) -> None:
    assert shared_memory_left(tmp_path / "absent") is None


def test_this_computer_has_some() -> None:
    assert doctest.testmod(memory).failed == 0
    left = available_memory()
    assert left is None or left > 2**20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="told to glibc alone")
def test_large_blocks_are_kept_where_that_was_asked_for() -> None:
    """The same block again and again costs a fault for each page, or none after the first."""
    faults = {
        preparation: int(
            subprocess.run(
                [sys.executable, "-c", PAGE_FAULTS.format(preparation=preparation)],
                check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
            ).stdout
        )
        for preparation in ("pass", "keep_large_freed_memory()")
    }  # fmt: skip
    assert faults["pass"] > 10 * 1000
    assert faults["keep_large_freed_memory()"] < 1000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="told to glibc alone")
def test_what_is_kept_can_be_given_back() -> None:
    """A block that still stands above them keeps the freed ones from the end of the heap."""
    done = subprocess.run(
        [sys.executable, "-c", KEPT], check=True, capture_output=True, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert int(done.stdout) > 100 * 2**20
