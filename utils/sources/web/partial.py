"""Keep what has come of a file so far, so that a kill at any moment harms nothing."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.common.disk.writing import remove_partial_files, write_json
from utils.sources.web.transport import MAX_DIGITS, Reply

PART, NOTE = ".part", ".part.json"
SPAN = re.compile(rf"bytes (\d{{1,{MAX_DIGITS}}})-(\d{{1,{MAX_DIGITS}}})/(\d{{1,{MAX_DIGITS}}}|\*)")


@dataclass(frozen=True)
class Origin:
    """Where the part that is there came from.

    Attributes:
        url: The mirror.
        validator: Its strong ETag, else its date: what `If-Range` asks for.
        size: Size of the whole file in bytes, None where the server did not tell.
    """

    url: str = ""
    validator: str = ""
    size: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether each field is what it should be: a note is read from the disk."""
        texts = all(isinstance(text, str) for text in (self.url, self.validator))
        return texts and (self.size is None or (type(self.size) is int and self.size >= 0))


class Partial:
    """What is there of a file so far, and what must be true for more of it to fit.

    Args:
        target: Where the whole file will be.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}{PART}")
        self._note = target.with_name(f".{target.name}{NOTE}")
        self.furthest = self.size
        try:
            origin = Origin(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            origin = Origin()
        self.origin = origin if origin.is_sound else Origin()

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, origin: Origin) -> None:
        """Start over; the old bytes go first, lest a kill leave them under the new note."""
        self.path.unlink(missing_ok=True)
        write_json(self._note, asdict(origin))
        self.origin = origin

    def usable(self, url: str) -> int:
        """Return how many bytes a request to this URL can build on."""
        return self.size if self.origin.url == url and self.origin.validator else 0

    def is_whole(self, url: str) -> bool:
        """Tell whether all of it is there, so that no byte need be asked for."""
        return bool(self.origin.size) and self.usable(url) == self.origin.size

    def continues_with(self, reply: Reply) -> bool:
        """Tell whether an answer's body is the very next piece of the same file."""
        matched = SPAN.fullmatch(reply.headers.get("Content-Range", "").strip())
        if matched is None:
            return False
        first, last, whole = int(matched[1]), int(matched[2]), matched[3]
        return (
            first == self.size
            and first <= last
            and (self.origin.size is None or last < self.origin.size)
            and whole in ("*", str(self.origin.size))
            and reply.announced_bytes in (None, last - first + 1)
            and validator_of(reply) in ("", self.origin.validator)
        )

    def discard(self) -> None:
        """Forget what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.origin = Origin()

    def place(self) -> None:
        """Give the whole file its name."""
        with self.path.open("rb+") as stream:
            os.fsync(stream.fileno())
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed download left in a folder and no other run builds on.

    Only whoever holds the lock of the downloads may: another one may be writing.
    """
    remove_partial_files(folder)
    for note in folder.glob(f".*{NOTE}"):
        name = note.name.removesuffix(NOTE)
        if note.with_name(name[1:]).exists():  # it got its name before the kill, or by hand
            note.with_name(f"{name}{PART}").unlink(missing_ok=True)
            note.unlink(missing_ok=True)


def validator_of(reply: Reply) -> str:
    """Return what tells a version of a file: its strong ETag, else its date, else ""."""
    etag = reply.headers.get("ETag", "")
    strong = etag if etag and not etag.startswith("W/") else reply.headers.get("Last-Modified", "")
    return strong if strong.isprintable() else ""  # it is sent back as a header
