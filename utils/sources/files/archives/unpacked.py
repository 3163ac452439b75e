"""Unpack a compressed stream once into a file that allows random access."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from utils.common.cli.console import progress
from utils.common.disk.scratch import scratch_folder
from utils.common.disk.writing import explain_write_errors, refuse_links, whole_file
from utils.common.errors import OutputError
from utils.common.seeds import stable_hash

CHUNK = 2**20


class Unpacked:
    """What cannot be read in place: compressed tars, and zips that are compressed in zips.

    Each is unpacked once, as the one stream that it is, to a file named by where it comes from
    and by the stamp of the archive that it lies in.

    Args:
        state: The output's working state, in which the files are kept; None for a temporary
            folder that goes with this process.

    Raises:
        OutputError: If a link leads out of the working state.
    """

    def __init__(self, state: Path | None = None) -> None:
        self.state = state
        self._folder = state / "unpacked" if state else None
        if state and self._folder:
            refuse_links((state, self._folder, state / "lock"))  # what is stale there is removed
        self._used: set[Path] = set()
        self._made: list[Path] = []

    def path(self, *origin: object) -> Path:
        """Return where the stream of this origin is kept, whether it is there yet or not."""
        if self._folder is None:
            self._folder = scratch_folder("create_dataset-")
        path = self._folder / f"{stable_hash(*origin):016x}"
        self._used.add(path)
        return path

    def fill(self, target: Path, stream: BinaryIO, size: int, mtime_ns: int, title: str) -> None:
        """Write a stream to its file.

        Args:
            target: What `path` returned.
            stream: What to read, to its end.
            size: Number of bytes to come.
            mtime_ns: Modification time of the file, the same whenever it is made again.
            title: What is unpacked.

        Raises:
            OutputError: If there is no room, or somebody else is writing there.
        """
        folder = target.parent
        with explain_write_errors(folder):
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            self._made += reversed(missing)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise OutputError(
                f"{title} must be unpacked to {folder}, which needs {size / 1e9:.1f} GB",
                expected=f"that much room; {free / 1e9:.1f} GB are free",
                todo="Free some space, or choose another --output",
            )
        with self._locked(), whole_file(target, durable=self.state is not None) as partial:
            with partial.open("wb") as kept, progress(total=size, desc=title, unit="B") as bar:
                while chunk := stream.read(CHUNK):
                    kept.write(chunk)
                    bar.update(len(chunk))
            os.utime(partial, ns=(mtime_ns, mtime_ns))
            self._made.append(target)

    def drop(self, target: Path) -> None:
        """Remove a file of what turned out to be of no use."""
        target.unlink(missing_ok=True)
        self._used.discard(target)
        if target in self._made:
            self._made.remove(target)

    def discard(self) -> None:
        """Take back everything that this object wrote."""
        for path in reversed(self._made):
            if path.is_dir():
                with contextlib.suppress(OSError):  # somebody else put something there
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)
        self._made.clear()

    def sweep(self) -> None:
        """Remove what a kill left, and what belongs to archives that are gone or were changed."""
        if self.state is None or self._folder is None or not self._folder.is_dir():
            return
        stale = set(self._folder.iterdir()) - self._used
        if stale:
            with self._locked():
                for path in stale:
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock that every run takes which writes to this output."""
        if self.state is None:
            yield
            return
        path = self.state / "lock"
        if not path.exists():
            self._made.append(path)
        with locked(self.state):
            yield


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the lock of a working state, which every run takes that writes to it.

    Raises:
        OutputError: If another holds it.
    """
    try:
        with FileLock(state / "lock", timeout=0):
            yield
    except Timeout:
        raise OutputError(
            f"Another create_dataset.py is writing to {state.parent}",
            todo="Wait for it to end, or choose another --output",
        ) from None
