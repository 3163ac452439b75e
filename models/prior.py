"""Read a prior: how common each class is, by a name, by numbers, or from a JSON file."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.numbers import number
from utils.common.disk.opening import read_regular
from utils.common.disk.text import decode_text
from utils.common.errors import ModelError, SettingsError, shortlist
from utils.common.labels import CLASSES

if TYPE_CHECKING:
    from models.bundle import Card
    from models.scaling import Prior

EQUAL = "equal"
TRAIN = "train"
PRIORS = (EQUAL, TRAIN)
"""Named priors: all classes equally common, or as common as in training."""

MAX_PRIOR_BYTES = 2**16
EXPECTED = (
    f"{', '.join(PRIORS)}, or a JSON file with a number for each class, such as "
    f"{json.dumps(dict.fromkeys(CLASSES, 1))}"
)


def read_prior(prior: str | Path | Mapping[str, float]) -> str:
    """Check a prior, and return one of `PRIORS`, or its numbers as JSON.

    Args:
        prior: One of `PRIORS`, the path of a JSON file, its text, or a number for each class by its
            name; numbers are at least 0 and count relative to one another.

    Raises:
        SettingsError: If there is no such file, or it is not a prior.
    """
    if isinstance(prior, Mapping):
        return _checked(prior, "The prior")
    text, what = str(prior), f"The prior {prior}"
    if text in PRIORS:
        return text
    try:
        if not text.lstrip().startswith("{"):
            text = decode_text(read_regular(text, MAX_PRIOR_BYTES))[0]
        return _checked(json.loads(text), what)
    except OSError as error:
        raise SettingsError(
            f"{what} cannot be read: {error.strerror or error}", expected=EXPECTED
        ) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{what} is not JSON: {error}", expected=EXPECTED) from error


def prior_of(prior: str, card: "Card") -> "Prior | None":
    """Return a prior for `Scaling.probabilities`; None for equally common classes.

    Args:
        prior: Result of `read_prior`.
        card: Card of the model.

    Raises:
        ModelError: If it is that of training, which only a calibrated model knows.
    """
    if prior == EQUAL:
        return None
    if prior != TRAIN:
        import numpy as np  # not for --help

        numbers = json.loads(prior)
        return np.array([numbers[name] for name in CLASSES], dtype=np.float64)
    if card.calibration is None:
        raise ModelError(
            f"It is not known how common each class was in training: {card.uncalibrated}",
            todo=f"Give another prior than {TRAIN}",
        )
    return card.calibration.scaling.train_prior


def _checked(content: Any, what: str) -> str:
    """Return the numbers as JSON, in the order of the classes."""
    named = content if isinstance(content, Mapping) else {}
    faults = [
        *(f"no {name}" for name in CLASSES if name not in named),
        *(f"{str(name)[:60]!r}, which is not a class" for name in named if name not in CLASSES),
    ]
    if faults:
        raise SettingsError(f"{what} has {shortlist(faults)}", expected=EXPECTED)
    try:
        numbers = {name: number(named[name]) for name in CLASSES}
    except ValueError as error:
        raise SettingsError(f"{what} cannot be used: {error}", expected=EXPECTED) from error
    if min(numbers.values()) < 0 or not 0 < sum(numbers.values()) < math.inf:
        raise SettingsError(
            f"{what} has a number below 0, or no number above it", expected=EXPECTED
        )
    return json.dumps(numbers)
