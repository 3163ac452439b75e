"""Join pictures whose table rows share an id into groups."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from utils.sources.files.ids import clean, id_key
from utils.sources.readers.grouping import Grouping

MAX_SHARED = 0.05
"""Share of a level's ids that may stand under several ids of the level above by mistake."""

IDS_PER_MARK = 10
"""Among so many ids with numbers a word without any is no id, but says that there is none."""

FILLER = re.compile(r"0|9{2,}")
"""What stands in a column of numbers where there is none, and is no id beside such as `IP_12`."""


Coded = tuple[int, ...]
"""The ids of one row, level by level, as numbers; 0 where there is none."""

Node = tuple[int, int, tuple[int, int] | None]
"""Level and number of an id, and what it stands under where it counts within that one only."""


def group_by_ids(levels: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> Grouping:
    """Join the pictures that share an id of some level, directly or by way of others.

    A group is named by its first level that has an id, in the spelling that sorts first. An id
    of a lower level joins the pictures that lack a higher one to those that have it. Where many of
    a level's ids stand under several of the one above, they count within that one: PAD-UFES-20
    numbers the lesions of each patient anew.

    A few words or zeros among ids of another form ("TBD", "anonymous" beside `IP_12`) are no ids,
    in whatever language: all pictures without a patient would be one patient.

    Args:
        levels: What the ids are, from the patient downwards.
        rows: A picture, and its cells level by level; a picture may have several rows.
    """
    columns = [_Column() for _ in levels]
    by_picture: dict[str, list[Coded]] = {}
    without: dict[str, str] = {}
    for picture, cells in rows:
        coded = tuple(column.code(cell) for column, cell in zip(columns, cells, strict=True))
        by_picture.setdefault(picture, []).append(coded)
        if levels and not coded[0]:
            without[picture] = min(without.get(picture, cells[0]), cells[0])
    marks = [column.take_out_marks() for column in columns]
    if any(marks):
        for picture, several in by_picture.items():
            if levels and (found := sorted({coded[0] for coded in several} & marks[0])):
                without.setdefault(picture, columns[0].names[found[0] - 1])
            by_picture[picture] = [
                tuple(0 if code in none else code for code, none in zip(coded, marks, strict=True))
                for coded in several
            ]
    shared = {
        level: told
        for number, level in enumerate(levels)
        if (told := _shared(columns[number], _owners(by_picture.values(), number)))
    }
    within = {levels.index(level) for level, (_, do_join) in shared.items() if not do_join}
    sets, of_picture = _join(by_picture, within)
    keys = {key for column in columns for key in column.keys}
    return Grouping(
        levels,
        _names(levels, columns, sets, of_picture),
        keys,
        {
            picture: cell
            for picture, cell in without.items()
            if not any(coded[0] for coded in by_picture[picture])
        },
        [picture for picture in sorted(by_picture) if _disagree(by_picture[picture])],
        {
            level: count
            for level, column in zip(levels, columns, strict=True)
            if (count := sum(column.is_respelled))
        },
        shared,
    )


class _Column:
    """The ids of one level, numbered from 1, with what each is compared by and called."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.names: list[str] = []
        self.is_respelled: list[bool] = []
        self._codes: dict[str, int] = {}
        self._by_key: dict[str, int] = {}

    def code(self, cell: str) -> int:
        """Return the number of the id in a cell."""
        if (known := self._codes.get(cell)) is not None:
            return known
        key, name = id_key(cell), clean(cell)
        code = self._by_key.setdefault(key, len(self.keys) + 1) if key else 0
        if code > len(self.keys):
            self.keys.append(key)
            self.names.append(name)
            self.is_respelled.append(False)
        elif code and self.names[code - 1] != name:
            self.names[code - 1] = min(self.names[code - 1], name)
            self.is_respelled[code - 1] = True
        self._codes[cell] = code
        return code

    def take_out_marks(self) -> set[int]:
        """Return the numbers of what is no id among the others, and count it as none."""
        has_digits = [any(map(str.isdigit, key)) for key in self.keys]
        words = {code for code, has in enumerate(has_digits, start=1) if not has}
        fillers = {code for code, key in enumerate(self.keys, start=1) if FILLER.fullmatch(key)}
        num_mixed = sum(
            has and any(map(str.isalpha, key))
            for key, has in zip(self.keys, has_digits, strict=True)
        )
        marks: set[int] = set()
        if len(self.keys) - len(words) >= IDS_PER_MARK * len(words):
            marks |= words
        if num_mixed >= IDS_PER_MARK * len(fillers) and num_mixed >= len(self.keys) / 2:
            marks |= fillers
        for code in marks:
            self.is_respelled[code - 1] = False
        return marks


class _Sets:
    """Disjoint sets of what is joined step by step."""

    def __init__(self) -> None:
        self.numbers: dict[Node, int] = {}
        self._parents: list[int] = []

    def number(self, member: Node) -> int:
        """Return the number of a member, a new one for a new member."""
        number = self.numbers.setdefault(member, len(self._parents))
        if number == len(self._parents):
            self._parents.append(number)
        return number

    def find(self, number: int) -> int:
        """Return what stands for a member's set."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Make one set of two."""
        self._parents[self.find(one)] = self.find(other)


def _above(coded: Coded, level: int) -> tuple[int, int] | None:
    """Return the highest id above a level in a row: its level and its number."""
    return next(((upper, code) for upper, code in enumerate(coded[:level]) if code), None)


def _owners(rows: Iterable[list[Coded]], level: int) -> dict[int, set[tuple[int, int]]]:
    """Return what each id of a level stands under."""
    owners: dict[int, set[tuple[int, int]]] = {}
    if level:
        for of_picture in rows:
            for coded in of_picture:
                if coded[level] and (above := _above(coded, level)):
                    owners.setdefault(coded[level], set()).add(above)
    return owners


def _shared(
    column: _Column, owners: Mapping[int, set[tuple[int, int]]]
) -> tuple[list[str], bool] | None:
    """Return the ids that several of the level above have, and whether they are but mistakes."""
    several = sorted(column.names[code - 1] for code, above in owners.items() if len(above) > 1)
    return (several, len(several) <= max(1, MAX_SHARED * len(owners))) if several else None


def _join(
    by_picture: Mapping[str, list[Coded]], within: Collection[int]
) -> tuple[_Sets, dict[str, int]]:
    """Join the ids that share a picture; return them, and one id of each picture that has any."""
    sets = _Sets()
    of_picture: dict[str, int] = {}
    for picture, rows in by_picture.items():
        for coded in rows:
            for level, code in enumerate(coded):
                if code:
                    owner = _above(coded, level) if level in within else None
                    number = sets.number((level, code, owner))
                    sets.join(number, of_picture.setdefault(picture, number))
    return sets, of_picture


def _disagree(rows: Sequence[Coded]) -> bool:
    """Tell whether a picture's rows give several ids of one level."""
    if len(rows) == 1:
        return False
    return any(len({*column} - {0}) > 1 for column in zip(*rows, strict=True))


def _names(
    levels: Sequence[str],
    columns: Sequence[_Column],
    sets: _Sets,
    of_picture: Mapping[str, int],
) -> dict[str, str]:
    """Return the name of the set of each picture."""
    best: dict[int, tuple[int, str]] = {}
    for (level, code, _), number in sets.numbers.items():
        root, name = sets.find(number), (level, columns[level].names[code - 1])
        best[root] = min(best.get(root, name), name)
    keys = [frozenset(column.keys) for column in columns]
    for root, (level, called) in best.items():
        if any(id_key(called) in above for above in keys[:level]):
            best[root] = level, f"{levels[level]} {called}"
    return {picture: best[sets.find(number)][1] for picture, number in of_picture.items()}
