"""Judge a trained model: fit its calibration on val, then evaluate it on test."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.assessment import Assessment
from utils.evaluation.assessing.assessed import fit_on_val
from utils.evaluation.fitting import fit
from utils.evaluation.report import Report, Terms, evaluate
from utils.evaluation.rows import group_codes, read_rows, rows_of
from utils.training.predictions import EvaluationInputs


def judge(
    inputs: EvaluationInputs,
    folder: Path,
    files: Iterable[str],
    counts: Sequence[int],
    coverage: float,
    refused: float,
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    terms: Iterable[Terms],
) -> tuple[Report, Assessment | str]:
    """Return the report, which holds the calibration, and the assessment or why there is none.

    Args:
        inputs: Predictions of the model.
        folder: Folder of the data set.
        files: Its pictures.
        counts: Number of training pictures of each class.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        refused: Share of the good val pictures that count as out of distribution, 0-1.
        facts: Facts about the model, as plain values.
        history: One row per epoch; none where there is no single training.
        terms: Facts of all collections that the data set may contain.
    """
    known = read_rows(folder, frozenset(files))
    groups = group_codes(rows_of(known, inputs.val.files))
    calibration = fit(
        inputs.train, inputs.val, counts, coverage, groups, inputs.val_by_epoch, refused
    )
    assessment = fit_on_val(inputs.train, inputs.val, groups, inputs.drawn)
    report = evaluate(inputs, calibration, folder, known, facts, history, terms, assessment)
    return report, assessment
