"""Ids are compared as people read them, and what says that there is none is no id."""

import pytest

from utils.sources.files.ids import clean, id_key, is_rounded, shown, word_of


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "\t", "\u00a0", "\u200b", "\ufeff", "NA", "N/A", "n.a.", "nan", "NaN", "NAN"),
        *("None", "null", "NULL", "NaT", "<NA>", "(null)", "-", "--", "\u2014", "?", "??", "."),
        *("unknown", "Unknown ", "UNKNOWN", "missing", "not available", "Not Applicable", "[none]"),
        *("patient unknown", "ID missing", "no id", "Desconocido", "sin datos", "unbekannt"),
        *("#N/A", "#REF!", "#VALUE!", "#NAME?", "####", "-1", "-9", "-999", "-999.0", "_", "*"),
    ],
)
def test_a_mark_for_missing_is_no_id(written: str) -> None:
    assert id_key(written) == ""


@pytest.mark.parametrize(
    "written",
    [
        "0",
        "IP_0",
        "NA1",
        "unknown 2",
        "P-missing-7",
        "999",
        "None-3",
        "#12",
        "#A12",
        "1e5",
        "a-",
        "-2",
        "nano",
    ],
)
def test_what_only_looks_like_such_a_mark_is_an_id(written: str) -> None:
    assert id_key(written) != ""


@pytest.mark.parametrize(
    ("several", "key"),
    [
        (
            (
                *(
                    "IP_0",
                    "ip_0",
                    "IP_0 ",
                    "\u00a0IP_0",
                    "IP_0\u200b",
                    "\ufeffIP_0",
                    "'IP_0",
                    '"IP_0"',
                ),
                *("\uff29\uff30_\uff10", "I\u00adP_0"),
            ),
            "ip_0",
        ),
        (("12", "12.0", "12.", "12,0", "12,00", "012", "0012.000", "+12", '="0012"', "'12"), "12"),
        (("0", "0.0", "000"), "0"),
        (("1234567", "1,234,567", "1 234 567", "1\u202f234\u00a0567", "1'234'567"), "1234567"),
        (("A-1", "a\u20131", "A\u22121", "A\u20111"), "a-1"),
        (("J  D", "J\tD", "j\u00a0d", "J\nD"), "j d"),
        (("Mu\u0308ller", "M\u00fcller", "M\u00dcLLER"), "m\u00fcller"),
        (("stra\u00dfe", "STRASSE"), "strasse"),
    ],
)
def test_spellings_of_one_id_are_one(several: tuple[str, ...], key: str) -> None:
    assert {id_key(written) for written in several} == {key}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IP_1", "IP_10"),
        ("IP_1", "IP_01"),
        ("1", "10"),
        ("1.5", "15"),
        ("12,000", "12"),
        ("1", "-2"),
    ],
)
def test_different_ids_stay_apart(one: str, other: str) -> None:
    assert id_key(one) != id_key(other)


@pytest.mark.parametrize("written", ["1.23E+18", "1,23E+18", "1.23e+18 ", "1E+05", "-1.2E+10"])
def test_an_id_that_a_spreadsheet_rounded_is_none(written: str) -> None:
    assert is_rounded(written)
    assert id_key(written) == ""


def test_a_clean_id_is_the_id_as_it_was_written() -> None:
    for written in ("IP_0000550", "HAM_0000118", "PAT_12", "007", "a b"):
        assert clean(written) == written


def test_words_of_a_vocabulary_are_compared_without_case_and_blanks() -> None:
    assert word_of(" Clinical:\u00a0 Overview ") == "clinical: overview"


def test_a_cell_is_shown_on_one_harmless_line() -> None:
    assert [shown(text) for text in ("", " ", "NA", "\x1b[2J\n", "x" * 50)] == [
        "empty", "blank", "'NA'", r"'\x1b[2J\n'", f"'{'x' * 40}...'",
    ]  # fmt: skip
