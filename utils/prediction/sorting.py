"""Pictures with their labels in, the same pictures in class folders out; none is overwritten."""

import contextlib
import filecmp
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from utils.common.console import progress, warn
from utils.common.errors import SettingsError, shortlist
from utils.common.files import explain_write_errors
from utils.common.location import DamagedError
from utils.prediction.inputs import Input

MAX_NAMES = 100_000


class TakenError(Exception):
    """A name under which something else lies already."""


def check_movable(inputs: Iterable[Input]) -> None:
    """Fail before anything is done where pictures lie in archives, which stay as they are.

    Raises:
        SettingsError: If one does.
    """
    member = next((one.file for one in inputs if one.is_member), None)
    if member:
        raise SettingsError(
            f"{member} lies in an archive and cannot be moved out of it", todo="Use --copy-into"
        )


def sort_pictures(
    inputs: Sequence[Input], labels: Sequence[str], folder: Path, is_moving: bool
) -> str:
    """Put each picture into the folder of its label and return what was done, for people to read.

    A name that is taken by another picture gets a number: `photo-2.jpg`. A copy that is there
    already is not made again.

    Args:
        inputs: The pictures.
        labels: Of each; those without one, which could not be read, stay where they are.
        folder: Gets one folder for each label that occurs.
        is_moving: Whether the pictures leave the place where they are.

    Raises:
        OutputError: If nothing can be written there.
    """
    placed: Counter[str] = Counter()
    there, renamed, failed = 0, [], []
    seen: set[str] = set()
    verb = "Move" if is_moving else "Copy"
    with progress(total=len(inputs), desc=verb, unit="pictures") as bar:
        for one, label in zip(inputs, labels, strict=True):
            bar.update()
            if not label or (not one.is_member and one.file in seen):
                continue
            if is_moving:
                seen.add(one.file)
            target = folder / label / os.path.basename(one.file)
            try:
                with explain_write_errors(folder):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    final = _put(one, target, is_moving)
            except (FileNotFoundError, DamagedError) as error:
                failed.append(f"{one.file} ({getattr(error, 'strerror', None) or error})")
                continue
            there += final is None
            placed[label] += final is not None
            if final and final.name != target.name:
                renamed.append(f"{one.file} as {label}/{final.name}")
    if failed:
        warn(f"not found any more: {shortlist(failed)}")
    return _summary(folder, is_moving, placed, there, renamed)


def _put(one: Input, target: Path, is_moving: bool) -> Path | None:
    """Put one picture under a name that is free; return it, None if it lies there already."""
    for number in range(1, MAX_NAMES):
        name = target if number == 1 else target.with_stem(f"{target.stem}-{number}")
        if _lies_there(one, name, is_moving):
            return None
        with contextlib.suppress(TakenError):
            if is_moving:
                _move(one.location.path, name)
            else:
                _copy(one, name)
            return name
    raise SettingsError(f"{target.parent} has {MAX_NAMES:,} files named like {target.name}")


def _lies_there(one: Input, name: Path, is_moving: bool) -> bool:
    if not name.is_file():
        return False
    if one.is_member:
        return name.read_bytes() == one.location.read()
    if is_moving:
        return os.path.samefile(one.location.path, name)
    return filecmp.cmp(one.location.path, name, shallow=False)


def _move(source: str, name: Path) -> None:
    """Give a file another name, which fails where that is taken, as no rename would."""
    if not os.path.islink(source):
        try:
            os.link(source, name)
        except FileExistsError:
            raise TakenError from None
        except FileNotFoundError:
            raise
        except OSError:  # another disk, or one that knows no links
            pass
        else:
            os.unlink(source)
            return
    partial = _beside(name)
    try:
        shutil.copy2(source, partial)
        _claim(partial, name)
    finally:
        partial.unlink(missing_ok=True)
    os.unlink(source)


def _copy(one: Input, name: Path) -> None:
    partial = _beside(name)
    try:
        if one.is_member:
            partial.write_bytes(one.location.read())
        else:
            shutil.copy2(one.location.path, partial)
        _claim(partial, name)
    finally:
        partial.unlink(missing_ok=True)


def _beside(name: Path) -> Path:
    return name.with_name(f".{os.getpid()}.partial")


def _claim(partial: Path, name: Path) -> None:
    """Give a whole file its name, unless that is taken."""
    try:
        os.link(partial, name)
    except FileExistsError:
        raise TakenError from None
    except OSError:  # a disk that knows no links
        if name.exists():
            raise TakenError from None
        partial.rename(name)


def _summary(
    folder: Path, is_moving: bool, placed: Counter[str], there: int, renamed: Sequence[str]
) -> str:
    done = "Moved" if is_moving else "Copied"
    counts = ", ".join(f"{label} {placed[label]:,}" for label in sorted(placed))
    lines = [f"{done} {placed.total():,} pictures into {folder}{f': {counts}' if counts else ''}."]
    if there:
        lines.append(f"{there:,} lay there already.")
    if renamed:
        lines.append(
            f"{len(renamed):,} got another name, because theirs was taken: {shortlist(renamed)}."
        )
    return "\n".join(lines)
