"""Imports without searches for garbage: the collector is as before, and leaves them alone."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from utils.common.imports import imported_at_once

OF_A_NEW_PROCESS = """
import gc
from utils.common.imports import imported_at_once
searches = []
gc.callbacks.append(lambda phase, facts: searches.append(phase))
with imported_at_once():
    import pandas
print(len(searches), gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_imported_is_never_searched() -> None:
    found = subprocess.run(
        [sys.executable, "-c", OF_A_NEW_PROCESS], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["0", "True", "True"]


def test_nothing_is_set_aside_where_nothing_was_new() -> None:
    before = gc.get_freeze_count()
    with imported_at_once():
        import sys as known  # noqa: F401
    assert gc.get_freeze_count() == before


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was_even_after_a_failure(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ImportError), imported_at_once():
            raise ImportError
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
