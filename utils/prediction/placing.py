"""Gives one picture a place under a free name: copied or moved, whole or not at all."""

import contextlib
import errno
import filecmp
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from utils.common.disk.listing import WINDOWS
from utils.common.errors import OutputError
from utils.common.seeds import stable_hash
from utils.prediction.pictures import Input

MAX_NAMES = 100_000
MAX_NAME_BYTES = 255
"""Of a file's name on nearly every disk; also where the system does not tell."""

NUMBER_BYTES = len(f"-{MAX_NAMES}")
MAX_SUFFIX_BYTES = 16
NO_WINDOWS_NAME = str.maketrans(dict.fromkeys([*'<>:"|?*\\', *map(chr, range(32))], "_"))
WINDOWS_DEVICE = re.compile(
    r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)
"""Names that Windows gives to devices in every folder, whatever their ending."""

TARGET_AT_FAULT = (errno.ENOSPC, errno.EDQUOT)
"""Of errors that may come from either side, those that the target alone can be the reason of."""


class TakenError(Exception):
    """A name under which something else lies already."""


class SourceError(Exception):
    """A picture that cannot be taken from where it lies, for this reason."""


def target_name(file: str, folder: Path) -> str:
    """Return a picture's own name, made such that the folder can hold it.

    A name that is too long, as archives may have them, keeps its beginning and its ending; what
    it loses is stood for by a hash.
    """
    name = PurePosixPath(file.replace(os.sep, "/")).name
    if WINDOWS:
        name = name.translate(NO_WINDOWS_NAME).rstrip(". ")
        if not name or WINDOWS_DEVICE.match(name):
            name = f"_{name}"
    limit = _longest_name(folder) - NUMBER_BYTES
    if len(os.fsencode(name)) <= limit:
        return name
    path = PurePosixPath(name)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= MAX_SUFFIX_BYTES else ""
    stem = name.removesuffix(suffix)
    ending = f"~{stable_hash(name):016x}{suffix}"
    while len(os.fsencode(stem + ending)) > limit:
        stem = stem[:-1]
    return stem + ending


def _longest_name(folder: Path) -> int:
    try:
        return min(os.pathconf(folder, "PC_NAME_MAX"), MAX_NAME_BYTES)
    except (AttributeError, OSError, ValueError):  # Windows has no such question
        return MAX_NAME_BYTES


def place(one: Input, target: Path, is_moving: bool) -> Path | None:
    """Put a picture under `target` or the first free name like it.

    Returns:
        The name; None if the picture lay there already.

    Raises:
        SourceError: If it cannot be read, or not be taken away from where it lies.
        OSError: If the target cannot be written to.
        OutputError: If there are no free names left.
    """
    for number in range(1, MAX_NAMES):
        name = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        if _lies_there(one, name, is_moving):
            return None
        with contextlib.suppress(TakenError):
            if is_moving:
                _move(one, name)
            else:
                _copy(one, name)
            return name
    raise OutputError(f"{target.parent} has {MAX_NAMES:,} files named like {target.name}")


def _lies_there(one: Input, name: Path, is_moving: bool) -> bool:
    """Tell whether a name stands for this very picture; a move that was cut is finished."""
    if not name.is_file() or name.is_symlink():
        return False
    source = one.location.path
    if one.is_member:
        with _reading():
            return name.read_bytes() == one.location.read()
    if not is_moving:
        with _reading():
            return filecmp.cmp(source, name, shallow=False)
    with _reading():
        is_same, is_copy = os.path.samefile(source, name), _is_exact_copy(source, name)
    if os.path.samefile(os.path.dirname(source) or ".", name.parent):
        return is_same
    if is_same or is_copy:
        _take_away(source)
        return True
    return False


def _is_exact_copy(source: str, name: Path) -> bool:
    """Tell what a move to another disk leaves when it is cut: same bytes, same time."""
    found, other = os.stat(source), name.stat()
    if (found.st_size, found.st_mtime_ns) != (other.st_size, other.st_mtime_ns):
        return False
    return filecmp.cmp(source, name, shallow=False)


def _move(one: Input, name: Path) -> None:
    """Give a file another name, which fails where that is taken, as no rename would."""
    source = one.location.path
    try:
        _give_name(source, name)
    except FileExistsError:
        raise TakenError from None
    except OSError:  # another disk, or one that knows no links
        _copy(one, name)
    try:
        _take_away(source)
    except SourceError:
        _remove(name)
        raise


def _give_name(source: str | Path, name: Path) -> None:
    """Give a file a name that is free; it may keep its own as well.

    Raises:
        FileExistsError: If the name is taken.
    """
    if WINDOWS:  # a rename fails where the name is taken, and takes files that are read-only
        os.rename(source, name)
    else:
        os.link(source, name)


def _remove(path: Path) -> None:
    """Remove a file of our own, if it is there."""
    _let_be_removed(path)
    path.unlink(missing_ok=True)


def _let_be_removed(path: str | Path) -> None:
    """Take from a file what keeps it from being removed, on Windows alone: that it is read-only."""
    if WINDOWS and not os.path.islink(path):
        with contextlib.suppress(OSError):
            os.chmod(path, stat.S_IWRITE)


def _take_away(source: str) -> None:
    try:
        _let_be_removed(source)
        os.unlink(source)
    except FileNotFoundError:
        pass  # somebody else did
    except OSError as error:
        raise SourceError(f"cannot be taken out of its folder: {error.strerror}") from None


def _copy(one: Input, name: Path) -> None:
    # Named by the source: the same call, run again, goes over what a kill has left of it.
    partial = name.parent.parent / f".{stable_hash(one.file):016x}.partial"
    _remove(partial)  # a link there would be written through
    try:
        if one.is_member:
            with _reading():
                content = one.location.read()
            partial.write_bytes(content)
        else:
            _copy_file(one.location.path, partial)
        _claim(partial, name)
    finally:
        _remove(partial)


def _copy_file(source: str, partial: Path) -> None:
    with _reading():
        stream = open(source, "rb")  # noqa: SIM115 - its errors are the source's, below not
    with stream, partial.open("wb") as copy:
        shutil.copyfileobj(stream, copy)
    with contextlib.suppress(OSError):  # a disk that keeps no rights or times
        shutil.copystat(source, partial)


def _claim(partial: Path, name: Path) -> None:
    """Give a whole file its name, unless that is taken."""
    try:
        _give_name(partial, name)
    except FileExistsError:
        raise TakenError from None
    except OSError:  # a disk that knows no links
        if os.path.lexists(name):
            raise TakenError from None
        partial.rename(name)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Tell an error of the source from one of the target."""
    try:
        yield
    except OSError as error:
        if error.errno in TARGET_AT_FAULT:
            raise
        raise SourceError(error.strerror or str(error)) from None
