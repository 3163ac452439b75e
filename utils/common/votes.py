"""What people voted on a real picture, as the manifest's parameters tell it."""

import json

NUM_VOTERS = 5
SURE = 4
"""Votes by which a flaw, or that there is none, counts as certain."""

FLAWS = ("blurred", "dark", "bright")
"""The flaws that make a picture poor; people were asked for each of them."""


def sure_flaws(votes: str) -> tuple[str, ...]:
    """Return the flaws that at least `SURE` people saw in a picture.

    Args:
        votes: JSON object with the votes for each flaw; empty where nobody voted.

    >>> sure_flaws('{"blurred": 5, "dark": 4, "bright": 3, "unrecognizable": 5, "voters": 5}')
    ('blurred', 'dark')
    """
    counts = json.loads(votes) if votes else {}
    found = ((flaw, counts.get(flaw)) for flaw in FLAWS)
    return tuple(flaw for flaw, count in found if isinstance(count, int) and count >= SURE)
