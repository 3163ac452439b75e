"""A report in, one HTML page out that holds all it shows: no network, no script."""

from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from utils.common.labels import CLASSES
from utils.evaluation.bootstrap import FEWEST_GROUPS, Figure
from utils.evaluation.colours import readable_on, shade
from utils.evaluation.gallery import data_url
from utils.evaluation.plots import page_charts, row_shares
from utils.evaluation.report import Report
from utils.evaluation.slices import Slice
from utils.evaluation.text import HOW_TO_PROMISE

TEMPLATE = "page.html.jinja"
STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

ABSTAINED = {"": "would have been answered", "ambiguous": "ambiguous", "unlike": "unlike"}
DASH = "\N{EN DASH}"

Row = list[str | int | Figure]
"""Of a table: the first cell is its head, a figure is shown with its interval."""


def as_page(title: str, report: Report, pictures: Path) -> str:
    """Return the whole page.

    Args:
        title: Of the run.
        report: To be shown.
        pictures: Folder of the data set, for the pictures of the mistakes.
    """
    metrics = report.metrics
    return _environment().get_template(TEMPLATE).render(
        title=title,
        style=STYLE,
        report=report,
        metrics=metrics,
        classes=list(CLASSES),
        fewest_groups=FEWEST_GROUPS,
        looks=len(report.facts.get("looks_at_test", ())),
        facts=run_facts(report),
        counts=picture_counts(report),
        bound=[entry.title for entry in report.collections if not entry.commercial],
        collections=collection_rows(report),
        brier=brier_score(report),
        by_class=class_rows(report),
        confusion=confusion_rows(report),
        charts=page_charts(
            report.history, report.facts.get("best_epoch"), report.after, report.risk
        ),
        in_training=training_shares(report),
        called=called_rows(report),
        promised=f"{100 * report.calibration.coverage:g}\N{NO-BREAK SPACE}%",
        promises=promise_rows(report),
        how_to_promise=HOW_TO_PROMISE,
        shortcuts=shortcut_rows(report),
        guessing=1 / sum(count > 0 for count in metrics.pictures.values()),
        num_wrong=int(np.sum(report.verdicts.likeliest != report.test.labels)),
        abstained=ABSTAINED,
        picture_of=lambda mistake: data_url(pictures / mistake.file),
    )  # fmt: skip


def _environment() -> Environment:
    """Return what renders the template: all that comes from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shown = (percent, span, between, shaded, part_rows, file_name)
    environment.filters |= {function.__name__: function for function in shown}
    return environment


def run_facts(report: Report) -> list[tuple[str, str]]:
    """Return what the model is and how it was trained, each with its name."""
    known = report.facts
    settings = {k: v for k, v in known.get("settings", {}).items() if v not in (None, "")}
    return [
        ("Model", f"{known.get('model')} ({known.get('timm_name')})"),
        (
            "Chosen",
            f"epoch {known.get('best_epoch')} of {known.get('epochs')}, by balanced accuracy on "
            f"val ({percent(known.get('best_val_balanced_accuracy'))})",
        ),
        ("Data hash", str(known.get("data_hash"))),
        ("Computed on", f"{known.get('device')} in {known.get('precision')}"),
        ("Settings", ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in settings.items())),
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
    """Return the terms of the collections that the data set was made from."""
    return [
        [entry.title, entry.pictures, entry.licence, "yes" if entry.commercial else "no"]
        for entry in report.collections
    ]


def brier_score(report: Report) -> str:
    """Return the Brier score with its interval."""
    brier = report.metrics.brier
    low, high = brier.interval or (np.nan, np.nan)
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


def called_rows(report: Report) -> list[Row]:
    """Return confidence beside accuracy, by the class that pictures are called."""
    return [
        [
            name,
            called.pictures,
            percent(called.confidence),
            called.right,
            percent(by_temperature.confidence),
            by_temperature.right,
        ]
        for (name, called), by_temperature in zip(
            report.called.items(), report.called_by_temperature.values(), strict=True
        )
    ]


def promise_rows(report: Report) -> list[Row]:
    """Return what the sets hold beside what was promised, by class."""
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
    """Return the share of right answers within each part of test."""
    return [[*part.of, part.right, part.pictures, part.right.groups] for part in parts]


def shortcut_rows(report: Report) -> list[Row]:
    """Return how much facts about the files give away, and what the model reaches."""
    rows: list[Row] = [[name, figure] for name, figure in report.shortcuts.items()]
    return [*rows, ["this model", report.metrics.balanced_accuracy]]


def percent(share: float | None) -> str:
    """Return a share as text."""
    return DASH if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def span(ends: tuple[float, float]) -> str:
    """Return two shares as "80.1-87.2 %"."""
    low, high = ends
    return f"{100 * low:.1f}{DASH}{100 * high:.1f}\N{NO-BREAK SPACE}%"


def between(figure: Figure) -> str:
    """Return a figure's interval, with a dagger where it is not to be relied on; "" without one."""
    if figure.interval is None:
        return ""
    return span(figure.interval) + ("" if figure.is_reliable else " \N{DAGGER}")


def shaded(share: float) -> str:
    """Return the style of a cell of the confusion matrix."""
    background = shade(share)
    return f"background:{background};color:{readable_on(background)}"


def file_name(path: str) -> str:
    """Return a path without its folders."""
    return Path(path).name
