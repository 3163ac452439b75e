"""The version is stated once, and answered before anything heavy is loaded."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from utils.common.version import __version__

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = ("create_dataset", "launch_training_test", "predict")


@pytest.fixture(scope="module")
def answers() -> list[str]:
    """Return what each script prints for --version in one process, and what was loaded by then."""
    lines = [
        "import importlib, sys",
        f"for name in {SCRIPTS!r}:",
        "    try: importlib.import_module(name).main(['--version'])",
        "    except SystemExit as left: assert not left.code",
        "print([name for name in ('torch', 'timm', 'cv2', 'PIL') if name in sys.modules])",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_every_script_answers_it(answers: list[str]) -> None:
    assert answers[:-1] == [f"skin-picture-gate {__version__}"] * len(SCRIPTS)


def test_nothing_heavy_is_loaded_for_it(answers: list[str]) -> None:
    assert answers[-1] == "[]"


def test_the_package_takes_it_from_its_one_place() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    assert "version" not in project["project"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == "utils.common.version.__version__"


def test_the_newest_dated_notes_and_the_citation_are_of_this_version() -> None:
    notes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d\S*)\] - (\d{4}-\d\d-\d\d)$", notes, re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    date = re.search(r"^date-released: (\S+)$", citation, re.MULTILINE)
    assert date and released[0] == (__version__, date[1])
    assert f"\nversion: {__version__}\n" in citation
