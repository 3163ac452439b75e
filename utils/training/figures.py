"""What an epoch added up and what the model says of val in, the figures of that epoch out."""

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
    Examined,
    Predictions,
    accuracy,
    balanced_accuracy,
    balanced_log_loss,
    calibrated_log_loss,
)
from utils.training.state.runs import LAST_NAME

OF_VAL = ("val_loss", "val_calibrated_loss", "val_accuracy", "val_balanced_accuracy")


def train_figures(trainer: Trainer, epoch: int) -> dict[str, Any]:
    """Return the figures of the training pictures, None each if all steps were skipped.

    Args:
        trainer: At the end of the epoch.
        epoch: From 0.
    """
    sums = trainer.sums.of_all(trainer.world)
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
    """Return the figures of val, None each if the model does not answer all of it in numbers.

    A later epoch may: sums of 16 bits overflow in one picture or another. Not so where the weights
    themselves are no numbers.

    Args:
        trainer: At the end of the epoch.
        epoch: From 0.
        predictions: Of all val pictures.

    Raises:
        ModelError: If the weights are NaN or infinite.
    """
    assert predictions is not None
    unanswered = predictions.unanswered
    if not unanswered:
        confusion = predictions.confusion
        reached = (
            balanced_log_loss(predictions),
            calibrated_log_loss(predictions),
            accuracy(confusion),
            balanced_accuracy(confusion),
        )
        return dict(zip(OF_VAL, reached, strict=True))
    told = f"{len(unanswered)} of {len(predictions.files)} val pictures"
    broken = trainer.broken_weights
    if broken:
        raise ModelError(
            f"After epoch {epoch + 1} the model's outputs are NaN or infinite for {told}, and so "
            f"are its weights: {shortlist(broken)}",
            expected="weights that are numbers",
            todo=f"{start_anew(trainer)}; {LAST_NAME} is as it was before",
        )
    warn(
        f"after epoch {epoch + 1} the model's outputs are NaN or infinite for {told}: it cannot be "
        "the best epoch."
    )
    return dict.fromkeys(OF_VAL)


def check_answered(split: str, examined: Examined | None) -> None:
    """Make sure that there is a number to report for each picture.

    Raises:
        ModelError: If the model's outputs are NaN or infinite for any of them.
    """
    assert examined is not None
    if examined.unanswered:
        raise ModelError(
            f"The model's outputs are NaN or infinite for {len(examined.unanswered)} of "
            f"{len(examined.files)} {split} pictures: {shortlist(examined.unanswered)}",
            expected="numbers, from which a report can be made",
            todo="Look at these pictures, or train anew with --no-amp or a lower --lr",
        )


def start_anew(trainer: Trainer) -> str:
    """Return what to do where training has led to what are no numbers."""
    return f"Start anew with a lower --lr than {trainer.settings.lr:g}, or with --no-amp"


def shown(figure: float | None) -> str:
    """Show a figure, which is missing where all steps were skipped or val got no numbers."""
    return "-" if figure is None else f"{figure:.3f}"


def write_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per finished epoch to history.csv."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(path, stream.getvalue())
