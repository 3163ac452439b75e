"""A note of a torchrun job's answers and run, so that what is started again goes on."""

import dataclasses
import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.common.disk.writing import write_json
from utils.common.errors import ModelError
from utils.common.values import expected_of, shown
from utils.training.settings import Settings, stored_settings
from utils.training.state.runs import LAST_NAME

FOLDER_NAME = ".jobs"
START_TICKS = 19
"""Where `/proc/<number>/stat` tells the start, counted behind the name (`man 5 proc`)."""

NAMELESS = ("", "none")
"""What torchrun calls a job that was given no --rdzv-id."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is noted of a job so that its processes, started again, neither ask nor begin anew.

    Attributes:
        note: Where it is written; None where there is nothing to be started again by.
        arguments: The command line; a job with another one is another job.
    """

    note: Path | None
    arguments: tuple[str, ...]

    def recall(self, asked: Settings) -> Settings:
        """Return the settings with the answers that were given and the run that was begun.

        Raises:
            ModelError: If the note is damaged, since nobody can tell which run was begun.
        """
        noted = self._read()
        if noted is None:
            return asked
        settings, run = noted
        if run and (Path(run) / LAST_NAME).is_file():
            print(f"Started again: going on with {run}.")
            return dataclasses.replace(settings, resume=run)
        return settings

    def keep(self, settings: Settings, run: Path | None = None) -> None:
        """Note answers, and the run once there is one; without a job to note, do nothing."""
        if self.note is None:
            return
        write_json(
            self.note,
            {
                "arguments": list(self.arguments),
                "settings": dataclasses.asdict(settings),
                "run": str(run) if run else "",
            },
        )

    def forget(self) -> None:
        """Remove the note of a job that has come to its end."""
        if self.note is not None:
            self.note.unlink(missing_ok=True)

    def _read(self) -> tuple[Settings, str] | None:
        if self.note is None or not self.note.is_file():
            return None
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            if noted["arguments"] != list(self.arguments):
                return None
            settings, _ = stored_settings(Settings, noted["settings"])
            if expected := expected_of(noted["run"], str):
                raise ValueError(f"run is {shown(noted['run'])}", expected)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            words = " instead of ".join(str(part) for part in error.args[:2] if part)
            raise ModelError(
                f"{self.note}, which tells the run of this job, is damaged ({words[:200]})",
                todo="Delete it, and name the run with --resume",
            ) from error
        return settings, noted["run"]


def this_job(output_dir: str, arguments: Sequence[str]) -> Job:
    """Find out from torchrun's variables which job this is.

    Its id is that of --rdzv-id (or of --standalone's own making). A job without one is known by
    the agent that starts its processes, as long as that lives: its number and, because containers
    give the same numbers again and again, on Linux its start.

    Args:
        output_dir: Of the runs; gets a folder of notes.
        arguments: The command line.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name is None:
        return Job(None, tuple(arguments))
    if name in NAMELESS:
        name = f"{platform.node()}-{os.getppid()}{_start_of(os.getppid())}"
    file = f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.json"
    return Job(Path(output_dir) / FOLDER_NAME / file, tuple(arguments))


def _start_of(process: int) -> str:
    """Return when a process began, in ticks since the computer did; "" where that is not told."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "-" + told.rpartition(")")[2].split()[START_TICKS]
