"""A run at work: its folder and lock, its data, its trainer and how far it has come."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.common.cli.console import warn
from utils.common.errors import shortlist
from utils.common.labels import SPLITS
from utils.common.system.memory import return_freed_memory
from utils.training.data.pictures import PictureFolder
from utils.training.engine import Trainer
from utils.training.processes.world import World
from utils.training.state import checkpoint
from utils.training.state.progress import Progress
from utils.training.state.run_config import Facts
from utils.training.state.runs import Run
from utils.training.state.soundness import find_non_finite


@dataclass(slots=True)
class Session:
    """All that training and testing need.

    Attributes:
        run: The run's folder.
        facts: What the run keeps to.
        pictures: The data set.
        trainer: The model in training.
        progress: How far the run has come.
        world: The processes that train together.
        lock: Holds the run's lock until the session closes.
        val_logits: Logits of all val pictures after each finished epoch, N x number of classes
            each, float32; on rank 0 alone.
    """

    run: Run
    facts: Facts
    pictures: PictureFolder
    trainer: Trainer
    progress: Progress
    world: World
    lock: contextlib.ExitStack
    val_logits: list[NDArray[np.float32]] = field(default_factory=list)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.trainer.loader.close()
        self.lock.close()

    def end_workers(self) -> None:
        """End the workers, and return memory that training has kept for its next step."""
        self.trainer.loader.close()
        return_freed_memory()

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row per finished epoch."""
        return self.progress.history

    def save(self) -> None:
        """Write everything that a resume needs, unless a weight is NaN or infinite."""
        broken = self.world.broadcast(lambda: find_non_finite(self.trainer))
        if broken:
            warn(
                f"weights are NaN or infinite ({shortlist(broken)}): {self.run.last} stays as it "
                "was before."
            )
            return
        facts = self.facts.to_dict()
        checkpoint.save(self.run.last, self.trainer, self.progress, facts, self.val_logits)
        self.keep_best()

    def keep_best(self) -> None:
        """Let the weights of the best epoch be those that the run is tested with."""
        self.world.broadcast(lambda: self.run.keep_best(self.progress.best_epoch))


def lock_run(run: Run, world: World) -> contextlib.ExitStack:
    """Return what holds a run's lock until it is closed; rank 0 takes it for all.

    Raises:
        OutputError: If another process is at work on the run.
    """
    lock = contextlib.ExitStack()
    world.broadcast(lambda: lock.enter_context(run.locked()))
    return lock


def open_session(
    run: Run,
    facts: Facts,
    pictures: PictureFolder,
    trainer: Trainer,
    progress: Progress,
    lock: contextlib.ExitStack,
) -> Session:
    """Tidy up the run's folder, write its settings there, and say what is to be trained."""
    settings, device, world = facts.settings, trainer.compute.device, trainer.world
    if world.is_first:
        run.sweep()
        run.keep_best(progress.best_epoch)
        run.write_settings(facts.to_dict())
    counts = ", ".join(f"{len(pictures.splits[split])} {split}" for split in SPLITS)
    factors = f"{settings.batch_size}" + "".join(
        f" x {number}{unit}"
        for number, unit in ((settings.grad_accum_steps, ""), (facts.processes, " processes"))
        if number > 1
    )
    total = f" = {facts.pictures_per_step}" if " x " in factors else ""
    print(
        f"{run.folder}: {settings.model} on {device.type} in {facts.precision}, batches of "
        f"{factors}{total}; "
        f"pictures: {counts}"
    )
    if device.type == "cpu":
        warn("no GPU is used; on a CPU this will be slow.")
    return Session(run, facts, pictures, trainer, progress, world, lock)
