"""Tell by its name whether a picture was made from another one: masks, thumbnails."""

import re
from collections.abc import Callable
from posixpath import splitext

DERIVED_RULE = "mask, thumbnail or the like of another picture"

FOLDERS = frozenset(
    (
        *("mask", "masks", "segmentation", "segmentations", "superpixels"),
        *("groundtruth", "ground_truth", "ground truth", "ground-truth"),
        *("thumbnail", "thumbnails", "heatmaps", "overlays"),
    )
)
"""Folders, in lower case, in which nothing else lies."""

SURE = re.compile(
    r"[_\-. ](masks?|segmentation|superpixels|ground_?truth|attribute_[a-z_]+)(_?\d+)?",
    re.IGNORECASE,
)
"""An end of a name that says so by itself."""

LIKELY = re.compile(
    r"[_\-. ](seg|gt|labels?|overlay|heatmap|contour|annotated|thumb(nail)?|\d{2,4}x\d{2,4})",
    re.IGNORECASE,
)
"""An end of a name that says so where the picture itself lies beside it."""


WORDS = (
    *("mask", "seg", "superpixel", "truth", "attribute", "gt", "label", "overlay", "heatmap"),
    *("contour", "annotated", "thumb"),
)
"""Without one of these, or a size, a path need not be looked at more closely."""

SIZE = re.compile(r"\dx\d")


def is_derived(path: str, folder: str, is_there: Callable[[str], bool]) -> bool:
    """Tell whether a picture was made from another one.

    Args:
        path: Of the picture.
        folder: That it lies below; what the folders above are called says nothing.
        is_there: Tells whether there is a file of this path, whatever its ending.

    >>> names = ("a/P_1.png", "a/P_1_mask.png", "a/P_1_seg.png", "b/P_1_seg.png", "masks/1.png")
    >>> [is_derived(name, "", {"a/P_1"}.__contains__) for name in names]
    [False, True, True, False, True]
    """
    below = path[len(folder) :].lower()
    if not any(word in below for word in WORDS) and not ("x" in below and SIZE.search(below)):
        return False
    if any(part in FOLDERS for part in below.split("/")[:-1]):
        return True
    above, slash, name = path.rpartition("/")
    stem = splitext(name)[0]
    start = max(map(stem.rfind, "_-. "))
    if start <= 0:
        return False
    if any(found.end() == len(stem) and found.start() for found in SURE.finditer(stem)):
        return True
    likely = LIKELY.fullmatch(stem, start)
    return likely is not None and is_there(f"{above}{slash}{stem[:start]}")
