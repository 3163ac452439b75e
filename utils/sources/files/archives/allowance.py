"""Refuse an archive that claims to hold more than any collection does."""

from utils.common.limits import (
    FREE_BYTES,
    MAX_MEMBERS,
    MAX_PATHS_LENGTH,
    MAX_RATIO,
    MAX_UNPACKED,
)
from utils.sources.files.archives.findings import Finding, judge


class Allowance:
    """How much one archive on disk, with all that is in it, may still unpack to.

    Args:
        title: What to call it.
        size: Number of its bytes.
    """

    def __init__(self, title: str, size: int) -> None:
        self._title = title
        self._most = min(MAX_RATIO * size + FREE_BYTES, MAX_UNPACKED)
        self._num_bytes = 0
        self._num_members = 0
        self._length = 0

    def take(self, path: str, num_bytes: int = 0, packed_size: int | None = None) -> None:
        """Count a member.

        Raises:
            SourceError: If it unpacks to more than any collection does.
            LeftOutError: If there are too many.
        """
        self._num_members += 1
        self._length += len(path)
        if packed_size is not None and num_bytes > MAX_RATIO * packed_size + FREE_BYTES:
            judge(Finding.BOMB_MEMBER, self._title, packed_size, num_bytes, advice=(MAX_RATIO,))
        self.unpack(num_bytes)
        if self._num_members > MAX_MEMBERS:
            judge(Finding.TOO_MANY, self._title, MAX_MEMBERS)
        if self._length > MAX_PATHS_LENGTH:
            judge(Finding.TOO_WORDY, self._title, MAX_PATHS_LENGTH)

    def unpack(self, num_bytes: int) -> None:
        """Count bytes that are unpacked.

        Raises:
            SourceError: If they are more than any collection unpacks to.
        """
        self.check(num_bytes)
        self._num_bytes += num_bytes

    def check(self, num_bytes: int) -> None:
        """Tell whether so many bytes more would still do.

        Raises:
            SourceError: If not.
        """
        total = self._num_bytes + num_bytes
        if total > self._most:
            judge(Finding.BOMB, self._title, total, advice=(self._most,))
