"""The names of the two files that a trained model is stored as, and whether they are there."""

from pathlib import Path

from utils.common.disk.opening import open_regular
from utils.common.errors import ModelError

WEIGHTS_NAME = "best.safetensors"
"""File with the weights of the best epoch and the arrays of the calibration."""

CARD_NAME = "best.json"
"""File with all else that is needed to use these weights."""

EXPECTED = f"a folder with {WEIGHTS_NAME} and {CARD_NAME}, such as a finished run's"


def stored_file(folder: Path, name: str) -> Path:
    """Return the path of one of the two files, which is there and can be opened.

    Args:
        folder: Where both are to lie.
        name: `WEIGHTS_NAME` or `CARD_NAME`.

    Raises:
        ModelError: If it is missing, or may not be read.
    """
    path = folder / name
    try:
        open_regular(path).close()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # of a zero byte in its name
        raise ModelError(
            f"There is no {path}",
            EXPECTED,
            "Name such a folder; an older run gets these files with "
            "python launch_training_test.py --test-only --resume RUN",
        ) from None
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror or error}",
            EXPECTED,
            "Name such a folder, or change the permissions of this one",
        ) from error
    return path
