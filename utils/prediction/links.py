"""Whether a picture was found through a link, and whether that leads out of what was named."""

import os
from functools import lru_cache

from utils.common.disk.writing import is_link
from utils.prediction.pictures import Input

NUM_FOLDERS = 2**14
"""So many are remembered; pictures come folder by folder."""


def is_behind_link(one: Input) -> bool:
    """Tell whether the picture, its archive or a folder on the way to it is a link.

    What was named on the command line may be a link to a folder: that is the user's own word.
    """
    return is_link(one.file) or _has_link(os.path.dirname(one.file), one.named)


def leads_out(one: Input) -> bool:
    """Tell whether a picture that lies behind a link is outside of the folder that was named."""
    if one.file == one.named:
        return False
    inside = os.path.join(_real(one.named), "")
    return not os.path.realpath(one.file).startswith(inside)


@lru_cache(NUM_FOLDERS)
def _real(path: str) -> str:
    return os.path.realpath(path)


@lru_cache(NUM_FOLDERS)
def _has_link(folder: str, named: str) -> bool:
    """Tell whether a link lies between what was named and one of its folders, or is that."""
    above = os.path.dirname(folder)
    if len(folder) <= len(named.rstrip(os.sep)) or above == folder:
        return False
    return is_link(folder) or _has_link(above, named)
