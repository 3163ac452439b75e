"""Remember what went into a data set and what lies in it, to know whether anything changed."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from utils.common.disk.location import Originals
from utils.common.disk.outputs import BUILD_STATE_NAME, LEFT_OUT_NAME
from utils.common.disk.writing import sha256_of_file, write_text
from utils.dataset.images.prepare import VERSION, is_outdated
from utils.dataset.leakage.leaks import LEAK_REPORT_NAME
from utils.dataset.leakage.look_alikes import LOOK_ALIKES_NAME
from utils.dataset.output.contact_sheet import CONTACT_SHEET_NAME
from utils.dataset.output.manifest import MANIFEST_NAME
from utils.dataset.output.rejected import CONTRADICTION, REJECTED_NAME, Rejected
from utils.dataset.output.workspace import Workspace
from utils.dataset.recipe import Recipe
from utils.quality.fingerprint import fingerprint_of_table
from utils.sources.record import LeftOut, Record

OUTPUTS = (
    *(MANIFEST_NAME, REJECTED_NAME, LEFT_OUT_NAME),
    *(LEAK_REPORT_NAME, LOOK_ALIKES_NAME, CONTACT_SHEET_NAME),
)


class BuildState:
    """Tells a finished data set that needs no look at its pictures, and keeps its summary.

    Args:
        records: The pictures offered.
        left_out: Files that a rule left out.
        originals: Where the pictures lie.
        recipe: What else decides on the data set.
    """

    def __init__(
        self,
        records: Iterable[Record],
        left_out: Iterable[LeftOut],
        originals: Originals,
        recipe: Recipe,
    ) -> None:
        decided = VERSION, fingerprint_of_table(), dataclasses.replace(recipe, workers=0)
        digest = hashlib.sha256(repr(decided).encode())
        for record in records:
            facts = originals.locate(record.original).facts()
            digest.update(repr((record, facts)).encode())
        for left in left_out:
            digest.update(repr(left).encode())
        self._inputs = digest.hexdigest()
        self._originals = originals

    def summary_if_unchanged(self, workspace: Workspace) -> str | None:
        """Return the summary of the finished data set if nothing changed since, else None.

        Originals that could not be used are read again whatever their stamps say: somebody may
        have repaired them.
        """
        stored = _read(workspace)
        if stored is None or stored["inputs"] != self._inputs:
            return None
        if any(map(is_outdated, stored.get("decoders", ()))):
            return None
        if stored["listing"] != _listing_hash(workspace) or self.changed_tables(workspace):
            return None
        for original, sha256 in stored["rejected"].items():
            if self._originals.locate(original).content_hash().hex() != sha256:
                return None
        return str(stored["summary"])

    def changed_tables(self, workspace: Workspace) -> list[str]:
        """Return the files beside the pictures that are not as stored; none the first time."""
        stored = _read(workspace)
        if stored is None:
            return []
        hashes = _table_hashes(workspace)
        return [name for name in OUTPUTS if stored["tables"].get(name) != hashes[name]]

    def store(
        self,
        workspace: Workspace,
        summary: str,
        rejected: Iterable[Rejected] = (),
        *,
        may_change: bool = False,
    ) -> None:
        """Store the state of a finished data set.

        Args:
            workspace: Its folder.
            summary: What is said of it.
            rejected: Originals that could not be used.
            may_change: Whether another run may find more, so that it has to look at everything;
                what was written is remembered all the same.
        """
        workspace.look_again()
        content = {
            "inputs": "" if may_change else self._inputs,
            "listing": _listing_hash(workspace),
            "tables": _table_hashes(workspace),
            "rejected": {
                one.original: one.sha256 for one in rejected if one.reason != CONTRADICTION
            },
            "summary": summary,
            "decoders": sorted({one.decoder for one in workspace.prepared.values()} - {""}),
        }
        # A file name that is no text keeps its bytes only as an escape.
        write_text(_path(workspace), json.dumps({**content, "checksum": _checksum(content)}))


def _path(workspace: Workspace) -> Path:
    return workspace.state / BUILD_STATE_NAME


def _read(workspace: Workspace) -> dict[str, Any] | None:
    """Read the stored state; a damaged, an altered or an earlier version's one is none."""
    try:
        stored = json.loads(_path(workspace).read_text(encoding="utf-8"))
        checksum = stored.pop("checksum")
        return dict(stored) if checksum == _checksum(stored) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _table_hashes(workspace: Workspace) -> dict[str, str]:
    """Hash the files beside the pictures, "" for one that is not there."""
    paths = {name: workspace.output / name for name in OUTPUTS}
    return {name: sha256_of_file(path) if path.is_file() else "" for name, path in paths.items()}


def _listing_hash(workspace: Workspace) -> str:
    """Hash the names and stamps of the written pictures."""
    digest = hashlib.sha256()
    for item in sorted(workspace.listing.items()):
        digest.update(repr(item).encode())
    return digest.hexdigest()
