"""Rows outlive the process that wrote them, and go on where it ended, to the byte."""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.gate import Answer
from utils.common.errors import OutputError, SettingsError
from utils.common.faults import FAULTS
from utils.common.labels import CLASSES
from utils.prediction.columns import CLASSIFIED, COLUMNS
from utils.prediction.row_file import files_with_rows, open_rows
from utils.prediction.settings import COLUMN_SET, WITH_FAULTS
from utils.prediction.unfinished import UNFINISHED

ORIGIN = {"model": "abc", "amp": False, "move_into": "", COLUMN_SET: WITH_FAULTS}
FILES = ["a.jpg", 'b "quoted"\nname.jpg', "c,d.jpg", "e\udcff.jpg", "ü.jpg"]


def answer(file: str) -> Answer:
    if file.startswith("c"):
        return Answer(error="truncated, the file ends, in the middle")
    probabilities = dict.fromkeys(CLASSES, 0.2)
    return Answer(
        "DERM", 0.2, ("DERM", "PAN"), "ambiguous", probabilities, subject="OTHER",
        subject_probability=0.75, faults=("dark", "noisy"), severity=3.25, advice=ADVICE,
    )  # fmt: skip


ADVICE = FAULTS[2].advice


class Killed(BaseException):
    """Ends a call at once."""


def write(target: Path, files: Sequence[str], resume: bool = False, **origin: object) -> list[str]:
    """Write a row for each file that has none; return the files that had one."""
    with open_rows(str(target), {**ORIGIN, **origin}, files, resume) as rows:
        kept = [row.file for row in rows.kept]
        rows.write((file, answer(file)) for file in files if file not in kept)
        rows.publish()
    return kept


def stop_after(target: Path, files: Sequence[str], count: int, **origin: object) -> Path:
    with (
        pytest.raises(Killed),
        open_rows(str(target), {**ORIGIN, **origin}, files, False) as rows,
    ):
        rows.write((file, answer(file)) for file in files[:count])
        raise Killed
    return target.with_name(target.name + UNFINISHED)


@pytest.fixture(params=["csv", "jsonl"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"rows.{request.param}"


@pytest.fixture
def expected(target: Path) -> bytes:
    whole = target.with_stem("whole")
    write(whole, FILES)
    content = whole.read_bytes()
    whole.unlink()
    return content


@pytest.mark.slow
def test_however_much_a_kill_leaves_the_end_is_the_same(target: Path, expected: bytes) -> None:
    unfinished = stop_after(target, FILES, len(FILES))
    whole = unfinished.read_bytes()
    first = whole.index(b"\n") + 1
    kept_before = 0
    for length in range(first, len(whole)):
        unfinished.write_bytes(whole[:length])
        kept = write(target, FILES, resume=True)
        assert kept == FILES[: len(kept)] and len(kept) >= kept_before
        assert target.read_bytes() == expected
        assert sorted(path.name for path in target.parent.iterdir()) == [target.name]
        kept_before = len(kept)
    assert kept_before == len(FILES) - 1


def test_what_was_there_stays_until_all_rows_are(target: Path, capsys) -> None:
    target.write_text("before")
    unfinished = stop_after(target, FILES, 2)
    assert target.read_text() == "before"
    assert capsys.readouterr().err == (
        f"Warning: 2 of 5 rows are kept in {unfinished}. "
        "The same command with --resume goes on from there.\n"
    )


def test_without_resume_a_call_begins_anew_and_leaves_nothing(
    target: Path, expected: bytes
) -> None:
    stop_after(target, FILES, 3)
    assert write(target, FILES) == []
    assert target.read_bytes() == expected
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_call_that_has_no_rows_yet_leaves_nothing(target: Path) -> None:
    assert not stop_after(target, FILES, 0).exists()


def test_new_pictures_come_behind_and_rows_of_gone_ones_stay(target: Path) -> None:
    stop_after(target, FILES[:2], 2)
    assert write(target, ["new.jpg", FILES[0]], resume=True) == FILES[:2]
    assert target.read_bytes().count(b"new.jpg") == 1
    assert target.read_bytes().index(b"quoted") < target.read_bytes().index(b"new.jpg")


@pytest.mark.parametrize("origin", [{"model": "other"}, {"amp": True}])
def test_rows_of_another_model_are_not_gone_on_with(
    target: Path, origin: dict[str, object]
) -> None:
    unfinished = stop_after(target, FILES, 2)
    before = unfinished.read_bytes()
    with pytest.raises(SettingsError) as caught:
        write(target, FILES, resume=True, **origin)
    assert str(caught.value) == (
        f"{unfinished} cannot be gone on with: its rows were made with another {next(iter(origin))}"
        ". Leave out --resume to begin anew."
    )
    assert unfinished.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"[]\n", b"\xff\n", b"null\n", b'{"model": 1}\n', b"[" * 100_000 + b"\n"],
    ids=range(5),
)
def test_a_file_that_is_no_such_rows_is_not_gone_on_with(target: Path, content: bytes) -> None:
    unfinished = target.with_name(target.name + UNFINISHED)
    unfinished.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be gone on with"):
        write(target, FILES, resume=True)
    assert unfinished.read_bytes() == content


@pytest.mark.parametrize("length", [0, 1, 20, -1])
def test_a_call_that_was_killed_within_its_first_line_is_begun_anew(
    target: Path, expected: bytes, length: int
) -> None:
    unfinished = stop_after(target, FILES, 1)
    first = unfinished.read_bytes().split(b"\n")[0]
    unfinished.write_bytes(first[:length])
    assert not files_with_rows(str(target))
    assert write(target, FILES, resume=True) == []
    assert target.read_bytes() == expected


def test_what_rows_are_of_is_told_before_the_first_batch(target: Path) -> None:
    with open_rows(str(target), ORIGIN, FILES, False):
        unfinished = target.with_name(target.name + UNFINISHED)
        assert json.loads(unfinished.read_bytes().splitlines()[0]) == ORIGIN


def test_rows_of_pictures_that_were_moved_are_not_lost_for_want_of_a_flag(target: Path) -> None:
    unfinished = stop_after(target, FILES, 5, move_into="sorted")
    before = unfinished.read_bytes()
    with pytest.raises(SettingsError, match="has 1 rows of pictures that were moved already"):
        write(target, FILES[1:])
    assert unfinished.read_bytes() == before
    assert write(target, FILES[1:], resume=True) == FILES
    assert target.read_bytes().count(b"a.jpg") == 1


def test_two_calls_cannot_write_one_file(target: Path) -> None:
    with open_rows(str(target), ORIGIN, FILES, False) as rows:
        rows.write([(FILES[0], answer(FILES[0]))])
        with pytest.raises(OutputError) as caught:
            write(target, FILES)
        assert str(caught.value) == (
            f"Another predict.py is writing {target}. "
            "Wait for it to end, or choose another --output."
        )
        rows.publish()
    assert target.exists()


def test_the_first_line_tells_what_rows_are_of(target: Path) -> None:
    with stop_after(target, FILES, 1).open("rb") as stream:
        assert json.loads(stream.readline()) == ORIGIN


@pytest.mark.parametrize(
    ("written", "altered"),
    [
        ("DERM", "../../outside"),
        ("DERM", "/elsewhere"),
        ("DERM", "DERMA"),
        ("ambiguous", "sure"),
        ("0.2", "1.2"),
        ("0.2", "NaN"),
        ("OTHER", "LOW_QUALITY"),
        ("0.75", "7.5"),
        ("noisy", "ugly"),
        ("3.25", "32.5"),
        ("3.25", "-3.25"),
        (ADVICE, "Send money."),
    ],
)
def test_rows_that_were_altered_are_not_gone_on_with(
    target: Path, written: str, altered: str
) -> None:
    unfinished = stop_after(target, FILES, 2)
    first, *rows = unfinished.read_text().splitlines(keepends=True)
    header = rows.pop(0) if target.suffix == ".csv" else ""
    assert written in rows[0]
    is_first = written in ("DERM", "ambiguous", "0.2")
    before, after = (rows[0].split if is_first else rows[0].rsplit)(written, 1)
    rows[0] = before + altered + after
    unfinished.write_text("".join([first, header, *rows]))
    before = unfinished.read_bytes()
    with pytest.raises(SettingsError) as caught:
        write(target, FILES, resume=True)
    assert str(caught.value) == (
        f"{unfinished} was altered: its row 1 says what no row says. "
        "Bring the file back as it was, or remove it."
    )
    assert unfinished.read_bytes() == before


def test_the_pictures_of_a_stopped_call_are_known(target: Path) -> None:
    assert not files_with_rows(str(target))
    stop_after(target, FILES, 3)
    known = files_with_rows(str(target))
    assert [file in known for file in FILES] == [True] * 3 + [False] * 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system knows no named pipes")
@pytest.mark.parametrize("resume", [True, False])
def test_a_pipe_in_the_place_of_rows_is_not_waited_for(target: Path, resume: bool) -> None:
    unfinished = target.with_name(target.name + UNFINISHED)
    os.mkfifo(unfinished)
    with pytest.raises(OutputError) as caught:
        write(target, FILES, resume)
    assert str(caught.value) == (
        f"{unfinished} is no file. Expected rows that predict.py wrote. Remove it."
    )


@pytest.mark.parametrize("name", ["{}.unfinished", ".{}.lock"])
def test_nothing_is_written_through_a_link(target: Path, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    link = target.with_name(name.format(target.name))
    try:
        link.symlink_to(precious)
    except OSError:
        pytest.skip("the system lets nobody make links")
    with pytest.raises(OutputError, match="is a link, and what lies behind it is not this script"):
        write(target, FILES)
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("column_set", [WITH_FAULTS, None])
def test_rows_have_the_columns_of_their_set_and_keep_them(
    target: Path, column_set: str | None
) -> None:
    write(target, FILES, **{COLUMN_SET: column_set})
    expected = list(COLUMNS if column_set else CLASSIFIED)
    first = target.read_text(errors="surrogateescape").splitlines()[0]
    found = first.split(",") if target.suffix == ".csv" else list(json.loads(first))
    assert found == expected
    whole = target.read_bytes()
    stop_after(target, FILES, 3, **{COLUMN_SET: column_set})
    assert write(target, FILES, resume=True, **{COLUMN_SET: column_set}) == FILES[:3]
    assert target.read_bytes() == whole


@pytest.mark.parametrize(("before", "after"), [(WITH_FAULTS, None), (None, WITH_FAULTS)])
def test_rows_of_another_set_of_columns_are_not_gone_on_with(
    target: Path, before: str | None, after: str | None
) -> None:
    unfinished = stop_after(target, FILES, 2, **{COLUMN_SET: before})
    content = unfinished.read_bytes()
    assert FILES[0] in files_with_rows(str(target))
    with pytest.raises(SettingsError) as caught:
        write(target, FILES, resume=True, **{COLUMN_SET: after})
    assert str(caught.value) == (
        f"{unfinished} cannot be gone on with: its rows were made with another set of columns. "
        "Leave out --resume to begin anew."
    )
    assert unfinished.read_bytes() == content


def test_rows_of_an_earlier_version_go_on_without_faults(target: Path) -> None:
    unfinished = stop_after(target, FILES, 2, **{COLUMN_SET: None})
    first, rest = unfinished.read_bytes().split(b"\n", 1)
    origin = json.loads(first)
    del origin[COLUMN_SET]
    unfinished.write_bytes(json.dumps(origin).encode() + b"\n" + rest)
    assert write(target, FILES, resume=True, **{COLUMN_SET: None}) == FILES[:2]


def test_what_a_picture_has_no_answer_for_is_empty(target: Path) -> None:
    with open_rows(str(target), ORIGIN, ["a.jpg", "b.jpg"], False) as rows:
        rows.write([("a.jpg", Answer("DERM", 0.2)), ("b.jpg", Answer(error="truncated"))])
        rows.publish()
    if target.suffix == ".csv":
        lines = target.read_text().splitlines()[1:]
        cells = [row[-5:] for row in csv.reader(lines)]
        assert cells == [[""] * 5] * 2
    else:
        lines = [json.loads(line) for line in target.read_text().splitlines()]
        assert all(line[name] is None for line in lines for name in COLUMNS[-5:])
