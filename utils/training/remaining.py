"""Forecast how long a run still takes, from its first batches, steps and epochs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log, prod
from typing import Self

from utils.common.cli.durations import in_words
from utils.common.labels import TEST, TRAIN, VAL
from utils.training.data.loader import PictureLoader
from utils.training.engine import Trainer

PREDICTION_COST = 1 / 3
"""Cost of predicting a picture, relative to training on it: a backward pass takes twice as long as
a forward pass. Used until a validation has been measured."""

FEATURES_COST = 0.01
"""Cost of a picture whose features are computed already, so that only the classifier learns."""

LEAST_TELLING_COST = 0.1
"""An epoch whose pictures cost less says nothing about the other epochs."""

MIN_STEPS, MIN_S = 3, 3.0
"""Batches and seconds to be measured before a forecast, after the first, which is slower."""

LONG_S = 3_600
"""Seconds; for a longer training on a CPU, ways to shorten it are suggested."""

SMALL_INPUT = 128
"""Input size that is suggested then, in pixels."""


def relative_cost(trainer: Trainer, epoch: int) -> float:
    """Return the cost of a training picture in an epoch, above 0.

    This is the one place that knows which epochs are cheaper than others: 1 is the cost of a
    picture from which all weights learn at the full input size.

    Args:
        trainer: Tells which epochs are frozen, and which train on smaller pictures.
        epoch: Counted from 0.
    """
    if epoch < trainer.settings.freeze_epochs:
        return FEATURES_COST
    full = trainer.preprocessing.size
    return prod(trainer.smaller_size(epoch) or full) / prod(full)


@dataclass(frozen=True, slots=True)
class _Features:
    """What was seen of computing features.

    Attributes:
        since: When the first batch was done.
        until: When the last one was.
        done: Pictures of all batches.
        timed: Those of the batches after the first.
        batches: Number of these.
        is_told: Whether a forecast was made from them.
    """

    since: float
    until: float
    done: int
    timed: int = 0
    batches: int = 0
    is_told: bool = False

    def advanced(self, count: int, now: float) -> Self:
        return replace(
            self, until=now, done=self.done + count, timed=self.timed + count,
            batches=self.batches + 1,
        )  # fmt: skip


class Forecast:
    """Estimates how long a run still takes; the more of it was measured, the better.

    It only reads a clock: no step depends on it.

    Args:
        loader: Loader of the pictures.
        epochs: Number of epochs of the whole run.
        cost: Relative cost of a training picture in an epoch (from 0).
        is_faster_than_features: Whether steps compute in less than the float32 of features.
        clock: Returns seconds.
    """

    def __init__(
        self,
        loader: PictureLoader,
        epochs: int,
        cost: Callable[[int], float] = lambda _: 1.0,
        is_faster_than_features: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._num = {split: len(listed) for split, listed in loader.pictures.splits.items()}
        self._num_steps, self._batch_size = loader.steps(TRAIN), loader.batch_size
        self._epochs = epochs
        self._cost, self._clock = cost, clock
        self._is_faster_than_features = is_faster_than_features
        self._paces: dict[float, float] = {}  # by relative cost: seconds for a training picture
        self._prediction_s: float | None = None
        self._epoch = self._last = -1  # none has begun
        self._step = self._from_step = 0
        self._since = self._now = 0.0
        self._is_resumed = self._is_warm = self._is_told = self._is_shortening_told = False
        self._features: _Features | None = None

    def begin(self, epoch: int, step: int) -> None:
        """Note that an epoch (from 0) begins, or continues after `step` of its steps."""
        if self._epoch < 0:
            self._is_resumed = epoch > 0 or step > 0
        elif self._cost(epoch) != self._cost(self._last):
            self._is_warm = False  # the first of other steps is slower as well
        self._last = epoch
        self._epoch, self._step, self._from_step = epoch, step, step
        self._since = self._now = self._clock()

    def advance_features(self, count: int) -> str | None:
        """Note that the frozen network's features of `count` more pictures are computed.

        Returns:
            The forecast in words, once, as soon as enough batches have been measured; else None.
        """
        self._since = self._now = now = self._clock()  # no part of the steps that come after it
        before = self._features
        if before is None:  # the first batch is slower
            self._features = _Features(since=now, until=now, done=count)
            return None
        self._features = seen = before.advanced(count, now)
        seconds = now - seen.since
        if seen.is_told or seen.batches < MIN_STEPS or seconds < MIN_S:
            return None
        self._features = replace(seen, is_told=True)
        to_come_s = (self._num[TRAIN] + self._num[VAL] - seen.done) * seconds / seen.timed
        about = "At most about" if self._is_faster_than_features else "About"
        return (
            f"{about} {in_words(to_come_s + (self.left_s() or 0.0))} for {self._what()}, judged by "
            f"its features, {_rate(seen.timed / seconds)} pictures/s at first."
        )

    def advance(self, step: int) -> str | None:
        """Note that `step` steps of the epoch are done, by the device as well.

        Returns:
            The forecast in words, once, as soon as enough steps have been measured; else None.
        """
        self._step, self._now = step, self._clock()
        if not self._is_warm:
            self._is_warm = True
            if step < self._num_steps:
                self._from_step, self._since = step, self._now
        seen, seconds = step - self._from_step, self._now - self._since
        if self._is_told or seen < MIN_STEPS or seconds < MIN_S:
            return None
        if self._cost(self._epoch) < LEAST_TELLING_COST:
            return None
        self._is_told = True
        return self._first_words()

    def end_training(self) -> None:
        """Note that all steps of the epoch are done."""
        self._step, self._now = self._num_steps, self._clock()
        cost, pace = self._cost(self._epoch), self._running_pace()
        if pace is not None:
            self._paces[cost] = (pace + self._paces.get(cost, pace)) / 2

    def end_epoch(self) -> None:
        """Note that the epoch is validated as well."""
        now = self._clock()
        if self._cost(self._epoch) >= LEAST_TELLING_COST:  # else val had its features already
            self._prediction_s = (now - self._now) / self._num[VAL]
        self._epoch, self._step, self._from_step = self._epoch + 1, 0, 0
        self._since = self._now = now

    def left_s(self) -> float | None:
        """Return the seconds until the test is done; None as long as nothing was measured."""
        if not self._known():
            return None
        epochs = range(self._epoch, self._epochs)
        training = sum(self._num[TRAIN] * self._pace(epoch) for epoch in epochs)
        if epochs:
            training -= self._pictures(0, self._step) * self._pace(self._epoch)
        each_s = self._prediction_s
        if each_s is None:
            each_s = PREDICTION_COST * self._scaled(1.0)
        validations = sum(self._cost(epoch) >= LEAST_TELLING_COST for epoch in epochs)
        return training + each_s * (self._num[VAL] * (validations + 1) + self._num[TEST])

    def shortening(self, device: str, input_size: int) -> str | None:
        """Return how to shorten a long training on a CPU, once; None where the training is not one.

        Args:
            device: Type of the device.
            input_size: Shorter side of the model's input, in pixels.
        """
        if device != "cpu" or self._is_shortening_told or (self.left_s() or 0.0) <= LONG_S:
            return None
        if self._is_faster_than_features and not self._is_measured():
            return None  # what is left is a bound as yet
        self._is_shortening_told = True
        if self._is_resumed or input_size <= SMALL_INPUT:  # what was begun keeps its input
            return "Fewer epochs (--epochs) or a GPU would make it shorter."
        return (
            f"A smaller input (--input-size {SMALL_INPUT}), fewer epochs (--epochs) or a GPU would "
            "make it shorter."
        )

    def _first_words(self) -> str:
        costs = {self._cost(epoch) for epoch in range(self._epoch, self._epochs)}
        at_first = " at first" if len(costs) > 1 else ""
        return (
            f"About {in_words(self.left_s() or 0.0)} for {self._what()}, "
            f"{_rate(1 / self._pace(self._epoch))} pictures/s{at_first}."
        )

    def _what(self) -> str:
        epochs = f"{self._epochs} epoch{'s' if self._epochs > 1 else ''}"
        is_begun = self._is_resumed or self._epoch > 0
        return f"{'what is left of ' * is_begun}{epochs} of {self._num[TRAIN]:,} pictures"

    def _is_measured(self) -> bool:
        """Return whether a step of more than the classifier was measured."""
        return any(cost >= LEAST_TELLING_COST for cost in self._measured())

    def _measured(self) -> dict[float, float]:
        """Return the seconds per training picture by relative cost, the epoch at hand included."""
        pace = self._running_pace() if self._step > self._from_step else None
        if pace is None:
            return self._paces
        return {self._cost(self._epoch): pace, **self._paces}

    def _known(self) -> dict[float, float]:
        """Return the same, with features for want of steps; empty if it tells nothing."""
        measured, seen = self._measured(), self._features
        if self._is_measured():
            return measured
        if seen is None or not seen.timed:
            return {}
        return {PREDICTION_COST: (seen.until - seen.since) / seen.timed, **measured}

    def _running_pace(self) -> float | None:
        """Return the seconds per training picture in the epoch at hand."""
        count = self._pictures(self._from_step, self._step)
        return (self._now - self._since) / count if count else None

    def _pace(self, epoch: int) -> float:
        return self._scaled(self._cost(epoch))

    def _scaled(self, cost: float) -> float:
        """Return the seconds per picture of a cost, from the nearest cost that was measured."""
        known = self._known()
        nearest = min(known, key=lambda seen: abs(log(seen / cost)))
        return known[nearest] * cost / nearest

    def _pictures(self, from_step: int, step: int) -> int:
        """Return the number of pictures between two steps; the last batch may differ in size."""
        first, last = (
            self._num[TRAIN] if each == self._num_steps else each * self._batch_size
            for each in (from_step, step)
        )
        return last - first


def _rate(per_second: float) -> str:
    """Return a rate with as many digits as an estimate deserves.

    >>> [_rate(each) for each in (3_493.2, 14.68, 0.125)]
    ['3,493', '14.7', '0.12']
    """
    digits = 0 if per_second >= 100 else 1 if per_second >= 1 else 2
    return f"{per_second:,.{digits}f}"
