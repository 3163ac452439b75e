"""Describe a file as its publisher offers it, and check that it came as published."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from utils.sources.web.manners import Manners


@dataclass(frozen=True)
class RemoteFile:
    """One file of a collection as its publisher offers it.

    Attributes:
        path: Where it goes below ALL_DATA.
        mirrors: Where it can be had, tried in order.
        size: Its size in bytes, 0 where it is not known for certain.
        roughly: About how many bytes it has, where no more is known.
        md5: MD5 of its bytes, "" where unknown.
        sha256: SHA-256 of its bytes, "" where unknown.
        holds: Folders of pictures, any of which tells that it was unpacked already.
    """

    path: str
    mirrors: tuple[str, ...]
    size: int = 0
    roughly: int = 0
    md5: str = ""
    sha256: str = ""
    holds: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.rpartition("/")[2]

    def limit(self, manners: Manners) -> int:
        """Return the most bytes that may be written of it."""
        return self.size or 2 * self.roughly or manners.max_file_bytes


def flaw_of(path: Path, file: RemoteFile) -> str:
    """Return what a file has otherwise than published, "" where nothing."""
    if file.size and path.stat().st_size != file.size:
        return f"{path.stat().st_size:,} bytes in place of {file.size:,}"
    for name, digest in (("md5", file.md5), ("sha256", file.sha256)):
        with path.open("rb") as stream:
            if digest and hashlib.file_digest(stream, name).hexdigest() != digest:
                return "other content than published"
    if file.name.endswith(".zip") and not zipfile.is_zipfile(path):
        return "no zip archive"
    return ""
