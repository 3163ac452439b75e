"""Fetch the pictures of a list that are not there yet, and keep a ledger of all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.common.disk.writing import remove_partial_files
from utils.sources.web.hosts import FAILED, OK, Job, Outcome, fetch_all
from utils.sources.web.ledger import LEDGER_NAME, Entry, read_ledger, write_ledger
from utils.sources.web.manners import Manners
from utils.sources.web.urls import host_of, without_password


@dataclass(frozen=True, slots=True)
class Wanted:
    """One picture of a list.

    Attributes:
        name: Its local file name, which no other picture of the list has.
        url: Where it is published.
        md5: MD5 that its bytes must have, "" where unknown.
        there: Where it lies already, None where it lacks; it may lie in an archive.
    """

    name: str
    url: str
    md5: str = ""
    there: Path | None = None


def fetch_missing(
    folder: Path,
    wanted: Sequence[Wanted],
    retry_failed: bool,
    manners: Manners,
    *,
    is_part: bool = False,
) -> list[str]:
    """Fetch what is not there yet; return how many came and how many did not, by reason.

    What became of each URL stands in the folder's `downloads.csv`; what will never come is not
    asked for again, unless the failures are to be retried.

    Args:
        folder: Where the pictures go.
        wanted: All of the list, there or not.
        retry_failed: Ask again for what failed for good.
        manners: How patiently and how politely.
        is_part: Whether there are more on the list than these; what is noted of them stays.
    """
    before = read_ledger(folder / LEDGER_NAME)
    entries, missing = _compare(folder, wanted, before)
    asked = [job for job in missing if entries[job.target.name].to_ask(retry_failed)]

    def note(outcomes: Mapping[Job, Outcome]) -> None:
        for job, outcome in outcomes.items():
            noted[job.target.name] = entries[job.target.name].after(outcome)
        write_ledger(folder / LEDGER_NAME, noted.values())

    noted = {**before, **entries} if is_part else dict(entries)
    remove_partial_files(folder)
    if asked or (before != noted and (folder / LEDGER_NAME).exists()):
        note({})
    return _describe(folder, noted, fetch_all(asked, manners, note))


def num_missing(folder: Path, wanted: Sequence[Wanted], retry_failed: bool) -> int:
    """Count the pictures that `fetch_missing` would ask for."""
    entries, missing = _compare(folder, wanted, read_ledger(folder / LEDGER_NAME))
    return sum(entries[job.target.name].to_ask(retry_failed) for job in missing)


def _compare(
    folder: Path, wanted: Sequence[Wanted], before: Mapping[str, Entry]
) -> tuple[dict[str, Entry], list[Job]]:
    """Return an entry for each URL of the list, by local name, and the pictures not there."""
    entries: dict[str, Entry] = {}
    missing = []
    for one in wanted:
        entry = Entry(without_password(one.url), one.name)
        if one.name in before and before[one.name].url == entry.url:
            entry = before[one.name]
        if one.there is None:
            missing.append(Job(one.url, folder / one.name, one.md5))
            entries[one.name] = entry.lost() if entry.status == OK else entry
        else:
            num_bytes = one.there.stat().st_size if one.there.is_file() else 0
            entries[one.name] = entry if entry.status == OK else entry.found(num_bytes)
    return entries, missing


def _describe(
    folder: Path, entries: Mapping[str, Entry], outcomes: Mapping[Job, Outcome]
) -> list[str]:
    if not outcomes:
        return []
    came = sum(outcome.status == OK for outcome in outcomes.values())
    reasons = Counter(
        f"{host_of(job.url)}: {outcome.detail}"
        for job, outcome in outcomes.items()
        if outcome.status != OK
    )
    failed = sum(entry.status == FAILED for entry in entries.values())
    lines = [f"{folder.name}: {came:,} of {len(outcomes):,} missing pictures downloaded."]
    lines += [f"  not downloaded: {count:,} ({why})" for why, count in reasons.most_common()]
    if failed:
        lines.append(
            f"  {failed:,} will not be asked for again without --retry-failed "
            f"({LEDGER_NAME} names them)"
        )
    return lines
