"""What the journal gives back is what was noted, or it is counted and done again."""

import json
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from utils.common.errors import OutputError
from utils.common.pictures import PictureError
from utils.dataset.images.prepare import UNREADABLE, Prepared
from utils.dataset.images.results import is_sound
from utils.dataset.output.journal import MAX_LINE_BYTES, Journal
from utils.dataset.output.workspace import STATE_NAME, Workspace

PICTURE = Prepared(
    key=1, sha256=b"w" * 32, num_bytes=9, stamp=2**64 - 1, width=32, height=48,
    original_sha256=b"o" * 32, original_format="JPEG", original_width=64, original_height=96,
    original_frames=1, original_tables="592 891", thumbnail=bytes(1024),
)  # fmt: skip
DEGRADED = Prepared(
    key=2, sha256=b"l" * 32, num_bytes=7, stamp=3, width=32, height=48,
    degradation="motion_blur", severity=5, parameters='{"motion_blur":{"length":3.5}}',
)  # fmt: skip
FAILED = Prepared(key=3, original_sha256=b"f" * 32, reason="truncated", detail="cut \u00e4")
RESULTS = (PICTURE, DEGRADED, FAILED)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "prepared.jsonl")
    journal.add(RESULTS)
    return journal


def test_what_is_noted_is_read(journal: Journal) -> None:
    assert journal.read() == {result.key: result for result in RESULTS}
    assert journal.num_unusable == 0
    journal.add([replace(FAILED, detail="again"), Prepared(4, reason=UNREADABLE)])
    assert journal.read() == {1: PICTURE, 2: DEGRADED, 3: replace(FAILED, detail="again")}


def test_a_reason_may_hold_what_a_file_says(journal: Journal) -> None:
    error = PictureError("damaged", "a kind of\n\0\x1b[31m")
    result = replace(FAILED, reason=error.reason, detail=error.detail)
    journal.replace([result])
    assert journal.read() == {3: result}
    assert journal.num_unusable == 0
    assert result.detail == r"a kind of \x00\x1b[31m"


def test_no_byte_of_a_line_can_change_unnoticed(journal: Journal) -> None:
    whole = journal.path.read_bytes()
    first = whole.index(b"\n")
    for position in range(0, first, 7):
        spoilt = bytearray(whole)
        spoilt[position] ^= 1
        journal.path.write_bytes(spoilt)
        found = journal.read()
        assert found == {2: DEGRADED, 3: FAILED}
        assert journal.num_unusable in (1, 2)  # two where a line was broken in two


def rewritten(journal: Journal, result: Prepared, **changes: Any) -> None:
    """Change a line as somebody would who knows how it is made."""
    journal.replace([result])
    values = {**json.loads(journal.path.read_bytes()[9:]), **changes}
    content = json.dumps(values, separators=(",", ":")).encode()
    journal.path.write_bytes(b"%08x %s\n" % (zlib.crc32(content), content))


NONSENSE = (
    *(None, True, -1, 1.5, float("nan"), float("inf"), 10**400, "x\0", "x" * 70_000),
    *([], [1], {}, {"a": 1}),
)


@pytest.mark.parametrize("result", RESULTS, ids=["picture", "degraded", "failed"])
@pytest.mark.parametrize("field", fields(Prepared), ids=lambda field: field.name)
def test_no_field_takes_what_no_result_has(journal: Journal, result: Prepared, field) -> None:
    for value in NONSENSE:
        if value is None and field.name == "severity" and not result.degradation:
            continue
        rewritten(journal, result, **{field.name: value})
        assert journal.read() == {}
        assert journal.num_unusable == 1


@pytest.mark.parametrize(
    ("result", "changes"),
    [
        (PICTURE, {"sha256": b""}),
        (PICTURE, {"sha256": b"short"}),
        (PICTURE, {"num_bytes": 0}),
        (PICTURE, {"width": 0}),
        (PICTURE, {"original_sha256": b""}),
        (PICTURE, {"original_height": 0}),
        (PICTURE, {"original_frames": 0}),
        (PICTURE, {"thumbnail": bytes(32)}),
        (PICTURE, {"severity": 3}),
        (PICTURE, {"reason": "truncated"}),
        (PICTURE, {"degradation": "motion_blur"}),
        (PICTURE, {"key": 2**64}),
        (DEGRADED, {"severity": 6}),
        (DEGRADED, {"severity": 0}),
        (DEGRADED, {"severity": None}),
        (DEGRADED, {"parameters": "{"}),
        (DEGRADED, {"parameters": "[]"}),
        (DEGRADED, {"degradation": ""}),
        (FAILED, {"reason": ""}),
        (FAILED, {"sha256": b"x" * 32}),
    ],
)
def test_nothing_contradicts_itself(result: Prepared, changes: dict[str, Any]) -> None:
    assert is_sound(result)
    assert not is_sound(replace(result, **changes))


@pytest.mark.parametrize(
    "line", [b'{"key":5,"reason":"old"}', b"00000000 {}", b"\0" * 40, b"", b"[" * 9000, b"x y z"]
)
def test_lines_of_other_kinds_are_counted(journal: Journal, line: bytes) -> None:
    journal.path.write_bytes(line + b"\n" + journal.path.read_bytes())
    assert journal.read() == {result.key: result for result in RESULTS}
    assert journal.num_unusable == 1


def test_a_line_without_end_costs_no_more_memory_than_a_line(journal: Journal) -> None:
    noted = journal.path.read_bytes()
    journal.path.write_bytes(
        b"x" * (3 * MAX_LINE_BYTES + 5) + b"\n" + noted + b"y" * MAX_LINE_BYTES
    )
    assert journal.read() == {result.key: result for result in RESULTS}
    journal.mend()
    assert journal.path.read_bytes().endswith(noted)


def test_a_cut_last_line_is_no_damage(journal: Journal) -> None:
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    assert journal.read() == {1: PICTURE, 2: DEGRADED}
    assert journal.num_unusable == 0
    journal.mend()
    assert journal.path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("content", [b"", b"x", b"x\n"])
def test_mending_keeps_whole_lines_alone(journal: Journal, content: bytes) -> None:
    journal.path.write_bytes(content)
    journal.mend()
    assert journal.path.read_bytes() == (content if content.endswith(b"\n") else b"")


def test_a_folder_in_its_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / STATE_NAME / "prepared.jsonl").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"prepared\.jsonl"), Workspace(tmp_path):
        pass


def test_damaged_lines_are_told_and_their_pictures_made_again(
    tmp_path: Path, build, small_all_data, snapshot, capsys
) -> None:
    output = tmp_path / "DATASET"
    build(output, *small_all_data)
    before = snapshot(output)
    path = output / STATE_NAME / "prepared.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b'"width":', b'"width":1')
    lines[1] = lines[1].replace(b'"key":', b'"key":1')
    path.write_bytes(b"".join(lines))
    capsys.readouterr()
    build(output, *small_all_data)
    assert capsys.readouterr().err == (
        f"Warning: 2 lines of {path} are damaged, altered or of an earlier version; their "
        "pictures are made again.\n"
    )
    assert snapshot(output) == before
    build(output, *small_all_data)
    assert capsys.readouterr().err == ""
