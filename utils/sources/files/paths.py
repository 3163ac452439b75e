"""Tell whether a path that a table or an archive names may be followed."""

import re

DRIVE = re.compile(r"[A-Za-z]:")


def is_absolute(path: str) -> bool:
    r"""Tell whether a written path starts somewhere else than in the folder that it stands in.

    >>> [is_absolute(path) for path in ("/x.jpg", r"\\server\x.jpg", "C:x.jpg", "../x.jpg")]
    [True, True, True, False]
    """
    return path.startswith(("/", "\\")) or DRIVE.match(path) is not None


def leads_out(path: str) -> bool:
    r"""Tell whether a written path could lead out of the folder that it starts from.

    >>> [leads_out(path) for path in ("a/../../x.jpg", "/x.jpg", r"C:\x.jpg", "a..b/x.jpg")]
    [True, True, True, False]
    """
    return is_absolute(path) or ".." in path.replace("\\", "/").split("/") or "\0" in path
