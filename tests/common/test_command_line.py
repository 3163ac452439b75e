"""A dataclass becomes a command line whose complaints are one line."""

from dataclasses import dataclass

import pytest

from utils.common.cli.command_line import build_parser, parse, setting
from utils.common.errors import SettingsError


@dataclass(frozen=True)
class Made:
    """Settings of a made-up script."""

    batch_size: int = setting(32, "pictures at 100 % of a time", "-b", "--batch-size", type=int)
    data_dir: str = setting("", "folder", metavar="DIR")
    names: tuple[str, ...] = setting((), "names", nargs="+")
    amp: bool = setting(False, "half precision")
    hidden: int = 7

    @property
    def double(self) -> int:
        return 2 * self.batch_size


def test_without_flags_the_defaults_hold_and_nothing_counts_as_given() -> None:
    assert parse(Made, [], "") == (Made(), frozenset())


@pytest.mark.parametrize("flag", ["-b", "--batch-size"])
def test_a_flag_sets_its_field_and_counts_as_given_even_at_its_default(flag: str) -> None:
    assert parse(Made, [flag, "8"], "") == (Made(batch_size=8), {"batch_size"})
    assert parse(Made, [flag, "32"], "") == (Made(), {"batch_size"})


def test_switches_and_lists() -> None:
    settings, given = parse(Made, ["--amp", "--names", "a", "b"], "")
    assert (settings.amp, list(settings.names), given) == (True, ["a", "b"], {"amp", "names"})


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--batch-size", "x"], "argument -b/--batch-size: invalid int value: 'x'. See: "),
        (["--batch-size"], "argument -b/--batch-size: expected one argument. See: "),
        (["--bogus"], "unrecognized arguments: --bogus. See: "),
        (["--batch", "3"], "unrecognized arguments: --batch 3. See: "),
        (["--hidden", "3"], "unrecognized arguments: --hidden 3. See: "),
        (["stray"], "unrecognized arguments: stray. See: "),
    ],
)
def test_a_wrong_flag_is_one_line_that_names_it(argv: list[str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(Made, argv, "")
    line = str(caught.value)
    assert line.startswith(words)
    assert line.endswith("--help.")
    assert "\n" not in line


def test_the_help_names_every_flag_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(Made, ["--help"], "What it does.", "At the end.")
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "What it does.",
        "pictures at 100 % of a time (default: 32)",
        "--data-dir DIR",
        "--names",
        "--amp",
        "At the end.",
    ):
        assert words in text
    assert "hidden" not in text


def test_every_field_with_a_help_text_has_a_flag() -> None:
    flags = {action.dest for action in build_parser(Made, "")._actions}
    assert flags == {"help", "version", "batch_size", "data_dir", "names", "amp"}
