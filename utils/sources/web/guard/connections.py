"""Connect only to the addresses that were checked, and only until the deadline."""

import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError

from utils.sources.web.failures import PrivateHostError
from utils.sources.web.guard.addresses import is_public, look_up
from utils.sources.web.guard.watchdog import Watchdog


class Guard:
    """What the connections of one session heed: who may be asked, and until when.

    Args:
        private_hosts: Whether hosts that are not public may be asked.
        headers_s: Seconds in which an answer's headers must be whole.

    Attributes:
        watchdog: Cuts what takes too long.
        is_redirected: Whether another host led to the one that is asked now.
        was_public: Whether a public host was asked for the file.
    """

    def __init__(self, private_hosts: bool, headers_s: float) -> None:
        self.watchdog = Watchdog()
        self.headers_s = headers_s
        self.is_redirected = self.was_public = False
        self._private_hosts = private_hosts

    def admit(self, public: bool) -> None:
        """Let a request go to a host, or not.

        Raises:
            PrivateHostError: If the host is not public, and nobody allowed that.
        """
        if not public and (self.was_public or not self._private_hosts):
            raise PrivateHostError(self.is_redirected)
        self.was_public = self.was_public or public


class _Guarded:
    """A connection that goes to the very addresses that were looked at, and is watched.

    To look a name up once for the check and once more for the connection would let whoever owns
    the name answer differently. Through a proxy the addresses are the proxy's affair.
    """

    guard: Guard
    sock: socket.socket | None
    proxy: Any
    port: int
    _dns_host: str
    _is_public = True

    def request(self, *args: Any, **settings: Any) -> Any:
        """Send a request, over a connection that may have served another."""
        if self.sock is not None:
            if self.proxy is None:
                self.guard.admit(self._is_public)
            self.guard.watchdog.watch(self.sock)
        return super().request(*args, **settings)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Return the answer, unless its headers take longer than they may."""
        self.guard.watchdog.allow(self.guard.headers_s)
        return super().getresponse()  # type: ignore[misc]

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc]
        if self.guard.watchdog.is_late:  # a proxy's headers that were cut look like all of them
            raise TimeoutError

    def _new_conn(self) -> socket.socket:
        connection = self._connect_to_proxy() if self.proxy is not None else self._connect()
        self.guard.watchdog.watch(connection)
        return connection

    def _connect_to_proxy(self) -> socket.socket:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]
        return connection

    def _connect(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = look_up(name, self.port)
        except OSError as error:
            raise NameResolutionError(name, self, error) from error  # type: ignore[arg-type]
        self._is_public = all(map(is_public, addresses))
        self.guard.admit(self._is_public)
        failure: Exception | None = None
        for address in addresses:
            self._dns_host = address
            try:
                connection: socket.socket = super()._new_conn()  # type: ignore[misc]
                return connection
            except HTTPError as error:  # the last one is raised
                failure = error
            finally:
                self._dns_host = name  # which the certificate must be for
        raise failure or OSError("no address")


def guarded_pools(guard: Guard) -> dict[str, type[HTTPConnectionPool]]:
    """Return the kinds of pools, by scheme, whose connections heed a guard."""
    plain = type("Plain", (_Guarded, HTTPConnection), {"guard": guard})
    secure = type("Secure", (_Guarded, HTTPSConnection), {"guard": guard})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
