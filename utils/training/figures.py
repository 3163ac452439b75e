"""Compute the figures of an epoch, on train and on val, and write them to history.csv."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.common.cli.console import warn
from utils.common.disk.writing import write_text
from utils.common.errors import ModelError, shortlist
from utils.common.labels import CLASSES, TRAIN
from utils.training.engine import Trainer
from utils.training.predictions import (
    Predictions,
    accuracy,
    balanced_accuracy,
    balanced_log_loss,
    calibrated_log_loss,
)
from utils.training.state.runs import LAST_NAME
from utils.training.state.soundness import find_non_finite

VAL_FIGURES = ("val_loss", "val_calibrated_loss", "val_accuracy", "val_balanced_accuracy")


def train_figures(trainer: Trainer, epoch: int) -> dict[str, Any]:
    """Return the figures on train; each is None if all steps were skipped.

    Args:
        trainer: A trainer at the end of the epoch.
        epoch: Counted from 0.
    """
    sums = trainer.sums.over_all_ranks(trainer.world)
    loss, weight, skipped, _ = sums.totals.tolist()
    confusion = sums.confusion.cpu().numpy().reshape(len(CLASSES), len(CLASSES))
    last_step = (epoch + 1) * trainer.loader.steps(TRAIN) - 1
    is_known = confusion.any()
    return {
        "lr": trainer.rate(last_step),
        "train_loss": loss / weight if is_known else None,
        "train_accuracy": accuracy(confusion) if is_known else None,
        "train_balanced_accuracy": balanced_accuracy(confusion) if is_known else None,
        "skipped_steps": int(skipped),
    }


def val_figures(trainer: Trainer, epoch: int, predictions: Predictions | None) -> dict[str, Any]:
    """Return the figures on val; each is None if any of the logits is NaN or infinite.

    A later epoch may do better, since 16-bit sums overflow for one picture or another; not so
    where the weights themselves are NaN or infinite.

    Args:
        trainer: A trainer at the end of the epoch.
        epoch: Counted from 0.
        predictions: Predictions of all val pictures.

    Raises:
        ModelError: If the weights are NaN or infinite.
    """
    assert predictions is not None
    non_finite = predictions.non_finite
    if not non_finite:
        confusion = predictions.confusion
        reached = (
            balanced_log_loss(predictions),
            calibrated_log_loss(predictions),
            accuracy(confusion),
            balanced_accuracy(confusion),
        )
        return dict(zip(VAL_FIGURES, reached, strict=True))
    pictures = f"{len(non_finite)} of {len(predictions.files)} val pictures"
    broken = find_non_finite(trainer)
    if broken:
        raise ModelError(
            f"After epoch {epoch + 1} the model's outputs are NaN or infinite for {pictures}, and "
            f"so are its weights: {shortlist(broken)}",
            expected="finite weights",
            todo=f"{start_anew(trainer)}; {LAST_NAME} is as it was before",
        )
    warn(
        f"after epoch {epoch + 1} the model's outputs are NaN or infinite for {pictures}: it "
        "cannot be the best epoch."
    )
    return dict.fromkeys(VAL_FIGURES)


def check_finite(what: str, predictions: Predictions | None) -> None:
    """Make sure that a report can be made of all predictions.

    Args:
        what: What a message calls the pictures, such as "val".
        predictions: The predictions; None if there are none, as on other ranks than the first.

    Raises:
        ModelError: If the model's outputs are NaN or infinite for any picture.
    """
    if predictions is not None and predictions.non_finite:
        raise ModelError(
            f"The model's outputs are NaN or infinite for {len(predictions.non_finite)} of "
            f"{len(predictions.files)} {what} pictures: {shortlist(predictions.non_finite)}",
            expected="finite outputs, from which a report can be made",
            todo="Look at these pictures, or train anew with --no-amp or a lower --lr",
        )


def start_anew(trainer: Trainer) -> str:
    """Return what to do where training has led to NaN or infinity."""
    return f"Start anew with a lower --lr than {trainer.settings.lr:g}, or with --no-amp"


def shown(figure: float | None) -> str:
    """Return a figure as text, or "-" where it is undefined."""
    return "-" if figure is None else f"{figure:.3f}"


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per finished epoch to history.csv."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, stream.getvalue())
