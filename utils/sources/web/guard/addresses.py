"""Look up the addresses of a host, and tell those of the internet at large."""

import ipaddress
import socket
import unicodedata

from utils.sources.web.failures import NO_ADDRESS, FetchError

MAX_PER_FAMILY = 2
"""So many addresses of each kind are tried, so that a host with many takes no longer."""

TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 spell them."""

INNER_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa")


def is_public(address: str) -> bool:
    """Tell whether an address is the internet's, not this machine's or its own network's.

    >>> [is_public(address) for address in ("8.8.8.8", "127.0.0.1", "::ffff:10.0.0.1", "224.0.0.1")]
    [True, False, False, False]
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def names_inner(host: str) -> bool:
    """Tell whether a host's spelling alone says that it is not on the internet.

    That is all there is to go by where a proxy does the looking up.

    >>> [names_inner(host) for host in ("example.org", "localhost", "0x7f.1", "[::1]", "nas.local")]
    [False, True, True, True, True]
    """
    name = unicodedata.normalize("NFKC", host).replace("\u3002", ".")  # as a name is encoded
    name = name.strip("[]").rstrip(".").lower()
    try:
        return not is_public(name)
    except ValueError:
        pass
    try:  # the short, octal and hexadecimal spellings, which the system takes for addresses, too
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        pass
    return "." not in name or any(name.endswith(f".{inner}") for inner in INNER_NAMES)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host, the first few of each family.

    Raises:
        FetchError: If the name cannot be one.
        OSError: If nobody knows it.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (UnicodeError, ValueError):
        raise FetchError(NO_ADDRESS, final=True) from None
    families: dict[int, list[str]] = {}
    for family, _, _, _, place in found:
        families.setdefault(family, []).append(str(place[0]))
    few = {address for many in families.values() for address in many[:MAX_PER_FAMILY]}
    return [str(place[0]) for *_, place in found if str(place[0]) in few]
