"""Write files so that none is ever seen half-written."""

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from utils.common.errors import OutputError

PARTIAL = re.compile(r"\..+\.\d+\.partial", re.DOTALL)
"""Names of the temporary files of `whole_file`, which end with the number of its process."""

CLUTTER = frozenset(
    (
        *("__macosx", "icon\r", "network trash folder", "temporary items"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"),
        *("system volume information", "$recycle.bin", "recycler", "recycled", "found.000"),
        *("lost+found", "lost.dir", "thumbs"),
        *("#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@eadir", "@sharebin"),
    )
)
"""What operating systems, file servers and viewers leave behind, in lower case."""


@contextlib.contextmanager
def explain_write_errors(target: Path) -> Iterator[None]:
    """Turn a full disk, or a place that takes no file, met while writing `target` into one line.

    Raises:
        OutputError: In place of the `OSError`s that mean so.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"The disk is full; could not write {target}",
                todo="Free some space and try again: every file that was complete is still there",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise OutputError(
                f"No permission to write {target}",
                expected="a writable folder",
                todo="Choose another output folder or change its permissions",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise OutputError(
                f"Could not write {target}: a file is where a folder should be, or the reverse",
                todo="Choose another output folder",
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(
                f"Could not write {target}: its name is too long", todo="Choose a shorter one"
            ) from error
        raise


@contextlib.contextmanager
def whole_file(target: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target` in one step.

    On failure the temporary file is removed and `target` is left as it was.

    Args:
        target: The file to write; its folder is made if need be.
        durable: Also force the bytes to the disk, so that they survive a power cut.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with explain_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # a link there would be written through
        try:
            yield partial
            if durable:
                with partial.open("rb+") as stream:
                    os.fsync(stream.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def is_link(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a link, or a junction of Windows, wherever that leads."""
    is_junction = getattr(os.path, "isjunction", None)  # from Python 3.12 on
    return os.path.islink(path) or bool(is_junction and is_junction(path))


def refuse_links(paths: Iterable[Path]) -> None:
    """Fail before a link leads what is written or removed to another place.

    Raises:
        OutputError: If one of these paths is a link.
    """
    for path in paths:
        if is_link(path):
            raise OutputError(
                f"{path} is a link, and what lies behind it is not this script's",
                expected="a file or folder that this script wrote",
                todo="Remove the link",
            )


def flush_to_disk() -> None:
    """Wait until all that was written is on the disk, so that it survives a power cut.

    Once for many files, because forcing each takes far longer than writing it. Windows has no
    such call and keeps a second's worth of writing in memory.
    """
    if hasattr(os, "sync"):
        os.sync()


def remove_partial_files(folder: Path) -> None:
    """Remove what `whole_file` left in a folder when its process was killed."""
    for partial in folder.glob(".*.partial"):
        if PARTIAL.fullmatch(partial.name):
            partial.unlink(missing_ok=True)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target`, wholly or not at all."""
    with whole_file(target) as partial:
        partial.write_bytes(content)


def update_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target`, wholly or not at all, unless it is what lies there already."""
    try:
        if target.read_bytes() == content:
            return
    except OSError:
        pass
    write_bytes(target, content)


def write_text(target: Path, content: str) -> None:
    """Write `content` to `target` as UTF-8 with LF line ends, wholly or not at all.

    What is no UTF-8 in a file name, as in old archives, is written as Python and JSON escape it.
    """
    write_bytes(target, content.encode("utf-8", "backslashreplace"))


def write_json(target: Path, content: Any) -> None:
    """Write `content` to `target` as readable JSON, wholly or not at all."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def is_clutter(name: str) -> bool:
    """Tell what operating systems, file servers and viewers leave behind.

    >>> [is_clutter(name) for name in (".DS_Store", "._x.jpg", "#recycle", "Thumbs.db", "x.jpg")]
    [True, True, True, True, False]
    """
    return name.startswith((".", "~$")) or name.casefold() in CLUTTER


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
