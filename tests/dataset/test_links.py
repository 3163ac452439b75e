"""Each rule joins what it should, copies and contradictions are told apart, and leaks are seen."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image, ImageOps

from utils.common.labels import DERM, DERM_CLINIC, PAN
from utils.dataset.images.prepare import Prepared
from utils.dataset.leakage.leaks import FILLED, report_leaks
from utils.dataset.leakage.likeness import SEARCH
from utils.dataset.leakage.links import (
    ALIKE,
    ALTERED,
    RULES,
    SAME_BYTES,
    SAME_GROUP,
    SAME_ID,
    SAME_PIXELS,
    SERIES,
    Linkable,
    Links,
    find_edges,
    find_links,
)
from utils.dataset.leakage.thumbnails import close_view, thumbnail
from utils.dataset.planning.plan import plan_pictures
from utils.dataset.planning.split import draw_splits
from utils.sources.record import ANY_SPLIT, TEST_ONLY, TRAIN_ONLY, VAL_ONLY, Record

SEED = 0
Link = Callable[..., Linkable]


@pytest.fixture
def link(make_picture) -> Link:
    """Give a function that makes a picture which no rule joins with another, but as told."""
    made = []

    def make(name: str, label: str = PAN, size: int = 100, **told) -> Linkable:
        number = len(made)
        picture = make_picture(told.pop("looks", number))
        picture = ImageOps.mirror(picture) if told.pop("mirrored", False) else picture
        picture = Image.new("RGB", (64, 64), "tan") if told.pop("plain", False) else picture
        facts = {
            "original_sha256": told.pop("original", f"original {number}").encode(),
            "sha256": told.pop("written", f"written {number}").encode(),
            "thumbnail": thumbnail(picture),
        }
        values = {"identity": name, "group": name, "splits": ANY_SPLIT, "series": None} | told
        record = Record("source", f"{name}.jpg", label=label, **values)
        result = Prepared(number, original_width=size, original_height=size, **facts)
        made.append(Linkable(record, result))
        return made[-1]

    return make


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (SAME_ID, {"identity": "isic/1"}),
        (SAME_GROUP, {"group": "patient"}),
        (SAME_BYTES, {"original": "bytes"}),
        (SAME_PIXELS, {"written": "pixels"}),
        (ALIKE, {"looks": 77}),
    ],
)
def test_each_rule_joins_the_pair_that_is_meant_and_no_other(
    link: Link, rule: str, told: dict
) -> None:
    pictures = [link("a"), link("b", **told), link("c"), link("d", **told)]
    edges = {name: pairs.tolist() for name, pairs in find_edges(pictures).items()}
    assert edges == {name: [[1, 3]] if name == rule else [] for name in RULES}


def test_of_copies_under_two_classes_the_corrected_one_is_right(link: Link) -> None:
    told = {"original": "bytes"}
    pictures = [link("a", PAN, 300, **told), link("b", DERM, 100, is_corrected=True, **told)]
    links = find_links(pictures)
    assert links.contradictions == {}
    assert links.kept_instead == {"a.jpg": "b.jpg"}
    both = [*pictures, link("c", DERM_CLINIC, is_corrected=True, **told)]
    assert find_links(both).contradictions.keys() == {"a.jpg", "b.jpg", "c.jpg"}


def test_only_neighbours_of_one_series_are_joined(link: Link) -> None:
    numbers = [("mole", 3), ("mole", 1), ("mole", 2), ("mole", 5), ("wart", 4), ("wart", 3)]
    pictures = [link(f"{name}{number}", series=(name, number)) for name, number in numbers]
    assert find_edges(pictures)[SERIES].tolist() == [[1, 2], [2, 0], [5, 4]]


def test_of_copies_the_one_with_the_most_pixels_is_kept_else_the_first(link: Link) -> None:
    small, large, equal = (
        link("small", size=50, original="x"),
        link("large", size=90, written="y"),
        link("equal", size=90, written="y", original="x"),
    )
    assert find_links([small, large, equal]).kept_instead == {
        "small.jpg": "large.jpg",
        "equal.jpg": "large.jpg",
    }


def test_a_file_that_two_rows_name_is_no_copy_of_itself(link: Link) -> None:
    """The rows' groups are one component, in the strictest split, and the file is kept."""
    told = {"identity": "x/1", "original": "bytes", "written": "pixels", "looks": 50}
    one, other = link("a", group="case 1", splits=TRAIN_ONLY, **told), link("a", **told)
    other = replace(other, record=replace(other.record, group="case 2", splits=TEST_ONLY))
    more = [link("b", group="case 1"), link("c", group="case 2"), link("small", size=9, **told)]
    links = find_links([one, other, *more])
    assert links.kept_instead == {"small.jpg": "a.jpg"}
    assert not links.contradictions
    records = [picture.record for picture in (one, other, *more)]
    plan = plan_pictures(
        records, [], SEED, None, links.component_of, links.kept_instead, allow_empty=True
    )
    assert {planned.record.original: planned.split for planned in plan} == dict.fromkeys(
        ["a.jpg", "b.jpg", "c.jpg"], "test"
    )
    report = report_leaks([one, other, *more], links, plan, draw_splits(records, SEED))
    assert report.is_tight
    assert report.alike == [("a.jpg", "small.jpg")]
    assert report.rules[SAME_BYTES].num_edges == 1


def test_altered_copies_are_joined_and_all_kept_whatever_their_class(link: Link) -> None:
    pictures = [link("a", DERM, looks=5), link("b"), link("c", PAN, looks=5, mirrored=True)]
    assert find_edges(pictures)[ALTERED].tolist() == [[0, 2]]
    links = find_links(pictures)
    assert links.component_of == {"a": "a", "c": "a"}
    assert (links.kept_instead, links.contradictions) == ({}, {})


def test_what_seems_altered_is_read_again_and_nothing_else(link: Link, make_picture) -> None:
    pictures = [link("a", looks=5), link("b", looks=5), link("c", looks=5, mirrored=True)]
    views = {"a.jpg": make_picture(5), "c.jpg": ImageOps.mirror(make_picture(5))}

    def joined(other: Image.Image) -> list[list[int]]:
        def look(records: list[Record]) -> list[bytes]:
            return [close_view((views | {"c.jpg": other})[one.original]) for one in records]

        return find_links(pictures, look).edges[ALTERED].tolist()

    assert joined(views["c.jpg"]) == [[0, 2]]
    assert joined(make_picture(6)) == []


def test_pictures_of_one_patient_are_no_copies(link: Link) -> None:
    links = find_links([link("a", group="patient"), link("b", group="patient")])
    assert (links.kept_instead, links.contradictions, links.component_of) == ({}, {}, {})


def test_one_picture_under_two_classes_is_a_contradiction(link: Link) -> None:
    links = find_links([link("a", DERM, looks=5), link("b", DERM_CLINIC, looks=5), link("c", DERM)])
    both = f"{DERM} and {DERM_CLINIC}"
    assert links.contradictions == {"a.jpg": both, "b.jpg": both}
    assert links.kept_instead == {}


def test_one_patient_under_two_classes_is_none(link: Link) -> None:
    links = find_links([link("a", DERM, group="p"), link("b", DERM_CLINIC, group="p")])
    assert links.contradictions == {}


def test_a_chain_of_rules_is_one_component(link: Link) -> None:
    pictures = [
        link("a", group="patient 1"),
        link("b", group="patient 1", original="x"),
        link("c", group="patient 2", original="x"),
        link("d", group="patient 2", series=("s", 1)),
        link("e", series=("s", 2)),
        link("f"),
    ]
    assert find_links(pictures).component_of == dict.fromkeys(["e", "patient 1", "patient 2"], "e")


class TestCertificate:
    @pytest.fixture
    def pictures(self, link: Link) -> list[Linkable]:
        return [
            link("a", splits=TRAIN_ONLY, looks=9),
            link("b", splits=TEST_ONLY, looks=9, size=50),
            link("c", splits=TRAIN_ONLY, series=("s", 1)),
            link("d", splits=TEST_ONLY, series=("s", 2)),
            link("e", splits=TRAIN_ONLY),
            link("f", splits=VAL_ONLY),
        ]

    def report(self, pictures: list[Linkable], links: Links):
        records = [picture.record for picture in pictures]
        plan = plan_pictures(
            records, [], SEED, None, links.component_of, links.kept_instead, allow_empty=True
        )
        return report_leaks(pictures, links, plan, draw_splits(records, SEED))

    def test_what_was_found_is_counted_by_rule(self, pictures: list[Linkable]) -> None:
        report = self.report(pictures, find_links(pictures))
        assert report.is_tight
        alike, series = report.rules[ALIKE], report.rules[SERIES]
        assert (alike.num_edges, alike.num_collapsed, alike.num_across) == (1, 1, 0)
        assert (series.num_edges, series.num_collapsed, series.num_across) == (1, 0, 0)
        assert report.joined.num_components == 2
        assert [some.members for some in report.joined.largest] == [
            ("a.jpg", "b.jpg"),
            ("c.jpg", "d.jpg"),
        ]
        assert report.alike == report.only_alike == [("a.jpg", "b.jpg")]

    def test_what_was_looked_for_and_what_is_too_plain_is_said(
        self, link: Link, pictures: list[Linkable]
    ) -> None:
        more = [
            link("g", DERM, looks=9, mirrored=True),
            link("h\n", PAN, looks=8),
            link("i", DERM, looks=8, mirrored=True),
            *(link(name, plain=True) for name in "jk"),
        ]
        report = self.report([*pictures, *more], find_links([*pictures, *more]))
        assert report.is_tight
        assert report.num_plain == 2
        lines = report.describe().splitlines()
        assert SEARCH in lines
        assert any(line.endswith("by its looks: 2 pictures") for line in lines)
        assert (
            "Altered copies under two classes, both kept, in one split: 2 pairs (a.jpg and g.jpg, "
            "h\\n.jpg and i.jpg)"
        ) in lines
        written = report.as_json()
        assert written["alike_but_altered"][-1] == ["h\n.jpg", "i.jpg"]
        assert (written["too_plain_to_be_recognised"], written["searched_for"]) == (2, SEARCH)
        assert report.only_alike == report.alike

    def test_an_altered_copy_of_one_id_is_not_called_unlike(self, link: Link) -> None:
        pictures = [
            link("a", identity="x/1", looks=4),
            link("b", identity="x/1", looks=4, mirrored=True),
            *(link(name, splits=split) for name, split in (("e", TEST_ONLY), ("f", VAL_ONLY))),
        ]
        assert self.report(pictures, find_links(pictures)).unlike == []

    def test_other_pictures_under_one_id_are_told_for_one_of_them_is_dropped(
        self, link: Link
    ) -> None:
        pictures = [
            link("a", identity="x/1"),
            link("b\n", identity="x/1"),
            link("c", identity="x/2", looks=7),
            link("d", identity="x/2", looks=7, size=50),
            *(link(name, splits=split) for name, split in (("e", TEST_ONLY), ("f", VAL_ONLY))),
        ]
        report = self.report(pictures, find_links(pictures))
        assert report.unlike == [("a.jpg", "b\n.jpg")]
        assert (
            "Of one id, yet unlike to the eye, so that one of both was dropped for its name alone: "
            "1 pairs (a.jpg and b\\n.jpg)"
        ) in report.describe().splitlines()
        assert report.as_json()["same_id_but_unlike"] == [["a.jpg", "b\n.jpg"]]

    def test_each_move_is_listed_with_its_rule_and_component(
        self, pictures: list[Linkable]
    ) -> None:
        moves = self.report(pictures, find_links(pictures)).moves
        assert {move.component: (move.drawn, move.split, move.rule) for move in moves} == {
            "a": ("train", "test", ALIKE),
            "c": ("train", "test", SERIES),
        }

    def test_a_move_to_fill_an_empty_split_is_listed_as_such(
        self, pictures: list[Linkable]
    ) -> None:
        moves = self.report(pictures[:-1], find_links(pictures[:-1])).moves
        assert [move.split for move in moves if move.rule == FILLED] == ["val"]

    def test_a_split_that_cuts_through_is_seen_and_said(self, pictures: list[Linkable]) -> None:
        torn = self.report(pictures, Links(edges=find_links(pictures).edges))
        assert not torn.is_tight
        assert torn.rules[ALIKE].num_across == 1
        assert torn.rules[SERIES].num_across == 1
        assert "do not use this data set" in torn.describe()

    def test_another_collection_moves_none_that_it_does_not_join(
        self, link: Link, pictures: list[Linkable]
    ) -> None:
        more = [link(f"more {number}") for number in range(40)]
        alone, together = ([p.record for p in some] for some in (more, [*more, *pictures]))
        before, after = draw_splits(alone, SEED), draw_splits(together, SEED)
        assert before == {group: after[group] for group in before}
        assert len(set(before.values())) == 3

    def test_nothing_looked_at_is_tight(self) -> None:
        assert report_leaks([], Links(), [], {}).is_tight
