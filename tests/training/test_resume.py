"""A run that was stopped, killed or grown ends as the undisturbed one, bit for bit."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from launch_training_test import main
from models.bundle import read_weights
from models.classifier import holds_assessment
from utils.common.errors import DatasetError, ModelError, OutputError, SettingsError
from utils.training.engine import Trainer
from utils.training.predictions import OodFeatures
from utils.training.predictor import Predictor
from utils.training.resume import keep_threads
from utils.training.state import checkpoint, runs
from utils.training.state.progress import Progress

ROOT = Path(__file__).resolve().parents[2]

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


@pytest.fixture(scope="module")
def finished(
    command_line: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    runs = tmp_path_factory.mktemp("finished")
    assert main(command_line(runs)) == 0
    assert holds_assessment(read_weights(runs / "test_resnet-1" / "best.safetensors"))
    return runs / "test_resnet-1"


@pytest.fixture
def undisturbed(finished: Path, tmp_path: Path) -> Path:
    """Return a copy, which a test may change, of a run that nothing disturbed."""
    return shutil.copytree(finished, tmp_path / "runs" / "test_resnet-1")


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 4])
@pytest.mark.parametrize("often", [(), EVERY_STEP], ids=["each epoch", "each step"])
def test_a_killed_run_goes_on_to_the_same_weights(
    assert_same_run,
    arguments,
    undisturbed: Path,
    disturb,
    tmp_path: Path,
    step: int,
    often: tuple[str, ...],
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
    assert_same_run(undisturbed, other)
    assert [path.name for path in other.glob(".*")] == [".lock"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_state_of_the_moment(
    assert_same_run,
    arguments,
    undisturbed: Path,
    disturb,
    tmp_path: Path,
    capsys,
    number: int,
    code: int,
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
    assert_same_run(undisturbed, other)


@pytest.mark.slow
def test_fewer_epochs_than_are_done_are_told(arguments, disturb, tmp_path: Path, capsys) -> None:
    disturb(8, lambda: signal.raise_signal(signal.SIGINT))
    assert main(arguments("--epochs", "4", "--freeze-epochs", "0")) == 130
    run = tmp_path / "runs" / "test_resnet-1"
    done = torch.load(run / "last.pt", weights_only=True)["progress"]["epoch"]
    assert done >= 2
    capsys.readouterr()
    assert main(["--resume", str(run), "--epochs", "1"]) == 0
    told = capsys.readouterr().out
    assert f"{done} epochs are done, and 1 were asked for: none is trained any more" in told
    assert len((run / "history.csv").read_text().splitlines()) == 1 + done


@pytest.mark.slow
@pytest.mark.parametrize("is_saved", [False, True])
def test_the_best_weights_are_always_those_that_the_state_tells_of(
    assert_same_run, arguments, undisturbed: Path, tmp_path: Path, monkeypatch, is_saved: bool
) -> None:
    original = checkpoint.save

    def save(path: Path, trainer: Trainer, progress: Progress, *more: object) -> None:
        if progress.epoch < 2 or is_saved:
            original(path, trainer, progress, *more)
        if progress.epoch == 2:  # the better one
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save", save)
        main(arguments())
    other = tmp_path / "runs" / "test_resnet-2"
    state = torch.load(other / "last.pt", weights_only=True)
    assert state["progress"]["best_epoch"] == 1 + is_saved
    if not is_saved:
        best = read_weights(other / "best.safetensors")
        assert all(torch.equal(best[name], one) for name, one in state["weights"].items())
    assert main(["--resume", str(other)]) == 0
    assert_same_run(undisturbed, other)
    assert [path.name for path in other.glob(".*")] == [".lock"]


OPTIONS = (
    "-b", "4", "--grad-accum-steps", "2", "--ema", "0.8", "--freeze-epochs", "1", "--epochs", "1",
    "--layer-decay", "0.8", "--label-smoothing", "0.1", "--grad-checkpointing", "--cache", "packed",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4])
def test_so_does_one_with_every_option(
    assert_same_run, arguments, disturb, tmp_path: Path, step: int
) -> None:
    one, other = (tmp_path / "runs" / f"test_resnet-{number}" for number in (1, 2))
    assert main(arguments(*OPTIONS)) == 0
    disturb(step, kill)
    with pytest.raises(Killed):
        main(arguments(*OPTIONS, *EVERY_STEP))
    assert main(["--resume", str(other), "--cache", "none"]) == 0
    assert_same_run(one, other)
    state = torch.load(one / "last.pt", weights_only=True)
    best = read_weights(one / "best.safetensors")
    if state["progress"]["best_epoch"] == 2:
        assert all(torch.equal(best[name], state["average"][name]) for name in best)
    assert any(not torch.equal(best[name], state["weights"][name]) for name in best)


@pytest.mark.slow
def test_a_run_of_before_goes_on_without_assessing(
    assert_same_run, arguments, disturb, tmp_path: Path
) -> None:
    one, other = (tmp_path / "runs" / f"test_resnet-{number}" for number in (1, 2))
    plain = ("--assessment-weight", "0")
    assert main(arguments(*plain)) == 0
    disturb(4, kill)
    with pytest.raises(Killed):
        main(arguments(*plain, *EVERY_STEP))
    state = torch.load(other / "last.pt", weights_only=True)
    assert not holds_assessment(state["weights"])
    del state["facts"]["settings"]["assessment_weight"]
    torch.save(state, other / "last.pt")
    assert main(["--resume", str(other)]) == 0
    assert_same_run(one, other)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_the_state_before(
    arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    original = torch.save
    saves = iter(range(10**6))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save(state: object, path: Path) -> None:
        if next(saves) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            original(state, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(OutputError, match=r"last.pt could not be written, perhaps because"):
            main(arguments(*EVERY_STEP))
    run = tmp_path / "runs" / "test_resnet-1"
    assert torch.load(run / "last.pt", weights_only=True)["progress"]["step"] == 1
    assert not list(run.glob(".*.partial"))
    assert main(["--resume", str(run)]) == 0


@pytest.mark.slow
def test_a_state_that_cannot_be_written_leaves_the_one_before(
    assert_same_run, arguments, undisturbed: Path, disturb, tmp_path: Path, monkeypatch
) -> None:
    original = torch.save
    saves = iter(range(10**6))

    def save(state: object, path: Path) -> None:
        original(state, path)
        if next(saves) == 3:
            path.write_bytes(path.read_bytes()[:1000])
            raise Killed

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(Killed):
        main(arguments(*EVERY_STEP))
    other = tmp_path / "runs" / "test_resnet-2"
    assert torch.load(other / "last.pt", weights_only=True)["progress"]["step"] == 2
    assert main(["--resume", str(other)]) == 0
    assert_same_run(undisturbed, other)


@pytest.mark.slow
def test_two_processes_never_work_on_one_run(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "LOCK_TIMEOUT_S", 0)
    code = (
        "import sys; from pathlib import Path; from utils.training.state.runs import Run\n"
        f"with Run(Path({str(undisturbed)!r})).locked(): print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        for flags in (("--epochs", "3"), ("--test-only",)):
            with pytest.raises(OutputError) as raised:
                main(["--resume", str(undisturbed), *flags])
        other.stdin.write("\n")
    assert str(raised.value) == (
        f"Another process is at work on {undisturbed}. "
        "Wait until it ends, or start a new run without --resume."
    )
    assert main(["--test-only", "--resume", str(undisturbed)]) == 0


@pytest.mark.slow
def test_auto_finds_the_unfinished_run_or_starts_anew(
    assert_same_run, arguments, undisturbed: Path, disturb, tmp_path: Path, monkeypatch, capsys
) -> None:
    disturb(3, kill)
    with pytest.raises(Killed):
        main(arguments())
    monkeypatch.undo()
    assert main(["--output-dir", str(tmp_path / "runs"), "--resume"]) == 0
    assert_same_run(undisturbed, tmp_path / "runs" / "test_resnet-2")
    assert main(arguments("--resume", "auto")) == 0
    assert f"No unfinished run in {tmp_path / 'runs'}: starting anew." in capsys.readouterr().out
    assert_same_run(undisturbed, tmp_path / "runs" / "test_resnet-3")


def test_a_finished_run_is_reported_and_left_alone(undisturbed: Path, capsys) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}
    assert main(["--resume", str(undisturbed)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{undisturbed} is finished after 2 of 2 epochs; its report is there. "
        "More --epochs than 2 train it further."
    )
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}


def test_a_finished_run_whose_state_does_not_fit_is_left_alone(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("The stored state does not fit this network")

    before = {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "restore", refuse)
        with pytest.raises(ModelError, match="does not fit"):
            main(["--resume", str(undisturbed), "--epochs", "3"])
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.iterdir()}


@pytest.mark.slow
def test_a_finished_run_can_be_trained_further(undisturbed: Path) -> None:
    assert main(["--resume", str(undisturbed), "--epochs", "3"]) == 0
    assert len((undisturbed / "history.csv").read_text().splitlines()) == 1 + 3
    assert (undisturbed / "report-2-epochs.json").is_file()
    assert json.loads((undisturbed / "report.json").read_text())["settings"]["epochs"] == 3


@pytest.mark.slow
def test_testing_again_writes_the_same_report_and_counts_the_look(undisturbed: Path) -> None:
    before = (undisturbed / "predictions.csv").read_bytes()
    report = json.loads((undisturbed / "report.json").read_text())
    for name in ("predictions.csv", "confusion_matrix.png", "curves.png", "report.html"):
        (undisturbed / name).unlink()
    assert main(["--test-only", "--resume", str(undisturbed)]) == 0
    assert (undisturbed / "predictions.csv").read_bytes() == before
    again = json.loads((undisturbed / "report.json").read_text())
    looks, more = report.pop("looks_at_test"), again.pop("looks_at_test")
    assert again == report
    assert (len(looks), more[:1], len(more)) == (1, looks, 2)
    assert (undisturbed / "confusion_matrix.png").is_file()
    assert "Test was looked at 2 times" in (undisturbed / "report.html").read_text()


def test_a_test_that_was_stopped_is_made_again_by_the_same_command(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    original = Predictor.ood_features

    def interrupted(*arguments: Any) -> OodFeatures | None:
        signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(Predictor, "ood_features", interrupted)
    assert main(["--test-only", "--resume", str(undisturbed)]) == 130
    assert capsys.readouterr().out.endswith("\nStopped. The same command tests anew.\n")
    monkeypatch.undo()
    assert main(["--test-only", "--resume", str(undisturbed)]) == 0


@pytest.mark.slow
def test_another_share_of_refusal_changes_a_threshold_and_no_weight(undisturbed: Path) -> None:
    def stored() -> tuple[dict[str, Any], bytes]:
        fields = json.loads((undisturbed / "best.json").read_text())["calibration"]
        weights = read_weights(undisturbed / "best.safetensors")
        return fields, b"".join(weights[name].numpy().tobytes() for name in sorted(weights))

    before, weights = stored()
    assert before["unlike"]["threshold"] is None
    assert before["unlike"]["reason"] == "8 good val pictures; to refuse 2% takes at least 49"
    limits = []
    for share in ("0.2", "0.4"):
        assert main(["--test-only", "--resume", str(undisturbed), "--refuse", share]) == 0
        after, same = stored()
        assert same == weights
        assert (after["unlike"]["refused"], after["unlike"]["reason"]) == (float(share), "")
        limits.append(after["unlike"].pop("threshold"))
        assert {**after, "unlike": {}} == {**before, "unlike": {}}
    assert limits[0] > limits[1]


def test_other_settings_are_refused_by_name(undisturbed: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        main(["--resume", str(undisturbed), "-b", "4", "--lr", "0.5", "--workers", "1"])
    assert str(raised.value) == (
        "This run cannot be resumed with other settings: batch_size was 8 and not 4; "
        "lr was 0.001 and not 0.5. Leave these flags out, or start anew without --resume."
    )


@pytest.mark.slow
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
        f"{last} is damaged or is not the state of a run. "
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


def test_more_threads_than_processors_are_kept_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    kept: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", kept.append)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("utils.training.resume.available_processors", lambda: 2)
    keep_threads(2)
    assert capsys.readouterr().err == ""
    keep_threads(64)
    assert capsys.readouterr().err == (
        "Warning: this run was started with 64 threads and keeps them, so that its result is the "
        "same to the last bit; that is slow here, where 2 would be usual.\n"
    )
    assert kept == [2, 64]
