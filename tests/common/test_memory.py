"""What is left of memory: the least of what system and container tell."""

import doctest
from pathlib import Path

import pytest

from utils.common import memory
from utils.common.memory import available_memory


def write(root: Path, path: str, content: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


def test_the_system_tells(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal: 900 kB\nMemAvailable:   600 kB\nHugePages_Free: 0\n")
    assert available_memory(tmp_path) == 600 * 1024


@pytest.mark.parametrize(("limit", "left"), [("max", 614_400), ("300000", 300_000 - 100_000 + 50)])
def test_a_container_may_leave_less(tmp_path: Path, limit: str, left: int) -> None:
    write(tmp_path, "proc/meminfo", "MemAvailable:   600 kB\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", limit)
    write(tmp_path, "sys/fs/cgroup/memory.current", "100000\n")
    write(tmp_path, "sys/fs/cgroup/memory.stat", "anon 7\ninactive_file 50\n")
    assert available_memory(tmp_path) == left


def test_an_older_container_too(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/memory"
    write(tmp_path, f"{folder}/memory.limit_in_bytes", "1000\n")
    write(tmp_path, f"{folder}/memory.usage_in_bytes", "1500\n")
    write(tmp_path, f"{folder}/memory.stat", "total_inactive_file 100\n")
    assert available_memory(tmp_path) == 0


def test_this_computer_has_some() -> None:
    assert doctest.testmod(memory).failed == 0
    left = available_memory()
    assert left is None or left > 2**20
