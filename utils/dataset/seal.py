"""All that goes into a data set and all that lies in it in, whether anything changed out."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from utils.common.files import sha256_of_file, write_json
from utils.common.location import Originals
from utils.common.outputs import LEFT_OUT_NAME
from utils.dataset.contact_sheet import CONTACT_SHEET_NAME
from utils.dataset.leaks import LEAK_REPORT_NAME
from utils.dataset.look_alikes import LOOK_ALIKES_NAME
from utils.dataset.manifest import MANIFEST_NAME
from utils.dataset.prepare import VERSION
from utils.dataset.recipe import Recipe
from utils.dataset.rejected import REJECTED_NAME
from utils.dataset.workspace import Workspace
from utils.sources.record import LeftOut, Record

OUTPUTS = (
    *(MANIFEST_NAME, REJECTED_NAME, LEFT_OUT_NAME),
    *(LEAK_REPORT_NAME, LOOK_ALIKES_NAME, CONTACT_SHEET_NAME),
)


class Seal:
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
        digest = hashlib.sha256(repr((VERSION, dataclasses.replace(recipe, workers=0))).encode())
        for record in records:
            facts = originals.locate(record.original).facts()
            digest.update(repr((record, facts)).encode())
        for left in left_out:
            digest.update(repr(left).encode())
        self._inputs = digest.hexdigest()

    def unbroken(self, workspace: Workspace) -> str | None:
        """Return the summary of the finished data set if nothing changed since, else None."""
        try:
            stored = json.loads(_path(workspace).read_text(encoding="utf-8"))
            if stored["inputs"] == self._inputs and stored["outputs"] == _outputs(workspace):
                return str(stored["summary"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def put(self, workspace: Workspace, summary: str) -> None:
        """Seal a finished data set."""
        workspace.look_again()
        outputs = _outputs(workspace)
        content = {"inputs": self._inputs, "outputs": outputs, "summary": summary}
        write_json(_path(workspace), content)


def _path(workspace: Workspace) -> Path:
    return workspace.state / "seal.json"


def _outputs(workspace: Workspace) -> str:
    """Hash what lies in the data set: the tables' bytes, the pictures' sizes and times."""
    digest = hashlib.sha256()
    for name in OUTPUTS:
        digest.update(sha256_of_file(workspace.output / name).encode())
    for item in sorted(workspace.listing.items()):
        digest.update(repr(item).encode())
    return digest.hexdigest()
