"""What lies in a run's folder is read as anybody may have left it."""

import os
from pathlib import Path

import pytest

from utils.common.errors import ModelError, OutputError
from utils.training.state.runs import LOCK_NAME, LOOKS_NAME, Run


def test_looks_at_test_are_counted_and_never_lost(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.looks_at_test == []
    for epoch in (1, 2):
        run.count_look(epoch)
    assert [line.partition(", ")[2] for line in run.looks_at_test] == [
        "weights of epoch 1", "weights of epoch 2",
    ]  # fmt: skip


def test_bytes_that_are_no_text_count_and_print_as_lines(tmp_path: Path) -> None:
    (tmp_path / LOOKS_NAME).write_bytes(b"\xff\x00\x1b[2J\nsecond\n")
    looks = Run(tmp_path).looks_at_test
    assert (len(looks), looks[1]) == (2, "second")
    assert all(line.isprintable() for line in looks)


def test_a_count_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / LOOKS_NAME).mkdir()
    with pytest.raises(ModelError, match=r"which counts the looks at test, cannot be read: "):
        Run(tmp_path).count_look(1)


def test_a_lock_is_taken_in_the_folder_itself(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    try:
        os.symlink(mine, run / LOCK_NAME)
    except OSError:
        pytest.skip("links need a right here")
    with pytest.raises(OutputError, match=r"\.lock is a link"), Run(run).locked():
        pass
    assert mine.read_text() == "mine"
    (run / LOCK_NAME).unlink()
    (run / LOCK_NAME).mkdir()
    with pytest.raises(OutputError, match="a file is where a folder should be"), Run(run).locked():
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system knows no named pipes")
def test_a_pipe_in_the_place_of_the_count_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "looks_at_test.txt")
    with pytest.raises(ModelError, match="cannot be read: a named pipe, not a regular file"):
        Run(tmp_path).count_look(1)
