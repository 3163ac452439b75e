"""Find the paths in a stranger's list that lead out of the folder they are read in."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def is_inner_path(path: str) -> bool:
    """Tell whether a path, written by anybody on any system, leads below the folder it is read in.

    >>> [is_inner_path(path) for path in ("a/b.jpg", "../b", "/b", "C:/b", r"a\\b", "a//b", "")]
    [True, False, False, False, False, False, False]
    """
    parts = path.split("/")
    # Windows drops spaces and full stops at the end of a name.
    is_plain = all(part and part == part.rstrip(" .") for part in parts)
    return is_plain and not re.search(r"[\\:\x00-\x1f]", path)


def leading_out(folder: Path, files: Iterable[str]) -> list[str]:
    """Return which of these paths below a folder lead out of it by a link, in order.

    Each folder on the way is listed once: asking for every file by itself takes minutes on large
    ones. What is not there leads nowhere.

    Args:
        folder: May be a link itself.
        files: Paths that `is_inner_path` holds for.
    """
    named = defaultdict(set)
    for file in files:
        parent, _, name = file.rpartition("/")
        named[parent].add(name)
    root = os.path.realpath(folder)
    outside = []
    for parent, names in named.items():
        place = os.path.join(folder, parent)
        if not os.path.isdir(place):
            continue
        if not is_below(root, os.path.realpath(place)):
            outside.append(f"{parent}/")
            continue
        with os.scandir(place) as entries:
            outside += [
                f"{parent}/{entry.name}"
                for entry in entries
                if entry.is_symlink()
                and entry.name in names
                and not is_below(root, os.path.realpath(entry.path))
            ]
    return sorted(outside)


def is_below(root: str, path: str) -> bool:
    """Tell whether a path is a folder or lies below it; both are real paths."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
