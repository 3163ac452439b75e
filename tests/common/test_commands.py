"""A command that is shown can be typed as it stands."""

import os
import shlex

import pytest

from utils.common.cli.commands import as_typed


@pytest.mark.skipif(os.name == "nt", reason="another shell")
@pytest.mark.parametrize("name", ["my photo.jpg", "it's.jpg", "$HOME.jpg", "a;b.jpg"])
def test_the_shell_reads_the_very_words(name: str) -> None:
    assert shlex.split(as_typed("python", "predict.py", name)) == ["python", "predict.py", name]


def test_quotes_stand_only_where_they_are_needed() -> None:
    assert as_typed("python", "predict.py", "runs/x-1") == "python predict.py runs/x-1"
