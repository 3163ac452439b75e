"""A run that was stopped, killed or grown ends as the undisturbed one, bit for bit."""

import csv
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from launch_training_test import main
from utils.common.errors import DatasetError, ModelError, SettingsError
from utils.training.engine import Trainer

STEPS_PER_EPOCH = 3  # 25 pictures in batches of 8; the last one joins the third
EVERY_STEP = ("--checkpoint-minutes", "1e-9")


class Killed(BaseException):
    """Stands for a kill -9: nothing is saved on the way out."""


@pytest.fixture
def disturb(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Give a function that lets something happen before the step of a number."""
    original = Trainer._step

    def at_step(number: int, happening: Callable[[], None]) -> None:
        steps = iter(range(10**6))

        def step(self: Trainer, *arguments: object) -> None:
            if next(steps) == number:
                happening()
            original(self, *arguments)

        monkeypatch.setattr(Trainer, "_step", step)

    return at_step


def kill() -> None:
    raise Killed


def outcome(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, str]], dict[str, object]]:
    state = torch.load(run / "last.pt", weights_only=True)
    with (run / "history.csv").open() as stream:
        history = [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(stream)
        ]
    report = json.loads((run / "report.json").read_text())
    return state["weights"], history, report["confusion_matrix"]


def assert_same(one: Path, other: Path) -> None:
    weights, history, matrix = outcome(one)
    other_weights, other_history, other_matrix = outcome(other)
    assert weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert history == other_history
    assert matrix == other_matrix
    assert (one / "best.safetensors").read_bytes() == (other / "best.safetensors").read_bytes()


@pytest.fixture(scope="module")
def finished(
    command_line: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    runs = tmp_path_factory.mktemp("finished")
    assert main(command_line(runs)) == 0
    return runs / "test_resnet-1"


@pytest.fixture
def undisturbed(finished: Path, tmp_path: Path) -> Path:
    """Return a copy, which a test may change, of a run that nothing disturbed."""
    return shutil.copytree(finished, tmp_path / "runs" / "test_resnet-1")


@pytest.mark.parametrize("step", [0, 4])
@pytest.mark.parametrize("often", [(), EVERY_STEP], ids=["each epoch", "each step"])
def test_a_killed_run_goes_on_to_the_same_weights(
    arguments, undisturbed: Path, disturb, tmp_path: Path, step: int, often: tuple[str, ...]
) -> None:
    disturb(step, kill)
    with pytest.raises(Killed):
        main(arguments(*often))
    other = tmp_path / "runs" / "test_resnet-2"
    assert not (other / "report.json").exists()
    progress = torch.load(other / "last.pt", weights_only=True)["progress"]
    done = progress["epoch"] * STEPS_PER_EPOCH + progress["step"]
    assert done == (step if often else step // STEPS_PER_EPOCH * STEPS_PER_EPOCH)
    (other / ".last.pt.1.partial").write_bytes(b"cut")
    assert main(["--resume", str(other)]) == 0
    assert_same(undisturbed, other)
    assert [path.name for path in other.glob(".*")] == [".lock"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_state_of_the_moment(
    arguments, undisturbed: Path, disturb, tmp_path: Path, capsys, number: int, code: int
) -> None:
    disturb(4, lambda: signal.raise_signal(number))
    before = signal.getsignal(number)
    assert main(arguments("-j", "1")) == code
    assert signal.getsignal(number) is before
    other = tmp_path / "runs" / "test_resnet-2"
    assert capsys.readouterr().out.endswith(
        f"Stopped. Go on with: python launch_training_test.py --resume {other}\n"
    )
    progress = torch.load(other / "last.pt", weights_only=True)["progress"]
    assert (progress["epoch"], progress["step"]) == (1, 2)
    assert main(["--resume", str(other / "last.pt"), "-j", "0"]) == 0
    assert_same(undisturbed, other)


def test_auto_finds_the_unfinished_run_or_starts_anew(
    arguments, undisturbed: Path, disturb, tmp_path: Path, monkeypatch, capsys
) -> None:
    disturb(3, kill)
    with pytest.raises(Killed):
        main(arguments())
    monkeypatch.undo()
    assert main(["--output-dir", str(tmp_path / "runs"), "--resume"]) == 0
    assert_same(undisturbed, tmp_path / "runs" / "test_resnet-2")
    assert main(arguments("--resume", "auto")) == 0
    assert f"No unfinished run in {tmp_path / 'runs'}: starting anew." in capsys.readouterr().out
    assert_same(undisturbed, tmp_path / "runs" / "test_resnet-3")


def test_a_finished_run_is_reported_and_left_alone(undisturbed: Path, capsys) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}
    assert main(["--resume", str(undisturbed)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{undisturbed} is finished after 2 of 2 epochs; its report is there. "
        "More --epochs train it further."
    )
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}


def test_a_finished_run_can_be_trained_further(undisturbed: Path) -> None:
    assert main(["--resume", str(undisturbed), "--epochs", "3"]) == 0
    assert len(outcome(undisturbed)[1]) == 3
    assert (undisturbed / "report-2-epochs.json").is_file()
    assert json.loads((undisturbed / "report.json").read_text())["settings"]["epochs"] == 3


def test_testing_again_writes_the_same_report(undisturbed: Path) -> None:
    before = (undisturbed / "predictions.csv").read_bytes()
    report = (undisturbed / "report.json").read_bytes()
    for name in ("predictions.csv", "confusion_matrix.png", "curves.png"):
        (undisturbed / name).unlink()
    assert main(["--test-only", "--resume", str(undisturbed)]) == 0
    assert (undisturbed / "predictions.csv").read_bytes() == before
    assert (undisturbed / "report.json").read_bytes() == report
    assert (undisturbed / "confusion_matrix.png").is_file()


def test_other_settings_are_refused_by_name(undisturbed: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        main(["--resume", str(undisturbed), "-b", "4", "--lr", "0.5", "--workers", "1"])
    assert str(raised.value) == (
        "This run cannot go on with other settings: batch_size was 8 and not 4; "
        "lr was 0.001 and not 0.5. Leave these flags out, or start anew without --resume."
    )


def test_other_pictures_are_refused(undisturbed: Path, own_dataset: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not the data set of .*: its hash is .* Expected"):
        main(["--resume", str(undisturbed), "--epochs", "9", "--data-dir", str(own_dataset)])
    with pytest.raises(DatasetError, match="is not the data set of "):
        main(["--resume", str(undisturbed), "--test-only", "--data-dir", str(own_dataset)])


def test_a_torn_state_is_one_line(undisturbed: Path) -> None:
    last = undisturbed / "last.pt"
    whole = last.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"{}"):
        last.write_bytes(damaged)
        assert_torn(undisturbed, last)


def assert_torn(undisturbed: Path, last: Path) -> None:
    with pytest.raises(ModelError) as raised:
        main(["--resume", str(undisturbed)])
    assert str(raised.value) == (
        f"{last} is torn or is no state of a run. "
        "Delete the run's folder and start anew without --resume."
    )


def test_torn_best_weights_are_one_line(undisturbed: Path) -> None:
    (undisturbed / "best.safetensors").write_bytes(b"cut")
    with pytest.raises(
        ModelError, match=r"best\.safetensors does not hold this run's best weights"
    ):
        main(["--test-only", "--resume", str(undisturbed)])


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no last\.pt in .*nowhere\. Expected a run's"):
        main(["--resume", str(tmp_path / "nowhere")])
    with pytest.raises(ModelError, match="There is no finished run in "):
        main(["--resume", "--test-only", "--output-dir", str(tmp_path)])


def test_an_unfinished_run_is_not_tested(arguments, disturb, tmp_path: Path) -> None:
    disturb(1, kill)
    with pytest.raises(Killed):
        main(arguments())
    run = tmp_path / "runs" / "test_resnet-1"
    with pytest.raises(ModelError, match="is not finished, and only a finished run is tested"):
        main(["--test-only", "--resume", str(run)])
    assert not (run / "report.json").exists()
