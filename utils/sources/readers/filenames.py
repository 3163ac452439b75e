"""Find the files of the pictures that tables name, by whole names only."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from posixpath import splitext

from utils.common.errors import shortlist
from utils.sources.files.ids import shown
from utils.sources.files.tree import is_picture

NUM_EXAMPLES = 2


def path_key(written: str) -> str:
    r"""Return what a picture's path is compared by: no ending of a picture, no case.

    >>> [path_key(text) for text in ("NEL/Nel1", r"nel\NEL1.JPG", "a.b")]
    ['nel/nel1', 'nel/nel1', 'a.b']
    """
    path = written.replace("\\", "/")
    path = splitext(path)[0] if is_picture(path) else path
    return unicodedata.normalize("NFC", path).casefold()


def name_key(written: str) -> str:
    """Return what a picture's name is compared by: as its path, without folders.

    >>> [name_key(text) for text in ("ISIC_1", "images/ISIC_1.JPG")]
    ['isic_1', 'isic_1']
    """
    return path_key(written).rpartition("/")[2]


class NamedPictures:
    """The pictures of a collection by their names, the first of each name.

    Args:
        paths: Where they lie.

    Attributes:
        repeated: Those whose name another one has, too.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.repeated: list[str] = []
        self._by_key: dict[str, str] = {}
        for path in paths:
            if self._by_key.setdefault(name_key(path), path) != path:
                self.repeated.append(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key.values())

    def find(self, written: str) -> str | None:
        """Return the picture that a table names with or without its ending, None if it is not."""
        return self._by_key.get(name_key(written))


def tell_no_match(
    name: str, table: str, column: str, written: Sequence[str], paths: Sequence[str]
) -> str:
    """Say that none of a table's names is that of a picture, with examples of both."""
    cells = shortlist(map(shown, written[:NUM_EXAMPLES]))
    files = shortlist(shown(path.rpartition("/")[2]) for path in paths[:NUM_EXAMPLES])
    return (
        f"{name}: none of the {len(written):,} names in {table}, column {column} ({cells}), is "
        f"that of one of the {len(paths):,} pictures ({files})"
    )
