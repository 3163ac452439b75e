"""Join what belongs together: edges by rule, components, copies, conflicts."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from utils.dataset.images.prepare import Prepared
from utils.dataset.leakage.likeness import find_copies, is_one_view
from utils.sources.record import Record

SAME_ID = "same id"
SAME_GROUP = "same patient, lesion or case"
SAME_BYTES = "same original bytes"
SAME_PIXELS = "same pixels as written"
ALIKE = "alike to the eye"
ALTERED = "alike but turned, cropped or edited"
SERIES = "neighbours in a numbered series"

RULES = (SAME_ID, SAME_GROUP, SAME_BYTES, SAME_PIXELS, ALIKE, ALTERED, SERIES)
COPY_RULES = (SAME_ID, SAME_BYTES, SAME_PIXELS, ALIKE)
"""What is joined by one of these is one picture, found several times.

Not what is altered: a wrong join costs nothing but a draw, a wrong drop a picture, and somebody
who crops or turns a picture may have meant to; training varies its pictures in such ways, too.
"""


@dataclass(frozen=True, slots=True)
class Linkable:
    """What the rules look at.

    Attributes:
        record: Where the picture comes from.
        result: What became of it; the written file's bytes follow from its pixels.
    """

    record: Record
    result: Prepared


Edges = dict[str, np.ndarray]
"""For each rule the joined pairs: int64 of shape (pairs, 2), positions in the list of pictures."""


@dataclass(frozen=True, slots=True)
class Links:
    """What belongs together.

    Attributes:
        edges: By rule; positions in the list of pictures that was looked at.
        component_of: The component of each group that is joined with others, named by its first.
        kept_instead: For the original of each copy that is dropped, the original that is kept.
        contradictions: Originals of one picture that are offered under several classes.
    """

    edges: Edges = field(default_factory=dict)
    component_of: dict[str, str] = field(default_factory=dict)
    kept_instead: dict[str, str] = field(default_factory=dict)
    contradictions: dict[str, str] = field(default_factory=dict)


Look = Callable[[Sequence[Record]], Sequence[bytes]]
"""Reads some pictures again, for their close views."""


def find_edges(pictures: Sequence[Linkable], copies: np.ndarray | None = None) -> Edges:
    """Join pictures by each of the rules.

    A file that is offered twice, by two rows of a table, is no copy of itself; its id joins what
    the rows say of it.

    Args:
        pictures: In any order.
        copies: The pairs that show the same, where they are known already.
    """
    thumbnails = [picture.result.thumbnail for picture in pictures]
    copies = find_copies(thumbnails) if copies is None else copies
    is_one = is_one_view(thumbnails, copies)
    edges = {
        SAME_ID: _equal(pictures, lambda picture: picture.record.identity),
        SAME_GROUP: _equal(pictures, lambda picture: picture.record.group),
        SAME_BYTES: _equal(pictures, lambda picture: picture.result.original_sha256),
        SAME_PIXELS: _equal(pictures, lambda picture: picture.result.sha256),
        ALIKE: copies[is_one],
        ALTERED: copies[~is_one],
        SERIES: _neighbours(pictures),
    }
    numbers: dict[str, int] = {}
    files = np.array(
        [numbers.setdefault(picture.record.original, len(numbers)) for picture in pictures], int
    )
    return {
        rule: pairs if rule == SAME_ID else pairs[files[pairs[:, 0]] != files[pairs[:, 1]]]
        for rule, pairs in edges.items()
    }


def find_links(pictures: Sequence[Linkable], look: Look | None = None) -> Links:
    """Find out which pictures belong together, which are copies and which contradict each other.

    Of copies the one with the most original pixels is kept, of equals the first in the list. Where
    a person has corrected the class of some, only these have a say in it.

    Args:
        pictures: In any order.
        look: Asked for close views of what may be altered copies.
    """
    if not pictures:
        return Links()
    thumbnails = [picture.result.thumbnail for picture in pictures]

    def look_at(positions: Sequence[int]) -> Sequence[bytes]:
        return look([pictures[position].record for position in positions]) if look else []

    edges = find_edges(pictures, find_copies(thumbnails, look_at if look else None))
    links = Links(edges, component_of(pictures, edges, RULES))
    for members in components(len(pictures), edges, COPY_RULES):
        judged = [member for member in members if pictures[member].record.is_corrected] or members
        labels = sorted({pictures[member].record.label for member in judged})
        if len(labels) > 1:
            for member in members:
                links.contradictions[pictures[member].record.original] = " and ".join(labels)
            continue
        kept = max(judged, key=lambda member: (_num_pixels(pictures[member]), -member))
        better = pictures[kept].record.original
        dropped = (pictures[member].record.original for member in members)
        links.kept_instead.update((original, better) for original in dropped if original != better)
    return links


def _num_pixels(picture: Linkable) -> int:
    return picture.result.original_width * picture.result.original_height


def component_of(
    pictures: Sequence[Linkable], edges: Edges, rules: Sequence[str]
) -> dict[str, str]:
    """Return the component of each group that some rules join with others."""
    joined: dict[str, str] = {}
    for members in components(len(pictures), edges, (SAME_GROUP, *rules)):
        groups = sorted({pictures[member].record.group for member in members})
        if len(groups) > 1:
            joined |= dict.fromkeys(groups, groups[0])
    return joined


def components(num_pictures: int, edges: Edges, rules: Sequence[str]) -> Iterator[list[int]]:
    """Yield what some rules join: the positions of two pictures or more, in ascending order."""
    # SciPy takes longer to import than a second run takes to see that nothing changed.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = np.concatenate([edges[rule] for rule in rules])
    ones = np.ones(len(pairs), bool)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), (num_pictures, num_pictures))
    numbers = connected_components(graph, directed=False)[1]
    order = np.argsort(numbers, kind="stable")
    borders = np.flatnonzero(np.diff(numbers[order])) + 1
    for members in np.split(order, borders):
        if len(members) > 1:
            yield members.tolist()


def _equal(pictures: Sequence[Linkable], key: Callable[[Linkable], Hashable]) -> np.ndarray:
    """Join each picture with the first one of the same key."""
    first: dict[Hashable, int] = {}
    pairs = [
        (known, position)
        for position, picture in enumerate(pictures)
        if (known := first.setdefault(key(picture), position)) != position
    ]
    return _as_pairs(pairs)


def _neighbours(pictures: Sequence[Linkable]) -> np.ndarray:
    """Join pictures with consecutive numbers in a series."""
    by_series: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for position, picture in enumerate(pictures):
        if picture.record.series:
            name, number = picture.record.series
            by_series[name].append((number, position))
    pairs = []
    for members in by_series.values():
        members.sort()
        for (number, one), (following, other) in pairwise(members):
            if following - number <= 1:
                pairs.append((one, other))
    return _as_pairs(pairs)


def _as_pairs(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)
