"""Whatever goes wrong, a file is either the old one or the whole new one."""

import errno
import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from utils.common.disk.writing import (
    explain_write_errors,
    sha256_of_file,
    whole_file,
    write_bytes,
    write_json,
    write_text,
)
from utils.common.errors import OutputError


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_comes_whole_and_alone(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "new" / "folder" / "file.txt"
    with whole_file(target, durable=durable) as partial:
        assert partial.parent == target.parent
        partial.write_bytes(b"all of it")
        assert not target.exists()
    assert target.read_bytes() == b"all of it"
    assert files_in(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("old", [b"old", None])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_exception_leaves_the_old_file_and_no_remains(
    tmp_path: Path, old: bytes | None, error: type[BaseException]
) -> None:
    target = tmp_path / "file.txt"
    if old is not None:
        target.write_bytes(old)
    with pytest.raises(error), whole_file(target) as partial:
        partial.write_bytes(b"half")
        raise error
    assert files_in(tmp_path) == ([] if old is None else ["file.txt"])
    assert old is None or target.read_bytes() == old


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "The disk is full; could not write"),
        (errno.EDQUOT, "The disk is full; could not write"),
        (errno.EACCES, "No permission to write"),
        (errno.EPERM, "No permission to write"),
        (errno.EROFS, "No permission to write"),
    ],
)
def test_a_full_or_forbidden_disk_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    target = tmp_path / "file.txt"
    target.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError) as caught:
        write_bytes(target, b"new")
    assert str(caught.value).startswith(f"{words} {target}. ")
    assert target.read_bytes() == b"old"
    assert files_in(tmp_path) == ["file.txt"]


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(InterruptedError), explain_write_errors(Path("x")):
        raise InterruptedError(errno.EINTR, "was interrupted")


def test_text_is_utf8_with_the_line_ends_given(tmp_path: Path) -> None:
    write_text(tmp_path / "b.txt", "na\udce4vus\n")
    assert (tmp_path / "b.txt").read_bytes() == b"na\\udce4vus\n"
    write_json(tmp_path / "b.json", {"file": "na\udce4vus"})
    assert json.loads((tmp_path / "b.json").read_bytes()) == {"file": "na\udce4vus"}
    write_text(tmp_path / "a.txt", "naevus \u00e4\nline\n")
    assert (tmp_path / "a.txt").read_bytes() == b"naevus \xc3\xa4\nline\n"


def test_json_can_be_read_again_and_knows_no_nan(tmp_path: Path) -> None:
    content = {"accuracy": 0.5, "classes": ["DERM", "\u00e4"]}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    rng = random.Random(0)
    for size in (0, 1, 2**18 + 1):
        content = rng.randbytes(size)
        (tmp_path / "file").write_bytes(content)
        assert sha256_of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()
