"""Manners in, an HTTP session that trusts no host and waits for none without end out."""

import socket
from http.cookiejar import CookieJar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError

from utils.sources.web.addresses import is_public, look_up
from utils.sources.web.failures import PrivateHostError
from utils.sources.web.manners import Manners
from utils.sources.web.urls import host_of
from utils.sources.web.watchdog import Watchdog

USER_AGENT = "Mozilla/5.0 (compatible; skin-picture-gate; research)"


def open_session(manners: Manners) -> "Session":
    """Return a session for `ask`; retries are counted by `retrying` alone."""
    return Session(manners)


class Session(requests.Session):
    """A session of one thread.

    Proxies and certificates are the environment's; passwords, which `.netrc` and addresses may
    hold, are never sent.

    Attributes:
        guard: What its connections heed.
    """

    def __init__(self, manners: Manners) -> None:
        super().__init__()
        self.guard = Guard(manners.private_hosts, manners.read_s)
        self.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        self.auth = _without_password
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self.guard))

    def begin(self) -> None:
        """Forget what the request before left behind."""
        self._forget_cookies()
        self.guard.is_redirected = self.guard.was_public = False
        self.guard.watchdog.begin()

    def go_on_at(self, url: str, target: str) -> None:
        """Follow a redirect; another host learns nothing of the one that led there."""
        self.guard.is_redirected = True
        if host_of(url) != host_of(target):
            self._forget_cookies()

    def _forget_cookies(self) -> None:
        jar: CookieJar = self.cookies
        jar.clear()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow nothing by itself: `ask` looks at each address first."""

    def close(self) -> None:
        """Close all connections."""
        super().close()
        self.guard.watchdog.close()


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
        if (
            self.guard.watchdog.is_late
        ):  # headers of a proxy that were cut look as if they had ended
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
            except Exception as error:  # of urllib3; the last one is raised
                failure = error
            finally:
                self._dns_host = name  # which the certificate must be for
        raise failure or OSError("no address")


def _without_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would look for a password in the address, and then in `.netrc`."""
    return request


class _Adapter(HTTPAdapter):
    def __init__(self, guard: Guard) -> None:
        plain = type("Plain", (_Guarded, HTTPConnection), {"guard": guard})
        secure = type("Secure", (_Guarded, HTTPSConnection), {"guard": guard})
        self._pools = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        super().__init__(pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
        """Return the pools of connections to a proxy; those of SOCKS are a package's own."""
        manager = super().proxy_manager_for(proxy, **settings)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager
