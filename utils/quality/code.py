"""Fingerprints of functions, which change with what they compute and not with how it is written.

The syntax tree is hashed, not the text or the bytecode: comments, docstrings, annotations, layout
and the version of Python do not count, nor in which module something lies.
"""

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import cache
from types import FunctionType

from utils.common.seeds import stable_hash

PACKAGE = f"{__package__}."
"""Where the functions, classes and constants lie that count where they are used."""

IMPORTS = ast.Import, ast.ImportFrom
WITHOUT_MEANING = frozenset({"ctx", "kind", "type_comment", "type_params"})
"""Fields of a syntax tree that follow from the others, or that not every Python has."""


def fingerprint_of_code(function: Callable[..., object], tables: Collection[str] = ()) -> int:
    """Hash a function with all that it uses of its own module and of this package.

    Args:
        function: A function or lambda of a module whose source is at hand.
        tables: Names of constants that do not count.
    """
    assert isinstance(function, FunctionType)
    start = function.__module__
    todo: list[tuple[str, ast.AST]] = [(start, node) for node in _written_at(start, function)]
    forms = []
    seen: set[tuple[str, str]] = set()
    while todo:
        module, node = todo.pop()
        forms.append(_form(node))
        for home, name in _mentioned(module, node):
            is_ours = home == start or home.startswith(PACKAGE)
            if is_ours and name not in tables and (home, name) not in seen:
                seen.add((home, name))
                statements = _statements(home).get(name, ())
                todo += [(home, one) for one in statements if not isinstance(one, IMPORTS)]
    return stable_hash(*sorted(forms))


def _written_at(module: str, function: FunctionType) -> list[ast.AST]:
    """Find a function in its module; of two lambdas on a line nobody knows which it is."""
    code = function.__code__
    name = None if code.co_name == "<lambda>" else code.co_name
    found: list[ast.AST] = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and getattr(node, "name", None) == name:
            first = min(part.lineno for part in (node, *getattr(node, "decorator_list", ())))
            found += [node] * (first == code.co_firstlineno)
    assert found, f"{function!r} is not where it says"
    return found


def _mentioned(module: str, node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of everything that a piece of code of a module mentions."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield _origin(module, part.id)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            yield ".".join(_origin(module, part.value.id)), part.attr


def _origin(module: str, name: str) -> tuple[str, str]:
    """Return where a name that a module uses is defined, and what it is called there."""
    for statement in _statements(module).get(name, ()):
        if isinstance(statement, IMPORTS):
            called = {alias.asname or alias.name: alias.name for alias in statement.names}[name]
            if isinstance(statement, ast.ImportFrom):
                return statement.module or "", called
            home, _, called = called.rpartition(".")
            return home, called
    return module, name


@cache
def _statements(module: str) -> dict[str, list[ast.stmt]]:
    """Return the statements of a module by the names that they define."""
    statements = defaultdict(list)
    for statement in _tree(module).body if module in sys.modules else ():
        for name in set(_defined_by(statement)):
            statements[name].append(statement)
    return dict(statements)


def _defined_by(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a statement of a module defines."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, IMPORTS):
        yield from (alias.asname or alias.name for alias in statement.names)
    elif isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    else:  # as a condition
        for part in ast.iter_child_nodes(statement):
            yield from _defined_by(part)


@cache
def _tree(module: str) -> ast.Module:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    _OnlyWhatRuns().visit(tree)
    return tree


class _OnlyWhatRuns(ast.NodeTransformer):
    """Takes docstrings and annotations out of a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        plain = ast.Assign([node.target], node.value) if node.value else ast.Expr(node.target)
        return ast.copy_location(plain, node)


def _form(node: object) -> str:
    """Write a syntax tree down; unlike `ast.dump`, alike in every Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_form, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (
        f"{name}={_form(value)}"
        for name, value in ast.iter_fields(node)
        if name not in WITHOUT_MEANING and value is not None and value != []
    )
    return f"{type(node).__name__}({','.join(fields)})"
