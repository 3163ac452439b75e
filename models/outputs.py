"""What the columns of a network's outputs mean: classes first, then what assesses the picture."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from utils.common.faults import FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES, COLLECTED_CLASSES

SUBJECTS = COLLECTED_CLASSES
"""What a picture shows, a poor one, too: the class that it would have if it were good."""

Outputs = TypeVar("Outputs", torch.Tensor, NDArray[np.float32])

NUM_ASSESSMENTS = len(SUBJECTS) + len(FAULTS) + MAX_SEVERITY
"""Columns that assess a picture: logits of the subjects (softmax), of the faults (a sigmoid each),
and of a severity of at least 1, 2, ... 5 (a sigmoid each)."""

NUM_OUTPUTS = len(CLASSES) + NUM_ASSESSMENTS


def class_logits(outputs: Outputs) -> Outputs:
    """Return the logits of the classes, N x 5, of a network's outputs, N x 5 or more."""
    return outputs[:, : len(CLASSES)]


def assessments(outputs: Outputs) -> Outputs:
    """Return the columns that assess pictures, N x `NUM_ASSESSMENTS`, or N x 0 without any."""
    return outputs[:, len(CLASSES) :]


def subject_logits(assessed: Outputs) -> Outputs:
    """Return the logits of the subjects, N x 4, of the result of `assessments`."""
    return assessed[:, : len(SUBJECTS)]


def fault_logits(assessed: Outputs) -> Outputs:
    """Return the logits of the faults, N x number of faults, of the result of `assessments`."""
    return assessed[:, len(SUBJECTS) : len(SUBJECTS) + len(FAULTS)]


def severity_logits(assessed: Outputs) -> Outputs:
    """Return logits of a severity of at least 1 to 5, N x 5, of the result of `assessments`."""
    return assessed[:, len(SUBJECTS) + len(FAULTS) :]


UNKNOWN = -100
"""In place of a target that nobody knows: it counts nowhere. The `ignore_index` of PyTorch's losses
that fits into 8 bits."""

NUM_TARGETS = 1 + len(FAULTS) + 1
"""Columns of what the outputs that assess a picture are trained on: its subject (an index into
`SUBJECTS`), each fault (0 or 1), and its severity (0 to `MAX_SEVERITY`)."""

Targets = TypeVar("Targets", torch.Tensor, NDArray[np.int8])


def subject_targets(targets: Targets) -> Targets:
    """Return the subjects, N, of targets, N x `NUM_TARGETS`."""
    return targets[:, 0]


def fault_targets(targets: Targets) -> Targets:
    """Return the faults, N x number of faults, of targets, N x `NUM_TARGETS`."""
    return targets[:, 1 : 1 + len(FAULTS)]


def severity_targets(targets: Targets) -> Targets:
    """Return the severities, N, of targets, N x `NUM_TARGETS`."""
    return targets[:, 1 + len(FAULTS)]
