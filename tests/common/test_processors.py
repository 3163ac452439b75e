"""As many processes as asked for, or one for each processor, and no more than the system allows."""

from pathlib import Path

import pytest

from utils.common.system import processors
from utils.common.system.processors import available_processors, pool_size


def test_one_for_each_processor_unless_told_otherwise() -> None:
    assert pool_size(0) == available_processors() >= 1
    assert pool_size(5) == 5


def test_no_more_than_the_system_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "MAX_POOL", 61)
    monkeypatch.setattr(processors, "available_processors", lambda: 64)
    assert pool_size(0) == pool_size(100) == 61


VERSION_2 = {"proc/self/cgroup": "0::/\n"}
VERSION_1 = {"proc/self/cgroup": "5:cpu,cpuacct:/docker/1f\n4:memory:/docker/1f\n"}
OF_VERSION_1 = "sys/fs/cgroup/cpu"


def whole_period(quota: str, folder: str = OF_VERSION_1) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "processors_left"),
    [
        ({}, 8),  # another system
        (VERSION_2, 8),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "5000 100000\n"}, 1),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 8),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "torn"}, 8),
        (
            {
                "proc/self/cgroup": "0::/user.slice/job\n",
                "sys/fs/cgroup/user.slice/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n",
            },
            3,
        ),
        (VERSION_1, 8),
        (VERSION_1 | whole_period("-1\n"), 8),
        (VERSION_1 | whole_period("400000\n"), 4),  # as a container sees its own
        (VERSION_1 | whole_period("100000\n", f"{OF_VERSION_1}/docker/1f"), 1),
        ({"proc/self/cgroup": "4:cpuset:/\n3:memory:/\n"} | whole_period("100000\n"), 8),
    ],
)
def test_a_container_that_may_use_part_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], processors_left: int
) -> None:
    monkeypatch.setattr(processors, "allowed_processors", lambda: 8)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="ascii")
    assert available_processors(tmp_path) == processors_left
