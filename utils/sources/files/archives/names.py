"""Tell by name or first bytes whether a file is an archive, and of what kind."""

import re
from collections.abc import Container, Iterable
from posixpath import splitext

from utils.common.pictures import SUFFIXES
from utils.sources.files.archives.compression import CODECS
from utils.sources.files.archives.zip_tables import ZIP_MARKS

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
"""Names of archives; a file whose name tells nothing is asked for its first bytes."""

NO_ARCHIVES = frozenset(
    (
        *SUFFIXES,
        *(".csv", ".tsv", ".tab", ".txt", ".md", ".json", ".htm", ".html", ".pdf", ".py"),
        *(".xlsx", ".docx", ".pptx", ".ods", ".odt", ".npz", ".pt", ".pth", ".jar", ".whl"),
        *(".part", ".partial", ".crdownload", ".tmp"),
    )
)
"""Endings that tell enough: some of these are zips inside, or archives only when they are whole."""

FOREIGN_ENDINGS = re.compile(
    r"\.(rar|r\d\d|7z|7z\.\d{3}|tar\.zst|tzst|tar\.lz4|tar\.lz|tlz|tar\.z|taz|cab)$", re.IGNORECASE
)
FOREIGN_MARKS = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "LZ4",
    b"LZIP": "lzip",
    b"MSCF\0\0\0\0": "cabinet",
}
"""Archives that cannot be read here, by their last letters or first bytes."""

MARKS = (*FOREIGN_MARKS, *(codec.mark for codec in CODECS), *ZIP_MARKS)
"""What archives begin with, apart from tars."""

NUMBERED = re.compile(r"(.+)\.(\d{3,})")
SPLIT = re.compile(r"(.+)\.z\d\d+", re.IGNORECASE)
"""Names of parts: those of the first are cut anywhere, those of the second know of each other."""

AGAIN = re.compile(r" ?\(\d{1,3}\)$")
"""Behind the name of a file that was downloaded once more."""


def may_be_archive(name: str) -> bool:
    """Tell by a file's name whether it is an archive, or might be one."""
    return is_named_so(name) or splitext(name)[1].lower() not in NO_ARCHIVES


def is_named_so(name: str) -> bool:
    """Tell whether a file's name says that it is an archive, or a numbered part of one.

    >>> [is_named_so(name) for name in ("a.zip", "a.tar.GZ", "a.zip.001", "a.001", "zip")]
    [True, True, True, False, False]
    """
    return _without_number(name).lower().endswith(ENDINGS)


def stem_of(name: str) -> str:
    """Return an archive's name without its ending.

    What a browser adds to the name of a second download does not count.

    >>> stem_of("zr7vgbcyr2-1.zip"), stem_of("a (1).tar.gz"), stem_of("download")
    ('zr7vgbcyr2-1', 'a', 'download')
    """
    name = _without_number(name)
    ending = max((end for end in ENDINGS if name.lower().endswith(end)), key=len, default="")
    stem = name[: len(name) - len(ending)]
    return AGAIN.sub("", stem) or stem


def home_of(archive: str, files: Iterable[str], homes: Container[str]) -> str:
    """Return the folder, "" for none, that an archive is meant to be unpacked into by its name.

    So with archives of pictures without a folder that are called as a collection's folder is, as
    Harvard publishes them.

    Args:
        archive: Its path.
        files: Paths in it.
        homes: Names of such folders, in lower case.

    >>> home_of("x/imgs_part_1.zip", ["PAT_1.png"], ("imgs_part_1",))
    'imgs_part_1'
    >>> home_of("x/imgs_part_1.zip", ["imgs_part_1/PAT_1.png"], ("imgs_part_1",))
    ''
    """
    above, _, name = archive.rpartition("/")
    stem = stem_of(name)
    if stem.casefold() not in homes:
        return ""
    folders = {part for path in (f"{above}/", *files) for part in path.casefold().split("/")[:-1]}
    return "" if any(folder in homes for folder in folders) else stem


def _without_number(name: str) -> str:
    numbered = NUMBERED.fullmatch(name)
    return numbered[1] if numbered else name


def foreign_kind(title: str, head: bytes) -> str:
    """Return of what kind an archive is that other programs can read, "" if it is none."""
    for mark, kind in FOREIGN_MARKS.items():
        if head.startswith(mark):
            return kind
    ending = FOREIGN_ENDINGS.search(title)
    return ending[1].lower() if ending else ""
