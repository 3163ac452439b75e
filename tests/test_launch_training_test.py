"""The script as a user meets it: its three questions, its one-line errors, its files."""

import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import launch_training_test
import predict
from models import pretrained, zoo
from models.pretrained import WeightsUnavailableError
from tests.preloaded import Preloaded
from utils.common.cli.command_line import faults
from utils.common.errors import ModelError, ProjectError, SettingsError, run_script
from utils.common.labels import CLASSES
from utils.common.version import __version__
from utils.training import figures
from utils.training.processes.jobs import this_job
from utils.training.settings import Settings, ask_missing, read_settings

ROOT = Path(launch_training_test.__file__).parent
FOUR = (
    "Choose a model:\n1 - ResNet-18\n2 - ResNet-50\n3 - Vision Transformer (ViT)\n"
    "4 - Swin Transformer\n"
)
MORE = "".join(f"{model.choice} - {model.title}\n" for model in zoo.MENU[4:])
MENU = f"{FOUR}{MORE}Your choice: "
NO_NUMBER = len(zoo.MENU) + 1


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that lays text on standard input, as a pipe would."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_it_asks_three_things_and_asks_again(typed, capsys: pytest.CaptureFixture[str]) -> None:
    typed(f"abc\n0\n-3\n16\n\n2\n{NO_NUMBER}\n1\n")
    settings = ask_missing(Settings())
    assert (settings.batch_size, settings.workers, settings.model) == (16, 2, "resnet18")
    assert capsys.readouterr().out == (
        "Choose batch_size: That's not a valid number. Please enter a valid integer.\n"
        "Choose batch_size: Please enter a number greater than 0.\n"
        "Choose batch_size: Please enter a number greater than 0.\n"
        "Choose batch_size: "
        "Choose num_workers: That's not a valid number. Please enter a valid integer.\n"
        f"Choose num_workers: {MENU}{MENU}"
    )


def test_an_answer_that_its_flag_would_refuse_is_asked_for_again(
    typed, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("65537\n65536\n257\n256\n1\n")
    settings = ask_missing(Settings())
    assert not list(faults(settings))
    assert (settings.batch_size, settings.workers) == (65_536, 256)
    assert capsys.readouterr().out == (
        "Choose batch_size: Please enter a number of at most 65,536.\n"
        "Choose batch_size: "
        "Choose num_workers: Please enter a number of at most 256.\n"
        f"Choose num_workers: {MENU}"
    )


@pytest.mark.parametrize(
    ("answer", "name"), [("1.", "resnet18"), ("resnet50", "resnet50"), ("test_vit", "test_vit")]
)
def test_the_menu_takes_a_name_as_well_as_a_number(
    typed, capsys: pytest.CaptureFixture[str], answer: str, name: str
) -> None:
    typed(f"resnet81\n{answer}\n")
    assert ask_missing(Settings(batch_size=1, workers=1)).model == name
    captured = capsys.readouterr()
    assert captured.out == f"{MENU}{MENU}"
    assert captured.err.startswith("Warning: timm knows no model 'resnet81'. Expected resnet18, ")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("vit_base_patch16_224", ""), ("test_vit", ""), ("hf_hub:somebody/x", ""),
        (
            "tf_efficientnet_b0_ns",
            "--model tf_efficientnet_b0_ns is taken to mean tf_efficientnet_b0.ns_jft_in1k.\n",
        ),
    ],
)  # fmt: skip
def test_a_name_that_is_taken_as_another_is_told(
    capsys: pytest.CaptureFixture[str], given: str, told: str
) -> None:
    read_settings(["--model", given])
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("given", "questions"),
    [
        (["-b", "8"], f"Choose num_workers: {MENU}"),
        (["-j", "0"], f"Choose batch_size: {MENU}"),
        (["--model", "swin"], "Choose batch_size: Choose num_workers: "),
        (["-b", "8", "--num-workers", "0", "--model", "vit"], ""),
    ],
)
def test_a_flag_spares_its_question(
    typed, capsys: pytest.CaptureFixture[str], given: list[str], questions: str
) -> None:
    typed("1\n1\n1\n")
    settings = ask_missing(read_settings(given)[0])
    assert capsys.readouterr().out == questions
    assert None not in (settings.batch_size, settings.workers, settings.model)


@pytest.mark.parametrize(
    ("text", "question", "flag"),
    [
        ("", "Choose batch_size:", "-b/--batch-size"),
        ("x\n0\n", "Choose batch_size:", "-b/--batch-size"),
        ("4\n", "Choose num_workers:", "-j/--workers"),
        (f"4\n2\n{NO_NUMBER}\n", "Choose a model:", "--model"),
    ],
)
def test_the_end_of_the_input_names_the_flag(typed, text: str, question: str, flag: str) -> None:
    typed(text)
    with pytest.raises(SettingsError) as raised:
        ask_missing(Settings())
    assert str(raised.value) == (
        f"The input ended at the question '{question}'. Expected an answer. "
        f"Answer it, or give {flag}."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "0"], "--batch-size 0 cannot be used. Expected a number of at least 1."),
        (["-j", "-1"], "--workers -1 cannot be used. Expected a number of at least 0."),
        (["--epochs", "-1"], "--epochs -1 cannot be used. Expected a number of at least 0."),
        (["--lr", "0"], "--lr 0.0 cannot be used. Expected a number above 0."),
        (["--lr", "nan"], "--lr nan cannot be used. Expected a number above 0."),
        (
            ["--coverage", "1"],
            "--coverage 1.0 cannot be used. Expected a number of at least 0.01, below 1.",
        ),
        (
            ["--coverage", "5e-324"],
            "--coverage 5e-324 cannot be used. Expected a number of at least 0.01, below 1.",
        ),
        (
            ["--refuse", "0"],
            "--refuse 0.0 cannot be used. Expected a number of at least 0.001, below 0.5.",
        ),
        (
            ["--refuse", "nan"],
            "--refuse nan cannot be used. Expected a number of at least 0.001, below 0.5.",
        ),
        (["--patience", "-1"], "--patience -1 cannot be used. Expected a number of at least 0."),
        (["--ema", "1"], "--ema 1.0 cannot be used. Expected a number between 0 and 1."),
        (
            ["--layer-decay", "0"],
            "--layer-decay 0.0 cannot be used. Expected a number above 0, at most 1.",
        ),
        (
            ["--assessment-weight", "-1"],
            "--assessment-weight -1.0 cannot be used. Expected a number of at least 0.",
        ),
        (
            ["--label-smoothing", "1"],
            "--label-smoothing 1.0 cannot be used. Expected a number of at least 0, below 1.",
        ),
        (
            ["--grad-accum-steps", "0"],
            "--grad-accum-steps 0 cannot be used. Expected a number of at least 1.",
        ),
        (
            ["--freeze-epochs", "-1"],
            "--freeze-epochs -1 cannot be used. Expected a number of at least 0.",
        ),
        (
            ["-b", "x"],
            "argument -b/--batch-size: invalid int value: 'x'. "
            "See: python launch_training_test.py --help.",
        ),
        (
            ["--pretrained-path", "nowhere.pth"],
            "--pretrained-path nowhere.pth is not a file. "
            "Expected a .safetensors, .pth or .pt file.",
        ),
        (
            ["--pretrained-path", "x.pth", "--no-pretrained"],
            "--pretrained-path and --no-pretrained contradict each other.",
        ),
        (["--test-only"], "--test-only tests a finished run. Say which: --resume RUN."),
        (
            ["--test-only", "--resume", "runs/x-1", "--epochs", "3"],
            "--test-only trains no epochs. Leave it out to train further, or leave out --epochs.",
        ),
    ],
)
def test_a_bad_flag_is_one_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["launch_training_test.py"])
    with pytest.raises(ProjectError) as raised:
        read_settings(arguments)
    assert str(raised.value) == message


def outcome(*arguments: str) -> int:
    with pytest.raises(SystemExit) as raised:
        run_script(lambda: launch_training_test.main(arguments))
    return raised.value.code


def test_an_unknown_model_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome("--model", "resnet81") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("Error: timm knows no model 'resnet81'. Expected resnet18, ")
    assert "The nearest names are resnet" in captured.err


def test_a_data_set_without_train_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("val", "test"):
        (tmp_path / "DATASET" / split).mkdir(parents=True)
    assert outcome("--data-dir", str(tmp_path / "DATASET"), "-b", "2") == 2
    assert capsys.readouterr().err == (
        f"Error: {tmp_path / 'DATASET'} has no train/. Expected train/, val/, test/ with a folder "
        "for each class. Make it with python create_dataset.py, or say where it is with "
        "--data-dir.\n"
    )


@pytest.mark.slow
def test_the_script_itself_asks_and_ends_with_exit_code_2(preloaded: Preloaded) -> None:
    empty = ROOT / "tests"
    done = preloaded.run("launch_training_test.py", "--data-dir", empty)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {empty} has no train/, val/, test/. Expected ")


def test_the_help_answers_before_torch_is_loaded() -> None:
    code = (
        "import sys, launch_training_test\n"
        "try: launch_training_test.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'timm', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    for flag in (
        "--data-dir", "-b", "--batch-size", "-j", "--workers", "--num-workers", "--model",
        "--epochs", "--lr", "--weight-decay", "--output-dir", "--seed", "--device", "--amp",
        "--no-amp", "--pretrained", "--no-pretrained", "--pretrained-path", "--patience",
        "--resume", "--test-only", "--layer-decay", "--freeze-epochs", "--label-smoothing", "--ema",
        "--grad-accum-steps", "--grad-checkpointing", "--compile", "--deterministic", "--cache",
        "--leave-out",
    ):  # fmt: skip
        assert flag in done.stdout


@pytest.mark.slow
def test_training_does_not_carry_what_only_the_report_needs() -> None:
    code = (
        "import sys, utils.training.fit, utils.training.session\n"
        "print([name for name in ('sklearn', 'scipy', 'matplotlib', 'pandas') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]"]


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WeightsUnavailableError("No weights", todo=pretrained.OTHER_WEIGHTS)

    monkeypatch.setattr(pretrained, "_from_hub", fail)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tiny(data: Path, tmp_path: Path, *more: str) -> list[str]:
    return [
        "--data-dir", str(data), "--output-dir", str(tmp_path / "runs"), "--model", "test_resnet",
        "-b", "16", "-j", "0", "--epochs", "1", "--device", "cpu", "--input-size", "64", *more,
    ]  # fmt: skip


def test_without_weights_a_pipe_gets_an_error_that_names_the_flags(
    drawn_dataset: Path, tmp_path: Path, no_hub: None, typed
) -> None:
    typed("y\n")
    with pytest.raises(ModelError, match=r"No weights\. Give --pretrained-path FILE .*--no-pretr"):
        launch_training_test.main(tiny(drawn_dataset, tmp_path))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_without_weights_a_terminal_is_asked(
    drawn_dataset: Path, tmp_path: Path, no_hub: None, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    with pytest.raises(ModelError, match="No weights"):
        launch_training_test.main(tiny(drawn_dataset, tmp_path))
    monkeypatch.setattr(sys, "stdin", Terminal("perhaps\ny\n"))
    assert launch_training_test.main(tiny(drawn_dataset, tmp_path)) == 0
    question = "Train from random weights instead? [y/n]: "
    assert capsys.readouterr().out.count(question) == 3
    stored = json.loads((tmp_path / "runs" / "test_resnet-1" / "settings.json").read_text())
    assert stored["settings"]["pretrained"] is False


def test_a_run_leaves_all_its_files_and_the_next_one_gets_its_own_folder(
    drawn_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / "test_resnet-4").mkdir(parents=True)
    arguments = tiny(drawn_dataset, tmp_path, "--no-pretrained")
    assert launch_training_test.main(arguments) == 0
    folder = tmp_path / "runs" / "test_resnet-5"
    assert {path.name for path in folder.iterdir()} == {
        "settings.json", "history.csv", "report.json", "predictions.csv", "confusion_matrix.png",
        "curves.png", "best.safetensors", "last.pt", "report.html", "looks_at_test.txt", ".lock",
        "best.json",
    }  # fmt: skip
    captured = capsys.readouterr()
    assert "Epoch 1/1: train loss " in captured.out
    assert "Test accuracy: " in captured.out
    assert captured.err == "Warning: no GPU is used; on a CPU this will be slow.\n"
    report = json.loads((folder / "report.json").read_text())
    with (folder / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    matrix = report["confusion_matrix"]
    assert report["classes"] == list(CLASSES)
    assert [len(row) for row in matrix] == [5] * 5
    assert sum(map(sum, matrix)) == len(rows) == sum(report["pictures"]["test"].values())
    right = sum(row["true"] == max(CLASSES, key=lambda c: float(row[c])) for row in rows)
    assert report["accuracy"]["value"] == pytest.approx(right / len(rows))
    assert report["best_epoch"] == 1
    assert {"data_hash", "settings", "versions", "precision", "per_class"} <= set(report)
    card = json.loads((folder / "best.json").read_text())
    for told in (report, card):
        assert told["versions"]["skin-picture-gate"] == __version__


@pytest.mark.slow
def test_a_run_ends_with_its_report_and_the_command_that_uses_the_model(
    drawn_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch_training_test.main(tiny(drawn_dataset, tmp_path, "--no-pretrained")) == 0
    trained, report, words, command = capsys.readouterr().out.splitlines()[-4:]
    assert trained.startswith("Trained: test_resnet, 1 epoch on ")
    assert trained.endswith("; kept and tested are the weights of epoch 1, the best on val.")
    assert Path(report.removeprefix("Report: ")).is_file()
    assert words.startswith("Next, ")
    python, script, *given = shlex.split(command)
    assert (python, script) == ("python", "predict.py")
    assert predict.main(given) == 0
    run, picture = given
    assert Path(run) == tmp_path / "runs" / "test_resnet-1"
    assert Path(picture).is_relative_to(drawn_dataset / "test")


@pytest.mark.slow
@pytest.mark.parametrize("patience", ["0", "1"])
def test_the_report_is_there_whatever_patience_says(
    drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, patience: str
) -> None:
    # The same loss in each epoch: the second is the best, and no later one is better.
    monkeypatch.setattr(figures, "calibrated_log_loss", lambda _: 0.5)
    more = ("--no-pretrained", "--epochs", "4", "--patience", patience)
    assert launch_training_test.main(tiny(drawn_dataset, tmp_path, *more)) == 0
    folder = tmp_path / "runs" / "test_resnet-1"
    assert (folder / "report.html").is_file()
    report = json.loads((folder / "report.json").read_text())
    assert (report["best_epoch"], report["epochs"]) == (2, 3 if patience == "1" else 4)
    told = "Stopped after epoch 3: the last one was no better (--patience 1).\n"
    assert (told in capsys.readouterr().out) == (patience == "1")


@pytest.mark.slow
def test_a_model_that_a_folder_describes_is_trained_under_its_architectures_name(
    drawn_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import timm

    from models import load

    timm.models.save_for_hf(timm.create_model("test_resnet"), tmp_path / "described")
    name = f"local-dir:{tmp_path / 'described'}"
    arguments = tiny(drawn_dataset, tmp_path, "--model", name)
    assert launch_training_test.main(arguments) == 0
    assert f"{name} is a test_resnet; its run is named after that.\n" in capsys.readouterr().out
    run = tmp_path / "runs" / "test_resnet-1"
    assert load(run, "cpu").card.model.timm_name == "test_resnet"
    assert launch_training_test.main(["--resume", str(run), "--epochs", "2"]) == 0


def test_a_restarted_job_goes_on_with_the_run_that_its_flags_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "gate1")
    flags = ("--model", "local-dir:described", "--pretrained", "-b", "4", "-j", "0")
    arguments = [*flags, "--epochs", "3", "--output-dir", str(tmp_path)]
    run = tmp_path / "test_resnet-1"  # named after the architecture
    run.mkdir()
    (run / "last.pt").touch()
    settings, _ = read_settings(arguments)
    this_job(str(tmp_path), arguments).keep(settings, run)
    _, given, found, _ = launch_training_test.choose(arguments)
    assert found is not None and found.folder == run
    assert given == {"workers", "epochs", "output_dir"}  # what may be another than before
