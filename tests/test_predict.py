"""The script as it is called: rows, their order, broken pictures, archives, sorting, exit codes."""

import csv
import functools
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

import launch_training_test
import predict
from models import load
from models.bundle import UNASSESSED
from models.gate import Answer, Gate
from models.outputs import SUBJECTS
from tests.preloaded import Preloaded
from utils.common.disk.escapes import unescape
from utils.common.errors import ModelError, ProjectError, SettingsError
from utils.common.faults import FAULT_NAMES, FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES
from utils.prediction import placing, sorting, stream
from utils.prediction.columns import ASSESSED, CLASSIFIED, COLUMNS, SHARES
from utils.prediction.inputs import find_inputs
from utils.prediction.stream import stream_samples

ROOT = Path(__file__).parent.parent
NUM_PHOTOS = 7
ADVICE = {"": "", **{fault.name: fault.advice for fault in FAULTS}}


@pytest.fixture(scope="session")
def bundle(assessing_bundle: Path) -> Path:
    """Return a model that assesses pictures, too, so that there are rows in all columns."""
    return assessing_bundle


@pytest.fixture
def photos(
    tmp_path: Path, make_picture: Callable[..., Image.Image], encode: Callable[..., bytes]
) -> Path:
    """Return a folder of pictures in two folders, with one that is broken."""
    folder = tmp_path / "photos"
    for number in range(NUM_PHOTOS):
        kind = ("JPEG", "PNG")[number % 2]
        place = folder / ("deep/er" if number > 4 else "") / f"{number}.{kind.lower()}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encode(make_picture(number, 80 + number, 60), kind))
    (folder / "3b.jpg").write_bytes(encode(make_picture(9))[:900])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def call(bundle: Path, tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Give a function that runs the script and reads the rows that it wrote."""

    def run(*arguments: object, output: str = "rows.csv") -> SimpleNamespace:
        target = tmp_path / output
        more = ("--output", target, "-j", 0, "--device", "cpu")
        code = predict.main([str(bundle), *map(str, (*arguments, *more))])
        with target.open(newline="", encoding="utf-8") as stream:
            return SimpleNamespace(code=code, rows=list(csv.DictReader(stream)))

    return run


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target


def answers(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Return all but the files' names and the last digits."""
    return [
        tuple(cell[:7] if name in (*SHARES, "severity") else cell for name, cell in row.items())
        [1:]
        for row in rows
    ]  # fmt: skip


def test_one_row_for_each_picture_in_the_order_of_the_folder(call, photos: Path) -> None:
    done = call(photos)
    assert done.code == 3
    assert [row["file"] for row in done.rows] == [
        str(photos / name)
        for name in (
            *("0.jpeg", "1.png", "2.jpeg", "3.png", "3b.jpg", "4.jpeg"),
            *("deep/er/5.png", "deep/er/6.jpeg"),
        )
    ]
    assert list(done.rows[0]) == list(COLUMNS)
    assert (
        *("file", "label", "probability", "set", "abstained", "DERM", "DERM_CLINIC"),
        *("LOW_QUALITY", "OTHER", "PAN", "error"),
        *("subject", "subject_probability", "faults", "severity", "advice"),
    ) == COLUMNS
    for row in done.rows:
        if "3b" in row["file"]:
            assert row["error"].startswith("truncated, ")
            assert not any(row[name] for name in COLUMNS if name not in ("file", "error"))
        else:
            assert row["probability"] == max(row[name] for name in CLASSES) == row[row["label"]]
            assert sum(float(row[name]) for name in CLASSES) == pytest.approx(1, abs=1e-5)
            assert set(row["set"].split()) <= set(CLASSES)
            assert row["abstained"] == ("" if row["set"] in CLASSES else "ambiguous")
            assert row["error"] == ""
            assert set(row["faults"].split()) <= set(FAULT_NAMES)
            assert row["advice"] == ADVICE[(row["faults"].split() or [""])[0]]
            assert row["subject"] in ("", *SUBJECTS)
            assert 0 < float(row["subject_probability"]) <= 1
            assert 0 <= float(row["severity"]) <= MAX_SEVERITY
    assert any(row["faults"] for row in done.rows) and any(row["subject"] for row in done.rows)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_without_faults_the_rows_are_those_of_before(
    bundle: Path, call, photos: Path, tmp_path: Path, suffix: str
) -> None:
    name = f"rows.{suffix}"
    call(photos, output=name)
    whole = (tmp_path / name).read_text()
    call(photos, "--no-faults", output=name)
    if suffix == "jsonl":
        lines = [json.loads(line) for line in whole.splitlines()]
        dropped = [{name: line[name] for name in CLASSIFIED} for line in lines]
        expected = "".join(json.dumps(line) + "\n" for line in dropped)
    else:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows(row[: -len(ASSESSED)] for row in csv.reader(whole.splitlines()))
        expected = stream.getvalue()
    assert (tmp_path / name).read_text() == expected


def test_shards_of_another_set_of_columns_are_not_joined(
    bundle: Path, call, photos: Path, tmp_path: Path
) -> None:
    target = tmp_path / "rows.csv"
    shard = [str(bundle), str(photos), "--output", str(target), "--shard", "1/1", "--device", "cpu"]
    for own, others in (([], ["--no-faults"]), (["--no-faults"], [])):
        assert predict.main([*shard, *own]) == 3
        with pytest.raises(SettingsError, match="rows were made with another set of columns"):
            call(photos, "--join", 1, *others)
        assert list(call(photos, "--join", 1, *own).rows[0]) == list(CLASSIFIED if own else COLUMNS)


def test_a_zip_gives_the_same_rows_as_the_folder(call, photos: Path, tmp_path: Path) -> None:
    archive = zipped(photos, tmp_path / "more.zip")
    in_folder, in_zip = call(photos).rows, call(archive).rows
    assert answers(in_zip) == answers(in_folder)
    for one, other in zip(in_zip, in_folder, strict=True):
        assert one["file"] == other["file"].replace(str(photos), str(archive))
    assert answers(call(archive, photos).rows) == answers(in_zip + in_folder)


def test_whatever_a_name_is_the_rows_are_utf_8_and_no_formulas(
    bundle: Path, call, tmp_path: Path, make_picture, encode, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = encode(make_picture(1, 80, 60))
    with tarfile.open("x.tar", "w") as archive:
        for name in ("na\udce4vus.jpg", "a\rb.jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(picture)
            archive.addfile(info, io.BytesIO(picture))
    Path("=1+1.jpg").write_bytes(picture)
    expected = ["x.tar/a\rb.jpg", "x.tar/na\udce4vus.jpg", "=1+1.jpg"]
    cells = [r"x.tar/a\x{0d}b.jpg", r"x.tar/na\x{e4}vus.jpg", r"\x{3d}1+1.jpg"]
    assert [row["file"] for row in call("x.tar", "=1+1.jpg").rows] == cells
    assert [unescape(cell) for cell in cells] == expected
    arguments = ("x.tar", "=1+1.jpg", "--output", "rows.jsonl", "-j", "0", "--device", "cpu")
    assert predict.main([str(bundle), *arguments]) == 0
    lines = Path("rows.jsonl").read_bytes().decode("utf-8").splitlines()
    assert [json.loads(line)["file"] for line in lines] == cells


@pytest.mark.slow
def test_batches_and_workers_change_nothing(
    bundle: Path, call, photos: Path, tmp_path: Path
) -> None:
    expected = call(photos).rows
    for more in (["-b", "1"], ["-b", "3", "-j", "2"]):
        target = tmp_path / "other.csv"
        arguments = [str(bundle), str(photos), "--output", str(target), "--device", "cpu", *more]
        assert predict.main(arguments) == 3
        rows = list(csv.DictReader(target.read_text().splitlines()))
        for row, other in zip(rows, expected, strict=True):
            for name, cell in other.items():
                if name in (*SHARES, "severity") and cell:
                    assert float(row[name]) == pytest.approx(float(cell), abs=1e-5)
                else:
                    assert row[name] == cell


@pytest.mark.parametrize(("num_batches", "fitting"), [(11, 2), (10, 2), (9, 1), (0, 0)])
def test_where_processes_can_share_little_fewer_workers_read(
    bundle: Path, photos: Path, monkeypatch, capsys, num_batches: int, fitting: int
) -> None:
    gate = load(bundle, "cpu")
    inputs = find_inputs((str(photos),))
    wanted = gate.card.preprocessing
    free = num_batches * 2 * 3 * wanted.height * wanted.width + 1
    monkeypatch.setattr(stream, "shared_memory_left", lambda: free)
    expected = [samples.errors for samples in stream_samples(gate, inputs, 2, 0)]
    assert [samples.errors for samples in stream_samples(gate, inputs, 2, 2)] == expected
    told = f"are enough for {fitting} of 2 workers. Make /dev/shm larger"
    assert (told in capsys.readouterr().err) == (fitting < 2)


def test_memory_is_pinned_by_the_gpu_that_answers(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = ["the first GPU"]

    class Device:
        def __init__(self, device: torch.device) -> None:
            self._device = str(device)

        def __enter__(self) -> None:
            current.append(self._device)

        def __exit__(self, *_: object) -> None:
            current.pop()

    class Loader:
        def __init__(self, *_: object, pin_memory: bool, **__: object) -> None:
            assert pin_memory

        def __iter__(self) -> Iterator[str]:
            return iter([current[-1]])  # as PyTorch asks, before it yields anything

    gate = load(bundle, "cpu")
    gate.compute = replace(gate.compute, device=torch.device("cuda", 1))
    monkeypatch.setattr(torch.cuda, "device", Device)
    monkeypatch.setattr(stream, "DataLoader", Loader)
    assert [*stream_samples(gate, [], 2, 0), current[-1]] == ["cuda:1", "the first GPU"]


@pytest.mark.slow
def test_a_worker_does_not_grow_with_the_number_of_pictures(
    bundle: Path, tmp_path: Path, make_picture, encode, worker_growth_kib
) -> None:
    (tmp_path / "photo.png").write_bytes(encode(make_picture(3, 300, 260), "PNG"))
    gate = load(bundle)
    inputs = list(find_inputs([str(tmp_path / "photo.png")])) * 8 * 60
    batch_kib = 8 * 3 * gate.card.preprocessing.height * gate.card.preprocessing.width / 1024
    batches = stream_samples(gate, inputs, batch_size=8, workers=1)
    assert worker_growth_kib(batches) < 5 * batch_kib


def test_the_order_given_is_the_order_of_the_rows(call, photos: Path) -> None:
    given = [photos / name for name in ("4.jpeg", "0.jpeg", "1.png", "0.jpeg")]
    done = call(*given)
    assert done.code == 0
    assert [row["file"] for row in done.rows] == [str(path) for path in given]


def test_a_list_on_stdin_may_name_what_is_gone(
    call, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = [photos / "gone.jpg", photos / "1.png"]
    lines = io.BytesIO("".join(f"{path}\r\n\n" for path in named).encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines))
    done = call("-")
    assert [row["file"] for row in done.rows] == [str(path) for path in named]
    assert [row["error"] for row in done.rows] == ["unreadable, No such file or directory", ""]
    assert done.code == 3


def test_json_lines_say_the_same(bundle: Path, call, photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    predict.main([str(bundle), str(photos), "--output", str(target), "--device", "cpu"])
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    for line, row in zip(lines, call(photos).rows, strict=True):
        assert tuple(line) == COLUMNS
        assert " ".join(line["set"]) == row["set"]
        assert " ".join(line["faults"] or []) == row["faults"]
        assert (line["subject"] or "", line["advice"] or "") == (row["subject"], row["advice"])
        assert (line["severity"] is None) == bool(row["error"])
        assert (line["file"], line["label"] or "", line["error"]) == (
            row["file"], row["label"], row["error"],
        )  # fmt: skip
        probability = line["probability"]
        assert (probability is None) == bool(row["error"])
        assert probability is None or probability == pytest.approx(
            float(row["probability"]), abs=1e-5
        )


@pytest.mark.slow
def test_without_output_a_table_is_printed(bundle: Path, photos: Path, capsys) -> None:
    bad = photos / "bad\x1b[31m\nname.jpg"
    (photos / "0.jpeg").rename(bad)
    assert predict.main([str(bundle), str(bad), str(photos / "1.png"), "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    header, first, second, _, last = captured.out.splitlines()
    *before, error = CLASSIFIED
    assert header.split() == [*before, "fault", error]
    assert "\x1b" not in captured.out and "\\x1b[31m\\nname.jpg" in first
    assert second.startswith(str(photos / "1.png")[:20])
    assert last.startswith("2 pictures: ")
    assert captured.err == (
        "Warning: PAN (3 val pictures) has no promised coverage, so it stays possible for every "
        "picture: every answer but PAN is ambiguous. Their labels are the likeliest classes all "
        "the same.\n"
        "Warning: 1 of 12 faults had too few val pictures for a calibration of their own and "
        "mostly share that of all: veiled.\n"
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_anything_that_decodes_is_classified_however_small(
    call, encode: Callable[..., bytes], tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    path = tmp_path / "small.picture"
    path.write_bytes(encode(Image.new("RGB", size, "red"), kind))
    done = call(path)
    assert (done.code, done.rows[0]["error"]) == (0, "")
    assert done.rows[0]["label"] in CLASSES


def test_a_model_without_calibration_works_and_says_so(
    make_bundle, photos: Path, tmp_path: Path, capsys
) -> None:
    run = make_bundle(tmp_path / "plain", calibrated=False)
    assert predict.main([str(run), str(photos / "1.png"), "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert captured.err == (
        "Warning: probabilities are as the model gives them: this model was not calibrated. Every "
        "class stays possible for every picture: every answer is ambiguous.\n"
        f"Warning: subject, faults, severity and advice stay empty: {UNASSESSED}. --no-faults "
        "leaves their columns out.\n"
    )
    row = captured.out.splitlines()[1].split()
    assert row[1] in CLASSES
    assert row[3:9] == [*CLASSES, "ambiguous"]


def test_bad_input_is_one_clear_line(bundle: Path, photos: Path, tmp_path: Path, call) -> None:
    def complaint(*arguments: object) -> ProjectError:
        with pytest.raises(ProjectError) as caught:
            predict.main([*map(str, arguments)])
        return caught.value

    missing = complaint(bundle, photos / "gone.jpg")
    assert isinstance(missing, SettingsError)
    assert f"There is no {photos / 'gone.jpg'}." in str(missing)
    (tmp_path / "empty").mkdir()
    assert "No pictures in" in str(complaint(bundle, tmp_path / "empty"))
    assert isinstance(complaint(tmp_path / "empty", photos), ModelError)
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    assert isinstance(complaint(bundle, tmp_path / "torn.zip"), SettingsError)
    assert "tells no format" in str(complaint(bundle, photos, "--output", "rows.xlsx"))
    assert "--batch-size 0 cannot be used" in str(complaint(bundle, photos, "-b", 0))
    both = ("--move-into", tmp_path, "--copy-into", tmp_path)
    assert "contradict each other" in str(complaint(bundle, photos, *both))
    assert "is a file" in str(complaint(bundle, photos, "--move-into", photos / "1.png"))
    assert "required" in str(complaint(bundle))
    assert "Expected --output FILE, too." in str(complaint(bundle, photos, "--resume"))
    assert not (tmp_path / "rows.csv").exists()


def test_an_interrupted_call_leaves_what_was_there(
    call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("before")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("models.gate.Gate.answer", interrupt)
    with pytest.raises(KeyboardInterrupt):
        call(photos)
    assert (tmp_path / "rows.csv").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "rows.csv"]


def test_a_stopped_call_is_gone_on_with(
    bundle: Path, photos: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    expected = call(photos, "-b", 2).rows
    (tmp_path / "rows.csv").unlink()
    answer, looked_at = Gate.answer, []

    def answer_once(gate: Gate, pixels: torch.Tensor) -> list[Answer]:
        if looked_at:
            raise KeyboardInterrupt
        looked_at.append(len(pixels))
        return answer(gate, pixels)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Gate, "answer", answer_once)
        call(photos, "-b", 2)
    assert "2 of 8 rows are kept in " in capsys.readouterr().err
    monkeypatch.setattr(
        Gate, "answer", lambda gate, pixels: looked_at.append(len(pixels)) or answer(gate, pixels)
    )
    done = call(photos, "-b", 2, "--resume", "--copy-into", tmp_path / "sorted")
    assert (done.code, done.rows) == (3, expected)
    assert sum(looked_at) == NUM_PHOTOS
    assert len([path for path in (tmp_path / "sorted").rglob("*") if path.is_file()]) == NUM_PHOTOS
    assert capsys.readouterr().out.startswith("8 pictures in ")


@pytest.mark.slow
def test_a_move_that_was_stopped_keeps_its_rows(
    photos: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = call(photos).rows
    (tmp_path / "rows.csv").unlink()
    place, placed = sorting.place, []

    def place_two(*arguments: Any) -> Path | None:
        if len(placed) == 2:
            raise KeyboardInterrupt
        placed.append(place(*arguments))
        return placed[-1]

    moving = (photos, "--move-into", tmp_path / "sorted")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sorting, "place", place_two)
        call(*moving)
    with pytest.raises(SettingsError, match="has 2 rows of pictures that were moved already"):
        call(*moving)
    done = call(*moving, "--resume")
    assert (done.code, done.rows) == (3, expected)
    assert sorted(path.name for path in photos.rglob("*") if path.is_file()) == [
        "3b.jpg", "notes.txt",
    ]  # fmt: skip


@pytest.mark.parametrize("names", ["folder", "files"])
def test_a_call_that_was_stopped_after_its_last_move_still_gets_its_rows(
    photos: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    (photos / "3b.jpg").unlink()
    named = [photos] if names == "folder" else sorted(photos.rglob("*.*g"))
    expected = call(*named).rows
    (tmp_path / "rows.csv").unlink()
    moving = (*named, "--move-into", tmp_path / "sorted")

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("utils.prediction.row_file.RowFile.publish", stop)
        call(*moving)
    with pytest.raises(SettingsError) as caught:
        call(*moving)
    assert str(caught.value).endswith(
        "Give --resume to go on with the call that was stopped while it sorted."
    )
    done = call(*moving, "--resume")
    assert (done.code, done.rows) == (0, expected)
    with pytest.raises(SettingsError, match=r"^(There is no|No pictures in) "):
        call(*moving, "--resume")


@pytest.mark.parametrize("flag", ["--move-into", "--copy-into"])
@pytest.mark.parametrize("inside", ["", "deep/sorted", "deep/../x"])
@pytest.mark.parametrize("as_list", [False, True])
def test_rows_are_not_of_what_was_put_into_a_folder_that_is_looked_into(
    photos: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, inside: str,
    as_list: bool,
) -> None:  # fmt: skip
    before = sorted(photos.rglob("*"))
    listed = SimpleNamespace(buffer=io.BytesIO(str(photos).encode()))
    monkeypatch.setattr(sys, "stdin", listed)
    target = photos / inside
    with pytest.raises(SettingsError) as caught:
        call("-" if as_list else photos, flag, target)
    assert str(caught.value) == (
        f"Pictures would be put into {target}, and {photos} is looked into: when a call that was "
        "stopped is gone on with, they would be taken for new ones. "
        f"Choose a folder outside of {photos}, or write no rows."
    )
    assert sorted(photos.rglob("*")) == before


def test_a_folder_beside_the_pictures_may_get_them(photos: Path, call) -> None:
    assert call(photos / "deep", "--move-into", photos / "deeper").code == 0


def test_a_picture_under_two_names_is_moved_once_and_told_so(
    photos: Path, call, tmp_path: Path, capsys
) -> None:
    named = (photos / "1.png", photos / "deep/../1.png")
    done = call(*named, "--move-into", tmp_path / "sorted")
    assert (done.code, len(done.rows)) == (0, 2)
    told = capsys.readouterr()
    assert "could not be sorted" not in told.err and "Moved 1 pictures into" in told.out


def test_what_could_not_be_read_or_sorted_is_told_by_the_exit_code(
    photos: Path, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn.zip").write_bytes(b"PK no")
    assert call(photos / "1.png").code == 0
    assert call(photos / "1.png", tmp_path / "torn.zip").code == 3

    def fail(*_: Any) -> None:
        raise OSError(36, "File name too long")

    monkeypatch.setattr(sorting, "place", fail)
    assert call(photos / "1.png", "--copy-into", tmp_path / "sorted").code == 3


def test_an_output_that_is_a_folder_is_told_before_anything_is_done(photos: Path, call) -> None:
    (photos / "x.csv").mkdir()
    with pytest.raises(SettingsError, match=r"x\.csv is a folder\. Expected a file\."):
        call(photos, output="photos/x.csv")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signals")
@pytest.mark.parametrize("victim", ["worker", "script"])
def test_whatever_is_killed_the_rows_are_kept(
    bundle: Path, preloaded: Preloaded, tmp_path: Path, make_picture, encode, victim: str
) -> None:
    (tmp_path / "in").mkdir()
    content = encode(make_picture(0, 900, 700), "PNG")
    for number in range(200):
        (tmp_path / f"in/{number:03}.png").write_bytes(content)
    target = tmp_path / "rows.csv"
    arguments = [
        *map(str, (bundle, tmp_path / "in", "--output", target)),
        *("-j", "2", "-b", "4", "--device", "cpu"),
    ]
    unfinished = target.with_name("rows.csv.unfinished")
    process = preloaded.start("predict.py", *arguments)
    while not (unfinished.exists() and unfinished.read_bytes().count(b"\n") > 6):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    if victim == "worker":
        [*children] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
    else:
        process.terminate()
    _, told = process.communicate(timeout=120)
    last = told.splitlines()[-1]
    if victim == "worker":
        assert process.returncode == 2
        assert last.startswith("Error: A process that reads pictures has died (")
    else:
        assert (process.returncode, last) == (143, "Stopped.")
    assert "Traceback" not in told and "rows are kept in" in told
    assert predict.main([*arguments, "--resume"]) == 0
    with target.open(newline="", encoding="utf-8") as stream:
        files = [row["file"] for row in csv.DictReader(stream)]
    assert files == [str(tmp_path / f"in/{number:03}.png") for number in range(200)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "rows.csv"]


@pytest.mark.slow
def test_the_exit_codes_of_the_script_itself(
    bundle: Path, photos: Path, preloaded: Preloaded
) -> None:
    run = functools.partial(preloaded.run, "predict.py")
    assert run(bundle, photos / "1.png", "--device", "cpu").returncode == 0
    failed = run(bundle, photos, "--device", "cpu")
    assert (failed.returncode, "Traceback" in failed.stderr) == (3, False)
    (photos / "best.json").write_text("{")
    (photos / "best.safetensors").write_text("{")
    refused = run(photos, photos)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1 and refused.stderr.startswith("Error: ")


def test_help_comes_before_anything_heavy() -> None:
    lines = [
        "import sys, predict",
        "try: predict.main(['--help'])",
        "except SystemExit: pass",
        "print([name for name in ('torch', 'cv2', 'PIL') if name in sys.modules])",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=True, capture_output=True
    )
    assert done.stdout.decode().splitlines()[-1] == "[]"


class TestSorting:
    """Pictures go into class folders; none is lost, none is overwritten."""

    @staticmethod
    def contents(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def test_copies(self, call, photos: Path, tmp_path: Path, capsys) -> None:
        before = self.contents(photos)
        rows = call(photos, "--copy-into", tmp_path / "sorted").rows
        expected = {
            f"{row['label']}/{Path(row['file']).name}": Path(row["file"]).read_bytes()
            for row in rows
            if row["label"]
        }
        assert self.contents(tmp_path / "sorted") == expected
        assert self.contents(photos) == before
        assert f"Copied {NUM_PHOTOS} pictures into {tmp_path / 'sorted'}: " in (
            capsys.readouterr().out
        )
        call(photos, "--copy-into", tmp_path / "sorted")
        assert self.contents(tmp_path / "sorted") == expected
        assert f"{NUM_PHOTOS} lay there already." in capsys.readouterr().out

    @pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
    def test_moves(
        self, call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
    ) -> None:
        if not links:

            def refuse(*_: object) -> None:
                raise PermissionError(1, "no links here")

            monkeypatch.setattr(placing, "_give_name", refuse)
        before = self.contents(photos)
        rows = call(photos, "--move-into", tmp_path / "sorted").rows
        assert sorted(self.contents(photos)) == ["3b.jpg", "notes.txt"]
        assert self.contents(tmp_path / "sorted") == {
            f"{row['label']}/{Path(row['file']).name}": before[
                Path(row["file"]).relative_to(photos).as_posix()
            ]
            for row in rows
            if row["label"]
        }
        assert not list((tmp_path / "sorted").rglob(".*"))

    def test_nothing_is_overwritten(self, call, photos: Path, tmp_path: Path, capsys) -> None:
        label = call(photos / "1.png").rows[0]["label"]
        target = tmp_path / "sorted" / label
        target.mkdir(parents=True)
        (target / "1.png").write_bytes(b"mine")
        (target / "1-2.png").write_bytes(b"mine, too")
        content = (photos / "1.png").read_bytes()
        call(photos / "1.png", "--move-into", tmp_path / "sorted")
        assert self.contents(target) == {
            "1.png": b"mine", "1-2.png": b"mine, too", "1-3.png": content,
        }  # fmt: skip
        told = f"1 got another name, because theirs was taken or too long: {photos / '1.png'} as "
        assert told in capsys.readouterr().out

    def test_a_picture_given_twice_is_moved_once(self, call, photos: Path, tmp_path: Path) -> None:
        call(photos / "1.png", photos / "1.png", "--move-into", tmp_path / "sorted")
        assert len(self.contents(tmp_path / "sorted")) == 1

    def test_what_lies_in_place_stays(
        self, call, bundle: Path, photos: Path, tmp_path: Path
    ) -> None:
        call(photos / "1.png", "--move-into", tmp_path / "sorted")
        before = self.contents(tmp_path / "sorted")
        again = ("--move-into", tmp_path / "sorted", "-j", 0, "--device", "cpu")
        predict.main([str(bundle), *map(str, (tmp_path / "sorted", *again))])
        assert self.contents(tmp_path / "sorted") == before

    def test_out_of_archives_pictures_are_copied_and_not_moved(
        self, call, photos: Path, tmp_path: Path
    ) -> None:
        archive = zipped(photos, tmp_path / "more.zip")
        with pytest.raises(SettingsError, match="lies in an archive and cannot be moved out"):
            call(archive, "--move-into", tmp_path / "sorted")
        assert not (tmp_path / "sorted").exists()
        call(archive, "--copy-into", tmp_path / "sorted")
        copied = {Path(name).name: c for name, c in self.contents(tmp_path / "sorted").items()}
        assert copied == {
            Path(name).name: content
            for name, content in self.contents(photos).items()
            if name not in ("3b.jpg", "notes.txt")
        }

    def test_the_unlike_go_into_a_folder_of_their_own(
        self, call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def all_unlike(self: Any, features: Any) -> Any:
            return self.distances(features) >= 0

        monkeypatch.setattr("models.calibration.Novelty.is_unlike", all_unlike)
        done = call(photos / "1.png", "--copy-into", tmp_path / "sorted")
        assert (done.rows[0]["label"], done.rows[0]["abstained"]) == ("UNSURE", "unlike")
        assert [path.name for path in (tmp_path / "sorted").iterdir()] == ["UNSURE"]


@pytest.mark.slow
def test_a_trained_model_says_what_its_test_said(
    drawn_dataset: Path, tmp_path: Path, capsys
) -> None:
    runs = tmp_path / "runs"
    flags = "--model test_resnet -b 16 -j 0 --epochs 1 --device cpu --no-pretrained --amp"
    places = ["--data-dir", str(drawn_dataset), "--output-dir", str(runs)]
    assert launch_training_test.main([*places, *flags.split()]) == 0
    [run] = runs.iterdir()
    for name in ("last.pt", "settings.json", "report.json"):
        (run / name).unlink()
    with (run / "predictions.csv").open(newline="") as stream:
        said = list(csv.DictReader(stream))
    files = [str(drawn_dataset / row["file"]) for row in said]
    target = tmp_path / "rows.csv"
    assert predict.main([str(run), *files, "--output", str(target), "--device", "cpu"]) == 0
    with target.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, other in zip(rows, said, strict=True):
        assert [row[k] == other[k] for k in ("label", "set", "abstained")] == [True] * 3
        for name in CLASSES:
            assert float(row[name]) == pytest.approx(float(other[name]), abs=1e-5)
    card = json.loads((run / "best.json").read_text())
    assert card["reading"] == {"shorter_side": 256, "is_written": True}
    assert set(card["metrics"]) == {"accuracy", "balanced_accuracy", "macro_f1", "brier"}
    assert card["calibration"] is not None
