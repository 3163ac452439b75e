"""What is installed has one name of its own, and works beside anybody's `utils` and `models`."""

import ast
import importlib.util
import multiprocessing
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from utils.common.version import __version__

ROOT = Path(__file__).parent.parent
NAME = "skin_picture_gate"
FILES = ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE")
SCRIPTS = ("create_dataset", "launch_training_test", "predict")
COMMANDS = ("create", "train", "predict")
USE = """
from skin_picture_gate.models import load

if __name__ == "__main__":
    print(load("run")("a.jpg").label)
"""

WORK = """
import multiprocessing
import sys

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop(1))
    from skin_picture_gate.commands import predict

    predict()
"""
OLDEST_SETUPTOOLS = 77
"""Which the build asks for; the tests take the one that is installed."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel, built without the internet from a copy of the checkout."""
    try:
        version = metadata.version("setuptools")
    except metadata.PackageNotFoundError:
        version = "0"
    if int(version.split(".")[0]) < OLDEST_SETUPTOOLS:
        pytest.skip(f"setuptools {version} is installed: pip install -U setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for room in ("models", "utils"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*FILES, *(f"{script}.py" for script in SCRIPTS)):
        shutil.copy(ROOT / name, source)
    pip("wheel", str(source), "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the wheel was installed into."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture
def theirs(tmp_path: Path, bundle: Path, make_picture: Callable, encode: Callable) -> Path:
    """Return the folder of somebody with a `utils` and a `models` of their own, and a model."""
    (tmp_path / "utils.py").write_text("raise SystemExit('their utils')")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('their models')")
    shutil.copytree(bundle, tmp_path / "run")
    (tmp_path / "a.jpg").write_bytes(encode(make_picture(1)))
    (tmp_path / "b.jpg").write_bytes(encode(make_picture(2)))
    return tmp_path


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def run(folder: Path, site: Path, *command: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, check=False,
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
class TestInstalled:
    def test_the_only_top_level_name_cannot_collide(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            top = {name.split("/")[0] for name in archive.namelist()}
        assert {name for name in top if not name.endswith(".dist-info")} == {NAME}

    def test_every_module_and_every_other_file_is_in_it(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            inside = {name for name in archive.namelist() if name.startswith(f"{NAME}/")}
        files = {
            f"{NAME}/{path.relative_to(ROOT).as_posix()}"
            for room in ("models", "utils")
            for path in (ROOT / room).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        made = {f"{NAME}/__init__.py", f"{NAME}/commands.py"}
        assert inside == files | made | {f"{NAME}/{script}.py" for script in SCRIPTS}

    def test_no_module_imports_or_names_what_is_there_in_a_checkout_only(self, site: Path) -> None:
        for path in (site / NAME).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) else []
                assert not [name for name in names if name.split(".")[0] in ("utils", "models")]
        for path in [*(site / NAME).rglob("*.py"), *(site / NAME).rglob("*.jinja")]:
            text = path.read_text(encoding="utf-8")
            assert not [name for name in SCRIPTS if f"{name}.py" in text], path
            assert "-m models" not in text, path
            assert "-m utils" not in text, path

    def test_its_requirements_are_those_of_the_checkout(self, site: Path) -> None:
        (facts,) = site.glob("*.dist-info/METADATA")
        told = [
            line.removeprefix("Requires-Dist: ")
            for line in facts.read_text(encoding="utf-8").splitlines()
            if line.startswith("Requires-Dist: ")
        ]
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert told == [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]

    def test_it_carries_the_licence_and_the_version_of_the_checkout(self, site: Path) -> None:
        (facts,) = site.glob("*.dist-info")
        own = (ROOT / "LICENSE").read_text(encoding="utf-8")
        assert (facts / "licenses" / "LICENSE").read_text(encoding="utf-8") == own
        told = (facts / "METADATA").read_text(encoding="utf-8").splitlines()
        assert {f"Version: {__version__}", "License-Expression: Apache-2.0"} <= set(told)

    def test_the_package_states_its_version(self, site: Path, theirs: Path) -> None:
        done = run(theirs, site, "-c", f"import {NAME}; print({NAME}.__version__)")
        assert done.stdout == f"{__version__}\n", done.stderr

    def test_a_model_answers_beside_anybody_s_utils(self, site: Path, theirs: Path) -> None:
        (theirs / "use.py").write_text(USE)
        done = run(theirs, site, "use.py")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.split()) == 1

    @pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
    def test_workers_answer_there_too(self, site: Path, theirs: Path, method: str) -> None:
        (theirs / "work.py").write_text(WORK)
        done = run(theirs, site, "work.py", method, "run", "a.jpg", "b.jpg", "-j", "2")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith("2 pictures: ")

    def test_a_module_runs_by_its_name(self, site: Path, theirs: Path) -> None:
        done = run(theirs, site, "-m", f"{NAME}.models.export", "--help")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: -m {NAME}.models.export ")
        assert f"\npython -m {NAME}.models.export runs/resnet18-1 --format onnx\n" in done.stdout

    @pytest.mark.parametrize("name", COMMANDS)
    def test_a_command_tells_its_own_name(self, site: Path, theirs: Path, name: str) -> None:
        lines = [
            f"import sys; sys.argv = ['skin-picture-gate-{name}', '--sideways']",
            f"from {NAME}.commands import {name}; {name}()",
        ]
        done = run(theirs, site, "-c", "\n".join(lines))
        assert done.returncode == 2
        assert done.stderr.endswith(f" See: skin-picture-gate-{name} --help.\n")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """Return the build's own code; nothing is built when it is imported."""
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("builder", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestRewriting:
    @pytest.mark.parametrize(
        ("line", "rewritten"),
        [
            ("from utils.common import labels", f"from {NAME}.utils.common import labels"),
            ("def f():\n    from models import a", f"def f():\n    from {NAME}.models import a"),
            ("import models.zoo as zoo", f"import {NAME}.models.zoo as zoo"),
            ("from utils2 import x", "from utils2 import x"),
            ("from torch.utils.data import x", "from torch.utils.data import x"),
            ("import torch.utils", "import torch.utils"),
            ("from . import models", "from . import models"),
            ("x = 'python predict.py RUN'", "x = 'skin-picture-gate-predict RUN'"),
            ("# create_dataset.py again", "# skin-picture-gate-create again"),
            ("# python -m utils.sources.guide", f"# python -m {NAME}.utils.sources.guide"),
            (
                "# torchrun -n=2 launch_training_test.py -b 32",
                f"# torchrun -n=2 -m {NAME}.launch_training_test -b 32",
            ),
        ],
    )
    def test_names_of_a_checkout_become_those_of_the_package(
        self, builder: ModuleType, line: str, rewritten: str
    ) -> None:
        assert builder.rewrite(line) == rewritten
        assert builder.rewrite(rewritten) == rewritten

    @pytest.mark.parametrize(
        "line", ["import os; from utils import x", "import utils.common.labels"]
    )
    def test_an_import_that_would_be_lost_stops_the_build(
        self, builder: ModuleType, line: str
    ) -> None:
        with pytest.raises(builder.SetupError, match="cannot be rewritten"):
            builder.rewrite(line)


def test_every_module_can_be_rewritten(builder: ModuleType) -> None:
    for room in ("models", "utils"):
        for path in (ROOT / room).rglob("*.py"):
            builder.rewrite(path.read_text(encoding="utf-8"))


def test_each_script_has_a_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {
        f"skin-picture-gate-{name}": f"{NAME}.commands:{name}" for name in COMMANDS
    }
