"""Find bytes between the members of a zip that no member accounts for."""

from array import array

from utils.common.disk.location import ZIP_HEADER, ZIP_MARK
from utils.sources.files.archives.volumes import Volume

MAX_GAP = 96
"""Bytes that extra fields and descriptors account for; no picture in a zip is as small."""


class Extents:
    """The stretches of a zip that its members take.

    Args:
        volume: The zip.
        end: Where its members end.
    """

    def __init__(self, volume: Volume, end: int) -> None:
        self._volume = volume
        self._end = end
        self._offsets = array("q")
        self._sizes = array("q")
        self._name_lengths = array("q")

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, offset: int, packed_size: int, name_length: int) -> None:
        """Take the place of a member: where its header lies, and what follows it."""
        self._name_lengths.append(name_length)
        self._offsets.append(min(max(0, offset), self._end))
        self._sizes.append(min(packed_size, self._end))

    def gaps(self) -> tuple[int, bool]:
        """Return how many bytes belong to no member, and whether files are among them."""
        order = sorted(range(len(self)), key=self._offsets.__getitem__)
        starts = [*(self._offsets[number] for number in order), self._end]
        total, reached = starts[0], 0
        has_files = bool(total) and self._has_member(0, total)
        for number, next_start in zip(order, starts[1:], strict=True):
            reached = max(reached, self._end_of(number, next_start))
            if next_start - reached > MAX_GAP:
                total += next_start - reached
                has_files = has_files or self._has_member(reached, next_start)
        return total, has_files

    def _end_of(self, number: int, next_start: int) -> int:
        """Return where a member ends, exactly if what follows does not follow closely."""
        offset = self._offsets[number]
        start = offset + ZIP_HEADER.size
        end = start + self._name_lengths[number] + self._sizes[number]
        if next_start - end > MAX_GAP:
            self._volume.stream.seek(offset)
            header = self._volume.stream.read(ZIP_HEADER.size)
            if len(header) == ZIP_HEADER.size:
                _, name_length, extra_length = ZIP_HEADER.unpack(header)
                end = start + int(name_length) + int(extra_length) + self._sizes[number]
        return end

    def _has_member(self, start: int, end: int) -> bool:
        """Tell whether a member's header lies at the beginning of a gap, or close behind it."""
        self._volume.stream.seek(start)
        return ZIP_MARK in self._volume.stream.read(min(MAX_GAP, end - start))
