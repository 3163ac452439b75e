"""A number of redirects in, an HTTP session that waits for nobody without end out."""

import contextlib
import socket
import threading
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

USER_AGENT = "Mozilla/5.0 (compatible; skin-picture-gate; research)"
HEADERS_S = 30.0
"""Seconds that an answer's headers may take where no read timeout is set."""


def open_session(max_redirects: int) -> requests.Session:
    """Return a session for `ask`; retries are counted by `retrying` alone."""
    session = _Session()
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    session.max_redirects = max_redirects
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_maxsize=1))
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer leads; its own body, which nobody wants, is not waited for."""
        target: str | None = super().get_redirect_target(resp)
        if target:
            resp.close()
        return target


class _Prompt:
    """A connection that is cut where headers come so slowly that no single read times out."""

    timeout: float | None
    sock: socket.socket

    def getresponse(self) -> Any:
        """Return the answer once its headers are whole.

        Raises:
            TimeoutError: If they are not in time.
        """
        late = threading.Event()
        timer = threading.Timer(self.timeout or HEADERS_S, _cut, [self.sock, late])
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()
        if late.is_set():
            answer.close()
            raise TimeoutError
        return answer


def _cut(connection: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _PromptHTTP(_Prompt, HTTPConnection):
    pass


class _PromptHTTPS(_Prompt, HTTPSConnection):
    pass


class _PoolHTTP(HTTPConnectionPool):
    ConnectionCls = _PromptHTTP


class _PoolHTTPS(HTTPSConnectionPool):
    ConnectionCls = _PromptHTTPS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = {"http": _PoolHTTP, "https": _PoolHTTPS}
