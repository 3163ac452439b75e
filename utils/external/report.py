"""Test a trained model on a user's labelled pictures, and write the report that a run gets."""

from pathlib import Path
from typing import Any

from models import load
from models.gate import Gate
from utils.common.cli.console import warn
from utils.common.disk.writing import explain_write_errors, remove_partial_files
from utils.common.errors import EXIT_OK, EXIT_SOME_FAILED, ModelError
from utils.common.labels import CLASSES
from utils.evaluation.external import External
from utils.evaluation.files import PAGE_NAME, write_report
from utils.evaluation.report import evaluate_external
from utils.evaluation.text import as_text
from utils.external.folder import LabelledFolder, find_labelled
from utils.external.groups import GROUPS_NAME
from utils.external.places import check_report_folder
from utils.external.predictions import Answered, answer
from utils.prediction.settings import PredictSettings
from utils.training.state.run_config import device_name, versions
from utils.training.state.runs import Run

SPLIT = "external test"


def report_on(settings: PredictSettings) -> int:
    """Test the model on the folder, write the report, print it, and return the exit code.

    Each look at the pictures is noted in the report's folder before any figure is computed.

    Raises:
        ProjectError: If the folder, the model or the place of the report cannot be used; nothing
            has been written by then.
    """
    output, run = Path(settings.report), Path(settings.run)
    labelled = find_labelled(Path(settings.pictures[0]))
    check_report_folder(output, labelled.folder)
    gate = load(run, settings.device, settings.amp)
    calibration = gate.card.calibration
    if calibration is None:
        raise ModelError(
            f"A report tells how far a calibration holds, and {run} has none: "
            f"{gate.card.uncalibrated}"
        )
    answered = answer(gate, labelled, settings.batch_size, settings.num_workers)
    external = External(
        run.resolve().name,
        labelled.name,
        GROUPS_NAME if labelled.groups is not None else "",
        answered.unread,
        gate.card.recalibration,
        answered.members,
    )
    with explain_write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    place = Run(output)
    place.note_look(f"{external.run} on {external.folder}")
    facts = facts_of(gate, answered, place.looks_at_test)
    report = evaluate_external(
        answered.predictions, calibration, answered.rows, facts, external, gate.card.assessment
    )
    remove_partial_files(output)
    write_report(output, report, labelled.folder)
    _warn_of_others(labelled)
    print(f"{as_text(report)}\n\nReport: {output / PAGE_NAME}")
    return EXIT_SOME_FAILED if answered.unread or labelled.inputs.num_unread else EXIT_OK


def facts_of(gate: Gate, answered: Answered, looks: list[str]) -> dict[str, Any]:
    """Return what the report says of the model and the test beside its figures."""
    card = gate.card
    labels = [CLASSES[label] for label in answered.predictions.labels]
    return {
        "model": card.model.name,
        "timm_name": card.model.timm_name,
        **({"networks": card.members} if card.members > 1 else {}),
        "data_hash": card.data_hash,
        "looks_at_test": looks,
        "pictures": {SPLIT: {name: labels.count(name) for name in CLASSES}},
        "precision": gate.compute.precision,
        "device": device_name(gate.compute.device),
        "versions": versions(),
    }


def _warn_of_others(labelled: LabelledFolder) -> None:
    if others := labelled.inputs.describe_others():
        warn(others)
