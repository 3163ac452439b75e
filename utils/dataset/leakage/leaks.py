"""The leak certificate: what belongs together, where it went, and that nothing is cut apart."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.common.cli.console import table
from utils.common.cli.terminal import printable
from utils.common.disk.writing import update_bytes
from utils.common.errors import shortlist
from utils.common.labels import SPLITS
from utils.dataset.leakage.likeness import MAX_OF_STRANGERS, SEARCH, correlation, is_plain
from utils.dataset.leakage.links import (
    ALIKE,
    ALTERED,
    COPY_RULES,
    RULES,
    SAME_ID,
    Linkable,
    Links,
    component_of,
    components,
    find_edges,
)
from utils.dataset.planning.plan import Planned
from utils.dataset.planning.split import STRICTNESS

LEAK_REPORT_NAME = "leak_report.json"
NUM_LARGEST = 5
NUM_MEMBERS = 10
FILLED = "to fill an empty split"
NO_PAIRS = np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Component:
    """Pictures that belong together.

    Attributes:
        size: How many they are.
        members: Originals of the first few.
    """

    size: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """What some rules join.

    Attributes:
        num_components: Components of more than one picture.
        largest: The largest of them, in descending order.
    """

    num_components: int
    largest: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """What one rule found and what came of it.

    Attributes:
        num_edges: Pairs that it joins.
        num_collapsed: Copies that were dropped because of it.
        num_across: Pairs, among the pictures kept, that lie in two splits; zero, or it is a leak.
        joined: What it joins by itself.
    """

    num_edges: int
    num_collapsed: int
    num_across: int
    joined: Joined


@dataclass(frozen=True, slots=True)
class Move:
    """One picture whose split is not the one that its own group was drawn into.

    Attributes:
        file: The written picture.
        drawn: The split of its group alone.
        split: Where it is.
        rule: What took it there.
        component: The group after which its component is named.
    """

    file: str
    drawn: str
    split: str
    rule: str
    component: str


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The certificate of a data set.

    Attributes:
        rules: What each rule found.
        joined: What all rules join together.
        moves: Pictures that changed their split, in the order of `file`.
        alike: Originals that their looks tell to be one picture, in pairs, altered ones among them.
        only_alike: Those of them that nothing else tells to be one picture.
        altered: Those that show it turned, cropped or edited; both are kept, in one split.
        altered_labels: Those of them that are offered under two classes.
        num_plain: Pictures with too little detail to be recognised by.
        unlike: Originals of one id that do not look like one picture, in pairs.
        num_parents_across: LOW_QUALITY pictures in another split than their parent; zero.
    """

    rules: dict[str, RuleFigures]
    joined: Joined
    moves: list[Move]
    alike: list[tuple[str, str]]
    only_alike: list[tuple[str, str]]
    altered: list[tuple[str, str]]
    altered_labels: list[tuple[str, str]]
    num_plain: int
    unlike: list[tuple[str, str]]
    num_parents_across: int

    @property
    def is_tight(self) -> bool:
        """Whether no pair lies in two splits."""
        across = sum(figures.num_across for figures in self.rules.values())
        return not across and not self.num_parents_across

    def describe(self) -> str:
        """Return the table that the user sees."""
        moved = Counter(move.rule for move in self.moves)
        rows = [
            [
                rule,
                figures.num_edges,
                figures.joined.num_components,
                max((component.size for component in figures.joined.largest), default=0),
                figures.num_collapsed,
                moved[rule],
                figures.num_across,
            ]
            for rule, figures in self.rules.items()
        ]
        header = [
            "joined by", "pairs", "components", "largest", "copies dropped", "moved",
            "across splits",
        ]  # fmt: skip
        lines = [table(header, rows)]
        if moved[FILLED]:
            lines.append(f"Moved {FILLED}: {moved[FILLED]:,}")
        if self.unlike:
            lines.append(
                f"Of one id, yet unlike to the eye, so that one of both was dropped for its name "
                f"alone: {_shown(self.unlike)}"
            )
        if self.altered_labels:
            lines.append(
                f"Altered copies under two classes, both kept, in one split: "
                f"{_shown(self.altered_labels)}"
            )
        lines.append(SEARCH)
        if self.num_plain:
            lines.append(
                f"Too plain to be recognised, so that no copy of them is found by its looks: "
                f"{self.num_plain:,} pictures"
            )
        lines.append(
            "No pair across splits: nothing leaks."
            if self.is_tight
            else "PAIRS ACROSS SPLITS ARE LEFT: do not use this data set, and please report it."
        )
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return all figures, each move and each look-alike, for `leak_report.json`."""
        moved = Counter(move.rule for move in self.moves)
        return {
            "rules": {
                rule: {
                    "edges": figures.num_edges,
                    "collapsed": figures.num_collapsed,
                    "moved": moved[rule],
                    "cross_split_edges_left": figures.num_across,
                    **_as_json(figures.joined),
                }
                for rule, figures in self.rules.items()
            },
            "all_rules_together": _as_json(self.joined),
            "low_quality_across_splits": self.num_parents_across,
            "moved_to_fill_an_empty_split": moved[FILLED],
            "moves": [
                {
                    "file": move.file,
                    "from": move.drawn,
                    "to": move.split,
                    "rule": move.rule,
                    "component": move.component,
                }
                for move in self.moves
            ],
            "searched_for": SEARCH,
            "too_plain_to_be_recognised": self.num_plain,
            "only_alike_to_the_eye": [list(pair) for pair in self.only_alike],
            "alike_but_altered": [list(pair) for pair in self.altered],
            "altered_under_two_classes": [list(pair) for pair in self.altered_labels],
            "same_id_but_unlike": [list(pair) for pair in self.unlike],
        }


def _shown(pairs: Sequence[tuple[str, str]]) -> str:
    some = shortlist(f"{printable(one)} and {printable(other)}" for one, other in pairs)
    return f"{len(pairs):,} pairs ({some})"


def _as_json(joined: Joined) -> dict[str, Any]:
    return {
        "components": joined.num_components,
        "largest": [
            {"pictures": component.size, "among_them": list(component.members)}
            for component in joined.largest
        ],
    }


def write_leak_report(folder: Path, report: LeakReport) -> None:
    """Write the certificate as `leak_report.json`."""
    text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
    update_bytes(folder / LEAK_REPORT_NAME, text.encode("utf-8", "backslashreplace"))


def report_leaks(
    looked_at: Sequence[Linkable],
    links: Links,
    plan: Sequence[Planned],
    drawn: Mapping[str, str],
) -> LeakReport:
    """Count what the rules joined, and search the pictures kept for pairs across splits anew.

    Args:
        looked_at: The pictures that were read.
        links: What belongs together of them.
        plan: The pictures of the data set.
        drawn: The split of each group alone, by all records that have a say in it.
    """
    collected = [planned for planned in plan if planned.parent is None]
    collapsed = _collapsed_by_rule(looked_at, links)
    across = _across_by_rule(looked_at, links, collected)
    altered = _originals(looked_at, links.edges.get(ALTERED))
    label_of = {picture.record.original: picture.record.label for picture in looked_at}
    return LeakReport(
        rules={
            rule: RuleFigures(
                num_edges=len(links.edges.get(rule, ())),
                num_collapsed=collapsed[rule],
                num_across=across[rule],
                joined=_join(looked_at, links, (rule,)),
            )
            for rule in RULES
        },
        joined=_join(looked_at, links, RULES),
        moves=sorted(_moves(looked_at, links, collected, drawn), key=lambda move: move.file),
        alike=_originals(looked_at, _alike(links)),
        only_alike=_originals(looked_at, _only_alike(len(looked_at), links)),
        altered=altered,
        altered_labels=[pair for pair in altered if label_of[pair[0]] != label_of[pair[1]]],
        num_plain=int(is_plain([picture.result.thumbnail for picture in looked_at]).sum()),
        unlike=_originals(looked_at, _unlike(looked_at, links)),
        num_parents_across=sum(
            planned.parent is not None and planned.parent.split != planned.split for planned in plan
        ),
    )


def _join(looked_at: Sequence[Linkable], links: Links, rules: Sequence[str]) -> Joined:
    if not links.edges:
        return Joined(0, ())
    found = sorted(components(len(looked_at), links.edges, rules), key=lambda some: -len(some))
    return Joined(
        len(found),
        tuple(
            Component(
                len(some), tuple(looked_at[one].record.original for one in some[:NUM_MEMBERS])
            )
            for some in found[:NUM_LARGEST]
        ),
    )


def _across_by_rule(
    looked_at: Sequence[Linkable], links: Links, collected: Sequence[Planned]
) -> dict[str, int]:
    """Apply the rules to the pictures kept and count the pairs in two splits.

    What looks alike was searched among more pictures than these and need not be searched again.
    """
    place_of = {picture.record.original: place for place, picture in enumerate(looked_at)}
    places = [place_of[planned.record.original] for planned in collected]
    kept = [looked_at[place] for place in places]
    position = np.full(len(looked_at), -1)
    position[places] = np.arange(len(places))
    copies = position[_alike(links)]
    copies = copies[(copies >= 0).all(axis=1)]
    splits = np.array([SPLITS.index(planned.split) for planned in collected])
    return {
        rule: int((splits[pairs[:, 0]] != splits[pairs[:, 1]]).sum()) if len(pairs) else 0
        for rule, pairs in find_edges(kept, copies).items()
    }


def _collapsed_by_rule(looked_at: Sequence[Linkable], links: Links) -> dict[str, int]:
    """Count each dropped copy once, for the first rule that has an edge to it."""
    remaining = set(links.kept_instead)
    collapsed = dict.fromkeys(RULES, 0)
    for rule in COPY_RULES:
        touched = {looked_at[end].record.original for end in np.ravel(links.edges.get(rule, []))}
        collapsed[rule] = len(remaining & touched)
        remaining -= touched
    return collapsed


def _alike(links: Links) -> np.ndarray:
    """Return all pairs that their looks tell to be one picture, altered or not."""
    return np.concatenate([links.edges.get(rule, NO_PAIRS) for rule in (ALIKE, ALTERED)])


def _only_alike(num_pictures: int, links: Links) -> np.ndarray | None:
    """Return the pairs alike to the eye that no other rule calls one picture."""
    if not links.edges:
        return None
    numbers = np.arange(num_pictures)
    others = [rule for rule in COPY_RULES if rule != ALIKE]
    for some in components(num_pictures, links.edges, others):
        numbers[some] = some[0]
    pairs = _alike(links)
    found: np.ndarray = pairs[numbers[pairs[:, 0]] != numbers[pairs[:, 1]]]
    return found


def _unlike(looked_at: Sequence[Linkable], links: Links) -> np.ndarray | None:
    """Return the pairs of one id that do not look like one picture, of which one is dropped."""
    if not links.edges:
        return None
    pairs = links.edges[SAME_ID]
    dropped = np.array([one.record.original in links.kept_instead for one in looked_at])
    pairs = pairs[dropped[pairs].any(axis=1)]
    thumbnails = [picture.result.thumbnail for picture in looked_at]
    is_unlike = correlation(thumbnails, pairs) < MAX_OF_STRANGERS
    altered = set(map(tuple, links.edges[ALTERED].tolist()))
    equal = [
        thumbnails[one] == thumbnails[two] or (min(one, two), max(one, two)) in altered
        for one, two in pairs.tolist()
    ]
    found: np.ndarray = pairs[is_unlike & ~np.array(equal, bool)]
    return found


def _originals(looked_at: Sequence[Linkable], pairs: np.ndarray | None) -> list[tuple[str, str]]:
    positions = [] if pairs is None else pairs.tolist()
    return [
        (looked_at[one].record.original, looked_at[other].record.original)
        for one, other in positions
    ]


def _moves(
    looked_at: Sequence[Linkable],
    links: Links,
    collected: Sequence[Planned],
    drawn: Mapping[str, str],
) -> Iterator[Move]:
    """Apply one rule after the other and see whose split changes with which."""
    rule_of: dict[str, str] = {}
    before = drawn
    for number, rule in enumerate(RULES if links.edges else (), start=1):
        joined = component_of(looked_at, links.edges, RULES[:number])
        strictest: dict[str, str] = {}
        for group, split in drawn.items():
            name = joined.get(group, group)
            strictest[name] = min(strictest.get(name, split), split, key=STRICTNESS.index)
        after = {group: strictest[joined.get(group, group)] for group in drawn}
        for group, split in after.items():
            if split != before[group]:
                rule_of[group] = rule
        before = after
    for planned in collected:
        group = planned.record.group
        if planned.split != drawn[group]:
            rule = rule_of[group] if planned.split == before[group] else FILLED
            component = links.component_of.get(group, group)
            yield Move(planned.file, drawn[group], planned.split, rule, component)
