"""Answers for all pictures of a call that have no row yet, and a tally of all of its rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from models.bundle import Card
from models.calibration import CERTAIN
from models.gate import Gate
from utils.common.console import progress, warn
from utils.prediction.inputs import Input
from utils.prediction.row_file import Rows
from utils.prediction.rows import WrittenRow
from utils.prediction.settings import PredictSettings
from utils.prediction.stream import stream_answers


@dataclass(slots=True)
class Tally:
    """What became of the pictures.

    Attributes:
        labels: Of each picture of the call, in their order; "" for those that could not be read.
        counts: How many rows have each label.
        doubts: How often each reason to abstain was given.
    """

    labels: list[str]
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


def classify(gate: Gate, inputs: Sequence[Input], rows: Rows, settings: PredictSettings) -> Tally:
    """Write one row for each picture that has none yet, in their order.

    Raises:
        OutputError: If nothing can be written there, or a process that reads pictures dies.
    """
    _warn_of_gaps(gate.card)
    labels, remaining = _match(inputs, rows.kept)
    tally = Tally(labels)
    for kept in rows.kept:
        tally.add(kept.label, kept.abstained)
    todo = [inputs[position] for position in remaining]
    answers = stream_answers(gate, todo, settings.batch_size, settings.num_workers)
    positions = iter(remaining)
    with progress(
        total=len(inputs), initial=len(inputs) - len(todo), desc="Pictures", unit="pictures"
    ) as bar:
        for batch in answers:
            answered = [next(positions) for _ in batch]
            rows.write(zip((inputs[at].file for at in answered), batch, strict=True))
            for at, answer in zip(answered, batch, strict=True):
                labels[at] = answer.label
                tally.add(answer.label, answer.abstained)
            bar.update(len(batch))
    return tally


def _match(inputs: Sequence[Input], kept: Iterable[WrittenRow]) -> tuple[list[str], list[int]]:
    """Return the label of each picture as far as it has a row, and where the others stand.

    A picture that is given twice has two rows, and may have one of them already.
    """
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    for row in kept:
        waiting[row.file].append(row.label)
    labels, remaining = [""] * len(inputs), []
    for position, one in enumerate(inputs):
        if waiting.get(one.file):
            labels[position] = waiting[one.file].pop(0)
        else:
            remaining.append(position)
    return labels, remaining


def _warn_of_gaps(card: Card) -> None:
    """Say what this model cannot promise."""
    calibration = card.calibration
    if calibration is None:
        warn(
            f"probabilities are as the model gives them: {card.uncalibrated}. Every class stays "
            "possible for every picture: every answer is ambiguous."
        )
        return
    if calibration.caveat:
        warn(f"{calibration.caveat}. Their labels are the likeliest classes all the same.")
    if calibration.novelty.threshold is None:
        warn(f"unlike pictures are not told: {calibration.novelty.reason or 'not told'}.")
