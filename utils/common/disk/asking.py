"""Ask the system what lies at a path that a user names."""

import os
import stat
from pathlib import Path

from utils.common.errors import SettingsError


def is_folder(path: Path) -> bool:
    """Return whether a folder, or a link to one, lies there.

    Raises:
        SettingsError: If the system does not tell, as where a folder above is locked, or for a name
            that is too long.
    """
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Return whether a regular file, or a link to one, lies there.

    Raises:
        SettingsError: If the system does not tell.
    """
    return stat.S_ISREG(_mode(path))


def is_there(path: Path) -> bool:
    """Return whether anything lies there; a link counts as what it leads to.

    Raises:
        SettingsError: If the system does not tell.
    """
    return bool(_mode(path))


def paths_in(folder: Path) -> list[Path]:
    """Return what lies directly in a folder.

    Raises:
        SettingsError: If the system does not tell.
    """
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _not_told(folder, error) from error


def _mode(path: Path) -> int:
    """Return the kind of what lies there, as of `os.stat`; 0 for nothing."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no path at all
        return 0
    except OSError as error:
        raise _not_told(path, error) from error


def _not_told(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{path} cannot be looked at: {error.strerror or error}",
        todo="Name another place, or change its permissions",
    )
