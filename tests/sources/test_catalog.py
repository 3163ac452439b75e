"""Every fact about a collection stands in the catalog, once and whole."""

from collections import Counter

import pytest

from utils.common.labels import CLASSES, COLLECTED_CLASSES, DERM_CLINIC, LOW_QUALITY, PAN
from utils.sources.catalog import FOLDERS, NAMES, SOURCES, owner_of, sources_for
from utils.sources.source import Source
from utils.standins.layouts import STAND_INS


def test_every_collection_has_a_short_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(name.isascii() and name.isidentifier() and name.islower() for name in NAMES)


def test_every_collection_has_a_stand_in() -> None:
    assert sorted(STAND_INS) == sorted(NAMES)


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_every_fact_is_filled_in(source: Source) -> None:
    facts = ("title", "place", "splits", "page", "how", "licence", "citation")
    assert not [fact for fact in facts if not getattr(source, fact)]
    assert source.labels
    assert set(source.labels) <= set(CLASSES)
    assert source.page.startswith("https://") or source.page == "no longer public"
    assert source.num_pictures is None or source.num_pictures > 0


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_who_fills_a_clinical_class_says_how_it_keeps_the_border(source: Source) -> None:
    assert bool(source.border) == bool({DERM_CLINIC, PAN} & set(source.labels))
    assert "|" not in source.border


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_its_folders_belong_to_it_alone(source: Source) -> None:
    assert source.reader.folders
    for folder in source.reader.folders:
        assert FOLDERS[folder.casefold()] is source
        assert owner_of(f"x/{folder.upper()}/y/z.jpg") is source


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_what_can_be_fetched_has_a_folder_for_it(source: Source) -> None:
    assert bool(source.folder) >= bool(source.bundles or source.fetcher)
    names = [file.path for bundle in source.bundles for file in bundle]
    assert all(path.startswith(f"{source.folder}/") for path in names)


@pytest.mark.parametrize("label", COLLECTED_CLASSES)
def test_every_class_has_its_collections(label: str) -> None:
    assert sources_for(label) == [source for source in SOURCES if label in source.labels] != []


def test_who_offers_pictures_of_low_quality_offers_good_ones_as_well() -> None:
    """Else the look of the collection would mean poor."""
    for source in sources_for(LOW_QUALITY):
        assert set(source.labels) & set(COLLECTED_CLASSES)


PUBLISHED = {
    "isic_2018": 10_015 + 1_512,
    "isic_2019": 25_331 + 8_238,
    "derm7pt": 1_011 + 1_002,
    "imagenet_mini": 34_745 + 3_923,
}
"""Numbers of pictures that are sums of published ones."""


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_counts_are_sums_of_what_is_published(name: str) -> None:
    assert {source.name: source.num_pictures for source in SOURCES}[name] == PUBLISHED[name]


def test_titles_and_places_differ() -> None:
    for facts in ([source.title for source in SOURCES], [source.place for source in SOURCES]):
        assert max(Counter(facts).values()) == 1


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_files_of_a_challenge_are_looked_for_on_its_page(source: Source) -> None:
    """That of a DOI of the ISIC archive leads to another archive, of another layout."""
    mirrors = [url for bundle in source.bundles for file in bundle for url in file.mirrors]
    is_challenge = any("isic-archive.s3" in url and "/challenges/" in url for url in mirrors)
    assert is_challenge == source.page.startswith("https://challenge.isic-archive.com/data/#")
