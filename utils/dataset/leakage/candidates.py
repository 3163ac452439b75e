"""Finds the pairs among many thumbnails that may show one picture, turned, cropped or framed.

The middle of each picture is looked for among 121 windows of every other one. A window is told by
the signs of its cosine transform's lowest terms, which neither brightness nor contrast change;
the eight turns only flip signs and swap rows for columns, so the least of the eight codes is the
same for all of them. The terms nearest to their thresholds are tried with either sign. What has an
equal code is compared by more signs, then by the terms themselves. The time is that of a sorted
table: in proportion to the number of pictures, but for the pairs that agree by chance.

After perceptual hashes (Zauner 2010, "Implementation and benchmarking of perceptual image hash
functions") and multi-probe hashing (Lv et al. 2007, "Multi-probe LSH").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.dataset.leakage.orientations import NUM_TURNS, UNDONE_AFTER
from utils.dataset.leakage.thumbnails import SIDE, grey

TERMS = 8
"""Frequencies of the cosine transform along each axis."""

MARGIN = 0.1
"""Of a picture, at each side of its middle; a caption that is laid over it hides no more."""

CUTS = (0.0, 0.04, 0.08)
DEEP_CUT = 0.12
"""Of the outer picture, what the inner one may lack at either side; the last at one side alone."""

CODE_SUM = 6
"""The terms of the code: those whose two frequencies come to 6 at most."""

NUM_UNSURE, MOST_UNSURE = 9, 9
"""How many terms of the code may have the wrong sign, the nearest to its threshold first.

Signs are inverted together whose ranks, from 1 on, come to 9 at most: 33 choices.
"""

MAX_OTHER_SIGNS = 9
"""Most signs, of the terms beyond the code, in which two copies may differ."""

MIN_COSINE_AT_ONCE, MIN_COSINE = 0.82, 0.92
"""Least cosine between the terms of two copies, where their codes met and at the best window."""

CHUNK = 256
MOST_MATCHES = 500_000
"""Pictures, and pairs of windows, looked at together: what bounds the memory."""

LESION = {(0, 2): 0.4, (2, 0): 0.4, (2, 2): -0.2}
"""Mean of some terms over the length of all, for a dark spot in the middle of bright skin.

Their thresholds, so that the code tells one dermoscopic picture from another; zero for the others.
"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs that may show the same.

    Attributes:
        outer: Positions of the pictures that may show all of the other one, int64 of shape (n,).
        inner: Positions of the other pictures.
        turn: What lays the inner over the outer one, uint8 of shape (n,); see `turns`.
        frame: Where the inner lies in the outer one, roughly: left, width, top and height as shares
            of the outer one's, float32 of shape (n, 4).
    """

    outer: np.ndarray
    inner: np.ndarray
    turn: np.ndarray
    frame: np.ndarray

    def some(self, chosen: np.ndarray) -> "Candidates":
        """Return those that are chosen, by a mask."""
        return Candidates(
            self.outer[chosen], self.inner[chosen], self.turn[chosen], self.frame[chosen]
        )


AXIS = (
    *((before, after) for before in CUTS for after in CUTS),
    *((0.0, DEEP_CUT), (DEEP_CUT, 0.0)),
)
"""What is cut before and after, along one axis; a window is one of these for each axis."""

NUM_WINDOWS = len(AXIS) ** 2


ROW, COLUMN = np.divmod(np.arange(TERMS**2), TERMS)
"""Of each term; its place is also that of its bit in a number of 64 bits."""

SWAPPED = COLUMN * TERMS + ROW
FREQUENCY = np.hypot(ROW, COLUMN).astype(np.float32)
CODE = np.flatnonzero((ROW + COLUMN > 0) & (ROW + COLUMN <= CODE_SUM))
"""Places of the terms of the code."""


def _bits(places: np.ndarray) -> np.uint64:
    return np.uint64(sum(1 << int(place) for place in places))


CODE_BITS = _bits(CODE)
OTHER_BITS = ~CODE_BITS & ~np.uint64(1)  # all but the mean, whose sign tells nothing
FLIPPED = [(ROW * bool(turn & 2) + COLUMN * bool(turn & 1)) % 2 == 1 for turn in range(NUM_TURNS)]
FLIPS = np.array([_bits(np.flatnonzero(places)) for places in FLIPPED], np.uint64)
"""Bits that each turn inverts, after transposing."""

SIGNS = np.where(FLIPPED, np.float32(-1), np.float32(1))
"""The same, as factors of the terms."""

TRANSPOSING = ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0))
"""Steps that transpose 8 x 8 bits (Warren 2013, "Hacker's Delight", 7-3): distance and bits."""

SPREADING = np.uint64(0x9E3779B97F4A7C15)
"""Multiplied by it, a code's 27 bits come to lie in the 32 highest ones (Knuth 1998, 6.4)."""

HASH_BITS, MAX_SLOT_BITS, SLOTS_AT_ONCE = 32, 22, 1 << 16
"""Of a code's hash; the highest of them are its slot in the table."""


def _choices() -> np.ndarray:
    """Return which of the least certain signs are inverted together: uint64, (choices, terms)."""
    every = np.arange(1 << NUM_UNSURE)[:, None] >> np.arange(NUM_UNSURE) & 1
    ranks = np.arange(1, NUM_UNSURE + 1)
    return every[every @ ranks <= MOST_UNSURE].astype(np.uint64)


CHOICES = _choices()


def _waves(intervals: list[tuple[float, float]]) -> np.ndarray:
    """Return the cosines that transform intervals of an axis: float32, (TERMS * intervals, SIDE).

    A wave that starts or ends within a pixel counts by its mean over that pixel.
    """
    fine = (np.arange(64 * SIDE) + 0.5) / (64 * SIDE)
    rows = []
    for start, end in intervals:
        phase = (fine - start) / (end - start)
        is_inside = (phase > 0) & (phase < 1)
        for frequency in range(TERMS):
            wave = np.cos(np.pi * frequency * phase) * np.where(frequency, np.sqrt(2), 1)
            rows.append((wave * is_inside).reshape(SIDE, -1).sum(axis=1) / is_inside.sum())
    return np.array(rows, np.float32)


MIDDLE_WAVES = _waves([(MARGIN, 1 - MARGIN)])
WINDOW_WAVES = _waves(
    [
        (before + MARGIN * (1 - before - after), 1 - after - MARGIN * (1 - before - after))
        for before, after in AXIS
    ]
)
FRAMES = np.array(
    [
        (left, 1 - left - right, top, 1 - top - bottom)
        for top, bottom in AXIS
        for left, right in AXIS
    ],
    np.float32,
)


def _transform(pictures: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Return the terms of each window of each picture.

    Returns:
        Float32, shape (n, windows down, 8, windows across, 8), the rows' frequency first.
    """
    along = len(waves) // TERMS
    terms = waves @ pictures.astype(np.float32) @ waves.T
    result: np.ndarray = terms.reshape(len(pictures), along, TERMS, along, TERMS)
    return result


def _lesions(terms: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield row, column and threshold of the terms whose threshold is not zero."""
    lowest = [(row, column) for row in range(3) for column in range(3) if row + column]
    squares = [np.square(terms[:, :, row, :, column]) for row, column in lowest]
    length = np.sqrt(np.sum(squares, axis=0))
    for (row, column), share in LESION.items():
        yield row, column, share * length


def _numbers(terms: np.ndarray) -> np.ndarray:
    """Pack the signs of each window's terms into a number: uint64, (n, windows down, across)."""
    num, down, _, across, _ = terms.shape
    signs = terms > 0
    for row, column, threshold in _lesions(terms):
        signs[:, :, row, :, column] = terms[:, :, row, :, column] > threshold
    octets = np.packbits(signs, axis=4, bitorder="little")[..., 0].transpose(0, 1, 3, 2)
    return np.ascontiguousarray(octets).view("<u8").reshape(num, down, across).astype(np.uint64)


def _transposed(numbers: np.ndarray) -> np.ndarray:
    """Return the numbers of the transposed pictures."""
    for distance, bits in TRANSPOSING:
        moved = (numbers ^ (numbers >> np.uint64(distance))) & np.uint64(bits)
        numbers = numbers ^ moved ^ (moved << np.uint64(distance))
    return numbers


def _codes(numbers: np.ndarray) -> np.ndarray:
    """Return the least code of all eight turns, the same whichever way a picture is laid."""
    both = numbers & CODE_BITS, _transposed(numbers) & CODE_BITS
    least = np.minimum(*both)
    for flip in FLIPS[1:4] & CODE_BITS:
        for straight in both:
            np.minimum(least, straight ^ flip, out=least)
    return _hashed(least)


def _hashed(codes: np.ndarray) -> np.ndarray:
    return ((codes * SPREADING) >> np.uint64(64 - HASH_BITS)).astype(np.uint32)


def _turned_numbers(numbers: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return the numbers of pictures, each in a turn of its own."""
    turned: np.ndarray = np.where(turns & 4, _transposed(numbers), numbers) ^ FLIPS[turns]
    return turned


def _least_turns(numbers: np.ndarray) -> np.ndarray:
    """Return in which turn each picture has its least code."""
    every = np.arange(NUM_TURNS, dtype=np.uint8)
    codes = _turned_numbers(numbers[..., None], every) & CODE_BITS
    least: np.ndarray = codes.argmin(axis=-1).astype(np.uint8)
    return least


def _weighed(terms: np.ndarray) -> np.ndarray:
    """Give all frequencies but the mean the same say, and all windows the length one.

    Args:
        terms: Shape (..., 8, 8).

    Returns:
        Float32, shape (..., 64).
    """
    weighed = terms.reshape(*terms.shape[:-2], TERMS**2) * FREQUENCY
    length = np.sqrt(np.square(weighed).sum(axis=-1, keepdims=True))
    result: np.ndarray = weighed / np.maximum(length, 1e-6)
    return result


class _Middles:
    """The middles of all pictures, to be found by their codes.

    Args:
        thumbnails: Of all pictures.
    """

    def __init__(self, thumbnails: Sequence[bytes]) -> None:
        num = len(thumbnails)
        self._terms = np.empty((num, TERMS**2), np.float16)
        self._numbers = np.empty(num, np.uint64)
        entries = np.empty((num, len(CHOICES)), np.uint64)
        for start in range(0, num, CHUNK):
            some = slice(start, start + CHUNK)
            terms = _transform(grey(thumbnails[some]), MIDDLE_WAVES)
            self._terms[some] = _weighed(terms[:, 0, :, 0])
            self._numbers[some] = _numbers(terms)[:, 0, 0]
            numbers = self._numbers[some, None] ^ _either(terms)
            owners = np.arange(start, start + len(terms), dtype=np.uint64)[:, None]
            owners = owners << np.uint64(3) | _least_turns(numbers)
            entries[some] = _codes(numbers).astype(np.uint64) << np.uint64(HASH_BITS) | owners
        self._transposed = _transposed(self._numbers)
        self._entries = entries.ravel()
        self._entries.sort()
        slot_bits = min(MAX_SLOT_BITS, len(self._entries).bit_length() + 1)
        self._beyond_slot = np.uint32(HASH_BITS - slot_bits)
        self._starts = np.empty((1 << slot_bits) + 1, np.uint32)
        self._starts[-1] = len(self._entries)
        for start in range(0, 1 << slot_bits, SLOTS_AT_ONCE):
            slots = np.arange(start, min(start + SLOTS_AT_ONCE, 1 << slot_bits), dtype=np.uint64)
            first_entries = slots << np.uint64(2 * HASH_BITS - slot_bits)
            self._starts[slots] = np.searchsorted(self._entries, first_entries)

    def meet(self, hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield which codes are those of which middles, not too many at a time.

        Yields:
            Positions of the codes, of the middles, and the turns in which these have it.
        """
        slots = hashes >> self._beyond_slot
        low = self._starts[slots].astype(np.int64)
        count = self._starts[slots + np.uint32(1)] - low
        places = np.flatnonzero(count)
        low, count = low[places], count[places]
        ends = np.cumsum(count)
        start = 0
        while start < len(places):
            before = ends[start] - count[start]
            end = max(start + 1, int(np.searchsorted(ends, before + MOST_MATCHES, "right")))
            some = slice(start, end)
            first = low[some] - (ends[some] - count[some]) + before
            met = np.repeat(first, count[some]) + np.arange(count[some].sum())
            wanted = np.repeat(places[some], count[some])
            is_equal = self._hashes(met) == hashes[wanted]
            owners = self._entries[met[is_equal]].astype(np.uint32)  # the lower half
            turns = (owners & np.uint32(7)).astype(np.uint8)
            yield wanted[is_equal], (owners >> 3).astype(np.int64), turns
            start = end

    def _hashes(self, which: np.ndarray) -> np.ndarray:
        positions: np.ndarray = (self._entries[which] >> np.uint64(HASH_BITS)).astype(np.uint32)
        return positions

    def numbers(self, which: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """Return the numbers of some middles in some turns."""
        either = np.where(turns & 4, self._transposed[which], self._numbers[which])
        turned: np.ndarray = either ^ FLIPS[turns]
        return turned

    def terms(self, which: np.ndarray, turns: np.ndarray) -> np.ndarray:
        """Return the weighed terms of some middles in some turns, float32 of shape (n, 64)."""
        terms = self._terms[which].astype(np.float32)
        terms = np.where((turns & 4)[:, None] > 0, terms[:, SWAPPED], terms)
        turned: np.ndarray = terms * SIGNS[turns]
        return turned


def _either(terms: np.ndarray) -> np.ndarray:
    """Return the bits to invert, so that the least certain signs of the code are tried both ways.

    Args:
        terms: Of one window of each picture.

    Returns:
        Uint64, shape (n, choices).
    """
    certainty = terms.copy()
    for row, column, threshold in _lesions(terms):
        certainty[:, :, row, :, column] -= threshold
    certainty = np.abs(certainty.reshape(len(terms), TERMS**2)[:, CODE])
    unsure = CODE[np.argsort(certainty, axis=1, kind="stable")[:, :NUM_UNSURE]]
    flipped: np.ndarray = (np.uint64(1) << unsure.astype(np.uint64)) @ CHOICES.T
    return flipped


def find_candidates(thumbnails: Sequence[bytes]) -> Candidates:
    """Find pairs that may show the same.

    Args:
        thumbnails: As `thumbnails.thumbnail` makes them.
    """
    middles = _Middles(thumbnails)
    found = [
        _find_in(grey(thumbnails[start : start + CHUNK]), start, middles)
        for start in range(0, len(thumbnails), CHUNK)
    ]
    if not found:
        none = np.empty(0, np.int64)
        return Candidates(none, none, none.astype(np.uint8), np.empty((0, 4), np.float32))
    return Candidates(
        np.concatenate([some.outer for some in found]),
        np.concatenate([some.inner for some in found]),
        np.concatenate([some.turn for some in found]),
        np.concatenate([some.frame for some in found]),
    )


def _find_in(pictures: np.ndarray, start: int, middles: _Middles) -> Candidates:
    """Find which middles may lie in some pictures, of which the first is at position `start`."""
    terms = _transform(pictures, WINDOW_WAVES)
    numbers = _numbers(terms).ravel()
    keys = [np.empty(0, np.int64)]
    for met, inner, inner_turn in middles.meet(_codes(numbers)):
        if not len(met):
            continue
        new = np.flatnonzero(np.diff(met, prepend=-1))  # a window meets many middles in a row
        outer_turn = np.repeat(_least_turns(numbers[met[new]]), np.diff(new, append=len(met)))
        turn = UNDONE_AFTER[outer_turn, inner_turn]
        differing = (numbers[met] ^ middles.numbers(inner, turn)) & OTHER_BITS
        is_near = (np.bitwise_count(differing) <= MAX_OTHER_SIGNS) & (
            inner != start + met // NUM_WINDOWS
        )
        met, inner, turn = met[is_near], inner[is_near], turn[is_near]
        outer, (down, across) = met // NUM_WINDOWS, np.divmod(met % NUM_WINDOWS, len(AXIS))
        at_once = _weighed(terms[outer, down, :, across]) * middles.terms(inner, turn)
        kept = at_once.sum(axis=1) >= MIN_COSINE_AT_ONCE
        keys.append((outer[kept] << 40) | (inner[kept] << 3) | turn[kept])
    pairs = np.unique(np.concatenate(keys))
    outer, inner, turn = pairs >> 40, pairs >> 3 & ((1 << 37) - 1), (pairs & 7).astype(np.uint8)
    best, cosine = _best_windows(terms, outer, middles.terms(inner, turn))
    kept = cosine >= MIN_COSINE
    return Candidates(start + outer, inner, turn, FRAMES[best]).some(kept)


def _best_windows(
    terms: np.ndarray, outer: np.ndarray, inner_terms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return in which window each inner picture fits best, and the cosine there."""
    best, cosine = np.empty(len(outer), np.int64), np.empty(len(outer), np.float32)
    for first in range(0, len(outer), CHUNK):
        some = slice(first, first + CHUNK)
        windows = _weighed(terms[outer[some]].transpose(0, 1, 3, 2, 4))
        windows = windows.reshape(len(windows), NUM_WINDOWS, TERMS**2)
        fits = (windows @ inner_terms[some, :, None])[..., 0]
        best[some] = fits.argmax(axis=1)
        cosine[some] = fits.max(axis=1)
    return best, cosine
