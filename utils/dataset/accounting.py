"""Account for every file that was read: kept, a copy, unusable, over the limit or left out."""

from collections import Counter
from collections.abc import Collection, Iterable

from utils.common.cli.console import table
from utils.sources.record import NOT_UNDERSTOOD, LeftOut, Record

KEPT = "kept"
COPY = "copies dropped"
UNUSABLE = "unusable"
OVER_LIMIT = "over the limit"
BY_RULE = "left out by a rule"

FATES = (KEPT, COPY, UNUSABLE, OVER_LIMIT, BY_RULE, NOT_UNDERSTOOD)

Accounts = Counter[tuple[str, str]]
"""Number of files by (collection, fate)."""


def account(
    records: Iterable[Record],
    left_out: Iterable[LeftOut],
    kept: Collection[str],
    copies: Collection[str],
    unusable: Collection[str],
    *,
    has_limit: bool,
) -> Accounts:
    """Count what became of every file.

    Args:
        records: The pictures offered.
        left_out: Files that a rule left out.
        kept: Originals in the data set.
        copies: Originals of which another copy is kept.
        unusable: Originals that are damaged or contradictory.
        has_limit: Whether some may be left aside by --limit.

    Raises:
        RuntimeError: If a file has no fate or two, which would be a bug.
    """
    accounts: Accounts = Counter()
    seen = set()
    for record in records:
        if record.original in seen:  # named by two rows of a table
            continue
        seen.add(record.original)
        fates = [
            fate
            for fate, originals in ((KEPT, kept), (COPY, copies), (UNUSABLE, unusable))
            if record.original in originals
        ] or [OVER_LIMIT]
        if len(fates) > 1:
            raise RuntimeError(f"{record.original} is {' and '.join(fates)}")
        if fates == [OVER_LIMIT] and not has_limit:
            raise RuntimeError(f"{record.original} was lost sight of")
        accounts[record.source, fates[0]] += 1
    for left in left_out:
        fate = NOT_UNDERSTOOD if left.rule == NOT_UNDERSTOOD else BY_RULE
        accounts[left.source, fate] += 1
    return accounts


def describe_accounts(accounts: Accounts) -> str:
    """Return a table with a line per collection; its first column is the sum of the others.

    What is not understood has a column where there is any.
    """
    sources = list(dict.fromkeys(source for source, _ in accounts))
    has_strangers = any(accounts[source, NOT_UNDERSTOOD] for source in sources)
    fates = FATES if has_strangers else FATES[:-1]
    rows = []
    for source in sources:
        counts = [accounts[source, fate] for fate in fates]
        rows.append([source, sum(counts), *counts])
    return table(["collection", "read", *(f"= {fates[0]}", *(f"+ {f}" for f in fates[1:]))], rows)
