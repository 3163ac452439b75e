"""A fingerprint of code tells what is computed otherwise, and nothing else."""

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from utils.quality.code import fingerprint_of_code
from utils.quality.degrade import degrade
from utils.quality.kinds import KINDS

MODULE = '''"""A module."""

import numpy as np

from utils.quality.effects import draws
from utils.quality.sizes import resize as scaled

WEIGHTS = (1, 2)
OTHER = 3


def change(picture: np.ndarray, *, share: float = 0.5) -> np.ndarray:
    """Change a picture."""
    # The share comes first.
    return _inner(scaled(picture, picture.shape)) * share


def _inner(picture: np.ndarray) -> np.ndarray:
    return picture * WEIGHTS[0] + draws.between(None, 0, 1)


def unused(picture):
    return picture
'''

NUMBERS = itertools.count()


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Give a function that returns the fingerprint of `change` in a module of this text."""

    def fingerprint(text: str) -> int:
        name = f"written_{next(NUMBERS)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return fingerprint_of_code(module.change)

    return fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# The share comes first.", "# It comes last."),
        ('"""Change a picture."""', '"""Make it worse."""\n    "And more."'),
        (", *, share: float = 0.5) -> np.ndarray", ", *, share=0.5)"),
        ("def change(\n", "def change("),
        ("picture * WEIGHTS[0]", "(picture\n        * WEIGHTS[0])"),
        ("OTHER = 3", "OTHER = 4"),
        ("return picture\n", "return None\n"),
        ("WEIGHTS = ", "WEIGHTS: tuple[int, int] = "),
    ],
)
def test_what_computes_the_same_is_the_same(of: Callable[[str], int], old: str, new: str) -> None:
    assert of(MODULE) == of(MODULE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("share: float = 0.5", "share: float = 0.6"),
        ("* share", "/ share"),
        ("WEIGHTS = (1, 2)", "WEIGHTS = (2, 2)"),
        ("WEIGHTS[0] +", "WEIGHTS[1] +"),
        ("import resize as scaled", "import at_most as scaled"),
        ("draws.between", "draws.one_of"),
        ("_inner(picture: np.ndarray) -> np.ndarray:\n", "_inner(picture):\n    picture += 1\n"),
    ],
)
def test_what_computes_something_else_is_another(
    of: Callable[[str], int], old: str, new: str
) -> None:
    assert MODULE.count(old)
    assert of(MODULE) != of(MODULE.replace(old, new))


def test_a_constant_behind_a_condition_counts(of: Callable[[str], int]) -> None:
    condition = "if np:\n    WEIGHTS = ({}, 2)\nelse:\n    WEIGHTS = (0, 0)"
    ones, twos = (of(MODULE.replace("WEIGHTS = (1, 2)", condition.format(n))) for n in (1, 2))
    assert ones != twos


def test_lambdas_count_as_they_are_written(of: Callable[[str], int]) -> None:
    texts = [f"SCALE = {n}\nchange = lambda picture: picture * SCALE\n" for n in (1, 1, 2)]
    first, again, other = map(of, texts)
    assert first == again != other


def test_a_decorated_function_is_found(of: Callable[[str], int]) -> None:
    own = "def own(function):\n    return function\n\n\n"
    decorated = f"{own}@own\ndef change(picture):\n    return picture * {{}}\n"
    assert of(decorated.format(1)) != of(decorated.format(2))


def test_tables_may_be_left_out() -> None:
    assert fingerprint_of_code(degrade, {"KINDS"}) != fingerprint_of_code(degrade)


def test_every_kind_has_its_own() -> None:
    functions = {kind.apply for kind in KINDS.values()}
    assert len({fingerprint_of_code(function) for function in functions}) == len(functions)
