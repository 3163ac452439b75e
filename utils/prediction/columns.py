"""The columns of a row: what stands in each of them, and what a written one may say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.calibration import AMBIGUOUS, CERTAIN, UNLIKE, UNSURE
from models.findings import ASSESSED
from models.gate import Answer
from models.outputs import SUBJECTS
from utils.common.disk.escapes import escape, unescape
from utils.common.faults import FAULT_NAMES, FAULTS, MAX_SEVERITY, SEVERITY_DIGITS
from utils.common.labels import CLASSES

CLASSIFIED = ("file", "label", "probability", "set", "abstained", *CLASSES, "error")
"""Columns of earlier versions, which come first."""

COLUMNS = (*CLASSIFIED, *ASSESSED)

DIGITS = 6
SET_MARK = " "
SHARES = ("probability", *CLASSES, "subject_probability")
"""Columns of numbers from 0 to 1."""

LABELS = frozenset(("", UNSURE, *CLASSES))
DOUBTS = frozenset((CERTAIN, AMBIGUOUS, UNLIKE))
ADVICE = frozenset(("", *(fault.advice for fault in FAULTS)))


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """What a row that was written says, as far as the calls that come after need it.

    Attributes:
        file: What the picture is called.
        label: Its class; empty after an error.
        abstained: Why it was not answered without doubt, if so.
    """

    file: str
    label: str
    abstained: str


class AlteredError(Exception):
    """A whole row with a cell that is never written."""


def columns(has_faults: bool) -> tuple[str, ...]:
    """Return the names of the columns, with or without those of what assesses a picture."""
    return COLUMNS if has_faults else CLASSIFIED


def cells(file: str, answer: Answer, digits: int = DIGITS) -> dict[str, str]:
    """Return a row as text by column; what is not known is empty."""
    shares = {name: _number(value, digits) for name, value in _shares(answer).items()}
    return {
        "file": file,
        "label": answer.label,
        "set": SET_MARK.join(answer.possible),
        "abstained": answer.abstained,
        "error": answer.error,
        "subject": answer.subject,
        "faults": SET_MARK.join(answer.faults),
        "severity": _number(answer.severity, SEVERITY_DIGITS),
        "advice": answer.advice,
        **shares,
    }


def values(file: str, answer: Answer) -> dict[str, Any]:
    """Return a row as values of JSON by column; what is not known is null."""
    return {
        "file": escape(file),
        "label": answer.label or None,
        "set": answer.possible,
        "abstained": answer.abstained,
        "error": escape(answer.error),
        "subject": answer.subject or None,
        "faults": None if answer.severity is None else answer.faults,
        "advice": answer.advice or None,
        "severity": answer.severity and round(answer.severity, SEVERITY_DIGITS),
        **{name: value and round(value, DIGITS) for name, value in _shares(answer).items()},
    }


def written(fields: Mapping[str, Any]) -> WrittenRow:
    """Return a row that was read, as cells or as values of JSON.

    Raises:
        AlteredError: If it says what no row says; its label, for one, becomes a folder's name.
    """
    file, label, doubt = (fields[name] or "" for name in ("file", "label", "abstained"))
    try:
        is_sound = (
            isinstance(file, str)
            and label in LABELS
            and doubt in DOUBTS
            and {*_words(fields["set"])} <= {*CLASSES}
            and (fields.get("subject") or "") in ("", *SUBJECTS)
            and {*_words(fields.get("faults"))} <= {*FAULT_NAMES}
            and (fields.get("advice") or "") in ADVICE
            and all(_is_within(fields.get(name), 1) for name in SHARES)
            and _is_within(fields.get("severity"), MAX_SEVERITY)
        )
    except (TypeError, ValueError, OverflowError):
        is_sound = False
    if not is_sound:
        raise AlteredError
    return WrittenRow(unescape(file), label, doubt)


def _words(cell: Any) -> list[Any]:
    """Return the names in a cell, which are one text in CSV and a list in JSON."""
    words = cell.split(SET_MARK) if isinstance(cell, str) else cell or []
    return [word for word in words if word != ""]


def _is_within(cell: Any, most: float) -> bool:
    return cell in ("", None) or 0 <= float(cell) <= most


def _shares(answer: Answer) -> dict[str, float | None]:
    return {
        "probability": answer.probability,
        **{name: answer.probabilities.get(name) for name in CLASSES},
        "subject_probability": answer.subject_probability,
    }


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
