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
from utils.training.predictions import (
    Answers,
    Predictions,
    accuracy,
    balanced_accuracy,
    balanced_log_loss,
)
from utils.training.runs import HISTORY_NAME
from utils.training.session import Session
from utils.training.workers import LostWorkerError

SECONDS_PER_MINUTE = 60

MAX_TRAIN_PICTURES = 2_000
"""How pictures look in training is told from so many of them."""


def train(session: Session) -> None:
    """Train until the last epoch, or until patience ends.

    Raises:
        Stopped: If somebody asked to; the state is then saved.
        LostWorkerError: If pictures cannot be read for want of a process; the state of one
            process is then saved, and several go on from what they saved last.
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
    except LostWorkerError:
        if session.world.size == 1:  # the others do not know of it and would be waited for
            session.save()
        raise
    if progress.epoch < settings.epochs:
        print(f"Stopped after epoch {progress.epoch}: none of the last {settings.patience} better.")


def test(session: Session) -> Answers | None:
    """Load the weights of the best epoch and let them say what each picture is, test last.

    Returns:
        None in all processes but the first.
    """
    trainer, world = session.trainer, session.world
    world.share(lambda: checkpoint.load_weights(session.run.best, trainer.answering))
    world.equalise(trainer.answering.state_dict().values())
    num_train = len(session.pictures.splits[TRAIN])
    some = epoch_order(session.facts.settings.seed, 0, num_train)[:MAX_TRAIN_PICTURES]
    train = trainer.describe(TRAIN, "How training looks", sorted(some))
    val = trainer.examine(VAL, "Calibration")
    world.share(lambda: session.run.count_look(session.progress.best_epoch))
    test = trainer.examine(TEST, "Test")
    return Answers(train, val, test) if train and val and test else None


def is_out_of_patience(session: Session) -> bool:
    """Return whether the val balanced accuracy has not risen for too long."""
    return 0 < session.facts.settings.patience <= session.progress.epochs_without_gain


def _train_epoch(session: Session) -> None:
    progress = session.progress
    interval_s = session.facts.settings.checkpoint_minutes * SECONDS_PER_MINUTE
    saved = time.monotonic()
    agreement = session.world.agreement()
    for steps_done in session.trainer.train_epoch(progress.epoch, progress.step):
        progress.step = steps_done
        is_due = interval_s > 0 and time.monotonic() - saved > interval_s
        if agreement.reach(is_due):
            session.save()
            saved = time.monotonic()


def _close_epoch(session: Session, predictions: Predictions | None, seconds: float) -> None:
    """Note what the epoch reached, keep its weights if they are the best, and save the state.

    Args:
        session: At the end of an epoch.
        predictions: Of all val pictures; None in all processes but the first.
        seconds: That the epoch took.
    """
    progress, trainer, world = session.progress, session.trainer, session.world
    trained = {"epoch": progress.epoch + 1, **_train_figures(session)}
    row = world.share(lambda: {**trained, **_val_figures(predictions)})
    progress.history.append({**row, "seconds": round(seconds, 1)})
    better = row["val_balanced_accuracy"] > progress.best_metric
    if better:
        world.share(lambda: save_tensors(session.run.best, trainer.answering.state_dict()))
        progress.best_metric, progress.best_epoch = row["val_balanced_accuracy"], row["epoch"]
    progress.epochs_without_gain = 0 if better else progress.epochs_without_gain + 1
    progress.epoch, progress.step = progress.epoch + 1, 0
    trainer.sums = trainer.sums.of_next_epoch()
    session.save()
    world.share(lambda: write_history(session))
    print(
        f"Epoch {row['epoch']}/{session.facts.settings.epochs}: "
        f"train loss {_shown(row['train_loss'])}, accuracy {_shown(row['train_accuracy'])}; "
        f"val loss {row['val_loss']:.3f}, accuracy {row['val_accuracy']:.3f}, "
        f"balanced accuracy {row['val_balanced_accuracy']:.3f}{' (best)' if better else ''}; "
        f"{seconds:.0f} s"
        + (f"; {row['skipped_steps']} steps skipped" if row["skipped_steps"] else ""),
        flush=True,
    )


def _shown(figure: float | None) -> str:
    """Show a figure of training, which has none where all steps were skipped."""
    return "-" if figure is None else f"{figure:.3f}"


def _train_figures(session: Session) -> dict[str, Any]:
    trainer = session.trainer
    sums = trainer.sums.of_all(session.world)
    loss, weight, skipped, _ = sums.totals.tolist()
    confusion = sums.confusion.cpu().numpy().reshape(len(CLASSES), len(CLASSES))
    last_step = (session.progress.epoch + 1) * trainer.loader.steps(TRAIN) - 1
    is_known = confusion.any()  # unless all steps were skipped
    return {
        "lr": trainer.rate(last_step),
        "train_loss": loss / weight if is_known else None,
        "train_accuracy": accuracy(confusion) if is_known else None,
        "train_balanced_accuracy": balanced_accuracy(confusion) if is_known else None,
        "skipped_steps": int(skipped),
    }


def _val_figures(predictions: Predictions | None) -> dict[str, Any]:
    assert predictions is not None
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
