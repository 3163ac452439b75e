"""Say what was done to the pixels of prepared pictures, or is odd about them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from utils.common.errors import shortlist
from utils.dataset.images.prepare import NOTE_END, Prepared

Notes = Mapping[str, Sequence[str]]
"""The originals that each note is of."""

FROM = " from "
"""Before what very many notes differ in."""


def collect_notes(prepared: Iterable[tuple[str, Prepared]]) -> Notes:
    """Gather the notes of pictures.

    Args:
        prepared: Originals with the facts about them.
    """
    notes: dict[str, list[str]] = defaultdict(list)
    for original, result in prepared:
        for note in result.notes.split(NOTE_END) if result.notes else ():
            notes[note].append(original)
    return notes


def describe_notes(notes: Notes) -> list[str]:
    """Return a line for each kind of note: how many pictures, and what it is from, or which.

    >>> describe_notes({"grey": ["a.png"], "turned from A": ["b"], "turned from B": ["c"]})
    ['Kept, turned: 2 (from A 1, from B 1)', 'Kept, grey: 1 (a.png)']
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    details: dict[str, list[str]] = defaultdict(list)
    for note, originals in sorted(notes.items(), key=lambda item: (-len(item[1]), item[0])):
        kind, _, origin = note.partition(FROM)
        kinds[kind].extend(originals)
        details[kind] += [f"from {origin} {len(originals):,}"] if origin else sorted(originals)
    return [
        f"Kept, {kind}: {len(originals):,} ({shortlist(details[kind])})"
        for kind, originals in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
