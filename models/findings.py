"""What a model says of pictures beside their classes: subjects, faults, severities, advice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.outputs import SUBJECTS
from utils.common.faults import FAULT_NAMES, FAULTS

ASSESSED = ("subject", "subject_probability", "faults", "severity", "advice")
"""Columns of files with what is said of pictures."""

TOLD, TOO_UNSURE, UNLIKE, CONTRADICTED = "", "unsure", "unlike", "not the label"
"""Why no subject is told, "" where one is."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is said of pictures beside their classes.

    Attributes:
        subject_probabilities: N x number of subjects, float64; rows sum to 1.
        is_unsure: Whether the likeliest subject is too unlikely to be told, N.
        is_unlike: Whether each picture is out of distribution, N.
        is_contradicted: Whether the label is a good class and the likeliest subject another, N.
        fault_probabilities: N x number of faults, float64; several may hold at once.
        has_fault: Whether each fault is told, N x number of faults.
        severities: Expected severities, N, 0 (good) to 5 (useless).
    """

    subject_probabilities: NDArray[np.float64]
    is_unsure: NDArray[np.bool_]
    is_unlike: NDArray[np.bool_]
    is_contradicted: NDArray[np.bool_]
    fault_probabilities: NDArray[np.float64]
    has_fault: NDArray[np.bool_]
    severities: NDArray[np.float64]

    @property
    def likeliest_subjects(self) -> NDArray[np.int64]:
        """Return the likeliest subject of each picture, N, told or not, indices into `SUBJECTS`."""
        likeliest: NDArray[np.int64] = self.subject_probabilities.argmax(axis=1)
        return likeliest

    @property
    def is_subject_told(self) -> NDArray[np.bool_]:
        """Return of which pictures a subject is told, N."""
        return ~(self.is_unsure | self.is_unlike | self.is_contradicted)

    @property
    def subjects(self) -> list[str]:
        """Return the name of each picture's subject, "" where none is told."""
        return [
            SUBJECTS[subject] if is_told else ""
            for subject, is_told in zip(self.likeliest_subjects, self.is_subject_told, strict=True)
        ]

    @property
    def untold(self) -> list[str]:
        """Return why no subject is told: "unlike", "unsure", "not the label", or "" if one is."""
        return [
            UNLIKE if unlike else TOO_UNSURE if unsure else CONTRADICTED if contradicted else TOLD
            for unlike, unsure, contradicted in zip(
                self.is_unlike, self.is_unsure, self.is_contradicted, strict=True
            )
        ]

    @property
    def faults(self) -> list[tuple[str, ...]]:
        """Return the names of each picture's faults, the likeliest first."""
        order = np.argsort(-self.fault_probabilities, axis=1, kind="stable")
        return [
            tuple(FAULT_NAMES[fault] for fault in row if told[fault])
            for row, told in zip(order, self.has_fault, strict=True)
        ]

    @property
    def first_faults(self) -> NDArray[np.int64]:
        """Return the fault that is named first of each picture, N, index into `FAULTS`; else -1."""
        told = np.where(self.has_fault, self.fault_probabilities, -1.0)
        first: NDArray[np.int64] = np.where(self.has_fault.any(axis=1), told.argmax(axis=1), -1)
        return first

    @property
    def advice(self) -> list[str]:
        """Return what the person who takes each picture again should do, "" where no fault is."""
        return [FAULTS[fault].advice if fault >= 0 else "" for fault in self.first_faults]
