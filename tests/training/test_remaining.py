"""The time that is left, as told with a clock that the test moves."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import launch_training_test
from utils.training import fit, remaining
from utils.training.engine import Trainer
from utils.training.remaining import FEATURES_COST, PREDICTION_COST, Forecast, relative_cost

TRAIN, VAL, TEST, BATCH = 1_000, 200, 400, 50
STEPS = TRAIN // BATCH


class Clock:
    """Tells the seconds that a test has let pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def forecast_of(
    clock: Clock,
    epochs: int,
    cost: Callable[[int], float] = lambda _: 1.0,
    is_faster: bool = False,
) -> Forecast:
    splits = {"train": range(TRAIN), "val": range(VAL), "test": range(TEST)}
    pictures = SimpleNamespace(splits=splits)
    loader: Any = SimpleNamespace(pictures=pictures, batch_size=BATCH, steps=lambda _: STEPS)
    return Forecast(loader, epochs, cost, is_faster, clock)


def run_epoch(
    forecast: Forecast, clock: Clock, epoch: int, step_s: float, val_s: float, first_step: int = 0
) -> list[str]:
    """Let an epoch pass; return what was said in it."""
    said = []
    forecast.begin(epoch, first_step)
    for step in range(first_step + 1, STEPS + 1):
        clock.now += step_s
        said.append(forecast.advance(step))
    forecast.end_training()
    clock.now += val_s
    forecast.end_epoch()
    return [words for words in said if words]


def first_words(forecast: Forecast, clock: Clock, step_s: float, epoch: int = 0) -> tuple[int, str]:
    """Return the first step (from 1) after which something is said, and what."""
    forecast.begin(epoch, 0)
    clock.now += 60.0  # the start, which tells nothing of the steps
    for step in range(1, STEPS + 1):
        clock.now += step_s
        if words := forecast.advance(step):
            return step, words
    return 0, ""


def test_it_is_said_after_a_few_steps_that_the_start_is_no_part_of(clock: Clock) -> None:
    step, words = first_words(forecast_of(clock, 8), clock, 5.0)
    # 8 x 1,000 pictures less 200, and 9 x 200 + 400 of a third, at 10 pictures/s.
    assert (step, words) == (
        4, "About 14 minutes for 8 epochs of 1,000 pictures, 10.0 pictures/s."
    )  # fmt: skip


def test_it_waits_for_some_seconds_where_steps_are_fast(clock: Clock) -> None:
    step, words = first_words(forecast_of(clock, 1), clock, 0.25)
    assert step == 13
    assert words == "About 10 seconds for 1 epoch of 1,000 pictures, 200 pictures/s."


def test_it_is_said_once(clock: Clock) -> None:
    forecast = forecast_of(clock, 3)
    said = [run_epoch(forecast, clock, epoch, 5.0, 5.0) for epoch in range(3)]
    assert [len(words) for words in said] == [1, 0, 0]


def test_with_even_epochs_the_first_estimate_is_the_truth(clock: Clock) -> None:
    forecast = forecast_of(clock, 4)
    forecast.begin(0, 0)
    for step in range(1, 5):
        clock.now += 6.0
        forecast.advance(step)
    promised, then = forecast.left_s(), clock.now
    clock.now = 100.0
    look_s = 6.0 / BATCH * PREDICTION_COST
    for epoch in range(4):
        run_epoch(forecast, clock, epoch, 6.0, VAL * look_s)
    clock.now += (VAL + TEST) * look_s
    assert promised == pytest.approx(clock.now - then)


def test_what_was_measured_counts_more_than_what_was_assumed(clock: Clock) -> None:
    forecast = forecast_of(clock, 3)
    run_epoch(forecast, clock, 0, 5.0, val_s=2.0)
    assert forecast.left_s() == pytest.approx(2 * (STEPS * 5.0 + 2.0) + (VAL + TEST) * 2.0 / VAL)
    run_epoch(forecast, clock, 1, 9.0, val_s=4.0)  # somebody else uses the computer
    assert forecast.left_s() == pytest.approx(STEPS * 7.0 + 4.0 + (VAL + TEST) * 4.0 / VAL)


def test_a_cheap_beginning_does_not_promise_a_cheap_end(clock: Clock) -> None:
    costs = (0.25, 0.25, 0.5, 1.0)
    forecast = forecast_of(clock, 4, costs.__getitem__)
    _, words = first_words(forecast, clock, 2.5)
    assert words.endswith(", 20.0 pictures/s at first.")
    looks_s = (4 * VAL + VAL + TEST) * PREDICTION_COST * 0.2
    left_s = TRAIN * 0.2 * sum(costs) - 4 * BATCH * 0.05 + looks_s
    assert forecast.left_s() == pytest.approx(left_s, rel=0.01)


def test_an_epoch_that_was_seen_is_not_assumed_any_more(clock: Clock) -> None:
    forecast = forecast_of(clock, 4, (0.25, 1.0, 1.0, 1.0).__getitem__)
    run_epoch(forecast, clock, 0, 1.0, 1.0)
    run_epoch(forecast, clock, 1, 10.0, 1.0)
    assert forecast.left_s() == pytest.approx(2 * (STEPS * 10.0 + 1.0) + 3.0)


def test_nothing_is_said_of_the_whole_by_an_epoch_that_costs_next_to_nothing(clock: Clock) -> None:
    forecast = forecast_of(clock, 3, (0.01, 1.0, 1.0).__getitem__)
    assert run_epoch(forecast, clock, 0, 1.0, 1.0) == []
    assert forecast.left_s() is None
    assert len(run_epoch(forecast, clock, 1, 5.0, 1.0)) == 1
    assert forecast.left_s() == pytest.approx(STEPS * 5.0 + 1.0 + 3.0)


def frozen_then_whole(epoch: int) -> float:
    return FEATURES_COST if epoch < 20 else 1.0


def test_features_tell_how_long_the_whole_run_takes(clock: Clock) -> None:
    forecast = forecast_of(clock, 22, frozen_then_whole)
    forecast.begin(0, 0)
    clock.now += 60.0  # the start
    said = []
    for _ in range((TRAIN + VAL) // BATCH):
        clock.now += 2.0
        said.append(forecast.advance_features(BATCH))
    # 25 pictures/s: 1,000 features to come; 20 epochs of 1 % and 2 of three times as long each,
    # with three validations and a test.
    seconds = 1_000 / 25 + (20 * 0.01 + 2) * 3_000 / 25 + (3 * VAL + TEST) / 25
    assert seconds == pytest.approx(344)
    assert [words for words in said if words] == [
        "About 6 minutes for 22 epochs of 1,000 pictures, judged by its features, 25.0 pictures/s "
        "at first."
    ]
    assert said[3] is not None  # the first batch and three that were measured
    assert forecast.left_s() == pytest.approx(seconds - 1_000 / 25)


def test_features_bound_what_is_faster_than_they_are(clock: Clock) -> None:
    forecast = forecast_of(clock, 52, frozen_then_whole, is_faster=True)
    forecast.begin(0, 0)
    said = []
    for _ in range((TRAIN + VAL) // BATCH):
        clock.now += 4.0
        said.append(forecast.advance_features(BATCH))
    (words,) = filter(None, said)
    assert words.startswith("At most about 2 hours 20 minutes for 52 epochs ")
    assert forecast.shortening("cpu", 224) is None  # nobody knows whether it takes an hour
    run_epoch(forecast, clock, 20, 10.0, 8.0)
    assert forecast.shortening("cpu", 224) is not None
    assert forecast.shortening("cpu", 224) is None  # said once


def test_a_measured_step_says_more_than_features(clock: Clock) -> None:
    costs = (FEATURES_COST, 0.3, 0.5, 1.0)
    forecast = forecast_of(clock, 4, costs.__getitem__)
    forecast.begin(0, 0)
    for _ in range((TRAIN + VAL) // BATCH):
        clock.now += 100.0
        forecast.advance_features(BATCH)
    run_epoch(forecast, clock, 0, 0.1, 0.0)
    run_epoch(forecast, clock, 1, 3.0, 2.0)
    assert forecast.left_s() == pytest.approx(STEPS * (5.0 + 10.0) + 2 * 2.0 + 2.0 * 3)


def test_the_first_step_of_the_whole_network_is_left_out(clock: Clock) -> None:
    forecast = forecast_of(clock, 2, (FEATURES_COST, 1.0).__getitem__)
    run_epoch(forecast, clock, 0, 0.1, 0.0)
    forecast.begin(1, 0)
    clock.now += 60.0  # as for --compile
    assert forecast.advance(1) is None
    for step in range(2, 5):
        clock.now += 5.0
        words = forecast.advance(step)
    assert words == (
        "About 2 minutes for what is left of 2 epochs of 1,000 pictures, 10.0 pictures/s."
    )


def test_frozen_epochs_count_their_validations_as_nothing(clock: Clock) -> None:
    forecast = forecast_of(clock, 22, frozen_then_whole)
    forecast.begin(0, 0)
    for _ in range((TRAIN + VAL) // BATCH):
        clock.now += 2.0
        forecast.advance_features(BATCH)
    for epoch in range(20):
        assert run_epoch(forecast, clock, epoch, 0.06, 0.001) == []
    assert forecast.left_s() == pytest.approx((2 * 3_000 + 3 * VAL + TEST) / 25)
    (words,) = run_epoch(forecast, clock, 20, 10.0, 8.0)  # slower than its features promised
    assert words == (
        "About 7 minutes for what is left of 22 epochs of 1,000 pictures, 5.0 pictures/s."
    )
    assert forecast.left_s() == pytest.approx(STEPS * 10.0 + 8.0 + (VAL + TEST) * 8.0 / VAL)


def test_the_time_of_features_is_no_part_of_the_steps_after_them(clock: Clock) -> None:
    forecast = forecast_of(clock, 1, lambda _: FEATURES_COST)
    forecast.begin(0, STEPS - 1)  # one step is left
    for _ in range(4):
        clock.now += 100.0
        forecast.advance_features(BATCH)
    clock.now += 1.0
    assert forecast.advance(STEPS) is None
    forecast.end_training()
    forecast.end_epoch()
    each_s = 100.0 / BATCH
    assert forecast.left_s() == pytest.approx((VAL + TEST) * each_s)
    forecast.begin(0, 0)
    assert forecast.left_s() == pytest.approx(TRAIN * 1.0 / BATCH + (VAL + TEST) * each_s)


def test_a_run_that_goes_on_tells_what_is_left(clock: Clock) -> None:
    forecast = forecast_of(clock, 8)
    (words,) = run_epoch(forecast, clock, 6, 5.0, 5.0, first_step=10)
    # 16 of 20 steps in two epochs less the 10 that were done, and 800 answers.
    assert words == (
        "About 3 minutes for what is left of 8 epochs of 1,000 pictures, 10.0 pictures/s."
    )


def test_an_epoch_of_one_step_is_measured_as_a_whole(clock: Clock) -> None:
    forecast = forecast_of(clock, 2)
    forecast.begin(0, STEPS - 1)
    clock.now += 5.0
    assert forecast.advance(STEPS) is None
    forecast.end_training()
    assert forecast.left_s() == pytest.approx(
        TRAIN * 0.1 + (2 * VAL + VAL + TEST) * PREDICTION_COST * 0.1
    )


def test_an_epoch_in_which_the_device_was_waited_for_once_is_measured(clock: Clock) -> None:
    forecast = forecast_of(clock, 2)
    forecast.begin(0, 0)
    clock.now += 50.0
    assert forecast.advance(1) is None
    clock.now += (STEPS - 1) * 5.0
    forecast.end_training()
    assert forecast.left_s() == pytest.approx(
        TRAIN * 0.1 + (2 * VAL + VAL + TEST) * PREDICTION_COST * 0.1
    )


@pytest.mark.parametrize(
    ("device", "input_size", "epoch", "words"),
    [
        ("cuda", 224, 0, None),
        (
            "cpu", 224, 0,
            "A smaller input (--input-size 128), fewer epochs (--epochs) or a GPU would make it "
            "shorter.",
        ),
        ("cpu", 128, 0, "Fewer epochs (--epochs) or a GPU would make it shorter."),
        ("cpu", 224, 1, "Fewer epochs (--epochs) or a GPU would make it shorter."),
    ],
)  # fmt: skip
def test_what_would_make_a_long_training_shorter(
    clock: Clock, device: str, input_size: int, epoch: int, words: str | None
) -> None:
    forecast = forecast_of(clock, 30)
    first_words(forecast, clock, 20.0, epoch)
    assert forecast.shortening(device, input_size) == words
    short = forecast_of(clock, 2)
    first_words(short, clock, 20.0)
    assert short.shortening(device, input_size) is None


def test_small_pictures_cost_by_their_area_and_frozen_epochs_next_to_nothing(
    make_trainer: Callable[..., Trainer],
) -> None:
    trainer = make_trainer(epochs=6, freeze_epochs=2, progressive_resizing=True)
    sides = [(trainer.smaller_size(epoch) or (160, 160))[0] for epoch in range(2, 6)]
    assert sides[0] < sides[-1] == 160
    costs = [relative_cost(trainer, epoch) for epoch in range(6)]
    assert costs == [FEATURES_COST] * 2 + [side * side / (160 * 160) for side in sides]


@pytest.mark.slow
def test_a_run_says_how_long_it_takes_and_goes_on_saying_so(
    arguments: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(remaining, "MIN_S", 0.0)
    monkeypatch.setattr(remaining, "MIN_STEPS", 1)
    assert launch_training_test.main(arguments("--epochs", "3")) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("About "))
    assert " for 3 epochs of 25 pictures, " in lines[start]
    epochs = [line for line in lines if line.startswith("Epoch ")]
    assert lines[start + 1] == epochs[0]
    assert [" left" in line for line in epochs] == [True, True, False]
    assert all(line.endswith(" left") for line in epochs[:2])


def test_only_what_the_device_has_done_is_measured(
    make_trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer()
    assert all(trainer.waits_after(step) for step in range(5))
    monkeypatch.setattr(trainer, "compute", SimpleNamespace(device=SimpleNamespace(type="cuda")))
    assert [step for step in range(70) if trainer.waits_after(step)] == [0, 32, 64]
    assert fit.Forecast is Forecast
