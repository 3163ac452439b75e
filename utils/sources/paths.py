"""A path as a table or an archive writes it in, whether it may be believed out."""

import re

DRIVE = re.compile(r"[A-Za-z]:")


def leads_out(path: str) -> bool:
    r"""Tell whether a written path could lead out of the folder that it starts from.

    >>> [leads_out(path) for path in ("a/../../x.jpg", "/x.jpg", r"C:\x.jpg", "a..b/x.jpg")]
    [True, True, True, False]
    """
    strokes = path.replace("\\", "/")
    return (
        strokes.startswith("/")
        or ".." in strokes.split("/")
        or DRIVE.match(path) is not None
        or "\0" in path
    )
