"""Check the numbers and texts of a file that may come from a stranger."""

import contextlib
import math
from typing import Any


def number(value: Any) -> float:
    """Return a finite number of a JSON file as float.

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number beyond all floats
            if math.isfinite(value):
                return float(value)
    raise ValueError(f"{value!r:.60} is not a finite number")


def optional_number(value: Any) -> float | None:
    """Return a finite number as float, or None.

    Raises:
        ValueError: If it is anything else.
    """
    return None if value is None else number(value)


def text(value: Any) -> str:
    """Return a text of a JSON file.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__} where a text should be")
    return value
