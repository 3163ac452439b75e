"""Normalise ids and words of tables for comparison, and tell missing ones."""

import re
import unicodedata
from functools import lru_cache

from utils.common.disk.text import tidy

MISSING = frozenset(
    (
        *("na", "nan", "nat", "none", "null", "nil", "inf", "undefined", "unspecified"),
        *("unk", "blank", "empty", "nodata", "novalue", "noid", "nopatient", "fehlt"),
        *("tbd", "nul", "undef", "unkn", "xxx", "anonymous", "anonymized", "anonymised"),
        *("redacted", "withheld", "false"),
    )
)
"""What programs and people write where they know nothing: letters only, in lower case."""

SAYS_MISSING = re.compile(
    r"unknown|missing|not(available|applicable|known|recorded|reported|provided|given|specified)|"
    r"unbekannt|inconnu|desconocid|desconhecid|sconosciut|nodisponible|sindato"
)
"""Words that say so wherever they stand, if there is no number and it is no path."""

NEGATIVE_CODE = re.compile(r"-(1|9{1,5})(\.0*)?")
"""What statistics programs write there."""

SPREADSHEET_ERROR = re.compile(r"#(n/a|(ref|value|div/0|null|num|spill|calc)!|name\?)")
"""What a formula gave that could not be computed."""

ROUNDED = re.compile(r"[-+]?\d(?:[.,]\d+)?e\+\d{2,}")
"""`1.23E+18`: a spreadsheet has rounded a long number, so that many ids became this one."""

NULL_OF_A_DUMP = re.compile(r"\\n")
"""`\\N`, as databases write it into a file."""

NO_IDS = (NEGATIVE_CODE, SPREADSHEET_ERROR, ROUNDED, NULL_OF_A_DUMP)

THOUSANDS = re.compile(r"\+?[1-9]\d{0,2}(?:[ ,'\u2019]\d{3})+")
"""1,234 and 1 234, as spreadsheets show 1234."""

NUMBER = re.compile(r"\+?0*(\d+)(?:\.0*|,0{1,2})?")
"""12, 12.0, 12,00 and 012."""

DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
QUOTED = re.compile(r"""=?(["'])(.*)\1""")
MAX_SHOWN = 40


def clean(text: str) -> str:
    """Return an id as people read it: no signs that cannot be seen, one kind of dash and blank.

    >>> clean(" IP\\u20110\\u00a0")
    'IP-0'
    """
    if not (text.isascii() and text.isprintable()):
        text = DASHES.sub("-", unicodedata.normalize("NFKC", text))
        seen = (sign for sign in text if sign.isspace() or unicodedata.category(sign)[0] != "C")
        text = "".join(seen)
    text = " ".join(tidy(text).split())
    if quoted := QUOTED.fullmatch(text):  # ="0012", with which Excel is kept from rounding
        text = quoted.group(2).strip()
    return text.removeprefix("'")


@lru_cache(2**12)
def id_key(text: str) -> str:
    """Return what an id is compared by, "" where it is missing.

    Case and leading zeros do not count, and a number is compared by its value: spreadsheets
    change all of these. Two patients taken for one are kept on one side of a split, which
    harms nobody; one taken for two may be in train and in test.

    >>> [id_key(text) for text in ("IP_0 ", "ip_0", "12.0", "012", "N/A", "-", "1.23E+18", "0")]
    ['ip_0', 'ip_0', '12', '12', '', '', '', '0']
    """
    word = clean(text).casefold()
    letters = "".join(sign for sign in word if sign.isalnum())
    if not letters or letters in MISSING or any(form.fullmatch(word) for form in NO_IDS):
        return ""
    if letters.isalpha() and "/" not in word and SAYS_MISSING.search(letters):
        return ""
    if THOUSANDS.fullmatch(word):
        return "".join(sign for sign in word if sign.isdigit())
    number = NUMBER.fullmatch(word)
    return number.group(1) if number else word


def is_rounded(text: str) -> bool:
    """Tell whether a spreadsheet has rounded an id.

    >>> [is_rounded(text) for text in ("1.23E+18", "1,2e+05", "1e5", "2E+1")]
    [True, True, False, False]
    """
    return ROUNDED.fullmatch(clean(text).casefold()) is not None


def word_of(text: str) -> str:
    """Return a word of a fixed vocabulary as it is compared: in lower case, blanks single.

    >>> word_of(" Clinical:  Overview ")
    'clinical: overview'
    """
    return clean(text).casefold()


def shown(text: str) -> str:
    """Return a cell as a message may show it: in quotes, on one line, not too long."""
    short = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return ascii(short) if short.strip() else "empty" if not short else "blank"
