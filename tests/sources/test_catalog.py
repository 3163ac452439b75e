"""Every fact about a collection stands in the catalog, once and whole."""

import pytest

from utils.common.labels import COLLECTED_CLASSES, LOW_QUALITY
from utils.sources.catalog import NAMES, SOURCES, sources_for
from utils.sources.source import Source


def test_all_eight_are_there_each_under_a_short_name() -> None:
    assert NAMES == (
        "isic_2018",
        "isic_2019",
        "pad_ufes_20",
        "hiba",
        "derm7pt",
        "hospital_varese",
        "fitzpatrick17k",
        "imagenet_mini",
    )


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_every_fact_is_filled_in(source: Source) -> None:
    facts = ("title", "place", "splits", "page", "how", "licence", "citation")
    assert not [fact for fact in facts if not getattr(source, fact)]
    assert source.labels
    assert set(source.labels) <= set(COLLECTED_CLASSES)
    assert source.page.startswith("https://") or source.page == "no longer public"
    assert source.name == source.name.lower().replace("-", "_")


@pytest.mark.parametrize("label", COLLECTED_CLASSES)
def test_every_class_has_its_collections(label: str) -> None:
    expected = {
        "DERM": ["isic_2018", "isic_2019", "hiba", "derm7pt"],
        "DERM_CLINIC": ["pad_ufes_20", "hiba", "derm7pt"],
        "OTHER": ["imagenet_mini"],
        "PAN": ["hospital_varese", "fitzpatrick17k"],
    }
    assert [source.name for source in sources_for(label)] == expected[label]


def test_nobody_offers_pictures_of_low_quality() -> None:
    assert sources_for(LOW_QUALITY) == []


def test_only_what_needs_no_login_is_fetched() -> None:
    fetched = {source.name for source in SOURCES if source.fetcher}
    assert fetched == {"isic_2018", "isic_2019", "fitzpatrick17k"}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("isic_2018", 10_015 + 1_512),
        ("isic_2019", 25_331 + 8_238),
        ("pad_ufes_20", 2_298),
        ("hiba", 1_616),
        ("derm7pt", 1_011 + 1_002),
        ("hospital_varese", None),
        ("fitzpatrick17k", 16_577),
        ("imagenet_mini", 34_745 + 3_923),
    ],
)
def test_the_published_counts(name: str, count: int | None) -> None:
    assert {source.name: source.num_pictures for source in SOURCES}[name] == count


def test_only_two_allow_commercial_use() -> None:
    assert [source.name for source in SOURCES if source.commercial] == ["pad_ufes_20", "hiba"]
