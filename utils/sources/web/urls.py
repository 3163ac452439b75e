"""Split a URL as somebody typed it into host and path; nonsense has neither."""

from urllib.parse import urlsplit, urlunsplit


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


def without_password(url: str) -> str:
    """Return a URL as it may be written down and shown.

    >>> without_password("https://me:secret@example.org/a.jpg?b=c")
    'https://example.org/a.jpg?b=c'
    """
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=host_of(url))) if "@" in parts.netloc else url
    except ValueError:
        return url
