"""Format a report as a short text for the terminal."""

from utils.common.cli.console import table
from utils.common.labels import CLASSES
from utils.evaluation.assessing.assessed import Assessed
from utils.evaluation.bootstrap import FEWEST_GROUPS, Figure
from utils.evaluation.border import MERGED
from utils.evaluation.conformal import in_percent
from utils.evaluation.external import HEADING
from utils.evaluation.report import ONE_CLASS, Report
from utils.evaluation.unseen import heading, scope

UNRELIABLE = f"* rests on fewer than {FEWEST_GROUPS} groups (patients, lesions): do not rely on it"

MORE_OR_LESS = "More val pictures of such a class end that, or a promise of less: "
HOW_TO_PROMISE = f"{MORE_OR_LESS}--test-only --resume RUN --coverage X."
HOW_TO_PROMISE_TOGETHER = (
    f"{MORE_OR_LESS}python -m utils.ensemble.combine RUN RUN --output FOLDER --coverage X."
)

HOW_TO_PROMISE_HERE = (
    "Pictures of such a class end that, or a promise of less: "
    "python -m utils.external.recalibrate RUN FOLDER --output RUN2 --coverage X."
)


def how_to_promise(report: Report) -> str:
    """Return what ends that a class is promised nothing."""
    if report.external:
        return HOW_TO_PROMISE_HERE
    return HOW_TO_PROMISE_TOGETHER if "members" in report.facts else HOW_TO_PROMISE


def as_text(report: Report) -> str:
    """Return the text of a report."""
    metrics = report.metrics
    head = [
        ("Test accuracy", f"{with_interval(metrics.accuracy)}, {len(report.test.files)} pictures"),
        ("Balanced accuracy", with_interval(metrics.balanced_accuracy)),
        ("Four-way balanced", f"{with_interval(report.border.balanced_accuracy)}, {MERGED}"),
        ("Macro F1", with_interval(metrics.macro_f1)),
        ("Calibration error", calibration_line(report)),
        ("Answered", f"{with_interval(report.answered)}, of which right: "
         f"{with_interval(report.accuracy_answered).strip()}"),
        ("Abstained", f"{percent(report.ambiguous.value)} ambiguous, "
         f"{percent(report.unlike.value).strip()} unlike anything seen in training"),
        (f"{in_percent(report.calibration.coverage)} coverage", f"  {coverage_line(report)}"),
        *assessed_lines(report.assessed),
        ("Looks at test", str(len(report.facts.get("looks_at_test", ()))).rjust(4)),
    ]  # fmt: skip
    figures = [
        [
            name,
            with_interval(row["precision"]),
            with_interval(row["recall"]),
            percent(row["f1"].value),
            percent(row["auroc"].value),
            metrics.pictures[name],
        ]
        for name, row in metrics.per_class.items()
    ]
    counts = [[name, *row] for name, row in zip(CLASSES, metrics.confusion.tolist(), strict=True)]
    lines = [
        *([above, *notes(report), ""] if (above := title_of(report)) else []),
        *(f"{name + ':':19} {text}" for name, text in head),
        "",
        table(["class", "precision", "recall", "F1", "AUROC", "pictures"], figures),
        "",
        "Confusion matrix (rows: true class, columns: predicted class)",
        table(["", *CLASSES], counts),
        *border_lines(report),
    ]
    if report.unseen:
        lines += ["", unseen_table(report)]
    if report.calibration.caveat:
        lines += ["", f"{report.calibration.caveat}. {how_to_promise(report)}"]
    if not report.is_of_other_origin:
        lines += ["", *notes(report)]
    if any("*" in line for line in lines):
        lines += ["", UNRELIABLE]
    return "\n".join(lines)


def unseen_table(report: Report) -> str:
    """Return the figures of each collection that training never saw."""
    rows = [
        [
            name,
            with_interval(metrics.accuracy),
            with_interval(metrics.balanced_accuracy),
            sum(metrics.pictures.values()),
        ]
        for name, metrics in report.unseen.items()
    ]
    return table(["collection", "accuracy", "balanced accuracy", "pictures"], rows)


def border_lines(report: Report) -> list[str]:
    """Return how often the two clinical classes are taken for each other, a line each way."""
    return [
        f"{true} taken for {other}: {with_interval(figure).strip()}"
        for (true, other), figure in report.border.taken.items()
    ]


def title_of(report: Report) -> str:
    """Return what a report is headed whose test did not come the way training did, else ""."""
    return HEADING if report.external else heading(report.facts)


def assessed_lines(assessed: Assessed | str) -> list[tuple[str, str]]:
    """Return lines on what is said of faults, severities and subjects, each with its name."""
    if isinstance(assessed, str):
        return [("Faults", f"  not told: {assessed}")]
    found, poor = assessed.figures, assessed.figures.poor
    of_whom = "" if poor.pictures else ", by good pictures alone"
    lines = [
        (
            "Severity",
            f"  off by {with_levels(found.severity_error)} on average, of 0 to 5{of_whom}",
        ),
        (
            "False alarms",
            f"{with_interval(found.good.any_told)} of good pictures have a fault told",
        ),
    ]
    if not found.knows_faults or found.reliability is None:
        return lines
    low, high = found.reliability.perfect
    return [
        ("Faults", f"{with_interval(found.macro_f1)} macro F1; of poor pictures "
         f"{percent(poor.named.value).strip()} have one of theirs told, "
         f"{percent(poor.first_right.value).strip()} first"),
        ("Fault calibration", f"{percent(found.reliability.ece)} error; a perfectly calibrated "
         f"model shows {100 * low:.1f}-{100 * high:.1f}% here"),
        ("Subject if poor", f"{with_interval(poor.subject)} right; told of "
         f"{percent(poor.subject_told.value).strip()}, of which right: "
         f"{with_interval(poor.told_right).strip()}"),
        *lines,
    ]  # fmt: skip


def notes(report: Report) -> list[str]:
    """Return what whoever reads the report should know first of its test, by sentences."""
    external = report.external
    if external is None:
        return scope(report.facts, has_collections=bool(report.collections))
    num_groups = report.answered.groups
    is_small = num_groups < FEWEST_GROUPS
    said = [
        f"{external.run}, tested on {len(report.test.files):,} pictures of {external.folder}.",
        external.grouping,
        f"{num_groups} groups are too few to tell anything: below {FEWEST_GROUPS} no interval can "
        "be relied on."
        if is_small
        else "",
        external.omitted,
        f"The model was {external.recalibration.describe()}." if external.recalibration else "",
    ]
    return [sentence for sentence in said if sentence]


def with_interval(figure: Figure) -> str:
    """Return "83.9% (80.1-87.2%)", with a star where the interval is unreliable."""
    star = "" if figure.is_reliable or figure.value is None else "*"
    if figure.interval is None:
        return f"{percent(figure.value)}{star}"
    low, high = figure.interval
    return f"{percent(figure.value)} ({100 * low:.1f}-{100 * high:.1f}%){star}"


def with_levels(figure: Figure) -> str:
    """Return "0.61 (0.52-0.70)" of a figure in levels, with a star as in `with_interval`."""
    if figure.value is None:
        return "-"
    star = "" if figure.is_reliable else "*"
    if figure.interval is None:
        return f"{figure.value:.2f}{star}"
    low, high = figure.interval
    return f"{figure.value:.2f} ({low:.2f}-{high:.2f}){star}"


def percent(share: float | None) -> str:
    """Return a share as text of six characters."""
    return "-".rjust(6) if share is None else f"{share:6.1%}"


def calibration_line(report: Report) -> str:
    """Return how much confidence and accuracy differ, and how much they would by chance."""
    if report.after is None or report.before is None:
        return f"{percent(None)}, {ONE_CLASS}"
    low, high = report.after.perfect
    alone = report.by_temperature
    by_temperature = f", {percent(alone.ece).strip()} by a temperature alone" if alone else ""
    return (
        f"{percent(report.after.ece)}, {percent(report.before.ece).strip()} before"
        f"{by_temperature}; a perfectly calibrated model shows "
        f"{100 * low:.1f}-{100 * high:.1f}% here"
    )


def coverage_line(report: Report) -> str:
    """Return for which classes the prediction sets keep the promised coverage."""
    found = report.promises.items()
    words = {
        "kept for": [name for name, promise in found if promise.is_kept],
        "broken for": [name for name, promise in found if promise.is_kept is False],
        "too few groups to tell for": [name for name, promise in found if promise.is_unclear],
    }
    if report.external:
        words |= {
            "promised but not tested for": [
                name for name, promise in found
                if promise.quantile is not None and promise.expected is None
            ],
            "not promised for": [name for name, promise in found if promise.quantile is None],
        }  # fmt: skip
    said = [f"{word} {', '.join(names)}" for word, names in words.items() if names]
    return "; ".join(said) or "promised for no class: too few val pictures"
