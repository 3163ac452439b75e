"""Errors read as one line; scripts leave with the exit code that says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils.common.errors import (
    DatasetError,
    DownloadError,
    ModelError,
    OutputError,
    ProjectError,
    SettingsError,
    SourceError,
    run_script,
    shortlist,
)

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (("No folder x",), "No folder x."),
        (("No folder x", "a folder"), "No folder x. Expected a folder."),
        (("No folder x", "", "Make it"), "No folder x. Make it."),
        (("No folder x.", "a folder.", "Make it."), "No folder x. Expected a folder. Make it."),
        (("two\nlines\t of text", "a\r\nb"), "two lines of text. Expected a b."),
    ],
)
def test_an_error_is_one_line(parts: tuple[str, ...], line: str) -> None:
    assert str(ProjectError(*parts)) == line


@pytest.mark.parametrize(
    "kind",
    [SettingsError, SourceError, DownloadError, DatasetError, ModelError, OutputError],
)
def test_every_error_is_a_project_error(kind: type[ProjectError]) -> None:
    assert issubclass(kind, ProjectError)


@pytest.mark.parametrize("count", range(12))
def test_a_shortlist_names_five_and_counts_the_rest(count: int) -> None:
    items = [f"item{number}" for number in range(count)]
    text = shortlist(items)
    named = [item for item in items if item in text.replace(" and ", ", ").split(", ")]
    assert named == items[:5]
    assert text.endswith(f" and {count - 5} more") == (count > 5)


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("raise errors.SourceError('bad table')", 2, "Error: bad table."),
        ("raise KeyboardInterrupt", 130, "Stopped. Run the same command again to go on."),
        ("return None", 0, ""),
        ("return 3", 3, ""),
    ],
)
def test_a_script_leaves_with_its_code_and_one_line(body: str, code: int, line: str) -> None:
    program = f"from utils.common import errors\ndef main(): {body}\nerrors.run_script(main)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.strip(), done.stdout) == (code, line, "")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_name_that_the_output_has_no_letters_for_is_printed_all_the_same(encoding: str) -> None:
    program = (
        "from utils.common import errors\n"
        "def main(): print('\\u5199\\u771f.jpg', 'caf\\udce9.jpg')\n"
        "errors.run_script(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split()[1] == rb"caf\udce9.jpg"
    assert done.stdout.split()[0] in (rb"\u5199\u771f.jpg", "\u5199\u771f.jpg".encode())


def test_a_script_may_tell_another_way_to_go_on() -> None:
    program = (
        "from utils.common import errors\n"
        "def main(): raise KeyboardInterrupt\n"
        "errors.run_script(main, 'Wait.')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (130, "Stopped. Wait.\n")


def test_it_ends_silently_where_nobody_reads_its_output() -> None:
    program = (
        "from utils.common import errors\n"
        "def main():\n    for _ in range(100_000): print('a line that nobody reads')\n"
        "errors.run_script(main)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


def test_another_broken_pipe_shows_its_traceback() -> None:
    def main() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_script(main)


def test_a_bug_shows_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_script(main)


WITHOUT_STREAMS = """
import os, sys
from utils.common.cli import console, prompts
from utils.common import errors

def main():
    print("told")
    console.warn("warned")
    assert list(console.progress([1, 2], desc="Counting", unit="numbers")) == [1, 2]
    with open(sys.argv[1], "w") as stream:
        os.write(2, b"what a library complains of\\n")
        stream.write("kept")
    prompts.ask("? ", "--x")

errors.run_script(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no shell that closes them")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_process_without_input_or_output_ends_as_any_other(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", WITHOUT_STREAMS,
         str(tmp_path / "file")],
        cwd=ROOT, input="", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert (tmp_path / "file").read_text() == "kept"
    if "2>" not in closed:
        assert done.stderr.splitlines()[-1].startswith("Error: The input ended at the question '?'")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full device")
def test_an_output_on_a_full_disk_is_one_line() -> None:
    code = "from utils.common.errors import run_script; run_script(lambda: print('x' * 100_000))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False, cwd=Path(__file__).parent.parent.parent,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        "Error: The disk is full; could not print any more. Free some space. "
        "Run the same command again to go on.\n",
    )
