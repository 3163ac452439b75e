"""A settings dataclass in, a command line out: each flag is one field, documented in one place."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from utils.common.errors import SettingsError

Settings = TypeVar("Settings")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, like every other error of the suite."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage."""
        is_command = not self.prog.startswith("-m ") and not self.prog.endswith(".py")
        python = "" if is_command else "python "
        raise SettingsError(message, todo=f"See: {python}{self.prog} --help")


def setting(default: Any, help_text: str, *flags: str, **argument: Any) -> Any:
    """Declare a dataclass field that is also a command-line flag.

    Args:
        default: Value when the flag is not given.
        help_text: What the flag does; shown by --help together with the default.
        flags: Spellings such as "-b", "--batch-size"; the field's own name by default. The field's
            name without dashes makes it one that is told by its position.
        argument: Passed on to `ArgumentParser.add_argument` (type, choices, nargs, metavar).
    """
    return dataclasses.field(
        default=default, metadata={"help": help_text, "flags": flags, "argument": argument}
    )


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
    """
    given = vars(build_parser(settings, description, epilog, program).parse_args(argv))
    return settings(**given), frozenset(given)
