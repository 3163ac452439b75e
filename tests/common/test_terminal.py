"""Whatever is printed, a terminal shows text: nothing moves its cursor or forges a line."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from utils.common import errors
from utils.common.cli import console
from utils.common.cli.terminal import PrintableStream, printable

ROOT = Path(__file__).parent.parent.parent
HOSTILE = {
    "escape": "\x1b]0;title\x07\x1b[2J",
    "one-byte escape": "\x9b2J",
    "newline": "\nError: nothing is wrong, call 555",
    "return": "\rSaved.",
    "backspaces": "\b\b\b",
    "line of Unicode": "\u2028Error: forged",
    "right to left": "\u202egpj.exe",
    "isolate": "\u2066x\u2069",
    "not seen": "\u200b\ufeff",
    "no letter": "\udce9",
    "zero": "\0",
}


@pytest.mark.parametrize("text", ["a.jpg", "Fl\u00fcgel \u5199\u771f.jpg", "tilde~", ""])
def test_names_in_any_writing_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_more_than_text_is_spelt_out(text: str) -> None:
    shown = printable(f"a{text}z")
    assert shown.isprintable()
    assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == f"a{text}z"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
class TestEachWayOfPrinting:
    """A name takes one line, and nothing of it acts."""

    def test_a_cell_of_a_table(self, text: str) -> None:
        lines = console.table(["file", "number"], [[f"a{text}", 1], ["b", 2]]).splitlines()
        assert len(lines) == 3
        assert len({len(line) for line in lines}) == 1
        assert all(line.isprintable() for line in lines)

    def test_a_warning(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        console.warn(f"{text} is odd.")
        told = capsys.readouterr().err
        assert told == f"Warning: {printable(text)} is odd.\n"

    def test_a_list_of_names(self, text: str) -> None:
        assert errors.shortlist([text, "b"]) == f"{printable(text)}, b"

    def test_an_error(self, text: str, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
        def main() -> None:
            raise errors.SourceError(f"{text}.csv is no table")

        monkeypatch.setattr(errors, "guard_terminal", lambda: None)
        monkeypatch.setenv("PYTHON_COLORS", "0")
        with pytest.raises(SystemExit):
            errors.run_script(main)
        told = capsys.readouterr().err
        assert told.startswith("Error: ")
        assert told.endswith(".csv is no table.\n")
        assert told[:-1].isprintable()

    def test_the_name_of_a_progress_bar(self, text: str, monkeypatch) -> None:
        told = {}
        monkeypatch.setattr(console, "tqdm", lambda *_, **settings: told.update(settings))
        console.progress(total=1, desc=text, unit="B")
        assert told["desc"] == printable(text)

    def test_a_plain_print(self, text: str) -> None:
        inner = io.StringIO()
        print("a", text, file=PrintableStream(inner, "\n"))
        assert all(line.isprintable() for line in inner.getvalue().split("\n"))
        assert inner.getvalue().startswith("a ")


def test_lines_of_ours_and_bars_go_through() -> None:
    inner = io.StringIO()
    PrintableStream(inner, "\n\r").writelines(["one\n", "\r 50 %"])
    assert inner.getvalue() == "one\n\r 50 %"


def test_a_stream_stays_what_it_is_otherwise(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as inner:
        stream = PrintableStream(inner, "\n")
        assert (stream.fileno(), stream.encoding) == (inner.fileno(), inner.encoding)
        assert not stream.isatty()


def test_a_script_prints_text_whatever_its_packages_print() -> None:
    program = (
        "import sys\n"
        "from utils.common import errors\n"
        "def main():\n"
        "    print('\\x1b[2Jout')\n"
        "    sys.stderr.write('\\x1b[2Jerr\\n')\n"
        "    raise ValueError('\\x1b[2Jbug')\n"
        "errors.run_script(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.stdout == "\\x1b[2Jout\n"
    assert done.stderr.startswith("\\x1b[2Jerr\nTraceback (most recent call last):\n")
    assert done.stderr.endswith("ValueError: \\x1b[2Jbug\n")
