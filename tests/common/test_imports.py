"""Imports without searches for garbage in between: the collector then leaves them alone."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from utils.common.system.imports import imported_at_once

OF_A_NEW_PROCESS = """
import gc
from utils.common.system.imports import imported_at_once
searches = []
gc.callbacks.append(lambda phase, facts: searches.append(phase))
with imported_at_once():
    import pandas
print(len(searches), gc.isenabled(), gc.get_freeze_count() > 10_000)
"""


OF_A_CALLER = """
import gc, sys, weakref
from utils.common.system.imports import imported_at_once

def fail():
    error = ImportError()
    error.itself = error
    raise error

class Package:
    def find_spec(self, name, path, target=None):
        if name == "package":
            try:
                fail()
            except ImportError:
                pass

class Session:
    pass

def call():
    with imported_at_once():
        try:
            import package
        except ImportError:
            import pandas
    session = Session()
    return weakref.ref(session)

sys.meta_path.insert(0, Package())
print(call()() is None)
"""


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_imported_is_searched_once() -> None:
    found = subprocess.run(
        [sys.executable, "-c", OF_A_NEW_PROCESS], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["2", "True", "True"]  # one start, one stop


def test_an_error_that_a_package_catches_holds_nothing_of_the_caller() -> None:
    found = subprocess.run(
        [sys.executable, "-c", OF_A_CALLER], capture_output=True, text=True, check=True
    )
    assert found.stdout == "True\n"


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
