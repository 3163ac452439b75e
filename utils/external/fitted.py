"""Fit the calibration of a stored model anew, and say what became of it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.bundle import Card
from models.novelty import Novelty
from models.recalibration import Recalibration
from utils.common.cli.commands import as_typed
from utils.common.cli.console import table
from utils.common.cli.terminal import printable
from utils.common.errors import ModelError, SettingsError
from utils.common.labels import CLASSES
from utils.evaluation.bootstrap import FEWEST_GROUPS
from utils.evaluation.conformal import in_percent
from utils.evaluation.fitting import refit
from utils.evaluation.promises import groups_by_class
from utils.external.folder import LabelledFolder
from utils.external.predictions import Answered

CARRIED_OVER = (
    "Subjects, faults and severity are calibrated as before: class folders do not tell what is "
    "wrong with a poor picture."
)

FEWEST_CLASSES = 2
"""With one class alone, whatever makes it likelier fits better."""


def fit_anew(
    card: Card,
    run: str,
    folder: str,
    answered: Answered,
    coverage: float | None,
    refused: float | None = None,
) -> Card:
    """Return the card of a model with a calibration fitted on labelled pictures.

    Args:
        card: Card of the model so far.
        run: Name of the run's folder.
        folder: Name of the folder of the pictures.
        answered: The model's outputs for the pictures.
        coverage: Coverage to promise, 0-1; that of the model so far if None.
        refused: Share of good pictures like these that may be refused as out of distribution, 0-1;
            that of the model so far if None.

    Raises:
        ModelError: If the model was never calibrated: it knows no distance from training.
        SettingsError: If the pictures are of fewer than two classes or too few groups.
    """
    if card.calibration is None:
        raise ModelError(f"{run} has no calibration to fit anew: {card.uncalibrated}")
    labels, groups = answered.predictions.labels, answered.groups
    _check_enough(folder, labels, groups)
    wanted = card.calibration.coverage if coverage is None else coverage
    counts = np.bincount(labels, minlength=len(CLASSES)).tolist()
    return replace(
        card,
        calibration=refit(card.calibration, answered.predictions, wanted, groups, refused),
        metrics={},  # were those of the old calibration
        recalibration=Recalibration(
            run,
            folder,
            datetime.now(UTC).strftime("%Y-%m-%d"),
            dict(zip(CLASSES, counts, strict=True)),
            dict(zip(CLASSES, groups_by_class(labels, groups), strict=True)),
        ),
    )


def _check_enough(folder: str, labels: np.ndarray, groups: np.ndarray) -> None:
    """Refuse pictures that can say nothing.

    Below `FEWEST_GROUPS` a report on the same pictures would call each of its own figures
    unreliable, so nobody could tell whether the new calibration is better than the old one.
    """
    found = [CLASSES[label] for label in np.unique(labels)]
    if len(found) < FEWEST_CLASSES:
        raise SettingsError(
            f"All pictures of {folder} that can be read are {found[0]}",
            expected=f"at least {FEWEST_CLASSES} classes",
        )
    num_groups = len(np.unique(groups))
    if num_groups < FEWEST_GROUPS:
        of_groups = "" if num_groups == len(groups) else f" of {num_groups} groups"
        raise SettingsError(
            f"{len(groups)} pictures{of_groups} are too few to calibrate on",
            expected=f"at least {FEWEST_GROUPS} pictures of different patients or lesions; about "
            "200 say something of every class",
            todo="Add pictures, or keep to the calibration of the run",
        )


def told(old: Card, new: Card, labelled: LabelledFolder, answered: Answered, output: Path) -> str:
    """Return what was fitted, what the pictures are too few for, and what to do next."""
    before, after, source = old.calibration, new.calibration, new.recalibration
    if before is None or after is None or source is None:
        raise ValueError("both are calibrated, the new one anew")
    rows = [
        [
            name,
            source.pictures[name],
            source.groups[name],
            f"{after.scaling.biases[label]:+.2f} ({before.scaling.biases[label]:+.2f})",
            _promise(after.quantiles[label], after.reasons.get(name, ""), after.coverage),
        ]
        for label, name in enumerate(CLASSES)
    ]
    unlike = f"Unlike: {_limit(after.novelty)} ({_limit(before.novelty)})"
    if after.novelty.reason:
        unlike += f", as before: {after.novelty.reason}"
    lines = [
        f"{output}: {source.describe()}.",
        "" if labelled.groups is not None else "There is no groups.csv: each picture counts as a "
        "group of its own, and the promises suppose that each is of another patient or lesion.",
        "",
        "In brackets: the calibration so far.",
        f"Temperature: {after.scaling.temperature:.2f} ({before.scaling.temperature:.2f})",
        f"{unlike}.",
        "",
        table(["class", "pictures", "groups", "bias", "promise"], rows),
        *(["", f"{after.caveat}. Pictures of such a class end that, or --coverage X."]
          if after.caveat else []),
        *([] if isinstance(new.assessment, str) else ["", CARRIED_OVER]),
        *_others(labelled, answered),
        "",
        "Weights are as they were. See on OTHER pictures than these whether the promises hold:",
        as_typed("python", "predict.py", str(output), "FOLDER", "--report", "OUT"),
    ]  # fmt: skip
    return "\n".join(line for number, line in enumerate(lines) if line or number != 1)


def _promise(quantile: float | None, reason: str, coverage: float) -> str:
    return in_percent(coverage) if quantile is not None else f"none: {reason}"


def _limit(novelty: Novelty) -> str:
    """Return the threshold, and the share of good pictures that it may refuse."""
    if novelty.threshold is None:
        return "none"
    return f"beyond a distance of {novelty.threshold:.2f}, for {in_percent(novelty.refused)}"


def _others(labelled: LabelledFolder, answered: Answered) -> list[str]:
    """Return lines on what was left out."""
    lines = [f"Not read: {printable(one.file)}: {printable(one.error)}" for one in answered.unread]
    if others := labelled.inputs.describe_others():
        lines.append(others)
    return ["", *lines] if lines else []
