"""Make a command line of a settings dataclass, in which each flag is one documented field."""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar

from utils.common.errors import SettingsError
from utils.common.values import Range, expected_of
from utils.common.version import __version__

Settings = TypeVar("Settings")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, like every other error of the suite."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage."""
        is_command = not self.prog.startswith("-m ") and not self.prog.endswith(".py")
        python = "" if is_command else "python "
        raise SettingsError(message, todo=f"See: {python}{self.prog} --help")


def setting(
    default: Any,
    help_text: str,
    *flags: str,
    check: Range | None = None,
    before: Any = None,
    **argument: Any,
) -> Any:
    """Declare a dataclass field that is also a command-line flag.

    What is declared here holds for a value wherever it comes from: `parse` checks what the user
    gives, `faults` what was stored by an earlier process.

    Args:
        default: Value when the flag is not given.
        help_text: What the flag does; shown by --help together with the default.
        flags: Spellings such as "-b", "--batch-size"; the field's own name by default. The field's
            name without dashes makes it one that is told by its position.
        check: Range of a number.
        before: What was done before there was the flag, if that is not its default.
        argument: Passed on to `ArgumentParser.add_argument` (type, choices, nargs, metavar).
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "flags": flags,
            "check": check,
            "before": default if before is None else before,
            "argument": argument,
        },
    )


def check_of(settings: type, name: str) -> Range:
    """Return the range of a number of the settings, for an answer that stands for its flag."""
    check: Range = settings.__dataclass_fields__[name].metadata["check"]  # type: ignore[attr-defined]
    return check


def build_parser(
    settings: type, description: str, epilog: str = "", program: str | None = None
) -> argparse.ArgumentParser:
    """Build a parser with one flag per field of `settings`; a flag not given leaves no trace."""
    parser = OneLineParser(
        prog=program,
        description=description,
        epilog=epilog,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"skin-picture-gate {__version__}",
        help="show the version and exit",
    )
    for field in dataclasses.fields(settings):
        if "help" not in field.metadata:
            continue
        flags = field.metadata["flags"] or (f"--{field.name.replace('_', '-')}",)
        help_text = field.metadata["help"].replace("%", "%%")
        argument = dict(field.metadata["argument"])
        if "action" not in argument and isinstance(field.default, bool):
            argument["action"] = "store_true"
        if type(field.default) in (int, float) or (field.default and field.default is not True):
            help_text += f" (default: {field.default})"
        if flags[0].startswith("-"):
            argument["dest"] = field.name
        parser.add_argument(*flags, help=help_text, **argument)
    return parser


def parse(
    settings: type[Settings],
    argv: Sequence[str] | None,
    description: str,
    epilog: str = "",
    program: str | None = None,
) -> tuple[Settings, frozenset[str]]:
    """Parse `argv` into `settings`; also return the names of the fields that were given.

    Args:
        settings: A dataclass of `setting` fields.
        argv: The command line, None for the process's own.
        description: What the program does.
        epilog: Shown below the flags.
        program: What follows "python" in its call; by default the script's name.

    Raises:
        SettingsError: If the command line cannot be read, or a value is out of its range.
    """
    given = vars(build_parser(settings, description, epilog, program).parse_args(argv))
    parsed = settings(**given)
    for field, expected in faults(parsed):
        raise SettingsError(
            f"{_flag(field)} {getattr(parsed, field.name)} cannot be used", expected
        )
    return parsed, frozenset(given)


def faults(
    settings: Any,
) -> Iterator[tuple[dataclasses.Field[Any], str]]:
    """Yield each field whose value cannot be used, with what was expected instead.

    Args:
        settings: An instance of a dataclass of `setting` fields, whatever its values are.
    """
    for field in dataclasses.fields(settings):
        if "help" not in field.metadata:
            continue
        value = getattr(settings, field.name)
        choices = field.metadata["argument"].get("choices")
        expected = expected_of(
            value,
            field.type,
            check=field.metadata["check"],
            choices=choices,
        )
        if expected:
            yield field, expected


def _flag(field: dataclasses.Field[Any]) -> str:
    usual = f"--{field.name.replace('_', '-')}"
    flags = field.metadata["flags"]
    return usual if not flags or usual in flags else str(flags[-1])
