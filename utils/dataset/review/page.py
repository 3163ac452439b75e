"""Write one HTML page on which a person judges whether pictures belong to their class.

The page is one file without network. What is chosen on it is saved from the browser as
corrections.csv, which `create_dataset.py` obeys once it lies in the folder of the collections.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from utils.common.data_urls import as_data_url
from utils.common.disk.corrections import COLUMNS, CORRECTIONS_NAME, LEAVE_OUT
from utils.common.disk.escapes import escape
from utils.common.disk.location import DamagedError, Location, Originals
from utils.common.disk.writing import explain_write_errors, write_text
from utils.common.labels import COLLECTED_CLASSES
from utils.common.pictures import PictureError
from utils.common.seeds import stable_hash
from utils.common.templates import page_environment
from utils.dataset.images.pool import ProcessPool
from utils.dataset.settings import DatasetSettings
from utils.sources.record import Record

MOST = 200
"""Pictures of a collection on the page of a class."""

SIDE = 192
"""Longer side of a picture on the page, in pixels."""

TEMPLATE = "page.html.jinja"

CorrectionRow = tuple[str, str, str]
"""Collection, path and class."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture on the page.

    Attributes:
        record: What its collection offers, after the corrections so far.
        address: A small copy as a data URL; empty where the file cannot be read.
        reason: Why it cannot be read; empty where it can.
    """

    record: Record
    address: str
    reason: str

    @property
    def original(self) -> str:
        """Its path as the tables write it."""
        return escape(self.record.original)


@dataclass(frozen=True, slots=True)
class Review:
    """The page of a class that was written.

    Attributes:
        path: Of the page.
        label: The class.
        pictures: On the page, by collection.
        num_offered: Pictures of the class, by collection.
    """

    path: Path
    label: str
    pictures: Mapping[str, Sequence[Shown]]
    num_offered: Mapping[str, int]

    def describe(self) -> str:
        """Say what is on the page, and what to do with it."""
        if not self.num_offered:
            return f"{self.label}: no collection that is there has such pictures; no page written."
        shown = [
            f"{source} {len(pictures):,} of {self.num_offered[source]:,}"
            for source, pictures in self.pictures.items()
        ]
        failed = sum(bool(one.reason) for group in self.pictures.values() for one in group)
        return f"{self.label}: {self.path} shows {', '.join(shown)} pictures" + (
            f"; {failed:,} of them cannot be read and are named" if failed else ""
        )


def write_review(
    records: Iterable[Record],
    label: str,
    originals: Originals,
    settings: DatasetSettings,
    corrections: Sequence[CorrectionRow] = (),
) -> Review:
    """Write the page of a class into the output folder; without a picture of the class, nothing.

    Args:
        records: What the collections offer.
        label: The class to be judged.
        originals: Where the pictures lie.
        settings: Tell the folder, the number of processes, and how large a picture may be.
        corrections: Rows of the corrections so far, which the page hands on.

    Raises:
        OutputError: If the page cannot be written.
    """
    offered: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.label == label:
            offered[record.source].append(record)
    chosen = [record for source in offered for record in draw(offered[source])]
    jobs = [originals.locate(record.original) for record in chosen]
    pictures: dict[str, list[Shown]] = defaultdict(list)
    with ProcessPool(settings.workers) as pool:
        small = partial(_small_copy, max_pixels=settings.max_pixels)
        results = pool.run(small, jobs, len(jobs), f"Reading {label}")
        copies = (copy for batch in results for copy in batch)
        for record, (address, reason) in zip(chosen, copies, strict=True):
            pictures[record.source].append(Shown(record, address, reason))
    numbers = {
        source: len({record.identity for record in found}) for source, found in offered.items()
    }
    folder = settings.output
    review = Review(folder / f"review_{label}.html", label, pictures, numbers)
    if offered:
        with explain_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_text(review.path, render(review, corrections))
    return review


def draw(records: Iterable[Record]) -> list[Record]:
    """Return the pictures with the lowest hashes of their names, at most `MOST`.

    A larger collection of the same pictures, or another order, shows the same ones first.
    """
    by_identity = {record.identity: record for record in records}
    drawn = sorted(by_identity.values(), key=lambda record: stable_hash("review", record.identity))
    return drawn[:MOST]


def render(review: Review, corrections: Sequence[CorrectionRow] = ()) -> str:
    """Return the page as text."""
    return (
        page_environment(Path(__file__).parent)
        .get_template(TEMPLATE)
        .render(
            review=review,
            choices=[*COLLECTED_CLASSES, LEAVE_OUT],
            file_name=CORRECTIONS_NAME,
            columns=COLUMNS,
            known=[[source, escape(path), label] for source, path, label in corrections],
        )
    )


def _small_copy(location: Location, max_pixels: int) -> tuple[str, str]:
    """Return a data URL and "", or "" and why there is none."""
    try:
        return as_data_url(location.read(), SIDE, max_pixels), ""
    except PictureError as error:
        return "", error.reason
    except (DamagedError, OSError) as error:
        return "", getattr(error, "strerror", None) or str(error)
