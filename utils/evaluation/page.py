"""Render a report as one self-contained HTML page, without network or script."""

from pathlib import Path

import numpy as np
from jinja2 import Environment

from utils.common.data_urls import as_data_url
from utils.common.disk.location import Originals
from utils.common.labels import CLASSES, CLINIC_OR_PAN
from utils.common.templates import page_environment
from utils.evaluation.bootstrap import FEWEST_GROUPS
from utils.evaluation.border import PAIR
from utils.evaluation.colours import readable_on, shade
from utils.evaluation.gallery import SIDE
from utils.evaluation.page_tables import (
    between,
    border_rows,
    brier_score,
    called_rows,
    class_rows,
    collection_rows,
    confusion_rows,
    part_rows,
    percent,
    picture_counts,
    promise_rows,
    run_facts,
    shortcut_rows,
    span,
    training_shares,
    unseen_rows,
)
from utils.evaluation.plots import page_charts
from utils.evaluation.report import Report
from utils.evaluation.text import coverage_line, how_to_promise, notes

TEMPLATE = "page.html.jinja"
STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

ABSTAINED = {"": "would have been answered", "ambiguous": "ambiguous", "unlike": "unlike"}


def as_page(title: str, report: Report, pictures: Path) -> str:
    """Return the whole page.

    Args:
        title: Title of the page, the name of the run.
        report: The report to show.
        pictures: Folder of the data set or the external test, for the pictures of the mistakes.
    """
    metrics, external = report.metrics, report.external
    originals = Originals(pictures, external.members if external else {})
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
        pair=PAIR,
        border_rule=CLINIC_OR_PAN,
        border=border_rows(report),
        charts=page_charts(
            report.history, report.facts.get("best_epoch"), report.after, report.risk
        ),
        in_training=training_shares(report),
        called=called_rows(report),
        promised=f"{100 * report.calibration.coverage:g}\N{NO-BREAK SPACE}%",
        promises=promise_rows(report),
        how_to_promise=how_to_promise(report),
        external=external,
        notes=notes(report),
        kept=coverage_line(report),
        shortcuts=shortcut_rows(report),
        unseen=unseen_rows(report),
        guessing=1 / sum(count > 0 for count in metrics.pictures.values()),
        num_wrong=int(np.sum(report.verdicts.likeliest != report.test.labels)),
        abstained=ABSTAINED,
        picture_of=lambda mistake: as_data_url(originals.locate(mistake.file).read(), SIDE),
    )  # fmt: skip


def _environment() -> Environment:
    """Return the environment of the template, which escapes every value."""
    environment = page_environment(Path(__file__).parent)
    shown = (percent, span, between, shaded, part_rows, file_name)
    environment.filters |= {function.__name__: function for function in shown}
    return environment


def shaded(share: float) -> str:
    """Return the style of a cell of the confusion matrix."""
    background = shade(share)
    return f"background:{background};color:{readable_on(background)}"


def file_name(path: str) -> str:
    """Return a path without its folders."""
    return Path(path).name
