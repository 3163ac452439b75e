"""Numbers of a file that may come from a stranger: each is one, or the file cannot be used."""

import math
from typing import Any


def number(value: Any) -> float:
    """Return a finite number of a JSON file as float; anything else is a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def optional_number(value: Any) -> float | None:
    """Return a finite number or None; anything else is a ValueError."""
    return None if value is None else number(value)
