"""The output folder: what is already written there, what is staged, and who may write to it."""

import os
import shutil
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from utils.common.errors import DatasetError, OutputError, shortlist
from utils.common.files import (
    explain_write_errors,
    flush_to_disk,
    is_clutter,
    remove_partial_files,
)
from utils.common.labels import SPLITS
from utils.dataset.journal import Journal
from utils.dataset.manifest import MANIFEST_NAME
from utils.dataset.names import JOURNAL_NAME, STATE_NAME, is_ours
from utils.dataset.plan import Planned
from utils.dataset.prepare import Prepared


class Workspace:
    """An output folder, locked while it is open.

    A picture is first written to `.state/staged/`, then noted in `.state/prepared.jsonl`, and only
    when all are there moved into its place. What is noted and still lies untouched (same size,
    same modification time), staged or in place, is never made again.

    Args:
        output: The data set's folder.
        read_only: Whether to leave no trace there.
    """

    def __init__(self, output: Path, *, read_only: bool = False) -> None:
        self.output = output
        self.state = output / STATE_NAME
        self.read_only = read_only
        self._journal = Journal(self.state / JOURNAL_NAME)
        self._lock = FileLock(self.state / "lock", timeout=0)

    def __enter__(self) -> "Workspace":
        if not self.read_only:
            with explain_write_errors(self.output):
                self.state.mkdir(parents=True, exist_ok=True)
                self._take_lock()
            self._journal.mend()
            for folder in (self.output, self.state):
                remove_partial_files(folder)
        self.look_again()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.read_only:
            self._lock.release()

    @cached_property
    def prepared(self) -> dict[int, Prepared]:
        """The results noted so far, by key."""
        return self._journal.read()

    def look_again(self) -> None:
        """List the written pictures: size and modification time by file.

        Raises:
            DatasetError: If there are files among them that are not ours.
        """
        self.listing = self._list_pictures()

    def staged(self, key: int) -> Path:
        """Return where the picture of this key is staged."""
        name = f"{key:016x}.jpg"
        return self.state / "staged" / name[:2] / name

    def note(self, results: Sequence[Prepared]) -> None:
        """Note results, so that a later run need not repeat them."""
        self.prepared.update((result.key, result) for result in results)
        if not self.read_only:
            self._journal.add(results)

    def locate(self, result: Prepared, label: str, name: str) -> Path | None:
        """Return where a noted picture lies untouched, None if it is lost or was changed."""
        facts = (result.num_bytes, result.mtime_ns)
        for split in SPLITS:
            file = f"{split}/{label}/{name}"
            if self.listing.get(file) == facts:
                return self.output / file
        staged = self.staged(result.key)
        try:
            found = staged.stat()
        except FileNotFoundError:
            return None
        return staged if (found.st_size, found.st_mtime_ns) == facts else None

    def is_done(self, key: int, label: str, name: str) -> bool:
        """Tell whether a job's result is noted and, unless it failed, its picture there."""
        result = self.prepared.get(key)
        if result is None:
            return False
        return bool(result.reason) or self.read_only or self.locate(result, label, name) is not None

    def require(self, result: Prepared, label: str, name: str) -> Path:
        """Return where a prepared picture lies.

        Raises:
            OutputError: If something else took it away meanwhile.
        """
        path = self.locate(result, label, name)
        if path is None:
            raise OutputError(
                f"{name} vanished from {self.output} while this script was running",
                todo="Run it again: it goes on where it was",
            )
        return path

    def place(self, plan: Iterable[tuple[Planned, Prepared]]) -> tuple[int, int]:
        """Move pictures to their files and remove those that are no longer wanted.

        Args:
            plan: Each wanted picture and the facts about it.

        Returns:
            How many were moved and how many removed.
        """
        unwanted = set(self.listing)
        moves = []
        for planned, result in plan:
            path = self.require(result, planned.label, planned.name)
            unwanted -= {planned.file, path.relative_to(self.output).as_posix()}
            if path != self.output / planned.file:
                moves.append((planned, result))
        with explain_write_errors(self.output):
            if moves or unwanted:
                (self.output / MANIFEST_NAME).unlink(missing_ok=True)
            for planned, result in moves:
                path = self.require(result, planned.label, planned.name)
                target = self.output / planned.file
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
            for file in unwanted:
                (self.output / file).unlink()
            self._remove_empty_folders()
        if moves:
            flush_to_disk()  # before the manifest says that they are there
        return len(moves), len(unwanted)

    def tidy(self, used: set[int]) -> None:
        """Forget all results but those with these keys, on which the finished data set rests."""
        if used != self.prepared.keys():
            self._journal.replace(self.prepared[key] for key in sorted(used))
        shutil.rmtree(self.state / "staged", ignore_errors=True)

    def clear(self) -> None:
        """Remove everything that an earlier run wrote; nothing else is in the folder."""
        with explain_write_errors(self.output):
            (self.output / MANIFEST_NAME).unlink(missing_ok=True)
            for file in self.listing:
                (self.output / file).unlink()
            self._remove_empty_folders()
            self._journal.path.unlink(missing_ok=True)
            shutil.rmtree(self.state / "staged", ignore_errors=True)
        self.prepared, self.listing = {}, {}

    def _take_lock(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(
                f"Another create_dataset.py is writing to {self.output}",
                todo="Wait for it to end, or choose another --output",
            ) from None

    def _list_pictures(self) -> dict[str, tuple[int, int]]:
        listing, strangers = {}, []
        for split in SPLITS:
            for folder, _, names in os.walk(self.output / split):
                relative = Path(folder).relative_to(self.output).as_posix()
                for name in names:
                    if is_ours(name):
                        found = os.stat(os.path.join(folder, name))
                        listing[f"{relative}/{name}"] = found.st_size, found.st_mtime_ns
                    elif not is_clutter(name):
                        strangers.append(f"{relative}/{name}")
        if strangers:
            raise DatasetError(
                f"{self.output} holds {len(strangers)} files that this script did not write "
                f"({shortlist(sorted(strangers))})",
                expected="a folder of its own for the data set",
                todo="Move them away or choose another --output",
            )
        return listing

    def _remove_empty_folders(self) -> None:
        for split in SPLITS:
            for folder, _, _ in os.walk(self.output / split, topdown=False):
                if not any(Path(folder).iterdir()):
                    Path(folder).rmdir()
