"""A note of a torchrun job's answers and run, so that the job continues after a restart."""

import dataclasses
import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.common.disk.asking import is_file
from utils.common.disk.writing import write_json
from utils.common.errors import ModelError
from utils.common.values import expected_of, shown
from utils.training.settings import Settings, stored_settings
from utils.training.state.runs import LAST_NAME

FOLDER_NAME = ".jobs"
START_TICKS = 19
"""Index of the start time in `/proc/<number>/stat`, counted after the name (`man 5 proc`)."""

NAMELESS = ("", "none")
"""Ids that torchrun gives a job without --rdzv-id."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of torchrun, whose restarted processes neither ask again nor start a new run.

    Attributes:
        note: File with the answers and the run; None without torchrun, which alone restarts.
        arguments: The command line; with another one it is another job.
    """

    note: Path | None
    arguments: tuple[str, ...]

    def recall(self, asked: Settings) -> Settings:
        """Return the settings with the noted answers, and with the noted run to resume.

        Raises:
            ModelError: If the note is damaged, so that the run is unknown.
            SettingsError: If the system does not tell what lies at its place.
        """
        noted = self._read()
        if noted is None:
            return asked
        settings, run = noted
        if run and (Path(run) / LAST_NAME).is_file():
            print(f"Restarted: continuing {run}.")
            return dataclasses.replace(settings, resume=run)
        return settings

    def keep(self, settings: Settings, run: Path | None = None) -> None:
        """Note the answers, and the run once there is one; does nothing without torchrun."""
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
        """Remove the note of a finished job."""
        if self.note is not None:
            self.note.unlink(missing_ok=True)

    def _read(self) -> tuple[Settings, str] | None:
        if self.note is None or not is_file(self.note):
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
                f"{self.note}, which notes the run of this job, is damaged ({words[:200]})",
                todo="Delete it, and name the run with --resume",
            ) from error
        return settings, noted["run"]


def this_job(output_dir: str, arguments: Sequence[str]) -> Job:
    """Find out from torchrun's environment variables which job this is.

    Its id is that of --rdzv-id, or one made by --standalone. A job without an id is identified by
    the agent that starts its processes, as long as that lives: by its process number and, because
    containers reuse numbers, on Linux by its start time.

    Args:
        output_dir: Folder of all runs; gets a folder of notes.
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
    """Return the start of a process in ticks since boot; "" where the system does not tell."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "-" + told.rpartition(")")[2].split()[START_TICKS]
