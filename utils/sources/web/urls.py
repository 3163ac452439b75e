"""A URL as somebody typed it in, its host and path out; nonsense has neither."""

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """Return a URL's host, with its port where it names one, and "" where it has none.

    >>> host_of("https://Example.org:8080/a.jpg"), host_of("http://[broken/a.jpg")
    ('example.org:8080', '')
    """
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def path_of(url: str) -> str:
    """Return a URL's path, "" where it has none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
