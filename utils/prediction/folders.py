"""Walk a folder in order, each file once, however many there are, with few in memory."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from utils.common.disk.listing import CLUTTER_RULE, entries_of, is_folder, list_folder, num_clutter
from utils.common.disk.writing import is_clutter, is_link
from utils.prediction.spool import in_order

KNOWS_LINKS = os.name != "nt" or hasattr(os.path, "isjunction")
"""Whether Python tells a junction of Windows from a folder, as it does from 3.12 on."""


class _LinkedError(Exception):
    """A link to a folder, which may lead to one that has another name already."""


def files_below(root: str, passed_over: Counter[str]) -> Iterator[str]:
    """Yield the paths of the files below a folder, with the folder's own before them.

    The order and the choice are those of `Listing.each_once`. Only where there are links to
    folders is all listed in memory, to find each folder once.

    Args:
        root: The folder.
        passed_over: Gets the number of hidden files, recycle bins and previews.

    Raises:
        SourceError: If a folder cannot be listed: what it holds would pass for not there.
    """
    clutter: Counter[str] = Counter()
    try:
        if not KNOWS_LINKS:
            raise _LinkedError
        names = in_order(_walk(root, clutter))
        first = next(names, None)  # by now everything is listed
    except _LinkedError:
        listing = list_folder(Path(root), with_outputs=True)
        passed_over[CLUTTER_RULE] += len(listing.clutter)
        yield from (os.path.join(root, name) for name in listing.each_once())
        return
    passed_over.update(clutter)
    if first is not None:
        yield os.path.join(root, first)
        yield from (os.path.join(root, name) for name in names)


def _walk(root: str, clutter: Counter[str]) -> Iterator[str]:
    """Yield the files below a folder, relative to it with "/", in any order.

    Raises:
        _LinkedError: At a link to a folder.
    """
    todo = [""]
    while todo:
        relative = todo.pop()
        for entry in entries_of(os.path.join(root, relative) if relative else root):
            path = f"{relative}/{entry.name}" if relative else entry.name
            if not is_folder(entry):
                if is_clutter(entry.name):
                    clutter[CLUTTER_RULE] += 1
                else:
                    yield path
            elif is_clutter(entry.name):
                clutter[CLUTTER_RULE] += 1 if entry.is_symlink() else num_clutter(entry.path)
            elif is_link(entry.path):
                raise _LinkedError
            else:
                todo.append(path)
