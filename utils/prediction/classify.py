"""A gate and pictures in, their rows written and a tally of them out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.bundle import Card
from models.calibration import CERTAIN
from models.gate import Gate
from utils.common.console import progress, warn
from utils.prediction.inputs import Input
from utils.prediction.rows import open_rows
from utils.prediction.settings import PredictSettings
from utils.prediction.stream import stream_answers


@dataclass(slots=True)
class Tally:
    """What became of the pictures.

    Attributes:
        labels: Of each, in their order; "" for those that could not be read.
        doubts: How often each reason to abstain was given.
    """

    labels: list[str] = field(default_factory=list)
    doubts: Counter[str] = field(default_factory=Counter)

    @property
    def num_errors(self) -> int:
        """Return how many pictures could not be read."""
        return self.labels.count("")

    def describe(self, output: str) -> str:
        """Return one line for people to read."""
        counts = Counter(label for label in self.labels if label)
        parts = [f"{name} {counts[name]:,}" for name in sorted(counts)]
        parts += [f"{self.doubts[name]:,} {name}" for name in sorted(self.doubts)]
        if self.num_errors:
            parts.append(f"{self.num_errors:,} could not be read")
        where = f" in {output}" if output else ""
        return f"{len(self.labels):,} pictures{where}: {', '.join(parts)}."


def classify(gate: Gate, inputs: Sequence[Input], settings: PredictSettings) -> Tally:
    """Write one row for each picture, in their order.

    Raises:
        OutputError: If nothing can be written there.
    """
    _warn_of_gaps(gate.card)
    tally = Tally()
    answers = stream_answers(gate, inputs, settings.batch_size, settings.num_workers)
    with (
        open_rows(settings.output, (one.file for one in inputs)) as write,
        progress(total=len(inputs), desc="Pictures", unit="pictures") as bar,
    ):
        for batch in answers:
            first = len(tally.labels)
            files = (one.file for one in inputs[first : first + len(batch)])
            write(zip(files, batch, strict=True))
            tally.labels += [answer.label for answer in batch]
            tally.doubts.update(one.abstained for one in batch if one.abstained != CERTAIN)
            bar.update(len(batch))
    return tally


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
