"""Say which collections a report speaks of, and measure those that training never saw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.calibration import Verdicts
from utils.common.cli.terminal import printable
from utils.dataset.output.manifest import ManifestRow
from utils.evaluation.metrics import Metrics, measure
from utils.training.predictions import Labelled

LEFT_OUT = "left_out"
"""Name of the facts of a run that was trained without some collections."""

AS_TRAINED = (
    "The figures speak of the collections that the model was trained on, for test comes from the "
    "same ones. What to expect of a collection never seen, a training without one tells: "
    "launch_training_test.py --leave-out NAME."
)
AS_LAID_OUT = (
    "The figures speak of pictures like those that the model was trained on, for test comes from "
    "the same folder. A test on pictures of another origin: predict.py RUN FOLDER --report OUT."
)

SHARED = (
    "A picture that two collections share is in a data set once, as one of them: if that one was "
    "trained on, training saw it."
)


def heading(facts: Mapping[str, Any]) -> str:
    """Return what a report on collections that training never saw is headed; "" for any other."""
    if LEFT_OUT not in facts:
        return ""
    names = ", ".join(map(printable, _names(facts)))
    return f"Tested on collections that training never saw: {names}"


def scope(facts: Mapping[str, Any], *, has_collections: bool) -> list[str]:
    """Return which pictures the figures of a run's test speak of, by sentences.

    Args:
        facts: Facts about the run.
        has_collections: Whether it is known of which collections the pictures are.
    """
    if LEFT_OUT not in facts:
        return [AS_TRAINED if has_collections else AS_LAID_OUT]
    told = facts[LEFT_OUT]
    counts = ", ".join(f"{told['pictures'][name]:,} of {printable(name)}" for name in _names(facts))
    said = [
        f"All pictures of these collections are test, whatever their split: {counts}.",
        f"Not used are the test pictures of the other collections ({told['unused']:,}).",
        SHARED,
    ]
    if num_sharing := sum(told["sharing"].values()):
        said.append(
            f"Training and validation also went without {num_sharing:,} pictures of the others, "
            "which share a group (patient, lesion, copy, look-alike) with one of these."
        )
    return said


def measure_unseen(
    test: Labelled, verdicts: Verdicts, rows: Sequence[ManifestRow], facts: Mapping[str, Any]
) -> dict[str, Metrics]:
    """Return the metrics of each collection that training never saw, by name.

    Args:
        test: The test pictures, N.
        verdicts: Their calibrated predictions, N.
        rows: Their rows of the manifest, N.
        facts: Facts about the run; without `LEFT_OUT` in it there is nothing to measure.
    """
    found = {}
    for name in _names(facts):
        chosen = np.array([row.source == name for row in rows])
        components = [row.component for row in rows if row.source == name]
        groups = np.unique(components, return_inverse=True)[1]
        found[name] = measure(test.labels[chosen], verdicts.probabilities[chosen], groups)
    return found


def plain_unseen(unseen: Mapping[str, Metrics]) -> dict[str, Any]:
    """Return the figures of each collection that training never saw, for report.json."""
    return {
        name: {
            "pictures": sum(metrics.pictures.values()),
            "accuracy": metrics.accuracy.to_dict(),
            "balanced_accuracy": metrics.balanced_accuracy.to_dict(),
            "recall": {
                label: figures["recall"].to_dict() for label, figures in metrics.per_class.items()
            },
        }
        for name, metrics in unseen.items()
    }


def _names(facts: Mapping[str, Any]) -> list[str]:
    return list(facts.get(LEFT_OUT, {}).get("collections", ()))
