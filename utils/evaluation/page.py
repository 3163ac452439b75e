"""A report in, one HTML page out that holds all it shows: no network, no script."""

from html import escape
from pathlib import Path

import numpy as np

from utils.common.labels import CLASSES
from utils.evaluation.bootstrap import FEWEST_GROUPS
from utils.evaluation.colours import readable_on, shade
from utils.evaluation.gallery import Mistake, data_url
from utils.evaluation.markup import (
    between,
    breakable,
    facts,
    heading,
    percent,
    show,
    span,
    table,
    tiles,
)
from utils.evaluation.plots import page_charts, row_shares
from utils.evaluation.report import Report
from utils.evaluation.slices import Slice
from utils.evaluation.text import HOW_TO_PROMISE

STYLE = (Path(__file__).with_name("page.css")).read_text(encoding="utf-8")

ABSTAINED = {"": "would have been answered", "ambiguous": "ambiguous", "unlike": "unlike"}


def as_page(title: str, report: Report, pictures: Path) -> str:
    """Return the whole page.

    Args:
        title: Of the run.
        report: To be shown.
        pictures: Folder of the data set, for the pictures of the mistakes.
    """
    body = "\n".join(
        f"<section>{part}</section>"
        for part in (
            summary(title, report),
            card(report),
            classes(report),
            charts(report),
            probabilities(report),
            trust(report),
            slices(report),
            shortcuts(report),
            gallery(report, pictures),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def summary(title: str, report: Report) -> str:
    """Return the large figures."""
    metrics = report.metrics
    looks = len(report.facts.get("looks_at_test", ()))
    return (
        f"<h1>{escape(title)}</h1>"
        f"<p>{len(report.test.files):,} test pictures. Below each figure stands where it lies with "
        "95&nbsp;% certainty, whole groups of pictures (patients, lesions) counting as one. "
        f"&dagger; rests on fewer than {FEWEST_GROUPS} groups: do not rely on its interval. "
        f"Test was looked at {'once' if looks == 1 else f'{looks} times'}"
        f"{'' if looks < 2 else ': what was chosen in between was chosen on test'}.</p>"
        + tiles(
            [
                ("Accuracy", metrics.accuracy, between(metrics.accuracy)),
                (
                    "Balanced accuracy",
                    metrics.balanced_accuracy,
                    between(metrics.balanced_accuracy),
                ),
                ("Macro F1", metrics.macro_f1, between(metrics.macro_f1)),
                (
                    "Calibration error",
                    percent(report.after.ece),
                    f"{span(*report.after.perfect)} if perfect",
                ),
                ("Answered", report.answered, between(report.answered)),
                (
                    "Right of these",
                    report.accuracy_answered,
                    between(report.accuracy_answered),
                ),
            ]
        )
    )


def card(report: Report) -> str:
    """Return what the model is, what it was trained on, and what that allows."""
    known = report.facts
    splits = known.get("pictures", {})
    settings = {k: v for k, v in known.get("settings", {}).items() if v not in (None, "")}
    pairs = [
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
    counts = table(
        ["pictures", *CLASSES, "all"],
        [
            [split, *(by_class[name] for name in CLASSES), sum(by_class.values())]
            for split, by_class in splits.items()
        ],
    )
    return heading("Model card") + facts(pairs) + counts + licences(report)


def licences(report: Report) -> str:
    """Return the terms of the collections that the data set was made from."""
    if not report.collections:
        return "<p>The data set has no manifest: its pictures' licences are not known.</p>"
    bound = [entry.title for entry in report.collections if not entry.commercial]
    rows = [
        [entry.title, entry.pictures, entry.licence, "yes" if entry.commercial else "no"]
        for entry in report.collections
    ]
    note = (
        f"<p><strong>Not for commercial use:</strong> {escape(', '.join(bound))} "
        f"{'allows' if len(bound) == 1 else 'allow'} none, or none that is known of.</p>"
        if bound
        else ""
    )
    return note + table(["collection", "pictures", "licence", "commercial use"], rows)


def classes(report: Report) -> str:
    """Return the figures of each class, and which was taken for which."""
    metrics = report.metrics
    figures = table(
        ["class", "precision", "recall", "F1", "AUROC", "pictures", "groups"],
        [
            [name, *row.values(), metrics.pictures[name], metrics.groups[name]]
            for name, row in metrics.per_class.items()
        ],
        kind="stacked",
    )
    low, high = metrics.brier.interval or (np.nan, np.nan)
    shares = row_shares(metrics.confusion)
    head = "".join(f"<th>{breakable(name)}</th>" for name in CLASSES)
    rows = "".join(
        f"<tr><th>{breakable(name)}</th>"
        + "".join(
            f'<td style="{_shaded(shares[row, column])}">{count:,}'
            f"<small>{shares[row, column]:.0%}</small></td>"
            for column, count in enumerate(metrics.confusion[row].tolist())
        )
        + "</tr>"
        for row, name in enumerate(CLASSES)
    )
    return (
        heading(
            "Class by class",
            f"Brier score: {metrics.brier.value:.3f} ({low:.3f}\N{EN DASH}{high:.3f}); 0 is best, "
            "2 is worst.",
        )
        + figures
        + heading("What was taken for what", "Rows: true class. Columns: answer, before any doubt.")
        + f'<div class="wide"><table class="confusion"><tr><th></th>{head}</tr>{rows}</table></div>'
    )


def _shaded(share: float) -> str:
    background = shade(share)
    return f"background:{background};color:{readable_on(background)}"


def charts(report: Report) -> str:
    """Return the four charts."""
    drawn = page_charts(report.history, report.facts.get("best_epoch"), report.after, report.risk)
    captions = {
        "loss": "Loss by epoch.",
        "recall": "Balanced accuracy by epoch; the dotted epoch was chosen, on val.",
        "reliability": "Of the answers given with 80 % probability, 80 % should be right: the "
        "dots should lie on the dotted line.",
        "risk": "If only the surest pictures were answered: how many of these answers are wrong.",
    }
    return (
        heading("Learning, calibration, and what doubting is worth")
        + '<div class="charts">'
        + "".join(
            f'<figure><img alt="{escape(captions[name])}" src="{address}">'
            f"<figcaption>{escape(captions[name])}</figcaption></figure>"
            for name, address in drawn.items()
        )
        + "</div>"
    )


def trust(report: Report) -> str:
    """Return what the calibration promises and whether it was kept."""
    calibration = report.calibration
    promised = f"{100 * calibration.coverage:g}\N{NO-BREAK SPACE}%"
    kept = {True: "yes", False: "no", None: "\N{EN DASH}"}
    rows = [
        [
            name,
            promise.covered,
            span(*promise.expected) if promise.expected else promise.reason or "no test pictures",
            kept[promise.is_kept],
            "\N{EN DASH}" if promise.mean_set_size is None else f"{promise.mean_set_size:.2f}",
        ]
        for name, promise in report.promises.items()
    ]
    unlike = calibration.novelty
    return heading(
        "Able to abstain",
        f"Each picture gets the set of classes that it may be "
        f"of, so that {promised} of each class's pictures have theirs in it. A picture whose "
        "set has more than one class is ambiguous; one that looks unlike anything seen in "
        f"training is unlike, and its label is UNSURE. Of test, "
        f"{percent(report.ambiguous.value)} is ambiguous and {percent(report.unlike.value)} "
        f"unlike ({unlike.reason or '2 % was aimed at'}). Where a class's share is below what "
        f"{promised} allows for, the promise still counts as kept if the share's interval reaches "
        "it: pictures of one patient fail together."
        + (f" {calibration.caveat}. {HOW_TO_PROMISE}" if calibration.caveat else ""),
    ) + table(
        ["class", "class in the set", f"{promised} allows for", "kept", "set size"],
        rows,
    )


def probabilities(report: Report) -> str:
    """Return what the probabilities assume, and whether they hold, class by class."""
    scaling = report.calibration.scaling
    in_training = ", ".join(
        f"{percent(share)} {name}"
        for name, share in zip(CLASSES, scaling.class_shares, strict=True)
    )
    rows = [
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
    return heading(
        "What the probabilities assume, and whether they hold",
        "The model's probabilities, labels and sets are those where all classes are equally "
        "common: --prior equal of predict.py. Where pictures come as those of the collections do "
        f"({in_training}), --prior train says what to expect; it is judged here, since test came "
        f"the same way. Logits are divided by {scaling.temperature:.2f} and each class has a bias, "
        f"which val asked for: the calibration error is {percent(report.after.ece)} instead of "
        f"{percent(report.before.ece)}; a temperature alone would have reached "
        f"{percent(report.by_temperature.ece)}. On pictures of other origin neither has to hold.",
    ) + table(["called", "pictures", "said", "right", "said by a temperature alone", "right"], rows)


def slices(report: Report) -> str:
    """Return the shares of right answers within parts of test."""
    found = report.slices
    within = (
        part_table(["collection", "class"], found.within)
        if found.within
        else "<p>No collection of this data set holds two classes as they were photographed.</p>"
    )
    return (
        heading("Parts of test", "Share of right answers, before any doubt.")
        + "<h3>By collection</h3>"
        + part_table(["collection"], found.by_source)
        + "<h3>Within collections of two classes</h3>"
        "<p>Both come from one place: no shortcut through a picture's origin helps here.</p>"
        + within
        + "<h3>LOW_QUALITY by kind</h3>"
        + part_table(["kind"], found.by_degradation)
        + "<h3>LOW_QUALITY by severity, 1 just visible to 5 useless</h3>"
        + part_table(["severity"], found.by_severity)
    )


def part_table(names: list[str], parts: tuple[Slice, ...]) -> str:
    """Return one row for each part, or why there is none."""
    if not parts:
        return "<p>Nothing is known of it: the data set has no manifest, or no such pictures.</p>"
    rows = [[*part.of, part.right, part.pictures, part.right.groups] for part in parts]
    return table([*names, "right", "pictures", "groups"], rows)


def shortcuts(report: Report) -> str:
    """Return how much facts about the files give away."""
    occurring = sum(count > 0 for count in report.metrics.pictures.values())
    rows = [[name, figure] for name, figure in report.shortcuts.items()]
    rows.append(["this model", report.metrics.balanced_accuracy])
    return heading(
        "Shortcuts",
        "How well a small model tells the classes from facts that say nothing of what a picture "
        f"shows; guessing reaches {percent(1 / occurring)}. What the originals give away and the "
        "written pictures do not was removed by resizing and encoding them anew.",
    ) + table(["facts", "balanced accuracy"], rows)


def gallery(report: Report, pictures: Path) -> str:
    """Return the most confident mistakes."""
    wrong = int(np.sum(report.verdicts.likeliest != report.test.labels))
    if not wrong:
        return heading("Mistakes", "There are none.")
    introduction = f"{len(report.mistakes)} of {wrong}, the most confident first."
    shown = "".join(mistake_figure(mistake, pictures) for mistake in report.mistakes)
    return heading("Mistakes", introduction) + f'<div class="gallery">{shown}</div>'


def mistake_figure(mistake: Mistake, pictures: Path) -> str:
    """Return one picture with what it is and what it was taken for."""
    return (
        f'<figure><img alt="" src="{data_url(pictures / mistake.file)}"><figcaption>'
        f"<b>{breakable(mistake.true)}</b> taken for <b>{breakable(mistake.predicted)}</b>, "
        f"{show(f'{mistake.probability:.0%}')} sure; {ABSTAINED[mistake.abstained]}"
        f"<small>{escape(Path(mistake.file).name)}</small></figcaption></figure>"
    )
