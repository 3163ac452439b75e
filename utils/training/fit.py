"""An open session in, its best weights and the test predictions out."""

import csv
import io
import time
from typing import Any

from models.bundle import save_tensors
from utils.common.files import write_text
from utils.common.labels import CLASSES, TEST, TRAIN, VAL
from utils.training import checkpoint
from utils.training.engine import Stopped
from utils.training.loader import epoch_order
from utils.training.optimisation import learning_rate
from utils.training.predictions import (
    Answers,
    Predictions,
    accuracy,
    balanced_accuracy,
    balanced_log_loss,
)
from utils.training.runs import HISTORY_NAME
from utils.training.session import Session
from utils.training.sums import EpochSums

SECONDS_PER_MINUTE = 60

MAX_TRAIN_PICTURES = 2_000
"""How pictures look in training is told from so many of them."""


def train(session: Session) -> None:
    """Train until the last epoch, or until patience ends.

    Raises:
        Stopped: If somebody asked to; the state is then saved.
    """
    settings, progress = session.facts.settings, session.progress
    try:
        while progress.epoch < settings.epochs and not is_out_of_patience(session):
            started = time.monotonic()
            _train_epoch(session)
            predictions = session.trainer.predict(VAL, "Validation")
            _close_epoch(session, predictions, time.monotonic() - started)
    except Stopped:
        session.save()
        raise
    if progress.epoch < settings.epochs:
        print(f"Stopped after epoch {progress.epoch}: none of the last {settings.patience} better.")


def test(session: Session) -> Answers:
    """Load the weights of the best epoch and let them say what each picture is, test last."""
    trainer = session.trainer
    checkpoint.load_weights(session.run.best, trainer.answering)
    num_train = len(session.pictures.splits[TRAIN])
    some = epoch_order(session.facts.settings.seed, 0, num_train)[:MAX_TRAIN_PICTURES]
    train = trainer.predict(TRAIN, "How training looks", sorted(some))
    val = trainer.predict(VAL, "Calibration")
    session.run.count_look(session.progress.best_epoch)
    return Answers(train, val, trainer.predict(TEST, "Test"))


def is_out_of_patience(session: Session) -> bool:
    """Return whether the val balanced accuracy has not risen for too long."""
    return 0 < session.facts.settings.patience <= session.progress.epochs_without_gain


def _train_epoch(session: Session) -> None:
    progress = session.progress
    interval_s = session.facts.settings.checkpoint_minutes * SECONDS_PER_MINUTE
    saved = time.monotonic()
    for steps_done in session.trainer.train_epoch(progress.epoch, progress.step):
        progress.step = steps_done
        if interval_s and time.monotonic() - saved > interval_s:
            session.save()
            saved = time.monotonic()


def _close_epoch(session: Session, predictions: Predictions, seconds: float) -> None:
    """Note what the epoch reached, keep its weights if they are the best, and save the state."""
    progress, trainer = session.progress, session.trainer
    row = {"epoch": progress.epoch + 1, **_train_figures(session), **_val_figures(predictions)}
    progress.history.append({**row, "seconds": round(seconds, 1)})
    better = row["val_balanced_accuracy"] > progress.best_metric
    if better:
        save_tensors(session.run.best, trainer.answering.state_dict())
        progress.best_metric, progress.best_epoch = row["val_balanced_accuracy"], row["epoch"]
    progress.epochs_without_gain = 0 if better else progress.epochs_without_gain + 1
    progress.epoch, progress.step = progress.epoch + 1, 0
    trainer.sums = EpochSums.empty(trainer.compute.device)
    session.save()
    write_history(session)
    print(
        f"Epoch {row['epoch']}/{session.facts.settings.epochs}: "
        f"train loss {row['train_loss']:.3f}, accuracy {row['train_accuracy']:.3f}; "
        f"val loss {row['val_loss']:.3f}, accuracy {row['val_accuracy']:.3f}, "
        f"balanced accuracy {row['val_balanced_accuracy']:.3f}{' (best)' if better else ''}; "
        f"{seconds:.0f} s"
        + (f"; {row['skipped_steps']} steps skipped" if row["skipped_steps"] else ""),
        flush=True,
    )


def _train_figures(session: Session) -> dict[str, Any]:
    trainer, settings = session.trainer, session.facts.settings
    loss, weight, skipped, _ = trainer.sums.totals.tolist()
    confusion = trainer.sums.confusion.cpu().numpy().reshape(len(CLASSES), len(CLASSES))
    steps = trainer.loader.steps(TRAIN)
    last_step = (session.progress.epoch + 1) * steps - 1
    return {
        "lr": learning_rate(last_step, steps, settings.epochs, settings.lr),
        "train_loss": loss / weight if weight else None,
        "train_accuracy": accuracy(confusion),
        "train_balanced_accuracy": balanced_accuracy(confusion),
        "skipped_steps": int(skipped),
    }


def _val_figures(predictions: Predictions) -> dict[str, Any]:
    return {
        "val_loss": balanced_log_loss(predictions),
        "val_accuracy": accuracy(predictions.confusion),
        "val_balanced_accuracy": balanced_accuracy(predictions.confusion),
    }


def write_history(session: Session) -> None:
    """Write one line per finished epoch to history.csv."""
    stream = io.StringIO()
    rows = session.progress.history
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(session.run.folder / HISTORY_NAME, stream.getvalue())
