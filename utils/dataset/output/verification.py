"""Find what on the disk is no longer as it was read and written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from utils.common.errors import DatasetError, shortlist
from utils.dataset.output.manifest import read_manifest
from utils.dataset.output.workspace import Workspace


@dataclass(slots=True)
class Verification:
    """What --verify found, by hashing everything.

    Attributes:
        num_originals: That were hashed, because an earlier run had read them.
        num_pictures: Written pictures that were hashed.
        originals: Those of other bytes than when they were read.
        pictures: Those of other bytes than the manifest tells, or that are gone.
        tables: Other files of the data set that were changed or are gone.
    """

    num_originals: int = 0
    num_pictures: int = 0
    originals: Sequence[str] = ()
    pictures: Sequence[str] = ()
    tables: Sequence[str] = field(default_factory=tuple)

    def describe(self, *, is_dry: bool) -> str:
        """Say how many were hashed and which were changed, one line for each kind."""
        lines = [
            f"Verified: {self.num_originals:,} originals and {self.num_pictures:,} pictures were "
            "hashed."
        ]
        kinds = (
            ("originals are no longer what was read", "read again", self.originals),
            ("pictures are no longer what was written", "made again", self.pictures),
            ("other files are no longer what was written", "written again", self.tables),
        )
        for what, remedy, names in kinds:
            if names:
                verb = "would be" if is_dry else "were"
                lines.append(f"{len(names):,} {what} and {verb} {remedy}: {shortlist(names)}.")
        if len(lines) == 1:
            lines.append("Nothing was changed since.")
        return "\n".join(lines)


def verify_pictures(workspace: Workspace, verification: Verification) -> None:
    """Hash all written pictures and compare them with the manifest that was written with them."""
    hashed = workspace.hash_pictures()
    verification.num_pictures = len(hashed)
    try:
        rows = read_manifest(workspace.output)
    except DatasetError:
        return  # without one nothing is promised of any picture; each is compared with its note
    verification.pictures = [
        row.file for row in rows if hashed.get(row.file, b"").hex() != row.sha256
    ]
