"""Thumbnails of pictures in, the pairs of them that show the same picture out.

Two steps, so that the search is not quadratic and two plain skins are not called one: the low
frequencies of a thumbnail (a perceptual hash of real numbers, after Zauner 2010, "Implementation
and benchmarking of perceptual image hash functions") must lie within a radius, found by a k-d
tree; then the thumbnails themselves must agree block by block, whatever their brightness.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from PIL import Image
from scipy.spatial import KDTree

SIDE = 16
"""Width and height of a thumbnail in pixels."""

LOW_FREQUENCIES = 5
SEARCH_TERMS = 6
RADIUS = 2.0
"""Largest distance between the low frequencies of two copies, in grey levels."""

BLOCKS = 4
MIN_CORRELATION = 0.9
"""Least median over the blocks of the correlation between two copies."""

NOISE = 0.5
"""Standard deviation in grey levels of what a re-encode adds to a thumbnail."""

CHUNK = 10_000
"""Pairs compared at a time, which bounds the memory."""

MIN_STRUCTURE = 1.0
"""A thumbnail that varies less, in grey levels, shows too little to be recognised by."""


def thumbnail(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to 16 x 16 grey pixels, 256 bytes row by row."""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=1.0)
    return small.convert("L").tobytes()


def find_copies(thumbnails: Iterable[bytes]) -> np.ndarray:
    """Return the pairs of thumbnails that show the same picture.

    Args:
        thumbnails: As `thumbnail` makes them.

    Returns:
        int64, shape (pairs, 2): positions, the smaller first, in ascending order. Of thumbnails
        that are equal to the byte each is paired with the first only.
    """
    first: dict[bytes, int] = {}
    repeated = [
        (known, position)
        for position, pixels in enumerate(thumbnails)
        if (known := first.setdefault(pixels, position)) != position
    ]
    grey = np.frombuffer(b"".join(first), np.uint8).reshape(-1, SIDE, SIDE)
    positions = np.fromiter(first.values(), np.int64, len(first))
    telling = np.flatnonzero([picture.std() >= MIN_STRUCTURE for picture in grey])
    grey, positions = grey[telling], positions[telling]
    near = _near(grey)
    alike = positions[near[_correlation(grey, near) >= MIN_CORRELATION]]
    same = np.array(repeated, np.int64).reshape(-1, 2)
    same = same[np.isin(same[:, 0], positions)]
    return np.unique(np.sort(np.concatenate([alike, same]), axis=1), axis=0)


def _near(grey: np.ndarray) -> np.ndarray:
    """Return the pairs whose low frequencies lie within the radius, shape (pairs, 2).

    The tree searches the few terms that vary most, where it can still leave out whole branches;
    in all 24 it would compare almost everything with everything.
    """
    if len(grey) < 2:
        return np.empty((0, 2), np.int64)
    terms = _low_frequencies(grey)
    widest = np.argsort(-terms.std(axis=0), kind="stable")[:SEARCH_TERMS]
    pairs = KDTree(terms[:, widest]).query_pairs(RADIUS, output_type="ndarray")
    within = [
        np.linalg.norm(terms[some[:, 0]] - terms[some[:, 1]], axis=1) <= RADIUS
        for some in np.array_split(pairs, len(pairs) // CHUNK + 1)
    ]
    return pairs[np.concatenate(within)]


def _low_frequencies(grey: np.ndarray) -> np.ndarray:
    """Return the cosine transform's lowest terms but the mean, shape (n, 24), in grey levels."""
    terms = [
        cv2.dct(picture.astype(np.float32))[:LOW_FREQUENCIES, :LOW_FREQUENCIES] for picture in grey
    ]
    return np.stack(terms).reshape(len(grey), -1)[:, 1:] / SIDE


def _correlation(grey: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return for each pair the median over the blocks of their correlation, shape (pairs,)."""
    medians = [np.empty(0)]
    for start in range(0, len(pairs), CHUNK):
        one, other = (_blocks(grey[ends]) for ends in pairs[start : start + CHUNK].T)
        shared = (one * other).sum(axis=2)
        energy = (one**2).sum(axis=2) * (other**2).sum(axis=2)
        medians.append(np.median(shared / (np.sqrt(energy) + one.shape[2] * NOISE**2), axis=1))
    return np.concatenate(medians)


def _blocks(grey: np.ndarray) -> np.ndarray:
    """Cut pictures into 4 x 4 blocks less their means: float32, shape (n, 16, 16)."""
    side = SIDE // BLOCKS
    blocks = grey.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    blocks = blocks.reshape(len(grey), BLOCKS**2, side**2).astype(np.float32)
    return blocks - blocks.mean(axis=2, keepdims=True)
