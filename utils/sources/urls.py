"""A URL as somebody typed it in, its host and path out; nonsense has neither."""

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """Return a URL's host, "" where it has none.

    >>> host_of("https://example.org/a.jpg"), host_of("http://[broken/a.jpg")
    ('example.org', '')
    """
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def path_of(url: str) -> str:
    """Return a URL's path, "" where it has none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
