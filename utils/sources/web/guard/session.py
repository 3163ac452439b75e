"""Open an HTTP session that trusts no host and waits for none without end."""

from http.cookiejar import CookieJar
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from utils.sources.web.guard.connections import Guard, guarded_pools
from utils.sources.web.manners import Manners
from utils.sources.web.urls import host_of

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


def _without_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would look for a password in the address, and then in `.netrc`."""
    return request


class _Adapter(HTTPAdapter):
    def __init__(self, guard: Guard) -> None:
        self._pools = guarded_pools(guard)
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
