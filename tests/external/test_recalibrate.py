"""A calibration fitted anew: other promises, the same weights, and where it comes from."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import predict
from models.bundle import read_bundle, read_weights
from utils.common.errors import OutputError, ProjectError
from utils.common.labels import CLASSES
from utils.external.fitted import CARRIED_OVER

COUNTS = {"DERM": 25, "OTHER": 20, "PAN": 5}


def test_only_the_calibration_changes_and_tells_its_origin(
    own, calibrate_on, bundle: Path, capsys
) -> None:
    folder = own(COUNTS)
    done = calibrate_on(folder)
    assert done.code == 0
    old, new = (read_bundle(place)[0] for place in (bundle, done.place))
    before, after = (read_weights(place / "best.safetensors") for place in (bundle, done.place))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert new.calibration.scaling.class_shares == old.calibration.scaling.class_shares
    assert new.calibration.scaling.temperature != old.calibration.scaling.temperature
    for name in ("projection", "centres"):
        kept = getattr(old.calibration.novelty, name)
        assert np.array_equal(getattr(new.calibration.novelty, name), kept)
    assert new.calibration.novelty.threshold < 1e6  # of 50 groups 49 are enough
    is_promised = [quantile is not None for quantile in new.calibration.quantiles]
    assert is_promised == [COUNTS.get(name, 0) >= 19 for name in CLASSES]
    assert (new.recalibration.run, new.recalibration.folder) == ("test_resnet-1", "clinic")
    assert new.recalibration.pictures == {name: COUNTS.get(name, 0) for name in CLASSES}
    assert new.metrics == {}
    assert str(folder.parent) not in (done.place / "best.json").read_text()
    assert "none: 5 pictures; 95% takes at least 19" in done.out
    assert predict.main([str(done.place), str(folder / "PAN"), "-j", "0", "--device", "cpu"]) == 0
    assert f"this model was {new.recalibration.describe()}." in capsys.readouterr().err


@pytest.mark.slow
def test_what_assesses_pictures_is_carried_over_and_said(
    own, calibrate_on, assessing_bundle: Path, bundle: Path
) -> None:
    folder = own(COUNTS)
    done = calibrate_on(folder, run=assessing_bundle)
    old, new = (read_bundle(place)[0] for place in (assessing_bundle, done.place))
    assert new.assessment == old.assessment
    assert CARRIED_OVER in done.out
    assert CARRIED_OVER not in calibrate_on(folder, run=bundle, output="other").out


def test_groups_count_and_not_pictures(own, calibrate_on) -> None:
    folder = own({"DERM": 30, "PAN": 20})
    lines = [f"DERM/{n:02}.jpg,{n % 15}" for n in range(30)]
    lines += [f"PAN/{n:02}.jpg,pan{n}" for n in range(20)]
    (folder / "groups.csv").write_text("\n".join(["file,group", *lines]))
    done = calibrate_on(folder)
    fields = json.loads((done.place / "best.json").read_text())
    quantiles = fields["calibration"]["quantiles"]
    assert quantiles["DERM"] is None and quantiles["PAN"] is not None
    assert (
        fields["recalibration"]["groups"] | {"DERM": 15, "PAN": 20}
        == (fields["recalibration"]["groups"])
    )
    # 35 groups are too few to refuse 2 %, so strangers are refused as before.
    assert fields["calibration"]["unlike"]["threshold"] == 1e6
    assert (
        "as before: 50 good pictures of 35 groups; to refuse 2% takes at least 49 groups"
        in done.out
    )


@pytest.mark.slow
def test_a_report_with_it_tells_on_what_it_was_calibrated(own, calibrate_on, test_on) -> None:
    run = calibrate_on(own(COUNTS)).place
    done = test_on(own({"DERM": 2, "PAN": 2}, "others"), run=run)
    assert "The model was calibrated anew on " in done.out
    report = json.loads((done.place / "report.json").read_text())
    assert report["external_test"]["recalibration"]["folder"] == "clinic"
    assert report["abstention"]["coverage"]["DERM"]["expected"] is not None


def test_a_place_that_cannot_be_made_is_one_line(
    own, calibrate_on, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    folder = own(COUNTS)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"^No permission to write .*run2\. Expected a writable"):
        calibrate_on(folder)


def test_another_coverage_needs_other_numbers(own, calibrate_on) -> None:
    done = calibrate_on(own(COUNTS), "--coverage", "0.825")
    fields = json.loads((done.place / "best.json").read_text())["calibration"]
    assert fields["coverage"] == 0.825
    assert fields["quantiles"]["PAN"] is not None  # 5 are enough
    assert "82.5%" in done.out


@pytest.mark.slow
def test_the_share_that_may_be_refused_is_carried_or_set(
    own, calibrate_on, bundle: Path, capsys
) -> None:
    folder = own(COUNTS)
    unlike = {}
    for name, flags in {"kept": (), "set": ("--refuse", "0.2")}.items():
        done = calibrate_on(folder, *flags, output=name)
        unlike[name] = json.loads((done.place / "best.json").read_text())["calibration"]["unlike"]
    assert (unlike["kept"]["refused"], unlike["set"]["refused"]) == (0.02, 0.2)
    assert unlike["kept"]["threshold"] > unlike["set"]["threshold"]
    assert f"distance of {unlike['set']['threshold']:.2f}, for 20%" in done.out
    assert "(beyond a distance of 1000000.00, for 2%)" in done.out
    again = calibrate_on(folder, run=done.place, output="again")
    fields = json.loads((again.place / "best.json").read_text())["calibration"]
    assert fields["unlike"] == unlike["set"]  # the run's own share is carried on
    assert (read_bundle(again.place)[0].calibration.novelty.neighbours.bank
            == read_bundle(bundle)[0].calibration.novelty.neighbours.bank).all()  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"DERM": 31}, r"are DERM\. Expected at least 2 classes\.$"),
        (
            {"DERM": 5, "PAN": 5},
            r"^10 pictures are too few to calibrate on\. Expected at least 30 ",
        ),
        ({"derm": 20, "PAN": 20}, r"derm to DERM"),
    ],
)
def test_nonsense_is_one_line_and_nothing_is_written(
    own, calibrate_on, tmp_path: Path, counts: dict[str, int], told: str
) -> None:
    with pytest.raises(ProjectError, match=told) as caught:
        calibrate_on(own(counts))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run2").exists()


def test_no_run_is_ever_overwritten(own, calibrate_on, bundle: Path) -> None:
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with pytest.raises(OutputError, match="is not empty"):
        calibrate_on(own({"DERM": 1}), output=str(bundle))
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_a_model_that_was_never_calibrated_is_refused(
    own, calibrate_on, make_bundle, tmp_path: Path
) -> None:
    run = make_bundle(tmp_path / "plain-1", calibrated=False)
    with pytest.raises(ProjectError, match="has no calibration to fit anew"):
        calibrate_on(own({"DERM": 1}), run=run)
