"""Say durations in words, rounded as an estimate deserves."""

from collections.abc import Iterator

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
FEWEST_S = 10
DAYS_FROM_S = 2 * DAY_S

GRAINS_S = (
    (MINUTE_S, 10),
    (20 * MINUTE_S, MINUTE_S),
    (10 * HOUR_S, 5 * MINUTE_S),
    (DAYS_FROM_S, HOUR_S),
)
"""Below each of these times, what is rounded to; from the last one on it is days."""

UNITS = (
    (DAY_S, "day", "d"),
    (HOUR_S, "hour", "h"),
    (MINUTE_S, "minute", "min"),
    (1, "second", "s"),
)


def in_words(seconds: float) -> str:
    """Return a time as a sentence has it.

    >>> [in_words(each) for each in (1, 38, 200, 4_000, 36_000, 400_000)]
    ['10 seconds', '40 seconds', '3 minutes', '1 hour 5 minutes', '10 hours', '5 days']
    """
    counts = _counts(seconds)
    return " ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name, _ in counts)


def in_short(seconds: float) -> str:
    """Return a time as a line of figures has it.

    >>> [in_short(each) for each in (1, 38, 200, 4_000, 36_000, 400_000)]
    ['10 s', '40 s', '3 min', '1 h 5 min', '10 h', '5 d']
    """
    return " ".join(f"{count} {short}" for count, _, short in _counts(seconds))


def _counts(seconds: float) -> Iterator[tuple[int, str, str]]:
    """Yield how many there are of each unit, the largest first, with both its names."""
    grain = next((grain for limit, grain in GRAINS_S if seconds < limit), DAY_S)
    left = max(FEWEST_S, grain * round(seconds / grain))
    for size, name, short in UNITS:
        if size == DAY_S and left < DAYS_FROM_S:
            continue
        count, left = divmod(left, size)
        if count:
            yield count, name, short
