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
from utils.evaluation.conformal import in_percent
from utils.evaluation.gallery import SIDE
from utils.evaluation.page_tables import (
    between,
    border_rows,
    brier_score,
    called_rows,
    class_rows,
    collection_rows,
    confusion_rows,
    example_words,
    fault_rows,
    levels,
    part_rows,
    percent,
    picture_counts,
    promise_rows,
    run_facts,
    severity_rows,
    shortcut_rows,
    span,
    training_shares,
    unseen_rows,
)
from utils.evaluation.plots import page_charts
from utils.evaluation.report import ONE_CLASS, Report
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
    metrics, external, assessed = report.metrics, report.external, report.assessed
    found = None if isinstance(assessed, str) else assessed
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
            report.history, report.facts.get("best_epoch"), report.after, report.risk,
            found.figures.reliability if found else None,
        ),
        in_training=training_shares(report),
        called=called_rows(report),
        one_class=ONE_CLASS,
        promised=_apart(in_percent(report.calibration.coverage)),
        aimed_at=_apart(in_percent(report.calibration.novelty.refused)),
        promises=promise_rows(report),
        how_to_promise=how_to_promise(report),
        external=external,
        notes=notes(report),
        kept=coverage_line(report),
        assessed=found,
        unassessed="" if found else assessed,
        faults=fault_rows(found) if found else [],
        by_severity=severity_rows(found) if found else [],
        words=example_words,
        levels=levels,
        shortcuts=shortcut_rows(report),
        unseen=unseen_rows(report),
        guessing=1 / sum(count > 0 for count in metrics.pictures.values()),
        num_wrong=int(np.sum(report.verdicts.likeliest != report.test.labels)),
        abstained=ABSTAINED,
        picture_of=lambda shown: as_data_url(originals.locate(shown.file).read(), SIDE),
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


def _apart(share: str) -> str:
    """Return a share with a space before its sign."""
    return share.replace("%", "\N{NO-BREAK SPACE}%")
