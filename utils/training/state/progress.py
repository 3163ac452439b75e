"""How far a run has come, and whether what a file says of it can be true."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.common.values import Range, at_least, expected_of, shown
from utils.training.predictions import best_epoch, criterion
from utils.training.settings import MANY
from utils.training.state.run_config import refuse

COUNT = at_least(0, 2**53)
"""Whole numbers, as far as JSON and float64 represent them exactly."""

SHARE = Range(0, 1, False, False, "a number from 0 to 1")

FIGURES: dict[str, tuple[Any, Range]] = {
    "epoch": (int, at_least(1, MANY)),
    "lr": (float, at_least(0)),
    "train_loss": (float | None, at_least(0)),
    "train_accuracy": (float | None, SHARE),
    "train_balanced_accuracy": (float | None, SHARE),
    "skipped_steps": (int, COUNT),
    "val_loss": (float | None, at_least(0)),
    "val_calibrated_loss": (float | None, at_least(0)),
    "val_accuracy": (float | None, SHARE),
    "val_balanced_accuracy": (float | None, SHARE),
    "seconds": (float, at_least(0)),
}
"""Type and range of each column of the history."""


@dataclass(slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        epoch: The epoch at hand, from 0; equal to the number of finished epochs.
        step: Number of its batches that are done.
        best_metric: `criterion` of the best epoch; None before the first.
        best_epoch: As `predictions.best_epoch` tells it, but from 1; 0 before the first.
        epochs_without_gain: Epochs since the best one.
        history: One row per finished epoch.
    """

    epoch: int = 0
    step: int = 0
    best_metric: float | None = None
    best_epoch: int = 0
    epochs_without_gain: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def val_losses(self) -> list[float | None]:
        """Return the calibrated val loss of each finished epoch."""
        return [row["val_calibrated_loss"] for row in self.history]


def check_progress(stored: Any, place: object, probe_epochs: int = 0) -> None:
    """Check the plain values of a `Progress` before they are used.

    Args:
        stored: Content of a file that may come from a stranger.
        place: The file, for error messages.
        probe_epochs: The first epochs, of which none is the best.

    Raises:
        ModelError: If a value is missing, unknown, out of range, or contradicts another one.
    """
    names = [field.name for field in dataclasses.fields(Progress)]
    if not isinstance(stored, Mapping) or list(stored) != names:
        refuse(place, "its progress has other fields", ", ".join(names))
    ranges = {
        "epoch": (int, at_least(0, MANY)),
        "step": (int, COUNT),
        "best_metric": (float | None, at_least(0)),
        "best_epoch": (int, at_least(0, MANY)),
        "epochs_without_gain": (int, at_least(0, MANY)),
    }
    for name, (kind, check) in ranges.items():
        if expected := expected_of(stored[name], kind, check=check):
            refuse(place, f"{name} is {shown(stored[name])}", expected)
    history, epoch, best = stored["history"], stored["epoch"], stored["best_epoch"]
    if not isinstance(history, list) or len(history) != epoch:
        rows = f"{len(history)} rows" if isinstance(history, list) else shown(history)
        refuse(place, f"its history is {rows}", f"one row for each of {epoch} epochs")
    for number, row in enumerate(history, 1):
        _check_row(row, number, history[0], place)
    if stored["epochs_without_gain"] > epoch or best > epoch:
        refuse(place, f"best_epoch is {best} after {epoch} epochs", "one of them")
    first = probe_epochs if best > probe_epochs else 0  # before, a frozen epoch could be the best
    losses = [row["val_calibrated_loss"] for row in history[first:best]]
    reached = criterion(losses) if best else None
    if reached != stored["best_metric"]:
        found = f"best_metric is {shown(stored['best_metric'])}"
        which = f"{reached}, which epoch {best} reached" if best else "none, without a best epoch"
        refuse(place, found, which)
    # An earlier version could keep the first epoch in which all weights learn.
    of_all = best_epoch([row["val_calibrated_loss"] for row in history[first:]])
    if best > probe_epochs and of_all is not None and best != first + of_all + 1:
        refuse(place, f"best_epoch is {best}", f"{first + of_all + 1}, by its val losses")


def _check_row(row: Any, number: int, first: Mapping[str, Any], place: object) -> None:
    if not isinstance(row, Mapping) or row.keys() != first.keys() or FIGURES.keys() - row.keys():
        refuse(place, f"row {number} of its history has other columns", ", ".join(FIGURES))
    for name, value in row.items():
        kind, check = FIGURES.get(name, (float | None, None))
        if not isinstance(name, str) or (expected := expected_of(value, kind, check=check)):
            found = f"{shown(name)} in row {number} of its history is {shown(value)}"
            refuse(place, found, expected)
    if row["epoch"] != number:
        refuse(place, f"row {number} of its history is of epoch {row['epoch']}", f"{number}")
