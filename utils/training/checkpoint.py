"""The state of a run in, last.pt out, and back: everything that a resume needs, in one place."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from models.bundle import read_weights
from utils.common.errors import ModelError, OutputError
from utils.common.files import whole_file
from utils.training.engine import Trainer
from utils.training.sums import EpochSums

VERSION = 2


@dataclass(slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        epoch: The one at hand, from 0; equal to the number of finished epochs.
        step: Batches of it that are done.
        best_metric: Highest val balanced accuracy; below 0 before the first.
        best_epoch: Its epoch, from 1; 0 before the first.
        epochs_without_gain: Since then.
        history: One row per finished epoch.
    """

    epoch: int = 0
    step: int = 0
    best_metric: float = -1.0
    best_epoch: int = 0
    epochs_without_gain: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save(path: Path, trainer: Trainer, progress: Progress, facts: dict[str, Any]) -> None:
    """Let the first process write the state; the file before is there until this one is whole.

    The learning rate follows from the step, order and augmentation from seed and epoch, dropout
    from seed, epoch and step: so no schedule and no generator has a state of its own.

    Args:
        path: Of last.pt.
        trainer: Gives weights, their average, optimizer, the parts that batches are cut into over
            all processes, and the sums of the epoch at hand.
        progress: Where the run is.
        facts: What the run was started with and keeps to, as plain values.
    """
    sums = trainer.sums.of_all(trainer.world)
    if not trainer.world.is_first:
        return
    state = {
        "version": VERSION,
        "facts": facts,
        "progress": dataclasses.asdict(progress),
        "weights": trainer.network.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "average": trainer.average.module.state_dict() if trainer.average else None,
        "parts": trainer.parts_of_all,
        "sums": {"totals": sums.totals, "confusion": sums.confusion},
    }
    with whole_file(path, durable=True) as partial:
        try:
            torch.save(state, partial)
        except RuntimeError as error:
            if "inline_container" not in str(error):  # the file of PyTorch that writes
                raise
            raise OutputError(
                f"{path} could not be written, perhaps for lack of room on the disk",
                todo="Free some space; --resume goes on from the last state that was saved",
            ) from error


def load(path: Path) -> dict[str, Any]:
    """Read a state into main memory; no code from the file is run.

    Raises:
        ModelError: If it is missing, torn or something else.
    """
    if not path.is_file():
        raise ModelError(
            f"There is no {path}", expected="a run's folder or its last.pt",
            todo="Start anew without --resume",
        )  # fmt: skip
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        version = state["version"]
    except Exception as error:  # zip, pickle and system errors have no common base
        raise ModelError(
            f"{path} is torn or is no state of a run",
            todo="Delete the run's folder and start anew without --resume",
        ) from error
    if version != VERSION:
        raise ModelError(
            f"{path} has version {version}", expected=f"version {VERSION}, which this suite writes"
        )
    return state


def restore(state: dict[str, Any], trainer: Trainer) -> Progress:
    """Put a loaded state into a trainer and return how far the run has come.

    Raises:
        ModelError: If the state is of another network.
    """
    try:
        trainer.network.load_state_dict(state["weights"])
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.scaler.is_enabled():
            trainer.scaler.load_state_dict(state["scaler"])
        if trainer.average is not None:
            trainer.average.module.load_state_dict(state["average"])
        trainer.parts_of_all = state["parts"]
        device = trainer.compute.device
        sums = {name: tensor.to(device) for name, tensor in state["sums"].items()}
        if not trainer.world.is_first:
            sums["confusion"].zero_()
        trainer.sums = EpochSums(**sums)
        return Progress(**state["progress"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            "The stored state does not fit this network", todo="Start anew without --resume"
        ) from error


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Read the weights of a run's best epoch.

    Raises:
        ModelError: If the file is missing, torn or of another network.
    """
    try:
        network.load_state_dict(read_weights(path))
    except (ModelError, RuntimeError) as error:
        raise ModelError(
            f"{path} does not hold this run's best weights",
            todo="Train again, or bring the file back",
        ) from error
