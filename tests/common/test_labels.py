"""The five classes stand in the order that every framework gives their folders."""

from utils.common.labels import CLASSES, COLLECTED_CLASSES, LOW_QUALITY, SPLITS


def test_the_classes_are_these_in_this_order() -> None:
    assert CLASSES == ("DERM", "DERM_CLINIC", "LOW_QUALITY", "OTHER", "PAN")
    assert list(CLASSES) == sorted(CLASSES)


def test_all_but_one_are_collected() -> None:
    assert (*COLLECTED_CLASSES, LOW_QUALITY) == ("DERM", "DERM_CLINIC", "OTHER", "PAN", LOW_QUALITY)
    assert set(COLLECTED_CLASSES) | {LOW_QUALITY} == set(CLASSES)


def test_the_splits_are_these() -> None:
    assert SPLITS == ("train", "val", "test")
