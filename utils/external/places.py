"""Folders that a test or a calibration on a user's pictures may write to."""

from pathlib import Path

from models.stored_names import CARD_NAME
from utils.common.disk.writing import explain_write_errors
from utils.common.errors import OutputError
from utils.training.state.runs import LAST_NAME, LOOKS_NAME


def check_report_folder(output: Path, pictures: Path) -> None:
    """Refuse a folder for a report in which something else would be overwritten.

    Raises:
        OutputError: If it is a file, a run's folder, inside the pictures, may not be read, or holds
            anything but an earlier report.
    """
    expected = "a new or empty folder, or one with an earlier report on such pictures"
    with explain_write_errors(output):
        _check(output, pictures, expected)
        if (output / CARD_NAME).exists() or (output / LAST_NAME).exists():
            raise OutputError(
                f"{output} is the folder of a run, which has a report of its own", expected
            )
        if not (output / LOOKS_NAME).is_file() and _holds_something(output):
            raise OutputError(f"{output} holds other files", expected)


def check_new_folder(output: Path, pictures: Path) -> None:
    """Refuse a folder for a new model in which there is something already.

    Raises:
        OutputError: If it is a file, inside the pictures, may not be read, or holds anything but
            the count of looks of a call that was stopped.
    """
    expected = "a new or empty folder: a run is never overwritten"
    with explain_write_errors(output):
        _check(output, pictures, expected)
        if _holds_something(output, LOOKS_NAME):
            raise OutputError(f"{output} is not empty", expected)


def _check(output: Path, pictures: Path, expected: str) -> None:
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file", expected)
    if output.resolve().is_relative_to(pictures.resolve()):
        raise OutputError(f"{output} lies in {pictures}, the folder of the pictures", expected)


def _holds_something(folder: Path, *but: str) -> bool:
    return folder.is_dir() and any(path.name not in but for path in folder.iterdir())
