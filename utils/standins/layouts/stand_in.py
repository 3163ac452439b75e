"""What a collection's stand-in consists of: a plan of its files, and the archives around them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from utils.standins.layouts.plan import Plan


@dataclass(frozen=True)
class Archive:
    """An archive as a publisher offers it.

    Attributes:
        name: Of the file; its ending (`.zip`, `.tar`, `.tar.gz`) tells the format.
        is_loose: Whether it holds what is in the collection's folder, without the folder.
        inner: Path inside it of a zip for each of the collection's folders, such as
            `images/{}.zip`; "" if it holds the folders themselves.
        beside: Other small files that it holds, by their path inside it.
    """

    name: str
    is_loose: bool = False
    inner: str = ""
    beside: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class StandIn:
    """A small drawn copy of a collection.

    Attributes:
        plan: Maps a number of pictures to the collection's files. The i-th file has the same name
            however many there are. The number is that of a whole class; the plan takes the
            collection's part of it (`plan.share`).
        archive: What the whole collection is published as; None if each of its folders is a zip
            of the folder's name, which is the usual case.
    """

    plan: Callable[[int], Plan]
    archive: Archive | None = None

    @property
    def folders(self) -> list[str]:
        """The collection's folders directly below ALL_DATA, sorted."""
        paths = (path for drawing in self.plan(1).drawings for path in drawing.paths)
        return sorted({path.partition("/")[0] for path in paths if "/" in path})
