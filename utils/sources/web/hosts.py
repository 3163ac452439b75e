"""Fetch many pictures, a few at a time from each host, with a status for each URL."""

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from utils.common.cli.console import progress
from utils.common.disk.writing import write_bytes
from utils.common.pictures import PictureError, read_picture
from utils.sources.web.download import check_space
from utils.sources.web.failures import FetchError, PrivateHostError
from utils.sources.web.guard.session import Session, open_session
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.threads import start_threads
from utils.sources.web.transport import ask, looks_like_a_web_page, retrying
from utils.sources.web.urls import host_of

OK = "ok"
FAILED = "failed"
MISSED = "missed"
STATUSES = (OK, FAILED, MISSED)
"""It is there; it will never come; it may come another time."""

GIVEN_UP = "host given up"
REFUSED = "host refuses everything"
MAX_THREADS = 32
PATIENCE_S = 2.0
"""Seconds for which threads that were told to stop are waited for; they die with the process."""

DECODING = threading.Lock()
"""Decoding filters warnings, and their filters belong to all threads."""


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to fetch.

    Attributes:
        url: Where from.
        target: Where to.
        md5: MD5 that its bytes must have, "" where unknown.
    """

    url: str
    target: Path
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job.

    Attributes:
        status: One of `STATUSES`.
        detail: Why it did not come, "" where it did.
        attempts: How often it was asked for.
        num_bytes: How large the picture is.
    """

    status: str
    detail: str = ""
    attempts: int = 0
    num_bytes: int = 0


def fetch_all(
    jobs: Iterable[Job],
    manners: Manners = POLITE,
    note: Callable[[Mapping[Job, Outcome]], None] = lambda outcomes: None,
) -> dict[Job, Outcome]:
    """Fetch many pictures, and give up hosts that are gone.

    Args:
        jobs: What to fetch.
        manners: How patiently and how politely.
        note: Is told now and then, and at the end however it comes, what became of them so far.
    """
    by_host: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_host[host_of(job.url)].append(job)
    if not by_host:
        return {}
    hosts = [_Host(queue, manners) for queue in by_host.values()]
    workers = [host.work for _ in range(manners.threads_per_host) for host in hosts]
    total = sum(map(len, by_host.values()))

    def so_far() -> dict[Job, Outcome]:
        return dict(chain.from_iterable(host.so_far() for host in hosts))

    with progress(total=total, desc="Downloading", unit="pictures") as bar:
        everything = running = set(start_threads(workers, MAX_THREADS))
        try:
            noted = time.monotonic()
            while running:
                done, running = wait(running, timeout=min(0.5, manners.note_s))
                for worker in done:
                    worker.result()
                bar.update(sum(host.num_done for host in hosts) - bar.n)
                if time.monotonic() - noted > manners.note_s:
                    note(so_far())
                    noted = time.monotonic()
        finally:
            for host in hosts:
                host.halt()
            wait(everything, timeout=PATIENCE_S)  # a name that is being looked up cannot be hurried
            note(so_far())
    return so_far()


def fetch_picture(session: Session, job: Job, manners: Manners) -> int:
    """Ask for one picture once, check it, put it in place whole and return its size in bytes.

    Raises:
        FetchError: If it does not come, or is not what was asked for.
        OutputError: If it would fill the disk.
    """
    content = bytearray()
    with ask(session, job.url, manners) as reply:
        if (reply.announced_bytes or 0) > manners.max_bytes:
            raise FetchError("too large", final=True)
        for piece in reply.body:
            content += piece
            if len(content) > manners.max_bytes:
                raise FetchError("too large", final=True)
    if looks_like_a_web_page(content):
        raise FetchError("a web page in place of the picture", final=True)
    if len(content) < manners.min_bytes:
        raise FetchError("too small", final=True)
    if not job.md5 or hashlib.md5(content, usedforsecurity=False).hexdigest() != job.md5:
        flaw = _flaw_of(bytes(content))
        if flaw == "truncated":  # by a host that did not say how long it is
            raise FetchError("broke off")
        if job.md5:
            raise FetchError("other content than published", final=True)
        if flaw:
            raise FetchError(f"not a whole picture ({flaw})", final=True)
    check_space(job.target.parent, len(content))
    write_bytes(job.target, bytes(content))
    return len(content)


def _flaw_of(content: bytes) -> str:
    """Return why a picture cannot be decoded, "" where it can."""
    with DECODING:
        try:
            read_picture(content)
        except PictureError as error:
            return error.reason
    return ""


class _Host:
    """The jobs of one host, worked off by a few threads until they are done or it is gone."""

    def __init__(self, jobs: list[Job], manners: Manners) -> None:
        self.stop = threading.Event()
        self._manners = manners
        self._queue = iter(jobs)
        self._outcomes: dict[Job, Outcome] = {}
        self._lock = threading.Lock()
        self._failures_in_a_row = 0
        self._refused: list[Job] = []
        self._given_up = ""
        self._not_before = 0.0
        self._sessions: list[Session] = []

    @property
    def num_done(self) -> int:
        """How many jobs are through."""
        return len(self._outcomes)

    def so_far(self) -> list[tuple[Job, Outcome]]:
        """Return the jobs that are through."""
        with self._lock:
            return list(self._outcomes.items())

    def halt(self) -> None:
        """Ask for nothing more, and cut what is under way."""
        self.stop.set()
        for session in list(self._sessions):
            session.guard.watchdog.stop()

    def work(self) -> None:
        """Take jobs from the queue and fetch them, politely, until there is none left."""
        with open_session(self._manners) as session:
            self._sessions.append(session)
            for job in self._jobs():
                outcome = self._fetch(session, job)
                with self._lock:
                    self._outcomes[job] = outcome
                    self._take_back()

    def _jobs(self) -> Iterator[Job]:
        while not self.stop.is_set():
            with self._lock:
                job = next(self._queue, None)
            if job is None:
                return
            yield job

    def _fetch(self, session: Session, job: Job) -> Outcome:
        if self._given_up:
            return Outcome(MISSED, self._given_up)
        attempt = partial(self._ask_politely, session, job)
        try:
            num_bytes, attempts = retrying(attempt, self._manners, self.stop.wait)
        except FetchError as error:
            self._count(job, error)
            status = FAILED if error.final else MISSED
            return Outcome(status, str(error), error.attempts)
        self._failures_in_a_row = 0
        self._refused.clear()
        return Outcome(OK, "", attempts, num_bytes)

    def _ask_politely(self, session: Session, job: Job) -> int:
        """Ask once; a wish to be left alone is heeded by all threads of this host."""
        self.stop.wait(max(self._not_before - time.monotonic(), 0.0))
        if self.stop.is_set():
            raise FetchError("stopped", wait_s=float("inf"))
        try:
            return fetch_picture(session, job, self._manners)
        except FetchError as error:
            if error.wait_s <= self._manners.max_retry_after_s:
                self._not_before = max(self._not_before, time.monotonic() + error.wait_s)
            raise
        finally:
            self.stop.wait(self._manners.pause_s)

    def _take_back(self) -> None:
        """Let what a host refused that refuses everything be asked for another time."""
        if self._given_up.startswith(REFUSED):
            for job in self._refused:
                if job in self._outcomes:
                    attempts = self._outcomes[job].attempts
                    self._outcomes[job] = Outcome(MISSED, self._given_up, attempts)

    def _count(self, job: Job, error: FetchError) -> None:
        """Count what a host does wrong; a file that it does not have is none of that."""
        with self._lock:
            if error.is_refused:
                self._refused.append(job)
            elif error.final:
                self._refused.clear()
            if len(self._refused) >= self._manners.max_host_failures and not self._given_up:
                self._given_up = f"{REFUSED} ({error})"
            self._failures_in_a_row = 0 if error.final else self._failures_in_a_row + 1
            if (
                self._failures_in_a_row >= self._manners.max_host_failures
                or error.wait_s > self._manners.max_retry_after_s
            ):
                self._given_up = str(error) if isinstance(error, PrivateHostError) else GIVEN_UP
