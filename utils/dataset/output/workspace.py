"""The output folder: what is already written there, what is staged, and who may write to it."""

import contextlib
import dataclasses
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from utils.common.cli.console import warn
from utils.common.disk.outputs import BUILD_STATE_NAME
from utils.common.disk.stamps import short_stamp
from utils.common.disk.writing import (
    explain_write_errors,
    flush_to_disk,
    is_clutter,
    is_link,
    refuse_links,
    remove_partial_files,
    sha256_of_file,
)
from utils.common.errors import DatasetError, OutputError, shortlist
from utils.common.labels import SPLITS
from utils.common.system.processors import in_threads
from utils.dataset.images.prepare import Prepared
from utils.dataset.output.journal import Journal
from utils.dataset.output.manifest import MANIFEST_NAME
from utils.dataset.planning.names import JOURNAL_NAME, STATE_NAME, is_ours
from utils.dataset.planning.plan import Planned

OWN_NAMES = (JOURNAL_NAME, BUILD_STATE_NAME, "lock", "staged")
"""What lies in the folder of the state."""


class Workspace:
    """An output folder, locked while it is open.

    A picture is first written to `.state/staged/`, then noted in `.state/prepared.jsonl`, and only
    when all are there moved into its place. What is noted and still lies untouched, staged or in
    place, is never made again. A file of the same stamp counts as untouched; where the stamp is
    another, as after a copy, its hash decides.

    No link is followed below the folder, so that nothing outside of it is ever changed.

    Args:
        output: The data set's folder.
        read_only: Whether to leave no trace there.
        is_verifying: Whether no stamp is trusted, and every written picture is hashed.
    """

    def __init__(
        self, output: Path, *, read_only: bool = False, is_verifying: bool = False
    ) -> None:
        self.output = output
        self.state = output / STATE_NAME
        self.read_only = read_only
        self.is_verifying = is_verifying
        self._hashed: dict[tuple[str, int], bytes] = {}
        self._is_outdated = False
        self._journal = Journal(self.state / JOURNAL_NAME)
        self._lock = FileLock(self.state / "lock", timeout=0)

    def __enter__(self) -> "Workspace":
        if not self.read_only:
            with explain_write_errors(self.output):
                refuse_links(self._own_places())
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
        results = self._journal.read()
        if lines := self._journal.num_unusable:
            self._is_outdated = True
            warn(
                f"{lines:,} lines of {self._journal.path} are damaged, altered or of an earlier "
                "version; their pictures are made again."
            )
        return results

    def look_again(self) -> None:
        """List the written pictures: the stamp by file.

        Raises:
            DatasetError: If there are files among them that are not ours, or links.
        """
        self.listing = self._list_pictures()

    def staged(self, key: int) -> Path:
        """Return where the picture of this key is staged."""
        name = f"{key:016x}.jpg"
        return self.state / "staged" / name[:2] / name

    def note(self, results: Sequence[Prepared]) -> None:
        """Note results, so that a later run need not repeat them."""
        self._is_outdated |= any(result.key in self.prepared for result in results)
        self.prepared.update((result.key, result) for result in results)
        if not self.read_only:
            self._journal.add(results)

    def locate(self, result: Prepared, label: str, name: str) -> Path | None:
        """Return where a noted picture lies untouched, None if it is lost or was changed."""
        for split in SPLITS:
            file = f"{split}/{label}/{name}"
            stamp = self.listing.get(file)
            if stamp is not None and self._is_untouched(file, stamp, result):
                return self.output / file
        staged = self.staged(result.key)
        try:
            found = staged.lstat()
        except FileNotFoundError:
            return None
        file = staged.relative_to(self.output).as_posix()
        is_whole = stat.S_ISREG(found.st_mode) and self._is_untouched(
            file, short_stamp(found), result
        )
        return staged if is_whole else None

    def _is_untouched(self, file: str, stamp: int, result: Prepared) -> bool:
        """Compare a file with what is noted of it: by its stamp, or else by its hash, once."""
        noted = self.prepared.get(result.key, result)
        if stamp == noted.stamp and not self.is_verifying:
            return True
        if (file, stamp) not in self._hashed:
            self._hashed[file, stamp] = self._hash(file)
        if self._hashed[file, stamp] != noted.sha256:
            return False
        if noted.stamp != stamp:
            self.prepared[noted.key] = dataclasses.replace(noted, stamp=stamp)
            self._is_outdated = True
        return True

    def _hash(self, file: str) -> bytes:
        """Hash a written picture; of one that cannot be read, nothing."""
        try:
            return bytes.fromhex(sha256_of_file(self.output / file))
        except OSError:
            return b""

    def hash_pictures(self) -> dict[str, bytes]:
        """Return the SHA-256 of every written picture, empty for one that cannot be read."""
        files = sorted(self.listing)
        hashed = dict(zip(files, in_threads(self._hash, files, "Verifying pictures"), strict=True))
        for file, sha256 in hashed.items():
            self._hashed[file, self.listing[file]] = sha256
        return hashed

    def forget(self, keys: Iterable[int]) -> None:
        """Let these jobs be done again, whatever is noted of them."""
        for key in keys:
            self._is_outdated |= self.prepared.pop(key, None) is not None

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
            for file in unwanted:  # first: to some disks a name in other capitals is the same
                (self.output / file).unlink()
            for planned, result in moves:
                path = self.require(result, planned.label, planned.name)
                target = self.output / planned.file
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                moved = dataclasses.replace(
                    self.prepared[result.key], stamp=short_stamp(target.lstat())
                )
                self.prepared[result.key] = moved  # to be renamed is a change, too
                self._is_outdated = True
            self._remove_empty_folders()
        if moves:
            flush_to_disk()  # before the manifest says that they are there
        return len(moves), len(unwanted)

    def tidy(self, used: set[int]) -> None:
        """Forget all results but those with these keys, on which the finished data set rests."""
        if used != self.prepared.keys() or self._is_outdated:
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
            (self.state / BUILD_STATE_NAME).unlink(missing_ok=True)
            shutil.rmtree(self.state / "staged", ignore_errors=True)
        self.prepared, self.listing = {}, {}

    def _own_places(self) -> Iterator[Path]:
        """Yield all that is written into or removed without being listed before."""
        yield self.state
        yield from (self.state / name for name in OWN_NAMES)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield from (self.state / "staged").iterdir()

    def _take_lock(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(
                f"Another create_dataset.py is writing to {self.output}",
                todo="Wait for it to end, or choose another --output",
            ) from None

    def _list_pictures(self) -> dict[str, int]:
        listing, strangers = {}, []
        for split in SPLITS:
            if is_link(self.output / split):
                strangers.append(split)
                continue
            for folder, subfolders, names in os.walk(self.output / split):
                relative = Path(folder).relative_to(self.output).as_posix()
                links = [name for name in subfolders if is_link(os.path.join(folder, name))]
                strangers += [f"{relative}/{name}" for name in links]
                for name in names:
                    found = os.lstat(os.path.join(folder, name))
                    if is_ours(name) and stat.S_ISREG(found.st_mode):
                        listing[f"{relative}/{name}"] = short_stamp(found)
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
