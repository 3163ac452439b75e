"""Hold out the pictures of an origin: a data set without them, to train on, and what to test on."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.common.errors import SettingsError
from utils.common.labels import CLASSES, LOW_QUALITY, TEST, TRAIN
from utils.dataset.output.manifest import ManifestRow, read_manifest, write_manifest


@dataclass(frozen=True, slots=True)
class Origin:
    """Pictures of one origin, as a collection and perhaps the size of its originals tell it.

    Attributes:
        text: "SOURCE", "SOURCE:300x300" for originals of this size, "SOURCE:!300x300" for others.
    """

    text: str

    def __contains__(self, row: ManifestRow) -> bool:
        source, _, size = self.text.partition(":")
        if row.source != source:
            return False
        if not size:
            return True
        is_size = size.removeprefix("!") == f"{row.original_width}x{row.original_height}"
        return is_size != size.startswith("!")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A data set with some origins held out.

    Attributes:
        kept: Rows to train, validate and test on.
        held: Rows of the held-out origins, whatever split they were in, but no LOW_QUALITY, which
            was made of these or others.
    """

    kept: tuple[ManifestRow, ...]
    held: tuple[ManifestRow, ...]


def hold_out(rows: Sequence[ManifestRow], origins: Sequence[Origin]) -> HeldOut:
    """Part the rows of a manifest; what shares a component with a held-out picture is not kept.

    Raises:
        SettingsError: If an origin has no pictures, or a class has none left to train on.
    """
    for origin in origins:
        if not any(row in origin for row in rows):
            raise SettingsError(
                f"The data set has no pictures of {origin.text}",
                expected=f"one of {', '.join(sorted({row.source for row in rows}))}",
            )
    chosen = [row for row in rows if any(row in origin for origin in origins)]
    components = {row.component for row in chosen}
    kept = tuple(row for row in rows if row.component not in components)
    missing = [
        name for name in CLASSES
        if not any(row.label == name for row in kept if row.split == TRAIN)
    ]  # fmt: skip
    if missing:
        names = ", ".join(origin.text for origin in origins)
        raise SettingsError(f"Without {names} train has no {', '.join(missing)}")
    return HeldOut(kept, tuple(row for row in chosen if row.label != LOW_QUALITY))


def link_data_set(rows: Sequence[ManifestRow], source: Path, folder: Path) -> Path:
    """Make a data set of some rows of another one, by hard links where they can be made.

    Returns:
        The folder, which is left as it is if it has a manifest already.
    """
    if (folder / "manifest.csv").is_file():
        return folder
    for row in rows:
        path = folder / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            continue
        try:
            os.link(source / row.file, path)
        except OSError:
            shutil.copyfile(source / row.file, path)
    write_manifest(folder, rows)
    return folder


def judged_pictures(data_dir: Path, parts: HeldOut) -> dict[str, dict[Path, str]]:
    """Return what to test on: "own", the kept test pictures, and "held"; each with its class."""
    own = {data_dir / row.file: row.label for row in parts.kept if row.split == TEST}
    return {"own": own, "held": {data_dir / row.file: row.label for row in parts.held}}


def read_parts(data_dir: Path, origins: Sequence[Origin]) -> HeldOut:
    """Read a data set's manifest and hold some origins out."""
    return hold_out(read_manifest(data_dir), origins)
