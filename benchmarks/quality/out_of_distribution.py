"""Ways of out-of-distribution detection compared on strangers, by the protocol of OpenOOD.

    python -m benchmarks.quality.out_of_distribution DATASET RUN... [--packages FOLDER]
    python -m benchmarks.quality.out_of_distribution DATASET RUN --frozen mobilenetv1_100 FILE

Strangers are drawn here, and come with Python packages: those installed, and those of
`pip install --target FOLDER --no-deps scikit-image pydicom-data nilearn mahotas stardist cbc`. With
--strangers FOLDER, which holds <near, other or far>/<kind>/, there are more. Each score is fitted
on train, its threshold on the good pictures of val by groups so that 5 % of such are refused (or
what --refuse says), and it is judged on test against strangers. OTHER is also held out: of what
scores are fitted on, while the networks have seen it. --frozen also takes neighbours in a network
that was never fine-tuned.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.quality.strangers.drawn import NEAR, Place
from benchmarks.quality.strangers.scores import COMBINATIONS, METHODS, Score, Seen, as_taken, excess
from benchmarks.quality.strangers.views import Key, build_frozen, embed, list_pictures, look
from models.bundle import read_bundle
from utils.common.cli.console import table
from utils.common.errors import run_script
from utils.common.labels import CLASSES, TEST, TRAIN, VAL
from utils.evaluation.conformal import quantile_by_group
from utils.evaluation.fitting import is_good

REFUSED = 0.05
HELD_OUT: Place = (NEAR, "OTHER held out")
FIGURES = ("AUROC", "refused", "called skin", "without doubt")

BY_EXCESS = (
    ("kNN of class", "texture"), ("kNN", "texture of class"), ("kNN of class", "texture of class"),
    ("kNN", "texture, shrunk"),
)  # fmt: skip
"""Scores that are also combined, besides kNN and texture."""

CHOSEN_ON = ("X-rays", "microscopy", "skin-coloured")
"""Near strangers on which rules may be chosen, so that the other near ones can judge them."""

Figures = tuple[float, float, float, float]
"""Area under the ROC curve; shares refused, labelled DERM or DERM_CLINIC and not refused, and of
these the ones whose prediction set has no other class."""


def main() -> None:
    """Print what each score reaches, as the mean over the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="made by create_dataset.py")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs on it")
    parser.add_argument("--packages", type=Path, help="folder of pip install --target")
    parser.add_argument("--strangers", type=Path, help="folder of more pictures")
    parser.add_argument(
        "--frozen", nargs=2, metavar=("MODEL", "FILE"),
        help="also neighbours in a network that was never fine-tuned",
    )  # fmt: skip
    parser.add_argument("--refuse", type=float, default=REFUSED, help="of good val pictures")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pictures = list_pictures(given.dataset, given.strangers, given.packages)
    kinds = [key for key in pictures.listed if isinstance(key, tuple)]
    counts = ", ".join(f"{len(pictures.listed[kind])} {' '.join(kind)}" for kind in sorted(kinds))
    missing = ", ".join(pictures.missing) or "none"
    print(f"Strangers: {counts}. Packages that are not there: {missing}.", flush=True)
    results: dict[str, dict[Place, list[Figures]]] = {}
    rates: dict[str, list[float]] = {}
    for run in given.runs:
        card, network = read_bundle(run)
        seen = look(card, network, pictures, run.name)
        if given.frozen:
            frozen = embed(*build_frozen(*given.frozen, card), pictures, "frozen")
            seen = {key: replace(one, frozen=frozen[key]) for key, one in seen.items()}
        for method, figures, rate in judge_all(seen, given.refuse):
            rates.setdefault(method, []).append(rate)
            for place, four in figures.items():
                results.setdefault(method, {}).setdefault(place, []).append(four)
    print(summary(results, rates))
    for number, title in enumerate(FIGURES):
        print(f"\n{title} by kind\n{by_kind(results, number)}")


def judge_all(
    seen: dict[Key, Seen], share: float
) -> Iterable[tuple[str, dict[Place, Figures], float]]:
    """Yield each score's name, its figures by kind, and the share of good test refused."""
    is_other = seen[TEST].labels == CLASSES.index("OTHER")
    with_other, without = (fit_all(seen, held) for held in (False, True))
    for method, score in with_other.items():
        good, threshold = score(seen[TEST]), limit(score, seen[VAL], share)
        figures = {
            place: figures_of(score(strangers), good, threshold, strangers)
            for place, strangers in seen.items()
            if isinstance(place, tuple)
        }
        held = without[method]
        figures[HELD_OUT] = figures_of(
            held(seen[TEST][is_other]), held(seen[TEST][~is_other]),
            limit(held, some_of(seen[VAL], True), share), seen[TEST][is_other],
        )  # fmt: skip
        is_refused = good[is_good(seen[TEST].labels)] > threshold
        yield method, figures, float(is_refused.mean())


def fit_all(seen: dict[Key, Seen], without_other: bool) -> dict[str, Score]:
    """Fit all scores on train, and what combines them on the good pictures of val."""
    train, val = (some_of(seen[split], without_other) for split in (TRAIN, VAL))
    val = val[is_good(val.labels)]
    fitted = {name: fit(train) for name, fit in METHODS.items()}
    both = fitted["kNN"], fitted["texture"]
    combined = {f"kNN + texture, {name}": way(both, val) for name, way in COMBINATIONS.items()}
    for names in BY_EXCESS:
        combined[f"{' + '.join(names)}, excess"] = excess([fitted[name] for name in names], val)
    combined["as taken"] = as_taken(train, val)
    if train.frozen is None:
        return fitted | combined
    frozen = of_frozen(METHODS["kNN"](as_frozen(train)))
    return {
        **fitted,
        "frozen kNN": frozen,
        "frozen rel. Mahalanobis": of_frozen(METHODS["relative Mahalanobis"](as_frozen(train))),
        **combined,
        "frozen kNN + texture, excess": excess((frozen, fitted["texture"]), val),
        "kNN + frozen kNN + texture, excess": excess((*both, frozen), val),
    }


def as_frozen(seen: Seen) -> Seen:
    """Return the same pictures with the embeddings of the frozen network as theirs."""
    assert seen.frozen is not None
    return replace(seen, embeddings=seen.frozen)


def of_frozen(score: Score) -> Score:
    """Return the score that judges the embeddings of the frozen network."""
    return lambda seen: score(as_frozen(seen))


def some_of(seen: Seen, without_other: bool) -> Seen:
    """Return all pictures, or those of the other classes."""
    return seen[seen.labels != CLASSES.index("OTHER")] if without_other else seen


def limit(score: Score, val: Seen, share: float) -> float:
    """Return the threshold above which a share of new groups' good pictures are."""
    good = val[is_good(val.labels)]
    threshold = quantile_by_group(score(good), good.groups, 1 - share)
    return np.inf if threshold is None else threshold


def figures_of(
    strange: NDArray[np.float64], good: NDArray[np.float64], threshold: float, seen: Seen
) -> Figures:
    """Judge the scores of strangers against those of good pictures."""
    is_strange = np.repeat([0, 1], [len(good), len(strange)])
    is_refused = strange > threshold
    is_skin = seen.is_skin & ~is_refused
    area = roc_auc_score(is_strange, np.concatenate([good, strange]))
    shares = (float(column.mean()) for column in (is_refused, is_skin, is_skin & seen.is_sure))
    return (float(area), *shares)  # type: ignore[return-value]


def summary(results: dict[str, dict[Place, list[Figures]]], rates: dict[str, list[float]]) -> str:
    """Return a table of means over the kinds of one distance, each kind counting the same.

    Near strangers are told in two parts, by `CHOSEN_ON`.
    """
    distances = sorted({part_of(place) for places in results.values() for place in places})
    header = ["score", "good test refused"]
    header += [f"{one}: {what}" for one in distances for what in FIGURES]
    rows = []
    for method, places in results.items():
        cells = [method, plus_minus(np.array(rates[method]))]
        for distance in distances:
            kinds = [np.array(runs) for place, runs in places.items() if part_of(place) == distance]
            cells += [plus_minus(column) for column in np.mean(kinds, axis=0).T]
        rows.append(cells)
    return table(header, rows)


def part_of(place: Place) -> str:
    """Return how far a stranger is, and of near ones whether rules may be chosen on them."""
    distance, kind = place
    return f"{distance}, chosen on" if kind in CHOSEN_ON else distance


def plus_minus(values: NDArray[np.float64]) -> str:
    """Return a mean over runs with its standard error."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} +- {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def by_kind(results: dict[str, dict[Place, list[Figures]]], number: int) -> str:
    """Return a table of one figure: kinds of strangers by scores, means over the runs."""
    places = sorted(next(iter(results.values())))
    rows = [
        [
            f"{place[0]}: {place[1]}",
            *(
                f"{np.mean([run[number] for run in found[place]]):.2f}"
                for found in results.values()
            ),
        ]
        for place in places
    ]
    return table(["stranger", *results], rows)


if __name__ == "__main__":
    run_script(main)
