"""Download one large file from its mirrors, over any number of interruptions."""

import contextlib
import functools
import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from utils.common.cli.console import progress
from utils.common.disk.writing import explain_write_errors
from utils.common.errors import DownloadError, OutputError
from utils.sources.web.failures import FetchError
from utils.sources.web.guard.session import Session, open_session
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.partial import Origin, Partial, remove_leftovers, validator_of
from utils.sources.web.remote import RemoteFile, flaw_of
from utils.sources.web.transport import (
    CHUNK_BYTES,
    PAGE_START_BYTES,
    Reply,
    ask,
    looks_like_a_web_page,
    retrying,
)
from utils.sources.web.urls import host_of

LOCK_NAME = ".download.lock"
SPARE_BYTES = 256 * 2**20
"""So much of the disk is left free."""


def fetch_file(file: RemoteFile, all_data: Path, manners: Manners = POLITE) -> None:
    """Fetch one file from the first mirror that gives it, going on where an earlier run was.

    What is there so far lies beside the target as `.NAME.part`, written piece by piece, so that
    even a kill loses at most `CHUNK_BYTES`; the target itself appears whole and checked.

    Raises:
        DownloadError: If no mirror gives it.
        OutputError: If it does not fit on the disk.
    """
    target = all_data / file.path
    reasons = []
    with explain_write_errors(target), open_session(manners) as session:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        partial = Partial(target)
        if partial.size > file.limit(manners):
            partial.discard()
        for url in sorted(file.mirrors, key=lambda url: url != partial.origin.url):
            attempt = functools.partial(_advance, session, url, file, partial, manners)
            try:
                while not retrying(attempt, manners, time.sleep)[0]:
                    time.sleep(manners.pause_s)
                return _finish(partial, file)
            except FetchError as error:
                reasons.append(f"{host_of(url)}: {error}")
    raise DownloadError(f"{file.name} could not be downloaded ({'; '.join(reasons)})")


@contextlib.contextmanager
def only_downloader(all_data: Path) -> Iterator[None]:
    """Keep other processes from downloading into the same folder.

    Raises:
        DownloadError: If one does already, or nobody may write there.
    """
    lock = FileLock(all_data / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DownloadError(
            f"Another process is downloading into {all_data}",
            todo="Wait until it has ended, or stop it",
        ) from None
    except OSError as error:
        raise DownloadError(f"{all_data} cannot be written to ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()


def _advance(
    session: Session, url: str, file: RemoteFile, partial: Partial, manners: Manners
) -> bool:
    """Send one request and keep what comes; return whether the file is complete.

    A connection that breaks is no failure as long as the file has grown by a chunk beyond what it
    ever was: large files outlive many connections, yet the number of requests stays bounded.

    Raises:
        FetchError: If no more of it came.
    """
    if partial.is_whole(url):
        return True
    furthest = partial.furthest
    try:
        _receive(session, url, file, partial, manners)
    except FetchError as error:
        partial.furthest = max(furthest, partial.size)
        if error.final or partial.furthest - furthest < CHUNK_BYTES:
            raise
        return False
    return True


def _receive(
    session: Session, url: str, file: RemoteFile, partial: Partial, manners: Manners
) -> None:
    start = partial.usable(url)
    headers = {"Range": f"bytes={start}-", "If-Range": partial.origin.validator} if start else {}
    accept = (200, 206, 416) if start else (200,)
    with ask(session, url, manners, headers, accept, endless=True) as reply:
        if reply.status == 416 or (reply.status == 206 and not partial.continues_with(reply)):
            partial.discard()
            raise FetchError("does not go on where it was")
        first = _beginning(reply.body)
        if reply.status == 200:
            start = 0
            _check_length(reply, file, manners)
            if not first:
                raise FetchError("nothing in it")
            if looks_like_a_web_page(first):
                raise FetchError("a web page in place of the file", final=True)
            partial.begin(Origin(url, validator_of(reply), reply.announced_bytes))
        pieces = itertools.chain([first], reply.body)
        if not _write(pieces, start, file, partial, manners):
            partial.discard()
            raise FetchError(_too_much(file, manners), final=True)
    if partial.origin.size is not None and partial.size != partial.origin.size:
        raise FetchError("broke off")


def _beginning(body: Iterator[bytes]) -> bytes:
    """Return as much of a body as tells what it is: a piece may be a single byte."""
    first = b""
    while len(first) < PAGE_START_BYTES and (piece := next(body, b"")):
        first += piece
    return first


def _check_length(reply: Reply, file: RemoteFile, manners: Manners) -> None:
    """Look at the length that a server announces, before anything is written.

    Raises:
        FetchError: If it cannot be that of the file.
    """
    size = reply.announced_bytes
    if size is None or size == file.size:
        return
    if file.size:
        raise FetchError(f"{size:,} bytes in place of {file.size:,}", final=True)
    if size > file.limit(manners):
        raise FetchError(_too_much(file, manners), final=True)


def _too_much(file: RemoteFile, manners: Manners) -> str:
    if file.size:
        return f"more than the {file.size:,} bytes that were published"
    return f"more than {file.limit(manners):,} bytes, the limit where no length is published"


def _write(
    pieces: Iterator[bytes], start: int, file: RemoteFile, partial: Partial, manners: Manners
) -> bool:
    """Write what comes behind what is there; return whether that was no more than may come."""
    size, folder = partial.origin.size, partial.path.parent
    most = file.limit(manners) if size is None else size
    check_space(folder, (size or file.size or file.roughly) - start)
    room = most - start
    with (
        partial.path.open("ab") as stream,
        progress(total=size, initial=start, desc=file.name, unit="B", scale=True) as bar,
    ):
        for piece in pieces:
            room -= len(piece)
            if room < 0:
                return False
            if size is None and not file.size:  # nobody knows where it ends
                check_space(folder, len(piece))
            stream.write(piece)
            stream.flush()  # what the kernel has survives a kill
            bar.update(len(piece))
    return True


def _finish(partial: Partial, file: RemoteFile) -> None:
    """Check the whole and put it in place, or remove it.

    Raises:
        FetchError: If it is not what was published.
    """
    if flaw := flaw_of(partial.path, file):
        partial.discard()
        raise FetchError(flaw, final=True)
    partial.place()


def check_space(folder: Path, num_bytes: int) -> None:
    """Check that so much more fits on the disk of a folder.

    Raises:
        OutputError: If it does not.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if num_bytes + SPARE_BYTES > free:
        raise OutputError(
            f"{folder.as_posix()} has {free / 1e9:.1f} GB free",
            expected=f"{(num_bytes + SPARE_BYTES) / 1e9:.1f} GB for what is still to come",
            todo="Free some space, or name another folder with --all-data",
        )
