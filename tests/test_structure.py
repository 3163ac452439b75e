"""The house itself: who imports whom, and what every room says about itself."""

import ast
import doctest
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ("create_dataset.py", "launch_training_test.py", "predict.py")

MAY_IMPORT = {
    "utils.common": (),
    "utils.quality": ("utils.common",),
    "utils.standins": ("utils.common",),
    "utils.sources": ("utils.common",),
    "utils.dataset": ("utils.common", "utils.quality", "utils.sources.record"),
    "utils.training": ("utils.common", "utils.quality", "utils.dataset.output.manifest", "models"),
    "utils.evaluation": (
        "utils.common",
        "utils.dataset.output.manifest",
        "utils.training.predictions",
        "models",
    ),
    "utils.external": (
        *("utils.common", "utils.prediction", "utils.evaluation", "models"),
        *("utils.dataset.output.manifest", "utils.training.predictions", "utils.training.state"),
    ),
    "utils.ensemble": (
        *("utils.common", "utils.training", "utils.evaluation", "utils.external.places", "models"),
        "utils.sources.extra",
    ),
    "utils.prediction": (*("utils.common", "models", "utils.sources.files"),),
    "models": ("utils.common",),
}
"""What a package may import of this project besides itself."""

WITHOUT_TORCH = tuple(
    f"utils.{room}" for room in ("common", "quality", "standins", "sources", "dataset")
)
HEAVY = ("torch", "torchvision", "timm")
NAMELESS = {"helper", "helpers", "misc", "util", "utils", "stuff", "tools", "functions"}


def modules() -> list[Path]:
    return sorted(path for top in ("utils", "models") for path in (ROOT / top).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> str:
    """Return the longest entry of the rules that a module lies in, "" if there is none."""
    name = dotted(path)
    return max((rule for rule in MAY_IMPORT if is_in(name, rule)), key=len, default="")


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def imports(path: Path, *, for_types: bool = True) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, wherever it does so.

    Args:
        path: Of the module.
        for_types: Count those under `if TYPE_CHECKING`, which never run, as well.
    """
    package = list(path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if for_types else running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below one, but for those that only a type checker looks at."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from running(other)
        else:
            yield child
            yield from running(child)


def graph_of(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Return which of some modules each of them imports."""
    files = {dotted(path): path for path in paths}
    return {
        name: {
            module
            for imported in imports(path, for_types=False)
            for module in (imported, imported.rpartition(".")[0])
            if module in files and (module == imported or imported not in files)
        }
        for name, path in files.items()
    }


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return modules each of which is imported by the next, the first again last; [] if none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def name_of(value: object) -> str | None:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_room_imports_only_what_its_rule_allows(path: Path) -> None:
    package = package_of(path)
    allowed = (package, *MAY_IMPORT.get(package, ()))
    ours = [name for name in imports(path) if name.split(".")[0] in ("utils", "models")]
    astray = [name for name in ours if not any(is_in(name, rule) for rule in allowed)]
    assert not astray, f"{path.relative_to(ROOT)} may import {allowed} only, not {astray}"


def test_no_files_import_each_other_in_a_circle() -> None:
    circle = circle_in(graph_of(modules()))
    assert not circle, f"each of these is imported by the next: {' -> '.join(circle)}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_room_imports_a_script_or_a_test(path: Path) -> None:
    scripts = {Path(script).stem for script in SCRIPTS}
    assert not {name.split(".")[0] for name in imports(path)} & (scripts | {"tests", "benchmarks"})


@pytest.mark.parametrize(
    "path", [path for path in modules() if package_of(path) in WITHOUT_TORCH], ids=name_of
)
def test_what_assembles_the_data_set_does_not_know_torch(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & set(HEAVY)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_room_lets_pillow_choose_a_decoder(path: Path) -> None:
    """`reading.decoders` opens the formats that are read; any other way would open all."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    astray = [
        node.lineno
        for node in attributes
        if node.attr == "open" and isinstance(node.value, ast.Name) and node.value.id == "Image"
    ]
    assert not astray
    assert "from PIL.Image import open" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=name_of)
def test_a_benchmark_imports_others_by_their_whole_names(path: Path) -> None:
    """Also within functions, which run late."""
    rooms = {file.stem for file in (ROOT / "benchmarks").rglob("[!_]*.py")}
    scripts = {Path(script).stem for script in SCRIPTS}
    assert not {name.split(".")[0] for name in imports(path)} & (rooms - scripts)


def test_torch_is_not_even_loaded_on_the_way() -> None:
    names = [dotted(path) for path in modules() if package_of(path) in WITHOUT_TORCH]
    lines = [
        "import importlib, sys, create_dataset",
        f"for name in {names!r}: importlib.import_module(name)",
        f"sys.exit(sum(name in sys.modules for name in {HEAVY!r}))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_command_line_answers_before_anything_heavy_is_loaded() -> None:
    lines = [
        "import sys, create_dataset",
        "try: create_dataset.main(['--help'])",
        "except SystemExit: pass",
        "print([name for name in ('torch', 'cv2', 'pandas', 'PIL') if name in sys.modules])",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=True, capture_output=True
    )
    assert done.stdout.decode().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "path",
    [*modules(), *(ROOT / script for script in SCRIPTS if (ROOT / script).exists())],
    ids=name_of,
)
def test_every_module_says_in_one_sentence_what_it_is(path: Path) -> None:
    documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert documentation, "no docstring"
    first, *rest = documentation.splitlines()
    assert first.endswith("."), f"the first line is no whole sentence: {first!r}"
    assert ". " not in first, f"more than one sentence: {first!r}"
    assert not rest or not rest[0], "the first paragraph is longer than a line"


def test_no_module_lies_loose() -> None:
    assert [path.name for path in (ROOT / "utils").glob("*.py")] == ["__init__.py"]
    assert not [
        path for path in modules() if path.parent != ROOT / "utils" and not package_of(path)
    ]


def test_every_module_has_a_name_that_says_something() -> None:
    assert not [path for path in modules() if path.stem in NAMELESS]
    folders = {path.parent for path in modules()} - {ROOT / "utils"}
    assert not [folder for folder in folders if folder.name in NAMELESS]


def test_every_package_of_the_rules_is_there() -> None:
    assert [name for name in MAY_IMPORT if not (ROOT / name.replace(".", "/")).is_dir()] == []


@pytest.mark.parametrize(
    "path", [path for path in modules() if package_of(path) in WITHOUT_TORCH], ids=name_of
)
def test_the_examples_in_the_documentation_hold(path: Path) -> None:
    assert doctest.testmod(importlib.import_module(dotted(path))).failed == 0


class TestTheRuleItself:
    """A rule that nothing can break would prove nothing."""

    @pytest.mark.parametrize(
        ("line", "name"),
        [
            ("import utils.training.engine", "utils.training.engine"),
            ("from utils.sources import catalog", "utils.sources.catalog"),
            ("from utils.sources.record import Record", "utils.sources.record.Record"),
            ("from . import tree", "utils.sources.tree"),
            ("from ..common import labels", "utils.common.labels"),
            ("def f():\n    import torch", "torch"),
        ],
    )
    def test_every_form_of_import_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, name: str
    ) -> None:
        monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
        module = tmp_path / "utils" / "sources" / "made_up.py"
        module.parent.mkdir(parents=True)
        module.write_text(line)
        assert list(imports(module)) == [name]

    def test_only_the_record_of_the_sources_is_open_to_the_data_set(self) -> None:
        assert is_in("utils.sources.record.Record", "utils.sources.record")
        assert not is_in("utils.sources.records", "utils.sources.record")
        assert not is_in("utils.sources.catalog", "utils.sources.record")

    @pytest.mark.parametrize(
        ("first", "second", "circle"),
        [
            ("from utils.made_up import b", "from utils.made_up.a import x", True),
            ("import utils.made_up.b", "def f():\n    from . import a", True),
            ("from utils.made_up import b", "import utils.made_up.a as a", True),
            ("from utils.made_up.b import x", "", False),
            ("from utils.made_up.b import x", "from utils.made_up import y", False),
            (
                "from utils.made_up.b import x",
                "if TYPE_CHECKING:\n    from utils.made_up.a import X",
                False,
            ),
            (
                "from utils.made_up.b import x",
                "if TYPE_CHECKING:\n    import os\nelse:\n    from utils.made_up.a import X",
                True,
            ),
        ],
    )
    def test_a_planted_circle_is_refused(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        first: str,
        second: str,
        circle: bool,
    ) -> None:
        monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
        folder = tmp_path / "utils" / "made_up"
        folder.mkdir(parents=True)
        for name, text in (("__init__", ""), ("a", first), ("b", second)):
            (folder / f"{name}.py").write_text(text)
        found = circle_in(graph_of(modules()))
        assert set(found) == ({"utils.made_up.a", "utils.made_up.b"} if circle else set())

    def test_a_circle_through_a_package_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "__init__.py").write_text(
            "NAME = ''\ndef load():\n    from models.gate import Gate"
        )
        (tmp_path / "models" / "gate.py").write_text("from models import NAME")
        assert set(circle_in(graph_of(modules()))) == {"models", "models.gate"}
