"""What an archive holds and what of it is left out, and why, in words."""

import lzma
import struct
import tarfile
import zlib
from collections import Counter
from dataclasses import dataclass, field

from utils.common.cli.terminal import printable
from utils.common.disk.location import DamagedError, Location
from utils.common.disk.opening import NotRegularError
from utils.common.limits import MAX_DICTIONARY, MAX_FOLDERS, MAX_PATH_LENGTH
from utils.sources.files.archives.findings import Fate, Finding, LeftOutError, shown
from utils.sources.files.archives.members import Members

BROKEN = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, DamagedError, EOFError),
    *(OSError, ValueError, LookupError, RuntimeError, OverflowError, MemoryError),
)
"""What decoders and readers raise when an archive is not as it should be."""


@dataclass
class Contents:
    """What was found in an archive and in those inside it: each file is listed, or left out.

    Attributes:
        files: Where its files lie, by their paths in it, clutter among them.
        left_out: What is not read, by its path in it ("" is the archive itself), and why.
        notes: What the user should know, line by line.
        num_unread: How many of those left out may hold what is wanted, and lie nowhere else.
    """

    files: dict[str, Location] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_unread: int = 0

    def leave_out(self, path: str, title: str, error: LeftOutError) -> None:
        """Keep that an archive is not read."""
        self.left_out.append((path, error.reason))
        self.num_unread += 1
        self.notes.append(f"{printable(title)} {error.reason}; it is left out. {error.advice}")


def notes_on(title: str, members: Members) -> list[str]:
    """Return what is to be said of an archive that is read."""
    name = printable(title)
    lines = [f"{name} {finding.words.format(number)}" for finding, number in members.findings]
    first = {finding: path for path, finding in reversed(members.left_out)}
    counts = Counter(finding for _, finding in members.left_out)
    total = len(members.files) + len(members.left_out)
    return lines + [
        f"{name}: {count:,} of its {total:,} files left out ({reason_of(finding)}), such as "
        f"{shown(first[finding])}"
        for finding, count in counts.items()
    ]


def reason_of(finding: Finding) -> str:
    """Return why a member is left out."""
    assert finding.fate is Fate.MEMBER
    return finding.words.format(MAX_PATH_LENGTH, MAX_FOLDERS)


def explained(error: BaseException) -> LeftOutError:
    """Return why an archive is left out that a reader failed at."""
    if isinstance(error, LeftOutError):
        return error
    if isinstance(error, lzma.LZMAError) and "limit" in str(error):
        return LeftOutError(Finding.DICTIONARY, MAX_DICTIONARY)
    words = printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    is_of_the_disk = isinstance(error, OSError) and error.errno is not None
    if is_of_the_disk or isinstance(error, NotRegularError):
        return LeftOutError(Finding.UNOPENED, words)
    return LeftOutError(Finding.UNREADABLE, words)
