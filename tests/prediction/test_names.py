"""Each picture finds its row, whatever stands between them, and a name is new only once."""

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from utils.common.disk.location import Location
from utils.common.labels import CLASSES
from utils.prediction.columns import WrittenRow
from utils.prediction.names import Names, SeenNames, match
from utils.prediction.pictures import Input


def inputs(files: Sequence[str]) -> list[Input]:
    return [Input(file, Location(file), file) for file in files]


def looked_up(files: Sequence[str], rows: Sequence[WrittenRow]) -> list[str | None]:
    """Return what each picture gets if all rows wait in memory."""
    waiting = defaultdict(list)
    for row in rows:
        waiting[row.file].append(row.label)
    return [waiting[file].pop(0) if waiting[file] else None for file in files]


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_found_as_if_all_were_in_memory(seed: int) -> None:
    draw = random.Random(seed)
    before = [f"{draw.randrange(30)}.jpg" for _ in range(draw.randrange(60))]
    rows = [WrittenRow(file, draw.choice(["", "UNSURE", *CLASSES]), "") for file in before]
    now = [file for file in before if draw.random() > 0.1 * (seed % 3)]
    now += [f"{draw.randrange(40)}.jpg" for _ in range(10)]
    if seed % 4 == 3:
        draw.shuffle(now)
    read = []
    labels = match(inputs(now), (read.append(row) or row for row in rows))
    expected = looked_up(now, rows)
    assert read == rows
    assert list(labels) == [label or "" for label in expected]
    left = labels.without_row(inputs(now))
    assert [place for place, _ in left.numbered()] == [
        place for place, label in enumerate(expected) if label is None
    ]
    assert len(left) == expected.count(None)


def test_names_know_who_is_among_them() -> None:
    names = Names(f"{number}.jpg" for number in range(0, 100, 2))
    assert len(names) == 50
    assert [f"{number}.jpg" in names for number in range(4)] == [True, False, True, False]
    assert names.num_without(Names(["0.jpg", "1.jpg"])) == 49
    assert not Names([]) and "0.jpg" not in Names([])


def test_a_name_is_new_once_however_many_there_are() -> None:
    seen = SeenNames()
    drawn = random.Random(0).choices([f"{number}.jpg" for number in range(3_000)], k=9_000)
    known: set[str] = set()
    for name in drawn:
        assert seen.add(name) == (name not in known)
        known.add(name)
