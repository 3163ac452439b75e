"""Folders of runs: make a new one, or find the one to go on with."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from models.stored_names import CARD_NAME, WEIGHTS_NAME
from models.zoo import resolve
from utils.common.disk.asking import is_file, is_folder, paths_in
from utils.common.disk.opening import read_regular
from utils.common.disk.writing import (
    explain_write_errors,
    refuse_links,
    remove_partial_files,
    write_json,
    write_text,
)
from utils.common.errors import ModelError, OutputError, SettingsError
from utils.training.settings import AUTO, Settings

LAST_NAME = "last.pt"
REPORT_NAME = "report.json"
SETTINGS_NAME = "settings.json"
HISTORY_NAME = "history.csv"
LOOKS_NAME = "looks_at_test.txt"
MAX_LOOKS_BYTES = 2**20
"""Largest size of the file that counts the looks at test, with one line for each."""

LOCK_NAME = ".lock"
LOCK_TIMEOUT_S = 6.0
"""The workers of a killed run may hold its lock until they notice that, up to 5 seconds."""

RUN_NAME = re.compile(r"(?P<model>.+)-(?P<number>\d+)")
MAX_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder, runs/<model>-<n>/, and the files in it."""

    folder: Path

    @property
    def last(self) -> Path:
        """The state that --resume continues from."""
        return self.folder / LAST_NAME

    @property
    def best(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / WEIGHTS_NAME

    def candidate(self, epoch: int) -> Path:
        """Return where the weights of an epoch lie until the state that calls it the best is there.

        Else a kill or a full disk would leave the state of one epoch with weights of another.
        """
        return self.folder / f".{WEIGHTS_NAME}.{epoch}"

    def keep_best(self, epoch: int) -> None:
        """Put the weights of the best epoch in their place, unless they are there.

        Args:
            epoch: The best epoch by the stored state, from 1; all other candidates are removed.
        """
        with explain_write_errors(self.best), contextlib.suppress(FileNotFoundError):
            self.candidate(epoch).replace(self.best)
        for other in self.folder.glob(f".{WEIGHTS_NAME}.*"):
            other.unlink(missing_ok=True)

    @property
    def is_finished(self) -> bool:
        """Whether its report, which is written last, is there."""
        return (self.folder / REPORT_NAME).is_file()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock, so that no other process works on it.

        Raises:
            OutputError: If another process holds it.
        """
        refuse_links([self.folder / LOCK_NAME])
        lock = FileLock(self.folder / LOCK_NAME, timeout=LOCK_TIMEOUT_S)
        with explain_write_errors(self.folder):
            try:
                lock.acquire()
            except Timeout:
                raise OutputError(
                    f"Another process is at work on {self.folder}",
                    todo="Wait until it ends, or start a new run without --resume",
                ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def looks_at_test(self) -> list[str]:
        """Time of each look at test and epoch of the weights, one line per look."""
        path = self.folder / LOOKS_NAME
        try:
            content = read_regular(path, MAX_LOOKS_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ModelError(
                f"{path}, which counts the looks at test, cannot be read: "
                f"{error.strerror or error}",
                todo="Make it readable, or remove it if test was never looked at",
            ) from error
        lines = content.decode("utf-8", "replace").splitlines()
        return ["".join(one if one.isprintable() else "?" for one in line) for line in lines]

    def count_look(self, epoch: int) -> None:
        """Note that test is about to be looked at: later choices may depend on its result."""
        self.note_look(f"weights of epoch {epoch}")

    def note_look(self, of: str) -> None:
        """Note the time of a look at test, and of what it is."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        lines = [*self.looks_at_test, f"{now}, {of}"]
        write_text(self.folder / LOOKS_NAME, "\n".join(lines) + "\n")

    def reopen(self, epochs: int) -> None:
        """Set the report of a finished run aside, because the run is trained further.

        Its best weights may change from now on, so the card that describes them is removed.

        Args:
            epochs: Epochs that the report is about.
        """
        (self.folder / CARD_NAME).unlink(missing_ok=True)
        report = self.folder / REPORT_NAME
        report.replace(report.with_stem(f"{report.stem}-{epochs}-epochs"))

    def write_settings(self, facts: Mapping[str, Any]) -> None:
        """Write what the run keeps to, for people to read."""
        write_json(self.folder / SETTINGS_NAME, facts)

    def sweep(self) -> None:
        """Remove half-written files of a killed process."""
        remove_partial_files(self.folder)


def new_run(output_dir: Path, model: str) -> Run:
    """Make the folder with the next free number; runs started at the same time get their own.

    Args:
        output_dir: Folder of all runs.
        model: Name of the model, as part of the folder's name.

    Raises:
        OutputError: If nothing can be written there.
    """
    with explain_write_errors(output_dir):
        try:
            output_dir.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(f"{output_dir} is a file", expected="a folder") from None
        for _ in range(MAX_ATTEMPTS):
            taken = [number for name, number, _ in _list(output_dir) if name == model]
            folder = output_dir / f"{model}-{max(taken, default=0) + 1}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return Run(folder)
    raise OutputError(f"There is no free name for a run of {model} in {output_dir}")


def find_run(settings: Settings) -> Run | None:
    """Find the run that --resume names; with "auto" the newest, of --model if that is given.

    Returns:
        None if there is no run to resume, so that a new one is to be started.

    Raises:
        ModelError: If the path holds no run, or there is no finished run to test again.
        SettingsError: If the system does not tell.
    """
    if settings.resume is None:
        return None
    if settings.resume != AUTO:
        place = Path(settings.resume)
        folder = place.parent if is_file(place) else place
        if not is_file(folder / LAST_NAME):
            raise ModelError(
                f"There is no {LAST_NAME} in {folder}",
                expected="a run's folder or its last.pt after --resume",
            )
        return Run(folder)
    model = resolve(settings.model).folder_name if settings.model else None
    found = [
        Run(folder)
        for name, _, folder in _list(Path(settings.output_dir))
        if model in (None, name) and _holds_state(folder)
    ]
    wanted = [run for run in found if run.is_finished == settings.test_only]
    if wanted:
        return max(wanted, key=lambda run: run.last.stat().st_mtime)
    if settings.test_only:
        raise ModelError(f"There is no finished run in {settings.output_dir}")
    print(f"No unfinished run in {settings.output_dir}: starting anew.")
    return None


def _holds_state(folder: Path) -> bool:
    """Return whether there is something to resume; a folder that is locked is somebody else's."""
    try:
        return is_file(folder / LAST_NAME)
    except SettingsError:
        return False


def _list(output_dir: Path) -> list[tuple[str, int, Path]]:
    """Return (model, number, folder) of every run, finished or not."""
    if not is_folder(output_dir):
        return []
    matches = [(RUN_NAME.fullmatch(folder.name), folder) for folder in paths_in(output_dir)]
    return [(match["model"], int(match["number"]), folder) for match, folder in matches if match]
