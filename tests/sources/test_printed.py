"""What strangers call their archives and columns forges no line of what is told of them."""

from pathlib import Path

from utils.common.cli.terminal import printable
from utils.sources.collect import Collected
from utils.sources.source import Reading
from utils.sources.unclaimed import Unclaimed
from utils.sources.web.survey import describe

WORDS = "\x1b[2J\nError: nothing is wrong, call 555"


def test_a_note_takes_one_line() -> None:
    collected = Collected({"hiba": Reading(notes=[f"hiba: {WORDS}"])}, [f"{WORDS}.zip: odd"])
    lines = collected.describe(Path("ALL_DATA")).splitlines()
    assert f"{printable(WORDS)}.zip: odd" in lines
    assert f"hiba: {printable(WORDS)}" in lines
    assert all(line.isprintable() for line in lines)


def test_a_hint_and_a_folder_with_a_data_set_take_one_line_each() -> None:
    unclaimed = Unclaimed(hints=[f"1 file ISIC_*.jpg in {WORDS}: put them elsewhere"])
    collected = Collected({}, unclaimed=unclaimed, outputs={WORDS: 3})
    lines = collected.describe(Path("ALL_DATA")).splitlines()
    assert f"1 file ISIC_*.jpg in {printable(WORDS)}: put them elsewhere" in lines
    assert (
        f"ALL_DATA/{printable(WORDS)} holds an assembled data set; its 3 files are not read"
        in lines
    )
    assert all(line.isprintable() for line in lines)


def test_a_list_of_urls_is_surveyed_in_lines_of_ours() -> None:
    row = {"url": f"http://a.org/{WORDS}.jpg", "label": WORDS}
    text = describe([row, row])
    assert f"repeated: http://a.org/{printable(WORDS)}.jpg" in text.splitlines()
    assert all(line.isprintable() for line in text.splitlines())
