"""Ways of out-of-distribution detection compared on strangers, by the protocol of OpenOOD.

    python -m benchmarks.quality.out_of_distribution DATASET RUN... --strangers FOLDER
    python -m benchmarks.quality.out_of_distribution DATASET RUN --frozen mobilenetv1_100 FILE

FOLDER/<near, other or far>/<kind>/ holds pictures that no class is meant for; more are made here.
Each score is fitted on train, its threshold on val by groups so that 5 % are refused, and it is
judged on test against strangers, which nothing was chosen on. OTHER is also held out: of train and
val that the scores are fitted on, while the networks have seen it. A frozen network, never
fine-tuned, gives the embeddings alone; logits, and so labels, are those of the run.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.quality.ood_scores import (
    COMBINATIONS,
    METHODS,
    Score,
    Seen,
    nearest_neighbours,
    relative_mahalanobis,
)
from benchmarks.quality.ood_strangers import NEAR, Place, find, made
from models.bundle import Card, read_bundle
from models.gate import sample
from models.inference import outputs_and_embeddings
from models.preprocessing import Normalisation
from models.pretrained import build
from models.texture import describe
from models.zoo import resolve
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import CLASSES, SPLITS, TEST, TRAIN, VAL
from utils.evaluation.conformal import quantile_by_group
from utils.evaluation.rows import group_codes, read_rows, rows_of

REFUSED = 0.05
BATCH_SIZE = 32
OTHER = CLASSES.index("OTHER")
SKIN = [CLASSES.index(name) for name in ("DERM", "DERM_CLINIC", "PAN")]
HELD_OUT: Place = (NEAR, "OTHER held out")

Figures = tuple[float, float, float]
"""Area under the ROC curve, share refused, share labelled skin and not refused."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures that all networks look at, by split and by kind of stranger."""

    splits: dict[str, list[Path]]
    groups: dict[str, NDArray[np.int64]]
    strangers: dict[Place, list[Path | Image.Image]]


def main() -> None:
    """Print what each score reaches, as the mean over the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="made by create_dataset.py")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs on it")
    parser.add_argument("--strangers", type=Path, help="folder of pictures (default: made ones)")
    parser.add_argument(
        "--frozen", nargs=2, action="append", default=[], metavar=("MODEL", "FILE"),
        help="also neighbours in a network that was never fine-tuned",
    )  # fmt: skip
    given = parser.parse_args()
    torch.set_num_threads(1)
    pictures = list_pictures(given.dataset, given.strangers)
    results: dict[str, dict[Place, list[Figures]]] = {}
    rates: dict[str, list[float]] = {}
    for run in given.runs:
        card, network = read_bundle(run)
        seen = look(card, network, pictures, run.name)
        frozen = {
            name: look(*build_frozen(name, file, card), pictures, name)
            for name, file in given.frozen
        }
        for method, figures, rate in judge_all(seen, frozen):
            rates.setdefault(method, []).append(rate)
            for place, three in figures.items():
                results.setdefault(method, {}).setdefault(place, []).append(three)
    print(summary(results, rates))
    for number, title in enumerate(("AUROC", "refused", "labelled skin")):
        print(f"\n{title} by kind\n{by_kind(results, number)}")


def list_pictures(dataset: Path, folder: Path | None) -> Pictures:
    """List the data set by split, and the strangers."""
    known = read_rows(dataset)
    splits = {split: sorted((dataset / split).glob("*/*.jpg")) for split in SPLITS}
    groups = {
        split: group_codes(rows_of(known, [one.relative_to(dataset).as_posix() for one in files]))
        for split, files in splits.items()
    }
    strangers: dict[Place, list[Path | Image.Image]] = dict(made())
    strangers.update(find(folder) if folder else {})
    return Pictures(splits, groups, strangers)


def build_frozen(name: str, file: str, card: Card) -> tuple[Card, torch.nn.Module]:
    """Build a network as its weights file has it, for pictures prepared as those of a run."""
    model = resolve(name)
    size = card.preprocessing.size if model == card.model else None
    network, preprocessing = build(model, len(CLASSES), False, file, size=size)
    return replace(card, model=model, preprocessing=preprocessing), network.eval()


def look(
    card: Card, network: torch.nn.Module, pictures: Pictures, name: str
) -> dict[str | Place, Seen]:
    """Show all pictures to a network once."""
    found: dict[str | Place, Seen] = {}
    for split, files in pictures.splits.items():
        labels = np.array([CLASSES.index(file.parent.name) for file in files])
        columns = outputs(card, network, files, f"{name}: {split}")
        found[split] = Seen(*columns, labels, pictures.groups[split])
    for place, some in pictures.strangers.items():
        columns = outputs(card, network, some, f"{name}: {place[1]}")
        found[place] = Seen(*columns, np.full(len(some), -1), np.arange(len(some)))
    return found


@torch.inference_mode()
def outputs(
    card: Card, network: torch.nn.Module, pictures: Iterable[Path | Image.Image], title: str
) -> list[NDArray[np.float32]]:
    """Return logits, embeddings and texture features, N x D each."""
    prepare, rows = Normalisation(card.preprocessing), list(pictures)
    columns = []
    for start in progress(range(0, len(rows), BATCH_SIZE), desc=title, unit="batches"):
        inputs = [
            sample(card, one if isinstance(one, Image.Image) else one.read_bytes())
            for one in rows[start : start + BATCH_SIZE]
        ]
        pixels = torch.from_numpy(np.stack(inputs))
        columns.append((*outputs_and_embeddings(network, prepare(pixels)), describe(pixels)))
    return [torch.cat(column).numpy() for column in zip(*columns, strict=True)]


def judge_all(
    seen: dict[str | Place, Seen], frozen: dict[str, dict[str | Place, Seen]]
) -> Iterable[tuple[str, dict[Place, Figures], float]]:
    """Yield each score's name, its figures by kind of stranger, and the share of test refused."""
    whole, without = (fit_all(seen, frozen, held) for held in (False, True))
    for method, (score, views) in whole.items():
        good, threshold = score(views[TEST]), limit(score, views[VAL])
        figures = {
            place: figures_of(score(view), good, threshold, seen[place])
            for place, view in views.items()
            if isinstance(place, tuple)
        }
        score, views = without[method]
        is_other = views[TEST].labels == OTHER
        good, threshold = score(views[TEST][~is_other]), limit(score, some_of(views[VAL], True))
        figures[HELD_OUT] = figures_of(
            score(views[TEST][is_other]), good, threshold, seen[TEST][is_other]
        )
        score, views = whole[method]
        rate = float((score(views[TEST]) > limit(score, views[VAL])).mean())
        yield method, figures, rate


def fit_all(
    seen: dict[str | Place, Seen], frozen: dict[str, dict[str | Place, Seen]], without_other: bool
) -> dict[str, tuple[Score, dict[str | Place, Seen]]]:
    """Fit all scores on train, and what combines them on val; return them with what they judge."""
    train, val = (some_of(seen[split], without_other) for split in (TRAIN, VAL))
    fitted = {name: fit(train) for name, fit in METHODS.items()}
    for name, combine in COMBINATIONS.items():
        fitted[f"kNN and texture, {name}"] = combine(fitted["kNN"], fitted["texture"], val)
    result = {name: (score, seen) for name, score in fitted.items()}
    for name, views in frozen.items():
        train = some_of(views[TRAIN], without_other)
        for title, fit in (("kNN", nearest_neighbours), ("rel. Mahal.", relative_mahalanobis)):
            result[f"frozen {name}, {title}"] = fit(train), views
    return result


def some_of(seen: Seen, without_other: bool) -> Seen:
    """Return all pictures, or those of the other classes."""
    return seen[seen.labels != OTHER] if without_other else seen


def limit(score: Score, val: Seen) -> float:
    """Return the threshold above which a new group's picture is with a probability of 5 %."""
    threshold = quantile_by_group(score(val), val.groups, 1 - REFUSED)
    return np.inf if threshold is None else threshold


def figures_of(
    strange: NDArray[np.float64], good: NDArray[np.float64], threshold: float, seen: Seen
) -> Figures:
    """Judge the scores of strangers against those of good pictures."""
    is_strange = np.repeat([0, 1], [len(good), len(strange)])
    is_refused = strange > threshold
    is_skin = np.isin(seen.logits.argmax(axis=1), SKIN) & ~is_refused
    area = roc_auc_score(is_strange, np.concatenate([good, strange]))
    return float(area), float(is_refused.mean()), float(is_skin.mean())


def summary(results: dict[str, dict[Place, list[Figures]]], rates: dict[str, list[float]]) -> str:
    """Return a table of means over the kinds of one distance, each kind counting the same."""
    distances = sorted({distance for places in results.values() for distance, _ in places})
    header = ["score", "test refused"]
    header += [f"{one}: {what}" for one in distances for what in ("AUROC", "refused", "skin")]
    rows = []
    for method, places in results.items():
        cells = [method, plus_minus(np.array(rates[method]))]
        for distance in distances:
            kinds = [np.array(runs) for (one, _), runs in places.items() if one == distance]
            cells += [plus_minus(column) for column in np.mean(kinds, axis=0).T]
        rows.append(cells)
    return table(header, rows)


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
