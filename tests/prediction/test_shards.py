"""The rows of all shards together are those of one process, whatever the pictures lie in."""

import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import models
import predict
from tests.preloaded import Preloaded
from utils.common.errors import ModelError, SettingsError
from utils.prediction import sorting
from utils.prediction.settings import PredictSettings
from utils.prediction.shards import Shard, all_shards, note_of
from utils.prediction.together import answer_together, share_inputs

ROOT = Path(__file__).resolve().parents[2]
NUM_PHOTOS = 11
BATCH = 2

Call = Callable[..., int]


@pytest.fixture(scope="session")
def bundle(assessing_bundle: Path) -> Path:
    """Return a model that assesses pictures, too, so that there are rows in all columns."""
    return assessing_bundle


@pytest.fixture(scope="module")
def photos(
    tmp_path_factory: pytest.TempPathFactory, make_picture: Callable, encode: Callable
) -> Path:
    """Return a folder of pictures, one of which is broken; only to be read."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(NUM_PHOTOS):
        content = encode(make_picture(number, 80 + number, 60))
        place = folder / ("deep/er" if number > 7 else "") / f"{number:02}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content[:900] if number == 4 else content)
    (folder / "notes.txt").write_text("no picture")
    return folder


load_once = functools.cache(models.load)


@pytest.fixture
def call(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Give a function that runs the script; rows go into the test's own folder."""
    monkeypatch.setattr("utils.prediction.sharded.load", load_once)

    def run(*arguments: object, output: str = "rows.csv") -> int:
        more = ("--output", tmp_path / output, "-j", 0, "-b", BATCH, "--device", "cpu")
        return predict.main([str(bundle), *map(str, (*arguments, *more))])

    return run


class Lines:
    """A stdin that gives each call the same list."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def buffer(self) -> io.BytesIO:
        return io.BytesIO(self._text.encode())


def in_shards(call: Call, total: int, *named: object, **more: str) -> list[int]:
    return [call(*named, "--shard", shard, **more) for shard in all_shards(total)]


def packed(photos: Path, target: Path) -> Path:
    files = [path for path in sorted(photos.rglob("*")) if path.is_file()]
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(photos).as_posix())
    else:
        with tarfile.open(target, f"w:{'gz' if target.suffix == '.gz' else ''}") as archive:
            for path in files:
                archive.add(path, path.relative_to(photos).as_posix())
    return target


@pytest.mark.parametrize("count", [0, 1, 7, 64, 1_000])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("total", [1, 2, 3, 7, 100])
def test_each_picture_is_in_one_shard_and_no_batch_in_two(
    count: int, batch_size: int, total: int
) -> None:
    stretches = [shard.stretch(count, batch_size) for shard in all_shards(total)]
    assert [start for start, _ in stretches] == [0, *(stop for _, stop in stretches[:-1])]
    assert stretches[-1][1] == count
    assert all(start % batch_size == 0 or start == count for start, _ in stretches)
    sizes = [-(-(stop - start) // batch_size) for start, stop in stretches]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "0/0", "1", "1/4/2", "-1/4", "1/x", "1 / 4", "²/3"])
def test_a_shard_that_is_none_is_one_line(call: Call, photos: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        call(photos, f"--shard={text}")
    assert str(caught.value) == (
        f"--shard {text} cannot be used. "
        "Expected I/N, a share I from 1 to N of N shares, such as 1/4."
    )


def test_what_contradicts_a_shard_is_one_line(bundle: Path, call: Call, photos: Path) -> None:
    with pytest.raises(SettingsError, match=r"--shard 1/2 sorts no pictures: .* call with --join"):
        call(photos, "--shard", "1/2", "--move-into", "x")
    with pytest.raises(SettingsError, match="--shard and --join contradict each other"):
        call(photos, "--shard", "1/2", "--join", 2)
    for flags in (["--shard", "1/2"], ["--join", "2"]):
        with pytest.raises(SettingsError, match=r"nowhere to write to\. Expected --output FILE"):
            predict.main([str(bundle), str(photos), *flags])


@pytest.mark.parametrize(
    "flags", [["--shard", "1/2"], ["--shard", "1/2", "--resume"], ["--join", "2"]]
)
def test_a_mistyped_run_is_one_line(photos: Path, tmp_path: Path, flags: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        predict.main(["gone", str(photos), "--output", str(tmp_path / "rows.csv"), *flags])
    assert str(caught.value).startswith(f"There is no {Path('gone/best.json')}. Expected a folder ")


@pytest.mark.parametrize("resume", [True, False])
def test_of_several_processes_one_tells_of_a_mistyped_run(tmp_path: Path, resume: bool) -> None:
    settings = PredictSettings("gone", ("x",), str(tmp_path / "rows.csv"), resume=resume)
    with pytest.raises(ModelError, match="There is no gone"):
        answer_together(FakeWorld(0, []), settings, lambda: pytest.fail("listed"))


@pytest.mark.parametrize(
    ("kind", "total"),
    [("folder", 1), ("folder", 9), ("x.zip", 2), ("x.tar", 3), ("x.tar.gz", 2), ("list", 4)],
)
def test_all_shards_together_are_one_process(
    call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys,
    kind: str, total: int,
) -> None:  # fmt: skip
    named: object = photos if kind == "folder" else packed(photos, tmp_path / kind)
    if kind == "list":
        named = "-"
        lines = "\n".join(map(str, [*sorted(photos.rglob("*.jpg")), photos / "gone.jpg"]))
        monkeypatch.setattr(sys, "stdin", Lines(lines))
    suffix = "jsonl" if total == 2 else "csv"
    assert call(named, output=f"one.{suffix}") == 3
    told = capsys.readouterr().out
    assert set(in_shards(call, total, named, output=f"p.{suffix}")) <= {0, 3}
    capsys.readouterr()
    assert call(named, "--join", total, output=f"p.{suffix}") == 3
    assert (tmp_path / f"p.{suffix}").read_bytes() == (tmp_path / f"one.{suffix}").read_bytes()
    assert capsys.readouterr().out == told.replace(f"one.{suffix}", f"p.{suffix}")


def test_joined_rows_sort_as_those_of_one_process(
    call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tree(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    own = tmp_path / "own"
    for name in ("a", "b"):  # the same names in two shards
        (own / name).mkdir(parents=True)
        for number in (1, 2, 3):
            content = (photos / f"0{number + 3 * (name == 'b')}.jpg").read_bytes()
            (own / name / f"{number}.jpg").write_bytes(content)
    call(own, "--copy-into", tmp_path / "one")
    in_shards(call, 3, own)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    moving = (own, "--join", 3, "--move-into", tmp_path / "joined")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("utils.prediction.join.JoinedRows.publish", stop)
        call(*moving)
    assert call(*moving) == 3
    assert tree(tmp_path / "joined") == tree(tmp_path / "one")
    assert list(tree(own)) == ["b/1.jpg"]  # the broken one


def test_a_shard_that_is_done_is_not_done_again(
    call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    in_shards(call, 2, photos)
    monkeypatch.setattr("models.gate.Gate.answer", None)
    assert call(photos, "--shard", "2/2", "--resume") == 0
    rows = tmp_path / "rows-2-of-2.csv"
    assert f"All rows of this shard are in {rows} already." in capsys.readouterr().out


def test_after_a_picture_came_each_shard_run_again_makes_them_one(
    call: Call, photos: Path, tmp_path: Path, capsys
) -> None:
    inbox = tmp_path / "inbox"
    shutil.copytree(photos, inbox)
    in_shards(call, 3, inbox)
    shutil.copy(photos / "03.jpg", inbox / "new.jpg")
    call(inbox, "--shard", "2/3")
    with pytest.raises(SettingsError, match="Run each shard again with --resume"):
        call(inbox, "--join", 3)
    capsys.readouterr()
    for shard in all_shards(3):
        assert call(inbox, "--shard", shard, "--resume") in (0, 3)
    told = capsys.readouterr()
    assert told.out.count("All rows of this shard are in ") == 1
    for number in (1, 3):
        rows = tmp_path / f"rows-{number}-of-3.csv"
        assert f"{rows} is of another list of pictures, and is written anew." in told.err
    assert call(inbox, "--join", 3) == 3
    call(inbox, output="one.csv")
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_a_shard_that_was_stopped_before_a_picture_came_is_begun_anew(
    call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    inbox = tmp_path / "inbox"
    shutil.copytree(photos, inbox)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("utils.prediction.row_file.RowFile.publish", stop)
        call(inbox, "--shard", "2/3")
    shutil.copy(photos / "03.jpg", inbox / "00-new.jpg")
    capsys.readouterr()
    for shard in all_shards(3):
        assert call(inbox, "--shard", shard, "--resume") in (0, 3)
    rows = tmp_path / "rows-2-of-3.csv"
    told = f"{rows} is of another list of pictures, and is written anew."
    assert capsys.readouterr().err.count(told) == 1
    assert call(inbox, "--join", 3) == 3
    call(inbox, output="one.csv")
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


class TestSortingThatWasStopped:
    """Rows of pictures that were moved are nowhere but in the shards, and stay there."""

    @pytest.fixture(autouse=True)
    def stopped(
        self, call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Move two pictures of finished shards, and stop."""
        self.inbox = tmp_path / "inbox"
        shutil.copytree(photos, self.inbox)
        in_shards(call, 2, self.inbox)
        self.rows = [shard.output(tmp_path / "rows.csv") for shard in all_shards(2)]
        self.moving = (self.inbox, "--join", 2, "--move-into", tmp_path / "sorted")
        place, placed = sorting.place, []

        def place_two(*arguments: Any) -> Path | None:
            if len(placed) == 2:
                raise KeyboardInterrupt
            placed.append(place(*arguments))
            return placed[-1]

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(sorting, "place", place_two)
            call(*self.moving)

    def test_a_shard_is_not_begun_anew(self, call: Call, tmp_path: Path) -> None:
        before = [path.read_bytes() for path in self.rows]
        for shard in all_shards(2):
            with pytest.raises(SettingsError) as caught:
                call(self.inbox, "--shard", shard)
        assert str(caught.value) == (
            f"The 2 finished shards of {tmp_path / 'rows.csv'} have rows of pictures that were "
            f"moved already, such as {self.inbox / '00.jpg'}. Go on by the same command as before "
            "with --resume, or remove the shards."
        )
        assert [path.read_bytes() for path in self.rows] == before
        assert call(self.inbox, "--shard", "2/2", "--resume") == 0
        assert call(*self.moving) == 3
        assert (tmp_path / "rows.csv").read_bytes().count(b"\n") == NUM_PHOTOS + 1

    def test_processes_of_torchrun_do_not_begin_anew(self, bundle: Path, tmp_path: Path) -> None:
        settings = PredictSettings(
            str(bundle), (str(self.inbox),), str(tmp_path / "rows.csv"), str(tmp_path / "sorted"),
            batch_size=BATCH, device="cpu",
        )  # fmt: skip
        with pytest.raises(SettingsError, match="have rows of pictures that were moved already"):
            answer_together(FakeWorld(0, []), settings, lambda: pytest.fail("listed"))

    def test_once_they_are_joined_the_shards_may_be_replaced(
        self, call: Call, photos: Path
    ) -> None:
        assert call(*self.moving) == 3
        assert not (self.rows[0].parent / "rows.csv.moving").exists()
        shutil.copy(photos / "00.jpg", self.inbox / "new.jpg")
        assert set(in_shards(call, 2, self.inbox)) == {0, 3}

    def test_a_picture_that_came_meanwhile_has_to_wait(
        self, call: Call, photos: Path, tmp_path: Path
    ) -> None:
        new = self.inbox / "new.jpg"
        shutil.copy(photos / "00.jpg", new)
        with pytest.raises(SettingsError) as caught:
            call(*self.moving)
        told = f"1 of 10 pictures have no row in any shard: {new}. Expected the pictures that the "
        assert str(caught.value).startswith(told)
        assert str(caught.value).endswith(
            "Others were moved already: put these elsewhere until all of them are."
        )
        new.rename(tmp_path / "new.jpg")
        assert call(*self.moving) == 3

    def test_without_all_shards_nothing_was_sorted(self, call: Call) -> None:
        note_of(self.rows[1]).unlink()
        assert set(in_shards(call, 2, self.inbox)) == {0, 3}


def test_pictures_that_somebody_removed_keep_no_shard(
    call: Call, photos: Path, tmp_path: Path, capsys
) -> None:
    inbox = tmp_path / "inbox"
    shutil.copytree(photos, inbox)
    in_shards(call, 2, inbox)
    (inbox / "00.jpg").rename(inbox / "new.jpg")
    capsys.readouterr()
    for shard in all_shards(2):
        assert call(inbox, "--shard", shard, "--resume") in (0, 3)
    assert capsys.readouterr().err.count("is of another list of pictures, and is written") == 2
    assert call(inbox, "--join", 2) == 3
    assert b"new.jpg" in (tmp_path / "rows.csv").read_bytes()
    assert in_shards(call, 2, inbox)  # without --resume, too


class TestJoining:
    """Only whole shards of one call are joined, and what was there stays until they are."""

    @pytest.fixture(autouse=True)
    def done(self, call: Call, photos: Path, tmp_path: Path) -> None:
        """Write the rows of three shards."""
        in_shards(call, 3, photos)
        self.rows = [shard.output(tmp_path / "rows.csv") for shard in all_shards(3)]
        (tmp_path / "rows.csv").write_text("before")

    def refusal(self, call: Call, *arguments: object, total: int = 3) -> str:
        with pytest.raises(SettingsError) as caught:
            call(*arguments, "--join", total)
        assert (self.rows[0].parent / "rows.csv").read_text() == "before"
        return str(caught.value)

    @pytest.mark.parametrize("lost", [0, 1, 2])
    def test_a_missing_shard_is_named(self, call: Call, photos: Path, lost: int) -> None:
        self.rows[lost].unlink()
        assert self.refusal(call, photos) == (
            f"1 of 3 shards are not finished: {self.rows[lost]}. "
            "Run each with its --shard, and --resume to keep the rows that it has."
        )

    def test_another_number_of_shards_is_missing(self, call: Call, photos: Path) -> None:
        assert self.refusal(call, photos, total=2).startswith("2 of 2 shards are not finished: ")

    def test_a_shard_in_the_place_of_another_is_refused(self, call: Call, photos: Path) -> None:
        for of in (lambda path: path, note_of):
            of(self.rows[1]).write_bytes(of(self.rows[0]).read_bytes())
        assert self.refusal(call, photos) == (
            f"{self.rows[1]} cannot be joined: its rows were made with another shard. "
            "Run that shard again."
        )

    def test_a_shard_of_another_model_or_call_is_refused(
        self, call: Call, photos: Path, make_bundle: Callable[..., Path], tmp_path: Path
    ) -> None:
        other = make_bundle(tmp_path / "other", seed=1)
        output = ("--output", tmp_path / "rows.csv", "-b", BATCH, "--device", "cpu", "--join", 3)
        with pytest.raises(SettingsError, match="were made with another model"):
            predict.main([str(other), *map(str, (photos, *output))])
        assert "with another amp. " in self.refusal(call, photos, "--amp")
        assert "with another PICTURES. " in self.refusal(call, photos / "deep")

    def test_shards_of_different_lists_are_refused(
        self, call: Call, photos: Path, tmp_path: Path
    ) -> None:
        note = json.loads(note_of(self.rows[2]).read_text())
        note["origin"]["list of pictures"] = "other"
        note_of(self.rows[2]).write_text(json.dumps(note))
        assert self.refusal(call, photos) == (
            f"{self.rows[2]} cannot be joined with {self.rows[0]}: the list of pictures was "
            "another, since some came or went in between. Run each shard again with --resume; "
            "those of today's list stay as they are."
        )

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"start": -1}', '{"a": 1}'])
    def test_a_note_that_is_none_is_one_line(self, call: Call, photos: Path, content: str) -> None:
        note_of(self.rows[0]).write_text(content)
        assert self.refusal(call, photos).startswith(f"{note_of(self.rows[0])} is not what ")

    def test_rows_that_were_altered_are_refused(self, call: Call, photos: Path) -> None:
        whole = self.rows[1].read_bytes()
        lines = whole.splitlines(keepends=True)
        for altered, told in (
            (b"".join(lines[:-1]), "has 3 whole rows. Expected 4."),
            (b"".join([*lines, lines[-1]]), "has 5 whole rows. Expected 4."),
            (whole[:-5], "was altered: its row 4 says what no row says."),
            (whole.replace(b"unlike", b"sure", 1), "was altered: its row "),
        ):
            self.rows[1].write_bytes(altered)
            if altered != whole:
                assert f"{self.rows[1]} {told}" in self.refusal(call, photos)

    def test_pictures_that_came_later_are_told_when_sorting(
        self, call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from utils.prediction.inputs import find_inputs

        def find_more(paths: list[str], **more: object) -> object:
            return find_inputs([*paths, str(photos / "notes.txt")], **more)

        monkeypatch.setattr("utils.prediction.inputs.find_inputs", find_more)
        told = self.refusal(call, photos, "--copy-into", tmp_path / "sorted")
        assert told == (
            f"1 of 12 pictures have no row in any shard: {photos / 'notes.txt'}. Expected the "
            "pictures that the shards were made of. Run each shard again with --resume, or "
            "torchrun without it."
        )
        assert not (tmp_path / "sorted").exists()


def test_an_unfinished_shard_is_gone_on_with_as_itself_only(
    call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("utils.prediction.row_file.RowFile.publish", stop)
        call(photos, "--shard", "2/3")
    unfinished = tmp_path / "rows-2-of-3.csv.unfinished"
    with pytest.raises(SettingsError) as caught:
        call(photos, "--resume", output="rows-2-of-3.csv")
    assert str(caught.value) == (
        f"{unfinished} cannot be gone on with: its rows were made with another batch_size, "
        "list of pictures, shard. Leave out --resume to begin anew."
    )
    other = tmp_path / "rows-1-of-2.csv.unfinished"
    other.write_bytes(unfinished.read_bytes())
    with pytest.raises(SettingsError, match="were made with another shard"):
        call(photos, "--shard", "1/2", "--resume")
    assert call(photos, "--shard", "2/3", "--resume") in (0, 3)
    assert not unfinished.exists()


def test_whatever_a_kill_leaves_of_a_shard_the_end_is_the_same(
    call: Call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_shards(call, 2, photos)
    rows = tmp_path / "rows-1-of-2.csv"
    expected, note = rows.read_bytes(), note_of(rows).read_bytes()
    origin = json.dumps(json.loads(note)["origin"]).encode() + b"\n"
    for length in range(0, len(expected), 131):
        (tmp_path / "rows-1-of-2.csv.unfinished").write_bytes(origin + expected[:length])
        with pytest.raises(SettingsError, match="1 of 2 shards are not finished"):
            call(photos, "--join", 2)
        assert call(photos, "--shard", "1/2", "--resume") in (0, 3)
        assert (rows.read_bytes(), note_of(rows).read_bytes()) == (expected, note)


class FakeWorld:
    """Several processes in one: what the first shares, all get."""

    def __init__(self, rank: int, said: list[object], local_size: int = 2) -> None:
        self.rank, self.size = rank, 2
        self.local_rank, self.local_size = rank, local_size
        self.is_first = rank == 0
        self._said = said
        self._heard = iter(said)

    def broadcast(self, make: Callable[[], object]) -> object:
        if self.is_first:
            self._said.append(make())
            return self._said[-1]
        return next(self._heard)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_the_first_process_lists_the_pictures_for_all(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from utils.prediction.inputs import find_inputs

    monkeypatch.setattr("utils.prediction.together.SENT", 3)
    named = [str(photos), str(packed(photos, tmp_path / name))]
    said: list[object] = []
    first = share_inputs(FakeWorld(0, said), lambda: find_inputs(named))
    other = share_inputs(FakeWorld(1, said), lambda: pytest.fail("listed twice"))
    assert list(other) == list(first)
    assert [one.file for one in first] == [one.file for one in find_inputs(named)]
    assert (other.digest, other.passed_over, other.num_unread) == (
        first.digest, first.passed_over, first.num_unread,
    )  # fmt: skip
    on_two_computers = FakeWorld(0, [], local_size=1)
    if name == "x.zip":
        share_inputs(on_two_computers, lambda: find_inputs(named))
    else:
        with pytest.raises(SettingsError, match=r"Unpack it first, or start a job with --shard"):
            share_inputs(on_two_computers, lambda: find_inputs(named))


@pytest.fixture
def start(bundle: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a function that starts the script by torchrun; none outlives the test."""
    started = []

    def run(processes: int, *arguments: object) -> subprocess.Popen[str]:
        torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
        command = (sys.executable, *torchrun, ROOT / "predict.py", bundle)
        more = ("-j", 0, "-b", BATCH, "--device", "cpu")
        started.append(
            subprocess.Popen(
                [*map(str, (*command, *arguments, *more))], cwd=ROOT, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"},
                start_new_session=True,
            )
        )  # fmt: skip
        return started[-1]

    yield run
    for process in started:
        with process:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def rows_in(unfinished: Path) -> int:
    return unfinished.read_bytes().count(b"\n") - 2 if unfinished.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv there")
def test_processes_of_torchrun_write_what_one_writes(
    call: Call, photos: Path, tmp_path: Path, start: Callable, capsys
) -> None:
    files = [*sorted(photos.rglob("*.jpg")), photos / "gone.jpg"]
    (tmp_path / "moved").mkdir()
    call(*files[:-1], output="one.csv")
    told = capsys.readouterr().out
    process = start(2, "-", "--output", tmp_path / "t.csv", "--copy-into", tmp_path / "sorted")
    said, errors = process.communicate("\n".join(map(str, files[:-1])), timeout=300)
    assert process.returncode == 0, errors
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert said.startswith(told.replace("one.csv", "t.csv")) and said.count("t.csv") == 1
    assert len(list((tmp_path / "sorted").rglob("*.jpg"))) == NUM_PHOTOS - 1
    assert sorted(path.name for path in tmp_path.glob("*t*.csv*")) == ["t.csv"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torchrun is a fork")
def test_a_process_that_is_killed_ends_all_and_they_go_on(
    bundle: Path, preloaded: Preloaded, tmp_path: Path, encode: Callable, make_picture: Callable
) -> None:
    (tmp_path / "in").mkdir()
    content = encode(make_picture(0, 900, 700), "PNG")
    for number in range(200):
        (tmp_path / f"in/{number:03}.png").write_bytes(content)
    target = tmp_path / "t.csv"
    parts = [tmp_path / f"t-{number}-of-2.csv.unfinished" for number in (1, 2)]
    start = functools.partial(
        preloaded.torchrun, "--standalone", "--nproc-per-node=2", ROOT / "predict.py", bundle,
        tmp_path / "in", "--output", target, "-j", 0, "-b", BATCH, "--device", "cpu",
        env={**os.environ, "MASTER_ADDR": "127.0.0.1"},
    )  # fmt: skip
    process = start()
    while min(map(rows_in, parts)) < 2 * BATCH:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(process.workers()[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "rows are kept in" in errors
    kept = [rows_in(part) for part in parts]
    assert min(kept) >= 2 * BATCH and not target.exists()
    process = start("--resume")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    files = [line.split(b",")[0] for line in target.read_bytes().splitlines()[1:]]
    assert files == [str(tmp_path / f"in/{number:03}.png").encode() for number in range(200)]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signals")
@pytest.mark.parametrize("rows", [1, 9, 17])
def test_a_shard_that_is_killed_goes_on_where_it_was(
    call: Call,
    bundle: Path,
    preloaded: Preloaded,
    tmp_path: Path,
    encode: Callable,
    make_picture: Callable,
    rows: int,
) -> None:
    (tmp_path / "in").mkdir()
    contents = [encode(make_picture(number, 900, 700), "PNG") for number in range(5)]
    for number in range(40):
        (tmp_path / f"in/{number:03}.png").write_bytes(contents[number % len(contents)])
    call(tmp_path / "in", output="one.csv")
    call(tmp_path / "in", "--shard", "1/2")
    process = preloaded.start(
        "predict.py", bundle, tmp_path / "in", "--output", tmp_path / "rows.csv",
        "--shard", "2/2", "-j", 0, "-b", BATCH, "--device", "cpu",
    )  # fmt: skip
    unfinished = tmp_path / "rows-2-of-2.csv.unfinished"
    while rows_in(unfinished) < rows:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert call(tmp_path / "in", "--shard", "2/2", "--resume") == 0
    assert call(tmp_path / "in", "--join", 2) == 0
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_the_name_of_a_shard_stands_before_the_ending() -> None:
    assert Shard(2, 4).output("a.b/c.d.jsonl") == Path("a.b/c.d-2-of-4.jsonl")
