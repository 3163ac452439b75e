"""An open session in, its best weights and the test predictions out."""

import functools
import time

from models.bundle import save_tensors
from utils.common.cli.console import say
from utils.common.cli.durations import in_short
from utils.common.errors import ModelError
from utils.common.labels import TEST, TRAIN, VAL
from utils.training.data.loader import epoch_order
from utils.training.data.workers import LostWorkerError
from utils.training.engine import Stopped, Trainer
from utils.training.figures import (
    check_answered,
    shown,
    start_anew,
    train_figures,
    val_figures,
    write_history,
)
from utils.training.predictions import Answers, Predictions
from utils.training.remaining import Forecast, relative_cost
from utils.training.session import Session
from utils.training.state import checkpoint
from utils.training.state.progress import criterion
from utils.training.state.runs import HISTORY_NAME

SECONDS_PER_MINUTE = 60

MAX_TRAIN_PICTURES = 2_000
"""How pictures look in training is told from so many of them."""


def train(session: Session) -> None:
    """Train until the last epoch, or until patience ends.

    Raises:
        ModelError: If the weights have become NaN or infinite; the state of before is kept.
        Stopped: If somebody asked to; the state is then saved.
        LostWorkerError: If pictures cannot be read for want of a process; the state of one
            process is then saved, and several go on from what they saved last.
    """
    settings, progress = session.facts.settings, session.progress
    forecast = Forecast(
        session.trainer.loader, settings.epochs, functools.partial(relative_cost, session.trainer)
    )
    try:
        while progress.epoch < settings.epochs and not is_out_of_patience(session):
            started = time.monotonic()
            forecast.begin(progress.epoch, progress.step)
            _train_epoch(session, forecast)
            forecast.end_training()
            predictions = session.trainer.predict(VAL, "Validation")
            forecast.end_epoch()
            _close_epoch(session, predictions, time.monotonic() - started, forecast.left_s())
    except Stopped:
        session.save()
        raise
    except LostWorkerError:
        if session.world.size == 1:  # the others do not know of it and would be waited for
            session.save()
        raise
    if progress.epoch < settings.epochs:
        number = settings.patience
        last = f"last {number} epochs were" if number > 1 else "last one was"
        print(f"Stopped after epoch {progress.epoch}: the {last} no better (--patience {number}).")


def test(session: Session) -> Answers | None:
    """Load the weights of the best epoch and let them say what each picture is, test last.

    Returns:
        None in all processes but the first.

    Raises:
        ModelError: If there is no best epoch, or an answer that is no number.
    """
    trainer, world = session.trainer, session.world
    if not session.progress.best_epoch:
        raise ModelError(
            f"None of {session.progress.epoch} epochs gave numbers on val, so there is nothing to "
            "test",
            todo=start_anew(trainer),
        )
    world.broadcast(lambda: checkpoint.load_weights(session.run.best, trainer.answering))
    world.broadcast_tensors(trainer.answering.state_dict().values())
    num_train = len(session.pictures.splits[TRAIN])
    some = epoch_order(session.facts.settings.seed, 0, num_train)[:MAX_TRAIN_PICTURES]
    train = trainer.describe(TRAIN, "How training looks", sorted(some))
    val = trainer.examine(VAL, "Calibration")
    world.broadcast(lambda: check_answered(VAL, val))
    world.broadcast(lambda: session.run.count_look(session.progress.best_epoch))
    test = trainer.examine(TEST, "Test")
    world.broadcast(lambda: check_answered(TEST, test))
    return Answers(train, val, test) if train and val and test else None


def is_out_of_patience(session: Session) -> bool:
    """Return whether the calibrated val loss has not fallen for too long.

    With --progressive-resizing not before an epoch at full size, which is what the others are for.
    """
    done = session.progress.epoch
    if done == 0 or session.trainer.smaller_size(done - 1) is not None:
        return False
    return 0 < session.facts.settings.patience <= session.progress.epochs_without_gain


def _train_epoch(session: Session, forecast: Forecast) -> None:
    progress, trainer = session.progress, session.trainer
    interval_s = session.facts.settings.checkpoint_minutes * SECONDS_PER_MINUTE
    saved = time.monotonic()
    any_rank = session.world.any_rank()
    for steps_done in trainer.train_epoch(progress.epoch, progress.step):
        progress.step = steps_done
        if trainer.waits_after(steps_done - 1):
            _announce(forecast, steps_done, trainer)
        is_due = interval_s > 0 and time.monotonic() - saved > interval_s
        if any_rank.wishes(is_due):
            session.save()
            saved = time.monotonic()


def _announce(forecast: Forecast, steps_done: int, trainer: Trainer) -> None:
    """Say how long it will all take, as soon as that can be told."""
    words = forecast.advance(steps_done)
    if words is None:
        return
    say(words)
    side = min(trainer.preprocessing.height, trainer.preprocessing.width)
    if shorter := forecast.shortening(trainer.compute.device.type, side):
        say(shorter)


def _close_epoch(
    session: Session, predictions: Predictions | None, seconds: float, left_s: float | None
) -> None:
    """Note what the epoch reached, keep its weights if they are the best, and save the state.

    Args:
        session: At the end of an epoch.
        predictions: Of all val pictures; None in all processes but the first.
        seconds: That the epoch took.
        left_s: Seconds until the test is done, where they can be told.
    """
    progress, trainer, world = session.progress, session.trainer, session.world
    trained = {"epoch": progress.epoch + 1, **train_figures(trainer, progress.epoch)}
    row = world.broadcast(lambda: {**trained, **val_figures(trainer, progress.epoch, predictions)})
    progress.history.append({**row, "seconds": round(seconds, 1)})
    reached, best = criterion(progress.history), progress.best_metric
    better = reached is not None and (best is None or reached < best)
    if better:
        world.broadcast(lambda: save_tensors(session.run.best, trainer.answering.state_dict()))
        progress.best_metric, progress.best_epoch = reached, row["epoch"]
    progress.epochs_without_gain = 0 if better else progress.epochs_without_gain + 1
    progress.epoch, progress.step = progress.epoch + 1, 0
    trainer.sums = trainer.sums.of_next_epoch()
    session.save()
    path = session.run.folder / HISTORY_NAME
    size = trainer.smaller_size(row["epoch"] - 1)
    world.broadcast(lambda: write_history(path, progress.history))
    is_last = progress.epoch == session.facts.settings.epochs or is_out_of_patience(session)
    print(
        f"Epoch {row['epoch']}/{session.facts.settings.epochs}: "
        f"train loss {shown(row['train_loss'])}, accuracy {shown(row['train_accuracy'])}; "
        f"val loss {shown(row['val_loss'])}, {shown(row['val_calibrated_loss'])} calibrated"
        f"{' (best)' if better else ''}, accuracy {shown(row['val_accuracy'])}, "
        f"balanced accuracy {shown(row['val_balanced_accuracy'])}; "
        f"{seconds:.0f} s"
        + (f"; trained at {size[1]} x {size[0]} pixels" if size else "")
        + ("" if is_last or left_s is None else f"; about {in_short(left_s)} left")
        + (f"; {row['skipped_steps']} steps skipped" if row["skipped_steps"] else ""),
        flush=True,
    )
