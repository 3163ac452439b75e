"""The examples in the documentation hold."""

import doctest
from types import ModuleType

import pytest

from models import scaling
from utils.evaluation import bootstrap, conformal, promises


@pytest.mark.parametrize("module", [scaling, bootstrap, conformal, promises])
def test_the_examples_in_the_documentation_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
