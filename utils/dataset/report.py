"""Describe an assembly to the user: sentences and tables."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from utils.common.cli.console import table
from utils.common.errors import shortlist
from utils.common.labels import CLASSES, LOW_QUALITY, SPLITS
from utils.dataset.accounting import describe_accounts
from utils.dataset.assemble import Assembled
from utils.dataset.images.notes import describe_notes
from utils.dataset.images.prepare import may_pass
from utils.dataset.planning.plan import Planned

DRY_RUN = "Dry run: nothing was written."


def table_by_class_and_split(plan: Iterable[Planned]) -> str:
    """Lay out the number of pictures, classes as rows and splits as columns, with sums."""
    counts = Counter((planned.label, planned.split) for planned in plan)
    rows = {label: [counts[label, split] for split in SPLITS] for label in CLASSES}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    table_rows = [[label, *row, sum(row)] for label, row in rows.items()]
    return table(["class", *SPLITS, "all"], table_rows)


def describe(assembled: Assembled) -> str:
    """Return the table, and how many originals could not be used, by reason."""
    lines = [*assembled.held_back, describe_accounts(assembled.accounts), ""]
    lines.append(table_by_class_and_split(assembled.plan))
    if num_real := sum(one.label == LOW_QUALITY and not one.parent for one in assembled.plan):
        lines.append(f"Of LOW_QUALITY {num_real:,} are real, the others synthesized")
    reasons = Counter(picture.reason for picture in assembled.rejected)
    lines += [
        f"Not usable: {count:,} ({reason})"
        + ("; the next run tries again" if may_pass(reason) else "")
        for reason, count in reasons.most_common()
    ]
    lines += describe_notes(assembled.notes)
    if assembled.num_unfit:
        lines.append(
            f"Not fit to be degraded, but good enough for their class: {assembled.num_unfit:,}"
        )
    lines += ["", assembled.leaks.describe()]
    return "\n".join(lines)


def describe_outcome(assembled: Assembled, folder: Path, *, is_dry: bool = False) -> str:
    """Say what was written or on a dry run what would be, or that nothing had to be."""
    lines = []
    if assembled.changed:
        total = sum(planned.label == LOW_QUALITY for planned in assembled.plan)
        verb = "would be" if is_dry else "were"
        lines.append(
            f"Degraded anew: {len(assembled.changed):,} of {total:,} {LOW_QUALITY} pictures "
            f"{verb} made again: {shortlist(assembled.changed)}."
        )
    lines.append(DRY_RUN if is_dry else _written(assembled, folder))
    return "\n".join(lines)


def _written(assembled: Assembled, folder: Path) -> str:
    if assembled.is_unchanged:
        return f"No picture written: {folder} is up to date ({len(assembled.plan):,} pictures)."
    removed = f", {assembled.num_removed:,} old ones removed" if assembled.num_removed else ""
    return f"{assembled.num_moved:,} pictures written to {folder}{removed}."
