"""Random numbers from a seed and a picture's name, whatever the order, worker or clock."""

import hashlib

import numpy as np


def _digest(parts: tuple[object, ...]) -> bytes:
    text = "\x1f".join(str(part) for part in parts)
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a character, which Windows takes in a name
        content = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


def stable_hash(*parts: object) -> int:
    """Hash the text of `parts` to an integer in [0, 2**64), the same on every machine.

    >>> stable_hash(0, "a") == stable_hash(0, "a") != stable_hash(1, "a")
    True
    """
    return int.from_bytes(_digest(parts)[:8], "big")


def uniform(*parts: object) -> float:
    """Hash the text of `parts` to a number in [0, 1)."""
    return (stable_hash(*parts) >> 11) / 2**53


def generator(*parts: object) -> np.random.Generator:
    """Return a random generator of its own for `parts`, for example (seed, epoch, picture)."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(_digest(parts), "big")))
