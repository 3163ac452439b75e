"""Several runs made one model: its answers, its report, and what is refused."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import launch_training_test
import predict
from models.bundle import read_bundle
from utils.common.errors import DatasetError, ModelError, OutputError, SettingsError
from utils.common.labels import CLASSES
from utils.ensemble import combine


@pytest.fixture(scope="module")
def runs(drawn_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the folders of two finished runs of a tiny network; only to be read."""
    output = tmp_path_factory.mktemp("runs")
    for seed in "01":
        flags = (
            *("--data-dir", str(drawn_dataset), "--output-dir", str(output), "--seed", seed),
            *("--model", "test_resnet", "--no-pretrained", "--epochs", "2", "--device", "cpu"),
            *("-b", "16", "-j", "1"),
        )
        assert launch_training_test.main(flags) == 0
    return [output / "test_resnet-1", output / "test_resnet-2"]


@pytest.fixture
def together(tmp_path: Path, capsys) -> Callable[..., SimpleNamespace]:
    """Give a function that calls `python -m utils.ensemble.combine RUN ... --output`."""

    def call(*runs: Path, flags: tuple[str, ...] = ()) -> SimpleNamespace:
        place = tmp_path / "both"
        capsys.readouterr()
        combine.main([*map(str, runs), "--output", str(place), "--device", "cpu", *flags])
        return SimpleNamespace(place=place, out=capsys.readouterr().out)

    return call


@pytest.mark.slow
def test_it_is_calibrated_tested_and_used_like_a_run(
    runs: list[Path], together, drawn_dataset: Path, capsys, tmp_path: Path
) -> None:
    done = together(*runs)
    card, network = read_bundle(done.place)
    assert card.members == len(network.members) == 2
    assert card.calibration is not None and not isinstance(card.assessment, str)
    report = json.loads((done.place / "report.json").read_text())
    assert report["networks"] == 2
    assert [one["run"] for one in report["members"]] == ["test_resnet-1", "test_resnet-2"]
    assert "seed" not in report["settings"] and report["settings"]["epochs"] == 2
    assert len(report["looks_at_test"]) == 1
    both = "test_resnet-1 (seed 0), test_resnet-2 (seed 1)"
    assert report["looks_at_test"][0].endswith(f"the mean answers of {both}")
    assert "python -m utils.ensemble.combine RUN RUN --output FOLDER --coverage X." in done.out
    assert f"{report['accuracy']['value']:.1%}" in done.out
    page = (done.place / "report.html").read_text(encoding="utf-8")
    assert "the mean answers of 2 networks" in page and "None" not in page

    command = shlex.split(done.out.splitlines()[-1])
    assert command[:2] == ["python", "predict.py"]
    test = drawn_dataset / "test"
    rows = tmp_path / "rows.csv"
    assert predict.main([command[2], str(test), "--output", str(rows), "-j", "0"]) == 0
    stored = (done.place / "predictions.csv").read_text().splitlines()
    assert len(rows.read_text().splitlines()) == len(stored)
    assert predict.main([*command[2:], "-j", "0"]) == 0

    outside = tmp_path / "looked"
    shown = ["--report", str(outside), "-j", "0", "--device", "cpu"]
    assert predict.main([command[2], str(test), *shown]) == 0
    told = json.loads((outside / "report.json").read_text())
    assert told["networks"] == 2
    own = report["confusion_matrix"]
    assert told["confusion_matrix"] == own  # the same pictures, answered by the stored model


@pytest.mark.slow
def test_it_promises_what_the_first_run_promises_now(
    runs: list[Path], together, tmp_path: Path
) -> None:
    first = shutil.copytree(runs[0], tmp_path / "first")
    again = ("--test-only", "--resume", str(first), "--coverage", "0.6", "--refuse", "0.3")
    assert launch_training_test.main(again) == 0
    card, _ = read_bundle(together(first, runs[1]).place)
    assert card.calibration is not None
    assert (card.calibration.coverage, card.calibration.novelty.refused) == (0.6, 0.3)


@pytest.mark.slow
def test_the_promises_rest_on_epochs_that_other_folds_would_have_chosen(
    runs: list[Path], together, monkeypatch: pytest.MonkeyPatch
) -> None:
    from utils.evaluation import fitting

    seen = []
    fit = fitting.cross_fitted_probabilities

    def noting(by_epoch, *rest):
        seen.append(by_epoch)
        return fit(by_epoch, *rest)

    monkeypatch.setattr(fitting, "cross_fitted_probabilities", noting)
    together(*runs)
    ((first, second),) = seen
    assert len(first) == len(second) == 2  # epochs
    assert not np.allclose(first[0], second[0])
    assert first[0].shape[1] == len(CLASSES)


@pytest.mark.slow
def test_what_cannot_answer_together_is_one_line(
    runs: list[Path], together, tmp_path: Path, drawn_dataset: Path
) -> None:
    with pytest.raises(SettingsError, match=r"^1 run to average\. Expected 2 to 32 finished runs"):
        together(runs[0])
    with pytest.raises(SettingsError, match="have the same weights"):
        together(runs[0], runs[0])
    with pytest.raises(ModelError, match=r"^There is no last\.pt in "):
        together(runs[0], tmp_path)
    other = shutil.copytree(runs[1], tmp_path / "other")
    (other / "report.json").unlink()
    with pytest.raises(ModelError, match=r"other is not finished\. Expected finished runs"):
        together(runs[0], other)
    shutil.copy(runs[1] / "report.json", other)
    card = json.loads((other / "best.json").read_text())
    (other / "best.json").write_text(json.dumps({**card, "data_hash": "0" * 64}))
    with pytest.raises(ModelError, match=r"the hash of the data set is .* and 000000000000"):
        together(runs[0], other)
    (other / "best.json").write_text(json.dumps(card))
    state = torch.load(other / "last.pt", weights_only=True)
    state["facts"]["settings"]["leave_out"] = ("caltech256",)
    torch.save(state, other / "last.pt")
    with pytest.raises(ModelError, match="what is left out is nothing and caltech256"):
        together(runs[0], other)
    state["facts"]["settings"]["leave_out"] = ()
    state["val_logits"] = [logits[1:] for logits in state["val_logits"]]
    torch.save(state, other / "last.pt")
    with pytest.raises(ModelError, match=r"is of other val pictures\. Expected the \d+ of"):
        together(runs[0], other)
    (other / "last.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"cannot be used\. .*Copy the run's folder again"):
        together(runs[0], other)
    with pytest.raises(DatasetError, match="There is no folder"):
        together(*runs, flags=("--data-dir", str(tmp_path / "nothing")))
    assert not (tmp_path / "both").exists()  # nothing was written so far
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "best.json").write_text("{}")
    with pytest.raises(OutputError, match="is not empty"):
        together(*runs)


@pytest.mark.slow
def test_a_stopped_call_is_begun_again_and_its_look_at_test_is_kept(
    runs: list[Path], together, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("utils.evaluation.judgement.fit", stop)
        with pytest.raises(KeyboardInterrupt):
            together(*runs)
    done = together(*runs)
    assert len(json.loads((done.place / "report.json").read_text())["looks_at_test"]) == 2
