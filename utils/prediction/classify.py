"""Answers for all pictures of a call that have no row yet, and a tally of all of its rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from models.bundle import Card
from models.calibration import CERTAIN
from models.gate import Gate
from utils.common.cli.console import progress, warn
from utils.prediction.columns import WrittenRow
from utils.prediction.labels import Labels
from utils.prediction.names import match
from utils.prediction.pictures import Pictures
from utils.prediction.row_file import Rows
from utils.prediction.settings import PredictSettings
from utils.prediction.stream import in_batches, stream_answers


@dataclass(slots=True)
class Tally:
    """What became of the pictures.

    Attributes:
        labels: Of each picture of the call, in their order; "" for those that could not be read.
        counts: How many rows have each label.
        doubts: How often each reason to abstain was given.
    """

    labels: Labels
    counts: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)

    def add(self, label: str, abstained: str) -> None:
        """Count one row."""
        self.counts[label] += 1
        if abstained != CERTAIN:
            self.doubts[abstained] += 1

    @property
    def num_errors(self) -> int:
        """Return how many pictures could not be read."""
        return self.counts[""]

    def describe(self, output: str) -> str:
        """Return one line for people to read."""
        parts = [f"{name} {count:,}" for name, count in sorted(self.counts.items()) if name]
        parts += [f"{self.doubts[name]:,} {name}" for name in sorted(self.doubts)]
        if self.num_errors:
            parts.append(f"{self.num_errors:,} could not be read")
        where = f" in {output}" if output else ""
        return f"{self.counts.total():,} pictures{where}: {', '.join(parts)}."


def classify(gate: Gate, inputs: Pictures, rows: Rows, settings: PredictSettings) -> Tally:
    """Write one row for each picture that has none yet, in their order.

    Batches begin where they would if no row was there, so that the same pictures share one.

    Raises:
        OutputError: If nothing can be written there, or a process that reads pictures dies.
    """
    _warn_of_gaps(gate.card)
    if not settings.no_faults:
        _warn_of_unassessed(gate.card)
    tally = recall(inputs, rows.kept)
    todo = tally.labels.without_row(inputs)
    size = settings.batch_size
    first = size - todo.first % size
    answers = stream_answers(gate, todo, size, settings.num_workers, first)
    with progress(
        total=len(inputs), initial=len(inputs) - len(todo), desc="Pictures", unit="pictures"
    ) as bar:
        for asked, batch in zip(in_batches(todo.numbered(), size, first), answers, strict=True):
            rows.write((one.file, answer) for (_, one), answer in zip(asked, batch, strict=True))
            for (position, _), answer in zip(asked, batch, strict=True):
                tally.labels[position] = answer.label
                tally.add(answer.label, answer.abstained)
            bar.update(len(batch))
    return tally


def recall(inputs: Pictures, kept: Iterable[WrittenRow]) -> Tally:
    """Return what became of the pictures that have a row already, and the tally of all rows."""
    tally = Tally(Labels(0))

    def counted() -> Iterator[WrittenRow]:
        for row in kept:
            tally.add(row.label, row.abstained)
            yield row

    tally.labels = match(inputs, counted())
    return tally


def _warn_of_unassessed(card: Card) -> None:
    """Say what this model cannot tell beside the classes, or cannot tell for sure."""
    if isinstance(card.assessment, str):
        warn(
            f"subject, faults, severity and advice stay empty: {card.assessment}. "
            "--no-faults leaves their columns out."
        )
    elif card.assessment.caveat:
        warn(f"{card.assessment.caveat}.")


def _warn_of_gaps(card: Card) -> None:
    """Say what this model cannot promise."""
    calibration = card.calibration
    if calibration is None:
        warn(
            f"probabilities are as the model gives them: {card.uncalibrated}. Every class stays "
            "possible for every picture: every answer is ambiguous."
        )
        return
    if card.recalibration:
        warn(f"this model was {card.recalibration.describe()}.")
    if calibration.caveat:
        warn(f"{calibration.caveat}. Their labels are the likeliest classes all the same.")
    if calibration.novelty.threshold is None:
        warn(f"unlike pictures are not told: {calibration.novelty.reason or 'not told'}.")
