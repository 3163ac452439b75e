"""URLs in, whole and checked files out, with a word on every one that did not come."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util.retry import Retry

from utils.common.console import progress
from utils.common.errors import DownloadError
from utils.common.files import write_bytes
from utils.sources.urls import host_of

USER_AGENT = "Mozilla/5.0 (compatible; skin-picture-gate; research)"
TIMEOUT_S = (10.0, 30.0)
MAX_RETRIES = 3
MAX_RETRY_AFTER_S = 20.0
THREADS_PER_HOST = 4
PAUSE_S = 0.25
MAX_HOST_FAILURES = 4
MIN_BYTES = 500
MAX_BYTES = 64 * 2**20

HOST_GONE = "host does not answer"
GIVEN_UP = "host given up"
ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Job:
    """One file to fetch.

    Attributes:
        url: Where from.
        target: Where to.
        md5: MD5 that its bytes must have, "" where unknown.
    """

    url: str
    target: Path
    md5: str = ""


class FetchError(Exception):
    """One file that did not come; its text is a short reason to count by."""


def fetch_one(session: requests.Session, job: Job) -> None:
    """Fetch one file, check it and put it in place whole.

    Raises:
        FetchError: If it does not come, or is not what was asked for.
    """
    try:
        with session.get(job.url, timeout=TIMEOUT_S, stream=True) as reply:
            if reply.status_code != requests.codes.ok:
                raise FetchError(f"HTTP {reply.status_code}")
            content = bytearray()
            for chunk in reply.iter_content(2**16):
                content += chunk
                if len(content) > MAX_BYTES:
                    raise FetchError("too large")
    except (requests.ConnectionError, requests.Timeout):
        raise FetchError(HOST_GONE) from None
    except (requests.RequestException, ValueError) as error:
        raise FetchError(f"broken reply ({type(error).__name__})") from None
    if content[:64].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise FetchError("a web page in place of the file")
    if len(content) < MIN_BYTES:
        raise FetchError("too small")
    if job.md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != job.md5:
        raise FetchError("other content than published")
    write_bytes(job.target, bytes(content))


def fetch_file(urls: Iterable[str], target: Path, md5: str = "") -> None:
    """Fetch one file from the first mirror that gives it.

    Raises:
        DownloadError: If none does.
    """
    reasons = []
    with _session() as session:
        for url in urls:
            try:
                return fetch_one(session, Job(url, target, md5))
            except FetchError as error:
                reasons.append(f"{host_of(url)}: {error}")
    raise DownloadError(f"{target.name} could not be downloaded ({'; '.join(reasons)})")


def fetch_all(jobs: Iterable[Job]) -> dict[Job, str]:
    """Fetch many files, a few at a time from each host, and give up hosts that are gone.

    Returns:
        For each job `ARRIVED` or the reason why it did not come.
    """
    by_host: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_host[host_of(job.url)].append(job)
    if not by_host:
        return {}
    hosts = [_Host(queue) for queue in by_host.values()]
    with (
        ThreadPoolExecutor(THREADS_PER_HOST * len(hosts)) as pool,
        progress(total=sum(map(len, by_host.values())), desc="Downloading", unit="files") as bar,
    ):
        workers = [pool.submit(host.work, bar) for host in hosts for _ in range(THREADS_PER_HOST)]
        try:
            for worker in as_completed(workers):
                worker.result()
        finally:
            for host in hosts:
                host.stop.set()
    return {job: reason for host in hosts for job, reason in host.outcomes.items()}


class _Host:
    """The jobs of one host, worked off by a few threads until they are done or it is gone."""

    def __init__(self, jobs: list[Job]) -> None:
        self.outcomes: dict[Job, str] = {}
        self.stop = threading.Event()
        self._queue = iter(jobs)
        self._lock = threading.Lock()
        self._failures_in_a_row = 0

    def work(self, bar: "tqdm[Any]") -> None:
        """Take jobs from the queue and fetch them, politely, until there is none left."""
        with _session() as session:
            while not self.stop.is_set() and (job := self._next()) is not None:
                self._finish(job, self._fetch(session, job))
                bar.update()

    def _next(self) -> Job | None:
        with self._lock:
            return next(self._queue, None)

    def _fetch(self, session: requests.Session, job: Job) -> str:
        if self._failures_in_a_row >= MAX_HOST_FAILURES:
            return GIVEN_UP
        try:
            fetch_one(session, job)
        except FetchError as error:
            return str(error)
        finally:
            self.stop.wait(PAUSE_S)
        return ARRIVED

    def _finish(self, job: Job, outcome: str) -> None:
        with self._lock:
            self.outcomes[job] = outcome
            if outcome == HOST_GONE:
                self._failures_in_a_row += 1
            elif outcome != GIVEN_UP:
                self._failures_in_a_row = 0


class BoundedRetry(Retry):
    """Retries that honour a host's `Retry-After`, but do not let it stop the whole run."""

    def get_retry_after(self, response: Any) -> float | None:
        """Return the seconds to wait, at most `MAX_RETRY_AFTER_S`."""
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, MAX_RETRY_AFTER_S)


def _session() -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = USER_AGENT
    retry = BoundedRetry(
        total=MAX_RETRIES,
        connect=1,
        read=1,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.5,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=1))
    return session
