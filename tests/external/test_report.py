"""The report on a user's own pictures: the files of a run's report, and only what is known."""

import csv
import json
from pathlib import Path

import pytest

import predict
from models.findings import ASSESSED
from utils.common.errors import OutputError, ProjectError, SettingsError
from utils.common.labels import CLASSES
from utils.evaluation.external import AS_HERE, HEADING
from utils.evaluation.report import ONE_CLASS

COUNTS = {"DERM": 4, "OTHER/wardA": 3, "PAN/wardA": 3, "LOW_QUALITY": 2}


def read(place: Path) -> tuple[dict, list[dict[str, str]], str]:
    with (place / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    page = (place / "report.html").read_text(encoding="utf-8")
    return json.loads((place / "report.json").read_text()), rows, page


def test_a_folder_gets_the_report_of_a_run_without_what_nobody_knows(own, test_on) -> None:
    folder = own(COUNTS)
    (folder / "PAN/torn.jpg").write_bytes((folder / "DERM/00.jpg").read_bytes()[:300])
    done = test_on(folder)
    report, rows, page = read(done.place)
    assert done.code == 3
    assert {path.name for path in done.place.iterdir()} == {
        "report.json", "report.html", "confusion_matrix.png", "predictions.csv",
        "looks_at_test.txt",
    }  # fmt: skip
    before = ["file", "true", "label", "set", "abstained", *CLASSES, "error"]
    assert list(rows[0]) == [*before, *ASSESSED]
    assert [row["file"] for row in rows if row["error"]] == ["PAN/torn.jpg"]
    assert len(rows) == sum(COUNTS.values()) + 1
    assert all(row["true"] == row["file"].split("/")[0] for row in rows)
    right = [row["label"] == row["true"] for row in rows if not row["error"]]
    assert report["accuracy"]["value"] == pytest.approx(sum(right) / len(right))
    assert report["external_test"]["unread"][0]["file"] == "PAN/torn.jpg"
    assert report["calibration"]["prior_of_the_errors"] == AS_HERE
    confused = {told["true"]: told["share"]["value"] for told in report["border"]["confusion"]}
    taken = [row["label"] for row in rows if row["true"] == "PAN" and not row["error"]]
    assert confused == {
        "DERM_CLINIC": None, "PAN": pytest.approx(taken.count("DERM_CLINIC") / len(taken)),
    }  # fmt: skip
    assert not {"shortcuts", "collections", "best_epoch"} & report.keys()
    assert {"ece", "ece_if_perfect"} <= report["calibration"].keys()
    parts = {part["of"][0]: part["pictures"] for part in report["slices"]["by_subfolder"]}
    assert parts == {"(in none)": 6, "wardA": 6}
    within = {tuple(part["of"]) for part in report["slices"]["within_subfolders"]}
    assert {("wardA", "PAN"), ("wardA", "all"), ("(in none)", "DERM")} <= within
    assert f"<h1>{HEADING}</h1>" in page
    for unknown in (
        "Loss by epoch",
        "Shortcuts",
        "licence",
        "by severity",
        "no manifest",
        "Chosen",
    ):
        assert unknown not in page
    assert done.out.startswith(HEADING)
    for told in (page.replace("<wbr>", ""), done.out):
        assert "PAN taken for DERM_CLINIC" in told
        assert "each picture counts as a group of its own" in " ".join(told.split())
        assert "12 groups are too few to tell anything" in told
        assert "torn.jpg (truncated" in told
    assert "not promised for PAN" in done.out


def test_pictures_of_one_class_have_no_calibration_error(own, test_on) -> None:
    done = test_on(own({"PAN": 3}))
    report, _, page = read(done.place)
    assert (report["calibration"]["ece"], report["calibration"]["reason"]) == (None, ONE_CLASS)
    assert f"Calibration error:       -, {ONE_CLASS}" in done.out
    assert f"There is no calibration error: {ONE_CLASS}." in page
    assert "said" not in page and "Of the answers given with 80" not in page
    assert "if perfect" not in page


def test_what_folders_do_not_tell_of_faults_is_left_out_and_said(
    own, test_on, assessing_bundle: Path
) -> None:
    folder = own(COUNTS)
    (folder / "PAN/torn.jpg").write_bytes((folder / "DERM/00.jpg").read_bytes()[:300])
    done = test_on(folder, run=assessing_bundle)
    report, rows, page = read(done.place)
    assert list(rows[0])[-6:] == ["error", *ASSESSED]
    assert all(bool(row["severity"]) != bool(row["error"]) for row in rows)
    found = report["assessment"]
    assert found["faults"] == {} and found["by_severity"] == {}
    assert found["fault_calibration_error"] is None
    num_good = sum(COUNTS.values()) - COUNTS["LOW_QUALITY"]
    assert (found["good"]["pictures"], found["poor"]["pictures"]) == (num_good, 0)
    good = [row for row in rows if row["true"] != "LOW_QUALITY" and not row["error"]]
    alarms = [bool(row["faults"]) for row in good]
    assert found["good"]["any_told"]["value"] == pytest.approx(sum(alarms) / len(alarms))
    assert "Precision and recall of faults are left out" in page
    assert "False alarms:" in done.out and "Subject if poor" not in done.out
    for told in (page, done.out):
        assert "on average" in told and "by good pictures alone" in told
    assert {example["has"] for example in found["examples"]} == {None}


@pytest.mark.slow
def test_every_look_is_counted_where_the_report_lies(own, test_on) -> None:
    folder = own({"DERM": 2, "PAN": 2})
    for number in (1, 2):
        done = test_on(folder)
        looks = (done.place / "looks_at_test.txt").read_text().splitlines()
        assert [look.partition(", ")[2] for look in looks] == ["test_resnet-1 on clinic"] * number
        assert f"Looks at test:         {number}" in done.out
    assert "Test was looked at 2 times" in read(done.place)[2]


@pytest.mark.slow
def test_intervals_are_by_the_groups_that_are_told(own, test_on) -> None:
    folder = own({"DERM": 6, "PAN": 6})
    alone = read(test_on(folder, output="alone").place)[0]
    lines = [f"{label}/0{n}.jpg,{label}{n // 3}" for label in ("DERM", "PAN") for n in range(6)]
    (folder / "groups.csv").write_text("\n".join(["file,group", *lines]))
    done = test_on(folder, output="grouped")
    grouped = read(done.place)[0]
    assert (alone["accuracy"]["groups"], grouped["accuracy"]["groups"]) == (12, 4)
    assert grouped["per_class"]["PAN"]["groups"] == 2
    assert "Groups (patients, lesions) are those of groups.csv." in done.out
    widths = [end - start for start, end in (r["accuracy"]["interval"] for r in (alone, grouped))]
    assert widths[0] < widths[1]


@pytest.mark.slow
def test_mistakes_in_archives_are_shown(own, test_on, zipped) -> None:
    folder = own({"PAN": 1})
    contents = {f"{n}.jpg": (folder / "PAN/00.jpg").read_bytes() for n in range(3)}
    for label in CLASSES:  # the model gives them all one class, so four are mistakes
        (folder / label).mkdir(exist_ok=True)
        (folder / label / "more.zip").write_bytes(zipped(contents))
    report, _, page = read(test_on(folder).place)
    assert any("more.zip/" in mistake["file"] for mistake in report["mistakes"])
    assert page.count("data:image/jpeg") == len(report["mistakes"])


@pytest.mark.parametrize("counts", [{"derm": 1, "PAN": 1}, {"DERM": 0}, {"": 1}])
def test_of_a_wrong_folder_nothing_is_written(own, test_on, tmp_path: Path, counts) -> None:
    with pytest.raises(ProjectError):
        test_on(own(counts))
    assert not (tmp_path / "out").exists()


def test_where_no_picture_can_be_read_nothing_is_written(own, test_on, tmp_path: Path) -> None:
    folder = own({"DERM": 0})
    (folder / "DERM/a.jpg").write_bytes(b"\xff\xd8\xff no")
    with pytest.raises(SettingsError, match=r"None of the 1 pictures in .* can be read: DERM/a"):
        test_on(folder)
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_calibration_is_refused(own, test_on, make_bundle, tmp_path) -> None:
    run = make_bundle(tmp_path / "plain-1", calibrated=False)
    with pytest.raises(ProjectError, match="this model was not calibrated"):
        test_on(own({"DERM": 1}), run=run)


def test_nothing_else_is_overwritten(own, test_on, bundle: Path, tmp_path: Path) -> None:
    folder = own({"DERM": 1, "PAN": 1})
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "predictions.csv").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        test_on(folder, output="mine")
    with pytest.raises(OutputError, match="folder of a run"):
        test_on(folder, output=str(bundle))
    with pytest.raises(OutputError, match="the folder of the pictures"):
        test_on(folder, output="clinic/report")
    assert (mine / "predictions.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--output", "x.csv"], "does not go with --output"),
        (["--move-into", "x", "--prior", "train"], "with --move-into and --prior"),
        (["second"], "2 paths were given"),
    ],
)
def test_flags_that_contradict_it_are_refused(flags: list[str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        predict.main(["run", "folder", *flags, "--report", "out"])
