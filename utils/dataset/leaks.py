"""What belongs together and where it went in, the leak certificate out: nothing is cut apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.common.console import table
from utils.common.labels import SPLITS
from utils.dataset.links import RULES, SAME_GROUP, Linkable, Links, component_of, find_edges
from utils.dataset.plan import Planned
from utils.dataset.split import STRICTNESS, draw_splits

LEAK_REPORT_NAME = "leak_report.json"
NUM_LARGEST = 5
FILLED = "to fill an empty split"


@dataclass(frozen=True, slots=True)
class Move:
    """One picture whose split is not the one that its own group was drawn into."""

    file: str
    drawn: str
    split: str
    rule: str


@dataclass(frozen=True, slots=True)
class LeakReport:
    """Figures by rule, and for the whole.

    Attributes:
        num_edges: Pairs that the rule joins.
        num_collapsed: Copies that were dropped because of it.
        moves: Pictures that changed their split.
        num_across: Pairs, among the pictures kept, that lie in two splits; zero, or it is a leak.
        num_parents_across: LOW_QUALITY pictures in another split than their parent; zero.
        num_components: Components of more than one picture.
        largest: The largest of them: how many pictures, and a group in it.
    """

    num_edges: dict[str, int]
    num_collapsed: dict[str, int]
    moves: list[Move]
    num_across: dict[str, int]
    num_parents_across: int
    num_components: int
    largest: list[tuple[int, str]]

    @property
    def is_tight(self) -> bool:
        """Whether no pair lies in two splits."""
        return not any(self.num_across.values()) and not self.num_parents_across

    def describe(self) -> str:
        """Return the table that the user sees."""
        moved = Counter(move.rule for move in self.moves)
        rows = [
            [
                rule,
                self.num_edges[rule],
                self.num_collapsed[rule],
                moved[rule],
                self.num_across[rule],
            ]
            for rule in RULES
        ]
        header = ["joined by", "pairs", "copies dropped", "moved", "across splits"]
        lines = [table(header, rows)]
        if moved[FILLED]:
            lines.append(f"Moved {FILLED}: {moved[FILLED]:,}")
        lines.append(
            "No pair across splits: nothing leaks."
            if self.is_tight
            else "PAIRS ACROSS SPLITS ARE LEFT: do not use this data set, and please report it."
        )
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return all figures, and each move, for `leak_report.json`."""
        moved = Counter(move.rule for move in self.moves)
        return {
            "rules": {
                rule: {
                    "edges": self.num_edges[rule],
                    "collapsed": self.num_collapsed[rule],
                    "moved": moved[rule],
                    "cross_split_edges_left": self.num_across[rule],
                }
                for rule in RULES
            },
            "low_quality_across_splits": self.num_parents_across,
            "components": self.num_components,
            "largest_components": [
                {"pictures": size, "group": group} for size, group in self.largest
            ],
            "moves": [
                {"file": move.file, "from": move.drawn, "to": move.split, "rule": move.rule}
                for move in sorted(self.moves, key=lambda move: move.file)
            ],
        }


def report_leaks(
    looked_at: Sequence[Linkable], links: Links, plan: Sequence[Planned], seed: int
) -> LeakReport:
    """Count what the rules joined, and search the pictures kept for pairs across splits anew."""
    collected = [planned for planned in plan if planned.parent is None]
    facts = {picture.record.original: picture for picture in looked_at}
    kept = [facts[planned.record.original] for planned in collected]
    splits = np.array([SPLITS.index(planned.split) for planned in collected])
    across = {
        rule: int((splits[pairs[:, 0]] != splits[pairs[:, 1]]).sum()) if len(pairs) else 0
        for rule, pairs in find_edges(kept).items()
    }
    sizes = Counter(
        links.component_of.get(picture.record.group, picture.record.group) for picture in looked_at
    )
    return LeakReport(
        num_edges={rule: len(links.edges.get(rule, ())) for rule in RULES},
        num_collapsed=_collapsed_by_rule(looked_at, links),
        moves=_moves(looked_at, links, collected, seed),
        num_across=across,
        num_parents_across=sum(
            planned.parent is not None and planned.parent.split != planned.split for planned in plan
        ),
        num_components=sum(size > 1 for size in sizes.values()),
        largest=[
            (size, group)
            for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
            if size > 1
        ][:NUM_LARGEST],
    )


def _collapsed_by_rule(looked_at: Sequence[Linkable], links: Links) -> dict[str, int]:
    """Count each dropped copy once, for the first rule that has an edge to it."""
    remaining = set(links.kept_instead)
    collapsed = dict.fromkeys(RULES, 0)
    for rule in RULES:
        if rule == SAME_GROUP:
            continue
        touched = {looked_at[end].record.original for end in np.ravel(links.edges.get(rule, []))}
        collapsed[rule] = len(remaining & touched)
        remaining -= touched
    return collapsed


def _moves(
    looked_at: Sequence[Linkable], links: Links, collected: Sequence[Planned], seed: int
) -> list[Move]:
    """Apply one rule after the other and see whose split changes with which."""
    if not looked_at:
        return []
    drawn = draw_splits([picture.record for picture in looked_at], seed)
    before = drawn
    moves = {}
    for number in range(1, len(RULES) + 1):
        joined = component_of(looked_at, links.edges, RULES[:number])
        strictest: dict[str, str] = {}
        for group, split in drawn.items():
            name = joined.get(group, group)
            strictest[name] = min(strictest.get(name, split), split, key=STRICTNESS.index)
        after = {group: strictest[joined.get(group, group)] for group in drawn}
        for planned in collected:
            group = planned.record.group
            if after[group] != before[group]:
                moves[planned.file] = Move(
                    planned.file, drawn[group], planned.split, RULES[number - 1]
                )
        before = after
    for planned in collected:
        if planned.split != before[planned.record.group]:
            moves[planned.file] = Move(
                planned.file, drawn[planned.record.group], planned.split, FILLED
            )
    return list(moves.values())
