"""Build an installable package under one name, which nothing of a user's collides with.

A checkout has its rooms at the top level, where they are short to name: `utils`, `models` and the
scripts. Beside somebody else's `utils` those names would not do, so what is built holds them below
`skin_picture_gate`, with its imports and the commands in its texts rewritten.
"""

import ast
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel
from setuptools.errors import SetupError

NAME = "skin_picture_gate"
ROOMS = ("models", "utils")
COMMANDS = {"create_dataset": "create", "launch_training_test": "train", "predict": "predict"}
"""The scripts, and what their commands end in: those of `[project.scripts]`."""

TEMPLATES = "*.jinja"
"""Texts with commands in them that are no modules."""

IMPORT = re.compile(rf"^(\s*(?:from|import) )({'|'.join(ROOMS)})(?=[. ])", re.MULTILINE)
MODULE = re.compile(rf"(?<=-m )({'|'.join(ROOMS)})(?=\.\w)")
SCRIPT = re.compile(rf"\b(?:python )?({'|'.join(COMMANDS)})\.py\b")
TORCHRUN = re.compile(rf"\b(torchrun .*?)({'|'.join(COMMANDS)})\.py\b")

PACKAGE = (
    f'"""{{summary}}\n\nfrom {NAME}.models import load\n"""\n\n'
    f"from {NAME}.utils.common.version import __version__ as __version__\n"
)

RUN = f'''"""The scripts as commands."""

import runpy


def _run(script: str) -> None:
    runpy.run_module(f"{NAME}.{{script}}", run_name="__main__")
'''

RUN_ONE = '''

def {function}() -> None:
    """Run `{script}`."""
    _run("{script}")
'''


def reword(text: str) -> str:
    """Return a text with the commands of a checkout under the names that the package gives them."""
    text = MODULE.sub(rf"{NAME}.\1", text)
    text = TORCHRUN.sub(rf"\1-m {NAME}.\2", text)
    return SCRIPT.sub(lambda found: f"{NAME.replace('_', '-')}-{COMMANDS[found[1]]}", text)


def rewrite(text: str) -> str:
    """Return a module as it reads below the package's name.

    Raises:
        SetupError: If an import is written in a way that is not known here.
    """
    text = reword(IMPORT.sub(rf"\1{NAME}.\2", text))
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            is_bound = isinstance(node, ast.ImportFrom) or all(one.asname for one in node.names)
            if name.split(".")[0] in ROOMS or (name.startswith(NAME) and not is_bound):
                raise SetupError(f"line {node.lineno}: import {name} cannot be rewritten")
    return text


class Build(build_py):
    """Builds the package from the rooms of a checkout."""

    def run(self) -> None:
        """Build it."""
        folder = Path(self.build_lib, NAME)
        shutil.rmtree(folder, ignore_errors=True)  # a module that is gone would come along
        super().run()
        for template in folder.rglob(TEMPLATES):
            text = template.read_text(encoding="utf-8")
            template.write_text(reword(text), encoding="utf-8")
        summary = self.distribution.get_description()
        (folder / "__init__.py").write_text(PACKAGE.format(summary=summary), encoding="utf-8")
        functions = (
            RUN_ONE.format(function=function, script=script)
            for script, function in COMMANDS.items()
        )
        (folder / "commands.py").write_text(RUN + "".join(functions), encoding="utf-8")

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """List a package's modules; of the top level only the scripts."""
        if package == NAME:
            return [(package, script, f"{script}.py") for script in COMMANDS]
        return list(super().find_package_modules(package, package_dir))

    def build_module(self, module: str, module_file: str, package: str) -> object:
        """Copy a module and rewrite the copy."""
        built = super().build_module(module, module_file, package)
        target = Path(built[0])
        target.write_text(rewrite(target.read_text(encoding="utf-8")), encoding="utf-8")
        return built


class NoLink(editable_wheel):
    """Refuses `pip install -e`, whose package would be the checkout with its short names."""

    def run(self) -> None:
        """Say so.

        Raises:
            SetupError: Always.
        """
        raise SetupError("A checkout runs as it is, without being installed; drop the -e")


if __name__ == "__main__":
    rooms = [package for room in ROOMS for package in find_packages(include=[room, f"{room}.*"])]
    setup(
        packages=[NAME, *(f"{NAME}.{package}" for package in rooms)],
        package_dir={NAME: ".", **{f"{NAME}.{room}": room for room in ROOMS}},
        include_package_data=False,
        package_data={"": ["*.css", TEMPLATES]},
        cmdclass={"build_py": Build, "editable_wheel": NoLink},
    )
