"""What strangers call their archives and columns forges no line of what is told of them."""

from pathlib import Path

from utils.common.terminal import printable
from utils.sources.collect import Collected
from utils.sources.source import Reading
from utils.sources.web.survey import describe

WORDS = "\x1b[2J\nError: nothing is wrong, call 555"


def test_a_note_takes_one_line() -> None:
    collected = Collected({"hiba": Reading(notes=[f"hiba: {WORDS}"])}, [f"{WORDS}.zip: odd"])
    lines = collected.describe(Path("ALL_DATA")).splitlines()
    assert f"{printable(WORDS)}.zip: odd" in lines
    assert f"hiba: {printable(WORDS)}" in lines
    assert all(line.isprintable() for line in lines)


def test_a_list_of_urls_is_surveyed_in_lines_of_ours() -> None:
    row = {"url": f"http://a.org/{WORDS}.jpg", "label": WORDS}
    text = describe([row, row])
    assert f"repeated: http://a.org/{printable(WORDS)}.jpg" in text.splitlines()
    assert all(line.isprintable() for line in text.splitlines())
