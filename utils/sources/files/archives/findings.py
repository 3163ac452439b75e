"""What may be odd or hostile about an archive, and what then becomes of it: the one table."""

from enum import Enum
from typing import NoReturn

from utils.common.errors import SourceError

SHOWN_LENGTH = 80


class Fate(Enum):
    """What a finding ends."""

    RUN = "hostile: the run, before anything is written"
    ARCHIVE = "odd: the archive is left out, all else is read"
    MEMBER = "odd: this one member is left out"
    NOTHING = "worth a line: the archive is read"


DOWNLOAD = "Download it again"
UNPACK = "Unpack it by hand (7-Zip can)"
JOIN = "Put all of its parts, as they were downloaded, into one folder"


class Finding(Enum):
    """Each with its fate, its words, and what to do (of a hostile one, what was expected)."""

    PATH_OUT = (Fate.RUN, "holds {}", "paths that stay in the archive's folder")
    LINK_OUT = (Fate.RUN, "holds {}, a link to {}", "links that stay in the archive")
    BOMB_MEMBER = (
        Fate.RUN,
        "holds a file that unpacks from {:,} to {:,} bytes",
        "at most {} bytes for one",
    )
    BOMB = (Fate.RUN, "unpacks to {:,} bytes or more", "at most {:,} bytes")

    UNOPENED = (
        Fate.ARCHIVE,
        "cannot be opened ({})",
        "Take it out of the folder, or put a file there that can be read",
    )
    UNREADABLE = (Fate.ARCHIVE, "cannot be read as an archive ({})", DOWNLOAD)
    OTHER = (Fate.ARCHIVE, "starts with {}, which is neither a zip nor a tar", DOWNLOAD)
    CUT_ZIP = (Fate.ARCHIVE, "has no table of contents at its end: it is cut", DOWNLOAD)
    CUT = (Fate.ARCHIVE, "is cut within {}", DOWNLOAD)
    CUT_TAR = (Fate.ARCHIVE, "has no end", DOWNLOAD)
    NO_ROOM = (Fate.ARCHIVE, "has no room for {}: it is cut or damaged", DOWNLOAD)
    DAMAGED_TABLE = (Fate.ARCHIVE, "has a damaged table of contents", DOWNLOAD)
    TWO_SIZES = (Fate.ARCHIVE, "tells two sizes of {}, {:,} and {:,}", DOWNLOAD)
    TWO_ENDS = (Fate.ARCHIVE, "has two ends, each with a table of contents", DOWNLOAD)
    TWO_COUNTS = (
        Fate.ARCHIVE,
        "says at its end that it holds {:,} files, but lists {:,}",
        DOWNLOAD,
    )
    LISTS_NOTHING = (Fate.ARCHIVE, "lists no files, but {:,} bytes lie in it", DOWNLOAD)
    ENCRYPTED = (Fate.ARCHIVE, "is encrypted ({})", "Unpack it by hand, with its password")
    METHOD = (
        Fate.ARCHIVE,
        "holds {}, compressed by method {} (0 and 8 can be read: stored and deflated)",
        UNPACK,
    )
    DICTIONARY = (
        Fate.ARCHIVE,
        "needs more than {:,} bytes of memory to be unpacked",
        "Unpack it by hand, or compress it again with a smaller dictionary (xz -6)",
    )
    FOREIGN = (Fate.ARCHIVE, "cannot be read as it is ({})", UNPACK)
    SPLIT_ZIP = (
        Fate.ARCHIVE,
        "is one of several parts of a split zip",
        "Join them (zip -s 0 {} --out whole.zip) or unpack them by hand",
    )
    PART_MISSING = (Fate.ARCHIVE, "is cut: a part behind it is missing", JOIN)
    PART_ALONE = (Fate.ARCHIVE, "is a part of {}, which is not there", JOIN)
    TOO_MANY = (Fate.ARCHIVE, "holds more than {:,} files", UNPACK)
    TOO_WORDY = (Fate.ARCHIVE, "has more than {:,} characters of file names", UNPACK)
    TOO_DEEP = (Fate.ARCHIVE, "lies {} archives deep, of at most {}", UNPACK)
    HEADERS = (Fate.ARCHIVE, "has more than {} global headers", UNPACK)

    LONG_PATH = (Fate.MEMBER, "a path of more than {:,} characters or {} folders")
    LINK_ASTRAY = (Fate.MEMBER, "a link to what is not in the archive")
    LINK_CIRCLE = (Fate.MEMBER, "a link in a circle")
    SPECIAL = (Fate.MEMBER, "a device, a pipe or a sparse file")
    NO_NAME = (Fate.MEMBER, "no name")
    ALSO_FOLDER = (Fate.MEMBER, "the name of a folder")

    REPEATED = (Fate.NOTHING, "holds {:,} paths more than once; the last file of each is read")
    UNLISTED_FILES = (
        Fate.NOTHING,
        "has {:,} bytes, files among them, that its table of contents does not list; "
        "these are not read",
    )
    UNLISTED = (Fate.NOTHING, "has {:,} bytes that belong to none of its files")
    TRAILING = (Fate.NOTHING, "has {:,} bytes behind its end, which are not read")

    def __init__(self, fate: Fate, words: str, advice: str = "") -> None:
        self.fate = fate
        self.words = words
        self.advice = advice


class LeftOutError(Exception):
    """An archive is left out.

    Args:
        finding: Why.
        values: For its words.
        advice: For its advice.
    """

    def __init__(self, finding: Finding, *values: object, advice: tuple[object, ...] = ()) -> None:
        self.finding = finding
        self.reason = finding.words.format(*values)
        self.advice = finding.advice.format(*advice)
        super().__init__(self.reason)


def judge(
    finding: Finding, title: str, *values: object, advice: tuple[object, ...] = ()
) -> NoReturn:
    """End what the finding ends.

    Args:
        finding: What was found.
        title: What to call the archive.
        values: For the words.
        advice: For the advice.

    Raises:
        SourceError: If it is hostile.
        LeftOutError: If not.
    """
    error = LeftOutError(finding, *values, advice=advice)
    if finding.fate is not Fate.RUN:
        raise error
    raise SourceError(
        f"{title} {error.reason}",
        expected=error.advice,
        todo="Nothing was read; take it out of the folder, or download it again",
    )


def shown(name: str) -> str:
    """Return a name as it may be printed, whatever is in it, and not at length.

    >>> shown("a\\x1b.jpg")
    "'a\\\\x1b.jpg'"
    """
    if len(name) > SHOWN_LENGTH:
        return f"{name[:SHOWN_LENGTH]!r} ..."
    return repr(name)
