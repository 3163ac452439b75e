"""No class grows with a new collection: the others give way, each as little as it can."""

from collections import Counter
from collections.abc import Mapping

import pytest

from utils.standins.layouts.drawing import Drawing
from utils.standins.layouts.plan import Plan, share
from utils.standins.layouts.stand_in import StandIn
from utils.standins.sharing import share_out


def asking(**parts: float) -> StandIn:
    """Return a stand-in that asks for these parts of the classes."""

    def plan(pictures: int) -> Plan:
        return Plan(
            [
                Drawing(f"{parts} {label} {index}", label, ("x/y.jpg",))
                for label, part in parts.items()
                for index in range(share(pictures, part, at_least=0))
            ]
        )

    return StandIn(plan)


def counts(stand_ins: Mapping[str, StandIn], pictures: int) -> Counter[str]:
    numbers = share_out(stand_ins, pictures)
    drawings = (stand_ins[name].plan(number).drawings for name, number in numbers.items())
    return Counter({drawn.name: drawn.label for of in drawings for drawn in of}.values())


def test_where_there_is_room_each_gets_what_it_asks_for() -> None:
    stand_ins = {"a": asking(PAN=0.4), "b": asking(PAN=0.5, DERM=0.2)}
    assert share_out(stand_ins, 360) == {"a": 360, "b": 360}


def test_a_new_collection_takes_from_the_others_by_their_parts() -> None:
    before = {"a": asking(PAN=0.3), "b": asking(PAN=0.7), "c": asking(OTHER=1.0)}
    after = {**before, "new": asking(PAN=0.25)}
    assert share_out(after, 1_000) == {"a": 800, "b": 800, "new": 800, "c": 1_000}
    assert counts(before, 1_000) == counts(after, 1_000) == {"PAN": 1_000, "OTHER": 1_000}


def test_what_a_cut_collection_leaves_of_its_other_class_goes_to_the_rest() -> None:
    stand_ins = {
        "both": asking(PAN=0.5, DERM=0.5),
        "pan": asking(PAN=1.5),
        "derm": asking(DERM=1.0),
    }
    assert share_out(stand_ins, 1_000) == {"both": 500, "pan": 500, "derm": 750}
    assert counts(stand_ins, 1_000) == {"PAN": 1_000, "DERM": 1_000}


def test_a_picture_that_two_collections_share_counts_once() -> None:
    shared = asking(PAN=0.8)
    assert share_out({"a": shared, "b": shared}, 100) == {"a": 100, "b": 100}


@pytest.mark.parametrize("pictures", [8, 100, 360])
def test_however_many_there_are_no_class_grows(pictures: int) -> None:
    stand_ins = {
        f"{number}": asking(PAN=0.1 + number / 20, **({"DERM": 0.3} if number % 2 else {}))
        for number in range(12)
    }
    assert all(count <= pictures + len(stand_ins) for count in counts(stand_ins, pictures).values())
