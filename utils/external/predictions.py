"""A gate's outputs for labelled pictures, with what a manifest would say of these."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.gate import Gate
from utils.common.cli.console import progress
from utils.common.disk.location import Location
from utils.common.errors import SettingsError, shortlist
from utils.common.labels import CLASSES, TEST
from utils.dataset.output.manifest import ManifestRow
from utils.evaluation.external import Unread
from utils.evaluation.rows import group_codes
from utils.external.folder import LabelledFolder, label_of
from utils.prediction.stream import in_batches, stream_samples
from utils.training.predictions import PredictionsWithFeatures

NO_SUBFOLDER = "(in none)"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model says of labelled pictures.

    Attributes:
        predictions: Of the pictures that have an answer, N.
        rows: What a manifest would say of them, N: the class, the group, and in place of a
            collection the subfolder of the class folder.
        unread: The others, and why.
        members: Where pictures lie that are part of an archive, by their names.
    """

    predictions: PredictionsWithFeatures
    rows: tuple[ManifestRow, ...]
    unread: tuple[Unread, ...]
    members: dict[str, Location]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Groups of the pictures that have an answer, N, as numbers from 0 without gaps."""
        return group_codes(self.rows)


def answer(gate: Gate, labelled: LabelledFolder, batch_size: int, workers: int) -> Answered:
    """Run a gate's network over all pictures.

    Args:
        gate: The model.
        labelled: The pictures.
        batch_size: Pictures at once.
        workers: Processes that read pictures, 0 for this one.

    Raises:
        SettingsError: If no picture has an answer.
        OutputError: If a process that reads pictures dies.
    """
    files: list[str] = []
    unread: list[Unread] = []
    members: dict[str, Location] = {}
    outputs: list[tuple[NDArray[Any], ...]] = []
    inputs = labelled.inputs
    batches = in_batches(inputs, batch_size)
    with progress(total=len(inputs), desc="Pictures", unit="pictures") as bar:
        for asked, samples in zip(
            batches, stream_samples(gate, inputs, batch_size, workers), strict=True
        ):
            names = [labelled.name_of(one) for one in asked]
            members |= {
                name: one.location for name, one in zip(names, asked, strict=True) if one.is_member
            }
            for name, error in zip(names, samples.errors, strict=True):
                if error:
                    unread.append(Unread(name, label_of(name), error))
                else:
                    files.append(name)
            if len(samples.pixels):
                outputs.append(tuple(one.cpu().numpy() for one in gate.forward(samples.pixels)))
            bar.update(len(asked))
    if not outputs:
        what = shortlist(f"{one.file} ({one.error})" for one in unread)
        raise SettingsError(
            f"None of the {len(unread):,} pictures in {labelled.folder} can be read: {what}"
        )
    columns = (np.concatenate(column) for column in zip(*outputs, strict=True))
    return _without_gaps(labelled, files, tuple(columns), unread, members)


def _without_gaps(
    labelled: LabelledFolder,
    files: list[str],
    outputs: tuple[NDArray[np.float32], ...],
    unread: list[Unread],
    members: dict[str, Location],
) -> Answered:
    """Leave out pictures for which the outputs are NaN or infinite, and describe the others."""
    is_finite = np.isfinite(np.concatenate(outputs, axis=1)).all(axis=1)
    cause = "the model's outputs are NaN or infinite"
    bad = [files[row] for row in np.flatnonzero(~is_finite)]
    kept = tuple(files[row] for row in np.flatnonzero(is_finite))
    if not kept:
        raise SettingsError(f"For no picture in {labelled.folder} there is an answer: {cause}")
    labels = np.array([CLASSES.index(label_of(file)) for file in kept], dtype=np.int64)
    logits, features, assessed = (column[is_finite] for column in outputs)
    return Answered(
        PredictionsWithFeatures(kept, labels, logits, features, assessments=assessed),
        rows_of(labelled, kept),
        (*unread, *(Unread(file, label_of(file), f"no answer, {cause}") for file in bad)),
        members,
    )


def rows_of(labelled: LabelledFolder, files: tuple[str, ...]) -> tuple[ManifestRow, ...]:
    """Return what a manifest would say of pictures, by their names."""
    subfolders = [(file.split("/")[1:-1] or [""])[0] for file in files]
    beside = NO_SUBFOLDER if any(subfolders) else ""
    groups = [labelled.group_of(file) for file in files]
    return tuple(
        ManifestRow(
            file, TEST, label_of(file), subfolder or beside, file, group, group, "", 0, 0, "", "",
            0, 0,
        )
        for file, subfolder, group in zip(files, subfolders, groups, strict=True)
    )  # fmt: skip
