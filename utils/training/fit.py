"""Train a session epoch by epoch, keep the best weights, and run them on val and test."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from models.bundle import save_tensors
from models.device import FLOAT32
from utils.common.cli.console import say
from utils.common.cli.durations import in_short
from utils.common.errors import ModelError
from utils.common.labels import TEST, TRAIN, VAL
from utils.common.seeds import stable_hash
from utils.training.data.pictures import PictureFolder
from utils.training.data.workers import LostWorkerError
from utils.training.engine import Trainer
from utils.training.figures import (
    check_finite,
    shown,
    start_anew,
    train_figures,
    val_figures,
    write_history,
)
from utils.training.predictions import (
    EvaluationInputs,
    OodFeatures,
    Predictions,
    best_epoch,
    criterion,
)
from utils.training.predictor import Predictor
from utils.training.processes.stopping import Stopped
from utils.training.processes.world import World
from utils.training.remaining import Forecast, relative_cost
from utils.training.session import Session
from utils.training.state import checkpoint
from utils.training.state.runs import HISTORY_NAME

SECONDS_PER_MINUTE = 60

MAX_TRAIN_PICTURES = 2_000
"""Training pictures whose features out-of-distribution detection is fitted on."""


def train(session: Session) -> None:
    """Train until the last epoch, or until patience ends.

    Raises:
        ModelError: If the weights have become NaN or infinite; the last stored state is kept.
        Stopped: If somebody asked to; the state is then saved.
        LostWorkerError: If a process that reads pictures is gone; a single process then saves its
            state, several go on from the one stored last.
    """
    settings, progress = session.facts.settings, session.progress
    forecast = Forecast(
        session.trainer.loader, settings.epochs, functools.partial(relative_cost, session.trainer),
        session.trainer.compute.precision != FLOAT32,
    )  # fmt: skip
    if progress.history:
        _write_history(session)  # a kill may have come between the last state and its line there
    try:
        while progress.epoch < settings.epochs and not is_out_of_patience(session):
            started = time.monotonic()
            forecast.begin(progress.epoch, progress.step)
            _train_epoch(session, forecast)
            forecast.end_training()
            predictions = session.trainer.predictor().predict(VAL, "Validation")
            forecast.end_epoch()
            _close_epoch(session, predictions, time.monotonic() - started, forecast.left_s())
    except Stopped:
        session.save()
        raise
    except LostWorkerError:
        if session.world.size == 1:  # saving would wait for other ranks, which know nothing of it
            session.save()
        raise
    if progress.epoch < settings.epochs:
        number = settings.patience
        last = f"last {number} epochs were" if number > 1 else "last one was"
        print(f"Stopped after epoch {progress.epoch}: the {last} no better (--patience {number}).")


def test(session: Session) -> EvaluationInputs | None:
    """Load the weights of the best epoch and run them on train, val and at last on test.

    Returns:
        None on all ranks but the first.

    Raises:
        ModelError: If there is no best epoch, or a logit is NaN or infinite.
    """
    trainer, world = session.trainer, session.world
    if not session.progress.best_epoch:
        raise ModelError(
            f"In none of {session.progress.epoch} epochs were all outputs on val finite, so there "
            "is nothing to test",
            todo=start_anew(trainer),
        )
    session.keep_best()
    world.broadcast(lambda: checkpoint.load_weights(session.run.best, trainer.evaluated))
    world.broadcast_tensors(trainer.evaluated.state_dict().values())
    inputs = predict_splits(
        trainer.predictor(), session.pictures, session.facts.settings.seed, world,
        lambda: session.run.count_look(session.progress.best_epoch),
    )  # fmt: skip
    if inputs is None:
        return None
    _tell_of_embeddings(session, inputs.train)
    val_by_epoch = list(session.val_logits)
    val_by_epoch[session.progress.best_epoch - 1] = inputs.val.logits
    kept = val_by_epoch[session.facts.settings.probe_epochs :]
    return replace(inputs, val_by_epoch=[kept])


def predict_splits(
    predictor: Predictor,
    pictures: PictureFolder,
    seed: int,
    world: World,
    count_look: Callable[[], None],
) -> EvaluationInputs | None:
    """Run a network on train, val and at last on test.

    Args:
        predictor: Runs it.
        pictures: The data set.
        seed: Decides on which training pictures out-of-distribution detection is fitted.
        world: The processes that predict together.
        count_look: Notes on rank 0 that test is about to be looked at.

    Returns:
        All but `val_by_epoch`; None on all ranks but the first.

    Raises:
        ModelError: If a logit is NaN or infinite.
    """
    some = drawn_for_ood([picture.file for picture in pictures.splits[TRAIN]], seed)
    train = predictor.ood_features(TRAIN, "Features of train", some)
    val = predictor.predict_with_features(VAL, "Calibration")
    world.broadcast(lambda: check_finite(VAL, val))
    drawn = predictor.predict_drawn(VAL, "Faults of val")
    world.broadcast(lambda: check_finite(f"newly degraded {VAL}", drawn))
    world.broadcast(count_look)
    test = predictor.predict_with_features(TEST, "Test")
    world.broadcast(lambda: check_finite(TEST, test))
    if train is None or val is None or test is None:
        return None
    return EvaluationInputs(train, val, test, drawn=drawn)


def drawn_for_ood(files: Sequence[str], seed: int) -> list[int]:
    """Return the positions of the pictures that out-of-distribution detection is fitted on.

    Each name is drawn by its own hash: in whatever order pictures are listed, the same are taken,
    and few change where a few pictures are added.
    """
    by_hash = sorted(range(len(files)), key=lambda one: stable_hash(seed, "ood", files[one]))
    return sorted(by_hash[:MAX_TRAIN_PICTURES])


def _tell_of_embeddings(session: Session, train: OodFeatures) -> None:
    """Say so where a network has no embeddings, and the surface alone tells strangers."""
    if train.features.shape[1] == train.num_surface:
        say(
            f"{session.facts.settings.model} has no single layer that turns pooled features into "
            "its outputs: by texture and first features alone it is told which pictures are unlike "
            "those of training."
        )


def is_out_of_patience(session: Session) -> bool:
    """Return whether the calibrated val loss has not fallen for too long.

    Never before an epoch in which all weights learn at full size, for which the others prepare.
    """
    done = session.progress.epoch
    if (
        done <= session.facts.settings.probe_epochs
        or session.trainer.smaller_size(done - 1) is not None
    ):
        return False
    return 0 < session.facts.settings.patience <= session.progress.epochs_without_gain


def _train_epoch(session: Session, forecast: Forecast) -> None:
    progress, trainer = session.progress, session.trainer
    interval_s = session.facts.settings.checkpoint_minutes * SECONDS_PER_MINUTE
    saved = time.monotonic()
    any_rank = session.world.any_rank()

    def features_seen(count: int) -> None:
        _announce(forecast, forecast.advance_features(count), trainer)

    for steps_done in trainer.train_epoch(progress.epoch, progress.step, features_seen):
        progress.step = steps_done
        if trainer.waits_after(steps_done - 1):
            _announce(forecast, forecast.advance(steps_done), trainer)
        is_due = interval_s > 0 and time.monotonic() - saved > interval_s
        if any_rank.wants(is_due):
            session.save()
            saved = time.monotonic()


def _announce(forecast: Forecast, words: str | None, trainer: Trainer) -> None:
    """Print how long the run will take, as soon as that is known."""
    if words is None:
        return
    say(words)
    side = min(trainer.preprocessing.height, trainer.preprocessing.width)
    if shorter := forecast.shortening(trainer.compute.device.type, side):
        say(shorter)


def _close_epoch(
    session: Session, predictions: Predictions | None, seconds: float, left_s: float | None
) -> None:
    """Note the figures of an epoch, keep its weights if they are the best, and save the state.

    Args:
        session: A session at the end of an epoch.
        predictions: Predictions of all val pictures; None on all ranks but the first.
        seconds: Duration of the epoch.
        left_s: Seconds until the test is done; None if nobody knows.
    """
    progress, trainer, world = session.progress, session.trainer, session.world
    trained = {"epoch": progress.epoch + 1, **train_figures(trainer, progress.epoch)}
    row = world.broadcast(lambda: {**trained, **val_figures(trainer, progress.epoch, predictions)})
    progress.history.append({**row, "seconds": round(seconds, 1)})
    if predictions is not None:
        session.val_logits.append(predictions.logits)
    probe_epochs = session.facts.settings.probe_epochs
    is_kept = row["epoch"] > probe_epochs  # frozen epochs prepare the others
    losses = progress.val_losses[probe_epochs:]
    better = best_epoch(losses) == len(losses) - 1
    if better:
        place, weights = session.run.candidate(row["epoch"]), trainer.evaluated.state_dict()
        world.broadcast(lambda: save_tensors(place, weights))
        progress.best_metric, progress.best_epoch = criterion(losses), row["epoch"]
    progress.epochs_without_gain = 0 if better or not is_kept else progress.epochs_without_gain + 1
    progress.epoch, progress.step = progress.epoch + 1, 0
    trainer.sums = trainer.sums.of_next_epoch()
    session.save()
    _write_history(session)
    size = trainer.smaller_size(row["epoch"] - 1)
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


def _write_history(session: Session) -> None:
    path = session.run.folder / HISTORY_NAME
    session.world.broadcast(lambda: write_history(path, session.history))
