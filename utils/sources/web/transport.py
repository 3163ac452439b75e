"""Request a URL and stream its body, with a name for whatever the internet does instead."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, RemoteDisconnected
from typing import TypeVar

import requests
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ProtocolError
from urllib3.util.retry import Retry

from utils.sources.web.failures import NO_ADDRESS, FetchError, HostGoneError
from utils.sources.web.guard.redirects import check_address, target_of
from utils.sources.web.guard.session import Session
from utils.sources.web.manners import Manners

REFUSING_STATUS = (401, 403)
PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
CHUNK_BYTES = 2**18
"""Most bytes held in memory before they are written: what a killed download may lose."""

MAX_DIGITS = 18
"""A longer number is no length of a file, and Python refuses to read some."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PAGE_STARTS = (b"<!doctype", b"<!--", b"<html", b"<head", b"<body", b"<script", b"<?xml")
PAGE_START_BYTES = 64

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may be used.

    Attributes:
        status: Its status.
        headers: Its headers.
        body: Its body as it comes, `CHUNK_BYTES` at most at a time; raises `FetchError` where it
            comes too slowly, and urllib3's `HTTPError` where it breaks off.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]

    @property
    def announced_bytes(self) -> int | None:
        """The length that a header promises, None where it promises none."""
        length = self.headers.get("Content-Length", "")
        is_number = length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS
        return int(length) if is_number else None


@contextlib.contextmanager
def ask(
    session: Session,
    url: str,
    manners: Manners,
    headers: Mapping[str, str] | None = None,
    accept: Collection[int] = (200,),
    *,
    endless: bool = False,
) -> Iterator[Reply]:
    """Send one request, follow where it leads, and yield the answer with its body still to be read.

    Args:
        session: Sends it.
        url: What is asked for.
        manners: How long it may take.
        headers: More headers.
        accept: Each other status is a failure.
        endless: Whether `file_s` is allowed for each `CHUNK_BYTES` of the body, not for all of it.

    Raises:
        FetchError: For another status than those in `accept`, and for whatever breaks, also while
            the body is read.
    """
    with _follow(session, url, manners, headers) as reply:
        if reply.status_code not in accept:
            passing = reply.status_code in PASSING_STATUS
            wait_s = _retry_after(reply) if passing else 0.0
            is_refused = reply.status_code in REFUSING_STATUS
            raise FetchError(
                f"HTTP {reply.status_code}",
                final=not passing,
                wait_s=wait_s,
                is_refused=is_refused,
            )
        if not _is_plain(reply.headers):
            raise FetchError("sent compressed, unasked", final=True)
        try:
            body = _pieces(reply, session, manners, endless)
            yield Reply(reply.status_code, reply.headers, body)
        except HTTPError:  # of urllib3, while the body is read
            reason = "too slow" if session.guard.watchdog.is_late else "broke off"
            raise FetchError(reason) from None


def looks_like_a_web_page(content: bytes | bytearray) -> bool:
    """Tell from its beginning whether something is a page to be read by people."""
    return (
        content[:PAGE_START_BYTES]
        .removeprefix(BYTE_ORDER_MARK)
        .lstrip()
        .lower()
        .startswith(PAGE_STARTS)
    )


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


def _pieces(
    reply: requests.Response, session: Session, manners: Manners, endless: bool
) -> Iterator[bytes]:
    watchdog, left = session.guard.watchdog, CHUNK_BYTES
    watchdog.allow(manners.file_s)
    # `read1` returns what is there: a plain read would wait for its last byte, drop by drop.
    while piece := reply.raw.read1(CHUNK_BYTES, decode_content=False):
        if watchdog.is_late:
            break
        yield piece
        left -= len(piece)
        if endless and left <= 0:
            watchdog.allow(manners.file_s)
            left = CHUNK_BYTES
    if watchdog.is_late:  # a connection that was cut among the trailers looks like a good end
        raise FetchError("too slow")


def _follow(
    session: Session, url: str, manners: Manners, headers: Mapping[str, str] | None
) -> requests.Response:
    """Send a request and those that redirects ask for, each to an address that was looked at."""
    session.begin()
    check_address(url, manners)
    for _ in range(manners.max_redirects + 1):
        session.guard.watchdog.allow(manners.connect_s + manners.read_s)
        reply = _send(session, url, manners, headers)
        try:
            target = target_of(reply, url, manners)
        except FetchError:
            reply.close()
            raise
        if not target:
            return reply
        reply.close()  # its own body nobody wants
        session.go_on_at(url, target)
        url = target
    raise FetchError("too many redirects", final=True)


def _send(
    session: Session, url: str, manners: Manners, headers: Mapping[str, str] | None
) -> requests.Response:
    timeout = (manners.connect_s, manners.read_s)
    try:
        reply = session.get(
            url, timeout=timeout, stream=True, headers=headers, allow_redirects=False
        )
    except requests.exceptions.SSLError:
        raise FetchError("no trusted certificate") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        if session.guard.watchdog.is_late or not _is_answer(error):
            raise HostGoneError from None
        raise FetchError("an answer that is no HTTP") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise FetchError(NO_ADDRESS, final=True) from None
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise FetchError(f"no request possible ({type(error).__name__})", final=True) from None
    if session.guard.watchdog.is_late:  # headers that were cut look as if they had ended
        reply.close()
        raise HostGoneError
    return reply


def _is_answer(error: requests.RequestException) -> bool:
    """Tell whether an error stands for something that came, and not for nothing."""
    inner = error.args[0] if error.args else None
    cause = inner.args[1] if isinstance(inner, ProtocolError) and len(inner.args) > 1 else None
    return isinstance(cause, HTTPException) and not isinstance(cause, RemoteDisconnected)


def _is_plain(headers: Mapping[str, str]) -> bool:
    """Tell whether a body is what it says, to be written as it comes."""
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    transfer = headers.get("Transfer-Encoding", "chunked").strip().lower()
    return coding in ("", "identity") and transfer in ("chunked", "identity")


def _retry_after(reply: requests.Response) -> float:
    try:
        return Retry().get_retry_after(reply.raw) or 0.0
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0
