"""What lies at a path is told, or one line says why it is not."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import create_dataset
import launch_training_test
import predict
from utils.common.disk.asking import is_file, is_folder, is_there, paths_in
from utils.common.errors import OutputError, ProjectError, SettingsError
from utils.training.settings import Settings
from utils.training.state.runs import find_run, new_run

LONG = "x" * 300
"""A name that no system takes."""


def test_what_is_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    absent = tmp_path / "absent"
    paths = (tmp_path, file, absent, file / "x")
    assert [is_folder(path) for path in paths] == [True, False, False, False]
    assert [is_file(path) for path in paths] == [False, True, False, False]
    assert [is_there(path) for path in paths] == [True, True, False, False]
    assert paths_in(tmp_path) == [file]
    assert not is_file(Path("\0"))


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Give a function that keeps the system from telling what lies in a folder, even to root."""
    stat = os.stat

    def lock(folder: Path) -> None:
        def refuse(path: str | os.PathLike[str], **options: object) -> os.stat_result:
            if Path(path).parent == folder:
                raise PermissionError(13, "Permission denied", str(path))
            return stat(path, **options)

        monkeypatch.setattr(os, "stat", refuse)

    return lock


@pytest.mark.parametrize("ask", [is_folder, is_file])
def test_a_locked_folder_is_told_as_such(
    tmp_path: Path, lock: Callable[[Path], None], ask: Callable[[Path], bool]
) -> None:
    lock(tmp_path)
    with pytest.raises(SettingsError) as raised:
        ask(tmp_path / "runs")
    assert str(raised.value) == (
        f"{tmp_path / 'runs'} cannot be looked at: Permission denied. Name another place, or "
        "change its permissions."
    )


def test_a_run_of_somebody_else_is_none_to_go_on_with(
    tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    for name in ("vit-1", "vit-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.pt").touch()
    lock(tmp_path / "vit-2")
    found = find_run(Settings(resume="auto", output_dir=str(tmp_path)))
    assert found is not None
    assert found.folder == tmp_path / "vit-1"


@pytest.mark.parametrize(
    "flags",
    [
        ("--data-dir", LONG),
        ("--pretrained-path", LONG),
        ("--resume", LONG),
        ("--resume", "--output-dir", LONG),
    ],
)
def test_a_name_that_is_too_long_for_the_training(flags: tuple[str, ...]) -> None:
    with pytest.raises(ProjectError) as raised:
        launch_training_test.main(flags)
    if sys.platform != "win32":  # which calls it absent
        assert str(raised.value).startswith(f"{LONG} cannot be looked at: ")


@pytest.mark.skipif(sys.platform == "win32", reason="calls it absent")
@pytest.mark.parametrize(
    "flags", [("--output", f"{LONG}.csv"), ("--move-into", LONG), ("--copy-into", LONG)]
)
def test_a_name_that_is_too_long_for_predictions(flags: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as raised:
        predict.main(["RUN", "photos", *flags])
    assert str(raised.value).startswith(f"{flags[1]} cannot be looked at: ")


@pytest.mark.parametrize("flag", ["--all-data", "--output", "--other-extra"])
def test_a_name_that_is_too_long_for_the_assembly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError):
        create_dataset.main(["--demo", flag, LONG])
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="which calls it absent")
def test_a_run_cannot_be_made_under_such_a_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"name is too long\. Choose a shorter one\.$"):
        new_run(tmp_path / LONG, "vit")
