"""NaN and infinity: no epoch, no state and no report is made of them, and a line says so."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import launch_training_test
from utils.common.errors import ModelError, SettingsError, run_script
from utils.common.labels import TEST, VAL
from utils.training.engine import Trainer
from utils.training.figures import check_finite
from utils.training.predictions import Predictions
from utils.training.predictor import Predictor
from utils.training.step.running_statistics import check_batches, has_batch_norm

EPOCHS = 3


def outcome(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as raised:
        run_script(lambda: launch_training_test.main(arguments))
    return raised.value.code


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that lets a trainer's answers be no numbers when it is asked this often."""

    def spoil_answers(method: str, split: str, calls: set[int], value: float, rows: int) -> None:
        asked = []
        real = getattr(Predictor, method)

        def answer(predictor: Predictor, of: str, title: str) -> Predictions:
            found = real(predictor, of, title)
            asked.append(of)
            if of == split and asked.count(of) in calls:
                logits = found.logits.copy()
                logits[:rows, 1] = value
                found = replace(found, logits=logits)
            return found

        monkeypatch.setattr(Predictor, method, answer)

    return spoil_answers


@pytest.fixture
def options(arguments: Callable[..., list[str]]) -> list[str]:
    return arguments("--epochs", str(EPOCHS), "--patience", "0")


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_epoch_without_numbers_on_val_is_never_the_best_and_a_later_one_may_be(
    options: list[str], tmp_path: Path, spoil, capsys, value: float
) -> None:
    spoil("predict", VAL, {1, 3}, value, rows=4)
    assert launch_training_test.main(options) == 0
    captured = capsys.readouterr()
    lines = [line for line in captured.out.splitlines() if line.startswith("Epoch ")]
    assert ["(best)" in line for line in lines] == [False, True, False]
    assert "; val loss -, - calibrated, accuracy -, balanced accuracy -; " in lines[0]
    assert (
        "Warning: after epoch 1 the model's outputs are NaN or infinite for 4 of 10 val pictures: "
        "it cannot be the best epoch.\n"
    ) in captured.err
    run = tmp_path / "runs" / "test_resnet-1"
    assert json.loads((run / "report.json").read_text())["best_epoch"] == 2
    assert (run / "history.csv").read_text().splitlines()[1].count(",,") == 2


@pytest.mark.slow
def test_without_any_epoch_of_numbers_test_is_not_looked_at(
    options: list[str], tmp_path: Path, spoil, capsys
) -> None:
    spoil("predict", VAL, {1, 2, 3}, np.nan, rows=1)
    run = tmp_path / "runs" / "test_resnet-1"
    for more in ([], ["--resume", str(run)]):
        assert outcome([*options, *more]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == (
            "Error: In none of 3 epochs were all outputs on val finite, so there is nothing to "
            "test. "
            "Start anew with a lower --lr than 0.001, or with --no-amp."
        )
    assert not (run / "looks_at_test.txt").exists()
    assert not (run / "best.safetensors").exists()


@pytest.mark.parametrize("place", ["fc.bias", "bn1.running_var"])
def test_weights_that_are_no_numbers_leave_the_last_good_state(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, place: str
) -> None:
    run = tmp_path / "runs" / "test_resnet-1"
    real = Predictor.predict
    kept = []

    def predict(predictor: Predictor, split: str, title: str) -> Predictions:
        kept.append((run / "last.pt").read_bytes())
        if len(kept) == 2:
            predictor.network.state_dict()[place][0] = torch.nan
        return real(predictor, split, title)

    monkeypatch.setattr(Predictor, "predict", predict)
    assert outcome(options) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Error: After epoch 2 the model's outputs are NaN or infinite for 10 of 10 val pictures, "
        f"and so are its weights: {place}. Expected finite weights. Start anew with a "
        "lower --lr than 0.001, or with --no-amp; last.pt is as it was before."
    )
    assert (run / "last.pt").read_bytes() == kept[1]
    assert not (run / "looks_at_test.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("split", "looks"), [(VAL, 0), (TEST, 1)])
def test_no_report_is_made_of_answers_that_are_no_numbers(
    options: list[str], tmp_path: Path, spoil, capsys, split: str, looks: int
) -> None:
    spoil("predict_with_features", split, {1}, np.nan, rows=2)
    assert outcome(options) == 2
    num_pictures = 5 * {VAL: 2, TEST: 3}[split]
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"Error: The model's outputs are NaN or infinite for 2 of {num_pictures} {split} pictures: "
        f"{split}/DERM/0.jpg, {split}/DERM/1.jpg. Expected finite outputs, from which a report "
        "can be made. Look at these pictures, or train anew with --no-amp or a lower --lr."
    )
    run = tmp_path / "runs" / "test_resnet-1"
    assert not (run / "report.json").exists()
    looked = run / "looks_at_test.txt"
    assert (len(looked.read_text().splitlines()) if looked.exists() else 0) == looks


def test_a_step_that_spoils_running_statistics_is_left_out(make_trainer) -> None:
    trainer = make_trainer()
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        answers = trainer.network(pixels)
        trainer.network.bn1.running_var.data[3] = torch.inf
        return answers

    trainer.train_step.forward = forward
    with pytest.raises(ModelError, match="The loss was NaN or infinite 3 steps in a row"):
        list(trainer.train_epoch(0))
    after = trainer.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_state_that_is_no_numbers_is_not_saved(
    arguments: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    real = Trainer._step

    def step(trainer: Trainer, *rest: object) -> None:
        real(trainer, *rest)
        trainer.network.fc.bias.data[0] = torch.inf

    monkeypatch.setattr(Trainer, "_step", step)
    assert outcome(arguments("--checkpoint-minutes", "1e-9", "--epochs", "1")) == 2
    run = tmp_path / "runs" / "test_resnet-1"
    captured = capsys.readouterr().err
    assert (
        f"Warning: weights are NaN or infinite (fc.bias): {run / 'last.pt'} stays as it was before."
    ) in captured
    weights = torch.load(run / "last.pt", weights_only=True)["weights"]
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_batches_of_one_are_refused_before_training_where_there_is_batch_norm(
    arguments: Callable[..., list[str]], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as raised:
        launch_training_test.main(arguments("-b", "1"))
    assert str(raised.value) == (
        "test_resnet has batch norm, which cannot learn from one picture at a time. Expected "
        "--batch-size 2 or more. With --batch-size 1, choose a --model without batch norm, such as "
        "vit."
    )
    assert not (tmp_path / "runs").exists()


def test_batches_of_one_that_come_together_in_one_step_are_trained_in_twos(make_trainer) -> None:
    trainer = make_trainer(batch_size=1, grad_accum_steps=4)
    assert list(trainer.train_epoch(0)) == [1, 2, 3, 4, 5, 6]


def test_without_batch_norm_one_picture_at_a_time_will_do(make_trainer) -> None:
    trainer = make_trainer("test_vit", batch_size=1)
    assert len(list(trainer.train_epoch(0))) == 25


@pytest.mark.parametrize("tracks", [True, False])
def test_batch_norm_is_found_wherever_it_is_and_whatever_it_keeps(tracks: bool) -> None:
    hidden = nn.Sequential(
        nn.Flatten(), nn.Sequential(nn.BatchNorm1d(4, track_running_stats=tracks))
    )
    assert has_batch_norm(hidden)
    assert not has_batch_norm(nn.Sequential(nn.LayerNorm(4), nn.GroupNorm(2, 4)))
    with pytest.raises(SettingsError, match="cannot learn from one picture at a time"):
        check_batches(hidden, "hidden", pictures_per_step=1, num_train=9)
    with pytest.raises(SettingsError, match="from a single training picture"):
        check_batches(hidden, "hidden", pictures_per_step=8, num_train=1)
    check_batches(hidden, "hidden", pictures_per_step=2, num_train=9)
    check_batches(nn.LayerNorm(4), "plain", pictures_per_step=1, num_train=1)


def test_newly_degraded_pictures_need_answers_too_where_there_are_any() -> None:
    check_finite("newly degraded val", None)
    assessed = np.zeros((2, 3), np.float32)
    files, labels, logits = ("a", "b"), np.zeros(2, np.int64), np.zeros((2, 5), np.float32)
    check_finite("newly degraded val", Predictions(files, labels, logits, assessments=assessed))
    assessed[1] = np.nan
    with pytest.raises(ModelError, match="for 1 of 2 newly degraded val pictures: b"):
        check_finite("newly degraded val", Predictions(files, labels, logits, assessments=assessed))
