"""Read a JSON list of objects, as some publishers write their annotations."""

import json
from typing import Any

from utils.common.errors import SourceError
from utils.sources.files.tables import read_content
from utils.sources.files.tree import FileTree

MAX_ENTRIES = 1_000_000


def read_json_list(tree: FileTree, path: str, expected: str) -> list[dict[str, Any]]:
    """Read a list of objects.

    Args:
        tree: Where it lies.
        path: Its relative path.
        expected: What the list holds, as an error says it.

    Raises:
        SourceError: If it is no regular file of bounded size, no whole JSON, or no list of objects.
    """
    where, again = tree.root / path, "Download it again"
    try:
        entries = json.loads(read_content(tree, path))
    except (ValueError, RecursionError) as error:
        reason = "no JSON"
        if isinstance(error, json.JSONDecodeError):
            reason = f"{error.msg} at character {error.pos:,}"
        raise SourceError(
            f"{where} cannot be read as JSON ({reason})", expected=expected, todo=again
        ) from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SourceError(f"{where} is no list of objects", expected=expected, todo=again)
    if len(entries) > MAX_ENTRIES:
        raise SourceError(
            f"{where} has {len(entries):,} entries", expected=f"at most {MAX_ENTRIES:,}", todo=again
        )
    return entries
