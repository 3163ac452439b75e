"""What a data set's folder is known by, to all who must not take it for a collection."""

import os
from collections.abc import Collection

STATE_NAME = ".state"
"""Folder in the output for what is not yet, or never, part of the data set."""

JOURNAL_NAME = "prepared.jsonl"
"""File in it with what was prepared so far."""

BUILD_STATE_NAME = "build_state.json"
"""File in it with what went into the finished data set and what came out."""

MANIFEST_NAME = "manifest.csv"
LEFT_OUT_NAME = "left_out.csv"
MANIFEST_START = b"file,split,label,source,original,"
STATE_SIGNS = (JOURNAL_NAME, BUILD_STATE_NAME, "lock")


def is_output(folder: str, names: Collection[str]) -> bool:
    """Tell whether create_dataset.py has written into a folder.

    Args:
        folder: Its path.
        names: What lies directly in it.
    """
    if STATE_NAME in names:
        state = os.path.join(folder, STATE_NAME)
        if any(os.path.exists(os.path.join(state, name)) for name in STATE_SIGNS):
            return True
    return MANIFEST_NAME in names and _is_manifest(os.path.join(folder, MANIFEST_NAME))


def _is_manifest(path: str) -> bool:
    if not os.path.isfile(path):  # a pipe would wait for ever
        return False
    try:
        with open(path, "rb") as stream:
            return stream.read(len(MANIFEST_START)) == MANIFEST_START
    except OSError:
        return False
