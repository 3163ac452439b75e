"""Decide where an answer may redirect the next request."""

from urllib.parse import SplitResult, urljoin, urlsplit

import requests

from utils.sources.web.failures import NO_ADDRESS, FetchError, PrivateHostError
from utils.sources.web.guard.addresses import names_inner
from utils.sources.web.manners import Manners

STATUSES = (301, 302, 303, 307, 308)


def check_address(url: str, manners: Manners, *, is_redirect: bool = False) -> None:
    """Check what an address alone tells, before anybody is asked.

    Raises:
        FetchError: If it is no http address, holds a password, or names a host that is not public.
    """
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise FetchError("a password in its address", final=True)
    if not manners.private_hosts and names_inner(parts.hostname or ""):
        raise PrivateHostError(is_redirect)


def target_of(reply: requests.Response, url: str, manners: Manners) -> str:
    """Return the address that an answer leads to, "" where it is no redirect.

    Raises:
        FetchError: If what was asked for would be weakened by going there.
    """
    location = reply.headers.get("Location")
    if reply.status_code not in STATUSES or location is None:
        return ""
    try:
        target = urljoin(url, location.encode("latin-1").decode("utf-8"))
    except ValueError:
        raise FetchError(NO_ADDRESS, final=True) from None
    check_address(target, manners, is_redirect=True)
    before, after = _split(url), _split(target)
    if (before.scheme, after.scheme) == ("https", "http"):
        raise FetchError("leads from https to http", final=True)
    if (
        manners.private_hosts
        and not names_inner(before.hostname or "")
        and names_inner(after.hostname or "")
    ):
        raise PrivateHostError(is_redirect=True)
    return target


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        known = False
    if not known or any(sign < " " or sign == "\x7f" for sign in url):
        raise FetchError(NO_ADDRESS, final=True)
    return parts
