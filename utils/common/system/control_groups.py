"""Find the control groups of Linux (cgroups) that this process is in, and that limit it.

Containers, jobs of SLURM and units of systemd are such groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """A group of processes.

    Attributes:
        folder: Where the system tells its limits.
        version: 1 or 2, of how it names them.
    """

    folder: Path
    version: int


def control_groups(controller: str, root: Path) -> Iterator[ControlGroup]:
    """Yield the group of this process and all above it: the strictest limit of any holds.

    A container sees its own group at the top, whatever its place is called. Elsewhere than on Linux
    there are none.

    Args:
        controller: What is limited, such as "cpu" or "memory".
        root: Where proc/ and sys/ lie.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, _, named = line.partition(":")
        controllers, _, place = named.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        folder, version = root / "sys/fs/cgroup", 2
        if controllers:
            folder, version = folder / controller, 1
        own = PurePosixPath(place.lstrip("/"))
        for group in (own, *own.parents):
            yield ControlGroup(folder / group, version)
