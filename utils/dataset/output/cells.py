"""Check the cells of a manifest that somebody else may have written."""

import json
import re
from collections.abc import Mapping

from utils.common.disk.inside import is_inner_path
from utils.common.labels import CLASSES, SPLITS
from utils.quality.kind import SEVERITIES

REAL = "real"
"""In place of a kind of degradation: the picture is poor as it was photographed."""

INTEGERS = ("width", "height", "original_width", "original_height", "original_frames")


def expected_in(name: str, value: str, row: Mapping[str, str]) -> str:
    """Return "" for a cell that can be used, else what was expected in its place."""
    if name in ("file", "parent"):
        if name == "parent" and not value:
            return ""
        if name == "parent" and row["degradation"] == REAL:
            return "nothing, for the picture is real"
        start = f"{row['split']}/{row['label'] if name == 'file' else ''}"
        is_inside = is_inner_path(value) and value.startswith(f"{start.rstrip('/')}/")
        return "" if is_inside else f"a path below {start}, as it is written there"
    if name == "split":
        return "" if value in SPLITS else f"one of {', '.join(SPLITS)}"
    if name == "label":
        return "" if value in CLASSES else f"one of {', '.join(CLASSES)}"
    if name in INTEGERS:
        is_count = re.fullmatch(r"[1-9][0-9]{0,8}", value, re.ASCII)
        return "" if is_count else "a whole number of at least 1"
    if name in ("sha256", "original_sha256"):
        is_hash = re.fullmatch(r"[0-9a-f]{64}", value)
        return "" if is_hash else "64 hexadecimal digits"
    if name == "severity":
        known = ("", *map(str, SEVERITIES))
        return "" if value in known else f"nothing, or {SEVERITIES[0]} to {SEVERITIES[-1]}"
    if name == "parameters":
        return "" if not value or is_json_object(value) else "nothing, or a JSON object"
    return "" if "\0" not in value else "a text"


def is_json_object(text: str) -> bool:
    """Tell whether a text is a JSON object, however deep a stranger has nested it."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
