"""The examples in the documentation hold."""

import doctest
from types import ModuleType

import pytest

from models import calibration
from utils.evaluation import bootstrap, fitting, promises


@pytest.mark.parametrize("module", [calibration, bootstrap, fitting, promises])
def test_the_examples_in_the_documentation_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
