"""A URL in, its body piece by piece out; whatever the internet does instead has a name."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
CHUNK_BYTES = 2**18
"""Most bytes held in memory before they are written: what a killed download may lose."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Manners:
    """How patient a download is, how polite, and what it puts up with.

    Attributes:
        connect_s: Seconds that a connection may take.
        read_s: Seconds of silence; also the time in which an answer's headers must be whole.
        file_s: Seconds for a whole picture; for a large file, for each `CHUNK_BYTES` of it.
        max_retries: How often one file is asked for again after a failure that may pass; a host
            that does not answer at all is asked once more only.
        backoff_s: Pauses before a retry are 0, 2, 4 ... times this, and by chance up to this more.
        max_retry_after_s: The longest pause that a host may ask for; who asks for more is left
            alone for the rest of the run.
        max_redirects: How many redirects are followed for one request.
        threads_per_host: How many files are fetched at a time from one host.
        pause_s: Seconds that each of these threads pauses between two files.
        max_host_failures: After so many failures in a row a host is given up.
        min_bytes: Fewer are no picture.
        max_bytes: More are no picture.
        note_s: Seconds between two notes of what came so far.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    file_s: float = 120.0
    max_retries: int = 3
    backoff_s: float = 1.0
    max_retry_after_s: float = 120.0
    max_redirects: int = 5
    threads_per_host: int = 4
    pause_s: float = 0.25
    max_host_failures: int = 6
    min_bytes: int = 500
    max_bytes: int = 64 * 2**20
    note_s: float = 5.0


POLITE = Manners()


class FetchError(Exception):
    """A file that did not come; its text is a short reason to count by.

    Attributes:
        final: Whether asking again is of no use.
        wait_s: Seconds that the host wants to be left alone.
        attempts: How often the file was asked for.
    """

    def __init__(self, reason: str, *, final: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.final, self.wait_s, self.attempts = final, wait_s, 1


class HostGoneError(FetchError, ConnectTimeoutError):
    """A host that does not answer at all; to urllib3's `Retry` a failure to connect."""

    def __init__(self) -> None:
        super().__init__("host does not answer")


@contextlib.contextmanager
def ask(
    session: requests.Session,
    url: str,
    manners: Manners,
    headers: Mapping[str, str] | None = None,
    accept: Collection[int] = (200,),
) -> Iterator[requests.Response]:
    """Send one request and yield the answer with its body still to be read (`pieces`).

    Raises:
        FetchError: For another status than those in `accept`, and for whatever breaks, also while
            the body is read.
    """
    with _send(session, url, manners, headers) as reply:
        if reply.status_code not in accept:
            passing = reply.status_code in PASSING_STATUS
            wait_s = _retry_after(reply) if passing else 0.0
            raise FetchError(f"HTTP {reply.status_code}", final=not passing, wait_s=wait_s)
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise FetchError("sent compressed, unasked", final=True)
        try:
            yield reply
        except HTTPError:  # of urllib3, while the body is read
            raise FetchError("broke off") from None


def pieces(reply: requests.Response, manners: Manners, *, endless: bool = False) -> Iterator[bytes]:
    """Yield the body of an answer as it comes, `CHUNK_BYTES` at most at a time.

    Args:
        reply: The answer.
        manners: How long the whole body may take.
        endless: Whether so much time is allowed for each `CHUNK_BYTES` of it instead.

    Raises:
        FetchError: If it comes too slowly.
        HTTPError: If it breaks off before the announced length.
    """
    deadline, left = time.monotonic() + manners.file_s, CHUNK_BYTES
    # `read1` returns what is there: a plain read would wait for its last byte, drop by drop.
    while piece := reply.raw.read1(CHUNK_BYTES, decode_content=False):
        yield piece
        left -= len(piece)
        if endless and left <= 0:
            deadline, left = time.monotonic() + manners.file_s, CHUNK_BYTES
        if time.monotonic() > deadline:
            raise FetchError("too slow")


def announced_bytes(reply: requests.Response) -> int | None:
    """Return the length that an answer's header promises, None where it promises none."""
    length = reply.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def looks_like_a_web_page(content: bytes | bytearray) -> bool:
    """Tell from its beginning whether something is a page to be read by people."""
    return content[:64].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))


def retrying(
    attempt: Callable[[], Result], manners: Manners, wait: Callable[[float], object]
) -> tuple[Result, int]:
    """Call `attempt` until it succeeds, at most 1 + `max_retries` times.

    Args:
        attempt: Sends one request.
        manners: How often and how soon it is called again.
        wait: Lets so many seconds pass.

    Returns:
        Its result and how often it was called.

    Raises:
        FetchError: The last one, or the first that is final.
    """
    retry = Retry(
        total=manners.max_retries,
        connect=1,
        backoff_factor=manners.backoff_s,
        backoff_jitter=manners.backoff_s,
    )
    while True:
        try:
            return attempt(), len(retry.history) + 1
        except FetchError as error:
            error.attempts = len(retry.history) + 1
            if error.final or error.wait_s > manners.max_retry_after_s:
                raise
            try:
                retry = retry.increment("GET", error=error)
            except MaxRetryError:
                raise error from None
            wait(max(error.wait_s, retry.get_backoff_time()))


def _send(
    session: requests.Session, url: str, manners: Manners, headers: Mapping[str, str] | None
) -> requests.Response:
    timeout = (manners.connect_s, manners.read_s)
    try:
        return session.get(url, timeout=timeout, stream=True, headers=headers)
    except requests.exceptions.SSLError:
        raise FetchError("no trusted certificate") from None
    except (requests.ConnectionError, requests.Timeout):
        raise HostGoneError from None
    except requests.TooManyRedirects:
        raise FetchError("too many redirects", final=True) from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise FetchError("leads to no http address", final=True) from None
    except (requests.RequestException, ValueError) as error:
        raise FetchError(f"no request possible ({type(error).__name__})", final=True) from None


def _retry_after(reply: requests.Response) -> float:
    try:
        return Retry().get_retry_after(reply.raw) or 0.0
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0
