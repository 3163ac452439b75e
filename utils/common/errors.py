"""The suite's errors: each mistake of a user is one clear line and exit code 2.

    ProjectError
      SettingsError    a flag or an answer that cannot be used
      SourceError      a collection under ALL_DATA that cannot be read as what it is
      DownloadError    something the internet did not give
      DatasetError     an assembled data set that is missing, foreign or incomplete
      ModelError       an unknown model, weights that cannot be had, a torn checkpoint
      OutputError      a place that cannot be written to

Anything else that escapes is a bug and shows its traceback.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterable

from utils.common.cli.terminal import guard_terminal, printable

EXIT_OK = 0
EXIT_USER_ERROR = 2
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130
EXIT_OUTPUT_CLOSED = 141
FULL = (errno.ENOSPC, errno.EDQUOT)
MAX_OFFENDERS = 5
GO_ON = "Run the same command again to go on."


class ProjectError(Exception):
    """What was found, what was expected and what to do next, as one line of plain English.

    Args:
        found: What is wrong, without a full stop at the end.
        expected: Completes the sentence "Expected ..."; may be empty.
        todo: What the user can do now, as a sentence without its full stop; may be empty.
    """

    def __init__(self, found: str, expected: str = "", todo: str = "") -> None:
        sentences = [found, f"Expected {expected}" if expected else "", todo]
        line = " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence)
        super().__init__(" ".join(line.split()))


class SettingsError(ProjectError):
    """A flag or an answer that cannot be used."""


class SourceError(ProjectError):
    """A collection under ALL_DATA that cannot be read as what it is."""


class DownloadError(ProjectError):
    """Something the internet did not give."""


class DatasetError(ProjectError):
    """An assembled data set that is missing, foreign or incomplete."""


class ModelError(ProjectError):
    """An unknown model, weights that cannot be had, or a torn checkpoint."""


class OutputError(ProjectError):
    """A place that cannot be written to."""


def shortlist(items: Iterable[object], limit: int = MAX_OFFENDERS) -> str:
    """Name at most `limit` items and count the rest.

    >>> shortlist("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    names = [printable(item) for item in items]
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def _is_output_closed() -> bool:
    try:
        print(flush=True)  # what failed before is not tried again by a flush alone
    except BrokenPipeError:
        return True
    return False


def _open_missing_streams() -> None:
    """Give a process without input or output, as of a service or of pythonw, one that is empty.

    Else the next file that is opened gets the number of the missing one, and what a library
    complains of goes into that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - to the end
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def run_script(main: Callable[[], int | None], go_on: str = GO_ON) -> None:
    """Run a script's `main` and leave the process with its exit code.

    A `ProjectError` becomes one line on stderr and exit code 2, Ctrl-C exit code 130, SIGTERM 143
    where the script listens to it (`common.system.termination`). Where nobody reads the output any
    more, as after `| head`, it ends silently; where it goes to a full disk, with one line. A file
    name that the output has no letters for, as on Windows or in old archives, or that would do
    something to a terminal, is printed with backslashes.

    Args:
        main: Returns the exit code; None is 0.
        go_on: What to do after Ctrl-C.
    """
    _open_missing_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    os.environ.setdefault("PYTHON_COLORS", "0")  # of help and tracebacks, from Python 3.13 on
    guard_terminal()
    try:
        code = main() or EXIT_OK
        sys.stdout.flush()
    except BrokenPipeError:
        if not _is_output_closed():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        code = EXIT_OUTPUT_CLOSED
    except OSError as error:
        if error.errno not in FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        with contextlib.suppress(OSError):  # it may lie on the same disk
            what = f"write {printable(error.filename)}" if error.filename else "print any more"
            print(
                f"Error: The disk is full; could not {what}. Free some space. {go_on}".rstrip(),
                file=sys.stderr,
            )
        code = EXIT_USER_ERROR
    except ProjectError as error:
        print(f"Error: {printable(error)}", file=sys.stderr)
        code = EXIT_USER_ERROR
    except KeyboardInterrupt as stop:
        print(f"Stopped. {go_on}".rstrip(), file=sys.stderr)
        code = getattr(stop, "exit_code", EXIT_INTERRUPTED)
    sys.exit(code)
