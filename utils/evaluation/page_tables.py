"""Format a report's figures as rows of the page's tables and as text."""

from utils.common.faults import FAULTS
from utils.common.labels import CLASSES
from utils.common.values import in_words
from utils.evaluation.assessing.assessed import Assessed
from utils.evaluation.assessing.examples import Example
from utils.evaluation.assessing.figures import PartFigures
from utils.evaluation.bootstrap import Figure
from utils.evaluation.plots import row_shares
from utils.evaluation.report import Report
from utils.evaluation.slices import Slice

DASH = "\N{EN DASH}"

Row = list[str | int | Figure]
"""Row of a table: the first cell is a header, a figure is shown with its interval."""


def run_facts(report: Report) -> list[tuple[str, str]]:
    """Return facts about the model and its training, each with its name."""
    known, external = report.facts, report.external
    settings = {k: v for k, v in known.get("settings", {}).items() if v not in (None, "", ())}
    chosen = (
        f"epoch {known.get('best_epoch')} of {known.get('epochs')}, by the calibrated loss on "
        f"val, where its balanced accuracy was {percent(known.get('best_val_balanced_accuracy'))}"
    )
    if "members" in known:
        chosen = "; ".join(
            f"{one['run']} (seed {one['seed']}), epoch {one['best_epoch']}"
            for one in known["members"]
        )
    networks = known.get("networks", 1)
    together = f": the mean answers of {networks} networks" if networks > 1 else ""
    told = ", ".join(f"{k.replace('_', ' ')} {in_words(v)}" for k, v in settings.items())
    return [
        *([("Run", external.run), ("Tested on", external.folder)] if external else []),
        ("Model", f"{known.get('model')} ({known.get('timm_name')}){together}"),
        *([] if external else [("Chosen", chosen)]),
        ("Data hash", str(known.get("data_hash"))),
        ("Computed on", f"{known.get('device')} in {known.get('precision')}"),
        *([] if external else [("Settings", told)]),
        ("Versions", ", ".join(f"{k} {v}" for k, v in known.get("versions", {}).items())),
        ("Looks at test", "; ".join(known.get("looks_at_test", ())) or "not counted"),
    ]


def picture_counts(report: Report) -> list[Row]:
    """Return the number of pictures of each split, by class."""
    return [
        [split, *(by_class[name] for name in CLASSES), sum(by_class.values())]
        for split, by_class in report.facts.get("pictures", {}).items()
    ]


def collection_rows(report: Report) -> list[Row]:
    """Return the licences of the collections that the data set was made from."""
    return [
        [entry.title, entry.pictures, entry.licence, "yes" if entry.commercial else "no"]
        for entry in report.collections
    ]


def brier_score(report: Report) -> str:
    """Return the Brier score with its interval."""
    brier = report.metrics.brier
    if brier.interval is None:
        return f"{brier.value:.3f}"
    low, high = brier.interval
    return f"{brier.value:.3f} ({low:.3f}{DASH}{high:.3f})"


def class_rows(report: Report) -> list[Row]:
    """Return the figures of each class."""
    metrics = report.metrics
    return [
        [name, *figures.values(), metrics.pictures[name], metrics.groups[name]]
        for name, figures in metrics.per_class.items()
    ]


def confusion_rows(report: Report) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return for each class its counts, each with its share of the row."""
    counts = report.metrics.confusion
    shares = row_shares(counts).tolist()
    return [
        (name, list(zip(*row, strict=True)))
        for name, *row in zip(CLASSES, counts.tolist(), shares, strict=True)
    ]


def training_shares(report: Report) -> str:
    """Return how common each class was in training."""
    shares = zip(CLASSES, report.calibration.scaling.class_shares, strict=True)
    return ", ".join(f"{percent(share)} {name}" for name, share in shares)


def border_rows(report: Report) -> list[Row]:
    """Return how often the two clinical classes are confused, and the cost of it."""
    five, four = report.metrics.balanced_accuracy, report.border.balanced_accuracy
    taken: list[Row] = [
        [f"{true} taken for {other}", figure, figure.groups]
        for (true, other), figure in report.border.taken.items()
    ]
    return [
        *taken,
        ["balanced accuracy of five classes", five, five.groups],
        ["balanced accuracy of four, both as one", four, four.groups],
    ]


def unseen_rows(report: Report) -> list[Row]:
    """Return the figures of each collection that training never saw."""
    return [
        [
            name,
            sum(metrics.pictures.values()),
            metrics.accuracy,
            metrics.balanced_accuracy,
            *(
                figures["recall"] if metrics.pictures[label] else DASH
                for label, figures in metrics.per_class.items()
            ),
        ]
        for name, metrics in report.unseen.items()
    ]


def called_rows(report: Report) -> list[Row]:
    """Return confidence and accuracy by predicted class."""
    alone = report.called_by_temperature
    rows: list[Row] = []
    for name, called in report.called.items():
        rows.append([name, called.pictures, percent(called.confidence), called.right])
        if alone:
            rows[-1] += [percent(alone[name].confidence), alone[name].right]
    return rows


def promise_rows(report: Report) -> list[Row]:
    """Return the coverage of the prediction sets beside the promised one, by class."""
    kept = {True: "yes", False: "no", None: DASH}
    return [
        [
            name,
            promise.covered,
            span(promise.expected) if promise.expected else promise.reason or "no test pictures",
            kept[promise.is_kept],
            DASH if promise.mean_set_size is None else f"{promise.mean_set_size:.2f}",
        ]
        for name, promise in report.promises.items()
    ]


def part_rows(parts: tuple[Slice, ...]) -> list[Row]:
    """Return the share of correct predictions in each part of test."""
    return [[*part.of, part.right, part.pictures, part.right.groups] for part in parts]


def shortcut_rows(report: Report) -> list[Row]:
    """Return the balanced accuracy of the shortcut probes, and that of the model."""
    rows: list[Row] = [[name, figure] for name, figure in report.shortcuts.items()]
    return [*rows, ["this model", report.metrics.balanced_accuracy]]


def fault_rows(assessed: Assessed) -> list[Row]:
    """Return the figures of each fault; none where nobody knows the faults of any poor picture."""
    by_fault = assessed.figures.by_fault
    return [
        [fault.title, found.precision, found.recall, found.f1, found.pictures]
        for fault in FAULTS
        if (found := by_fault.get(fault.name)) is not None
    ]


def severity_rows(assessed: Assessed) -> list[Row]:
    """Return what is said of good pictures, and of poor ones by severity."""
    found = assessed.figures
    parts = {"good": found.good, **{str(level): row for level, row in found.by_severity.items()}}

    def shown(part: PartFigures) -> Row:
        shares = (
            part.any_told, part.first_right, part.macro_f1, part.subject, part.subject_told,
            part.told_right,
        )  # fmt: skip
        known = [DASH if figure.value is None else figure for figure in shares]
        return [part.pictures, *known, levels(part.said), levels(part.error)]

    return [[name, *shown(part)] for name, part in parts.items() if part.pictures]


def example_words(example: Example) -> tuple[str, str]:
    """Return what an example has, and what was said of it."""
    has = "not known" if example.has is None else ", ".join(example.has) or "none"
    shows = f", {example.shows}" if example.shows else ""
    level = "" if example.severity is None else f", severity {example.severity}"
    subject = example.subject or f"no subject ({example.untold})"
    said = f"{', '.join(example.faults) or 'no fault'}, {subject}, severity {example.said:.1f}"
    return f"{has}{shows}{level}", f"{example.label}: {said}"


def levels(figure: Figure) -> str:
    """Return a figure in levels of severity as text, without its interval."""
    return DASH if figure.value is None else f"{figure.value:.2f}"


def percent(share: float | None) -> str:
    """Return a share as text."""
    return DASH if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def span(ends: tuple[float, float]) -> str:
    """Return two shares as "80.1-87.2 %"."""
    low, high = ends
    return f"{100 * low:.1f}{DASH}{100 * high:.1f}\N{NO-BREAK SPACE}%"


def between(figure: Figure) -> str:
    """Return a figure's interval, with a dagger where it is unreliable; "" without a value."""
    dagger = "" if figure.is_reliable or figure.value is None else "\N{DAGGER}"
    return dagger if figure.interval is None else f"{span(figure.interval)} {dagger}".rstrip()
