"""Draw the confusion matrix and the curves, as PNG files and as SVG for the page."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from utils.common.disk.writing import whole_file
from utils.common.labels import CLASSES
from utils.evaluation.colours import readable_on, shade
from utils.evaluation.reliability import NUM_BINS, Reliability

DPI = 150
MUTED = "#6b7580"
TRAIN_COLOUR = "#4c78a8"
VAL_COLOUR = "#e45756"
SHADES = LinearSegmentedColormap.from_list("shades", [shade(0), shade(1)])

LOSS = ("Loss (class-balanced)", ("train_loss", "train"), ("val_loss", "val"))
RECALL = (
    "Balanced accuracy",
    ("train_balanced_accuracy", "train, augmented"),
    ("val_balanced_accuracy", "val"),
)
RELIABILITY_WORDS = {
    "reliability": (
        "share of pictures", "right answers",
        "Probability of the answer", "Right answers by probability",
    ),
    "faults": (
        "share of probabilities", "faults that are there",
        "Probability of a fault", "Faults that are there by probability",
    ),
}  # fmt: skip
History = Sequence[Mapping[str, Any]]


def save_confusion_matrix(path: Path, confusion: NDArray[np.int64]) -> None:
    """Draw the confusion matrix, each count with its share of the row."""
    shares = row_shares(confusion)
    totals = confusion.sum(axis=1)
    figure = Figure(figsize=(7.2, 6.2), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        colour = readable_on(to_hex(SHADES(float(shares[row, column])))) if count else MUTED
        text = f"{count:,}\n{shares[row, column]:.0%}" if totals[row] else "-"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    positions = range(len(CLASSES))
    axes.set_xticks(positions, CLASSES, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(positions, CLASSES)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    right = int(np.trace(confusion))
    axes.set_title(f"Test: {right:,} of {confusion.sum():,} pictures right", loc="left")
    axes.set_xticks(np.arange(len(CLASSES) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(CLASSES) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, format="{x:.0%}")
    bar.set_label("Share of the true class")
    bar.outline.set_visible(False)
    _save(path, figure)


def row_shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide each row of counts by its sum; a row without pictures is 0."""
    totals = confusion.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(
        confusion, totals, out=np.zeros(confusion.shape), where=totals > 0
    )
    return shares


def save_curves(path: Path, history: History, best_epoch: int | None) -> None:
    """Draw loss and balanced accuracy by epoch, and mark the chosen epoch."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, curves in zip(figure.subplots(1, 2), (LOSS, RECALL), strict=True):
        _draw_curves(axes, curves, history, best_epoch)
    _explain(figure, axes)
    _save(path, figure)


def page_charts(
    history: History,
    best_epoch: int | None,
    reliability: Reliability | None,
    risk: tuple[NDArray[np.float64], NDArray[np.float64]],
    faults: Reliability | None = None,
) -> dict[str, str]:
    """Return the charts of the page by name, as data URLs of SVG pictures.

    Without a history there are none of loss and balanced accuracy, and without a reliability there
    is no chart of it.
    """
    charts = {}
    for name, curves in (("loss", LOSS), ("recall", RECALL)) if history else ():
        figure, axes = _small_chart()
        _draw_curves(axes, curves, history, best_epoch)
        _explain(figure, axes)
        charts[name] = _svg(figure)
    for name, found in (("reliability", reliability), ("faults", faults)):
        if found is not None:
            figure, axes = _small_chart()
            _draw_reliability(axes, found, RELIABILITY_WORDS[name])
            _explain(figure, axes)
            charts[name] = _svg(figure)
    figure, axes = _small_chart()
    _draw_risk(axes, *risk)
    charts["risk"] = _svg(figure)
    return charts


def _draw_curves(
    axes: Axes,
    curves: tuple[str, tuple[str, str], tuple[str, str]],
    history: History,
    best_epoch: int | None,
) -> None:
    title, *lines = curves
    epochs = [row["epoch"] for row in history]
    for (name, label), colour in zip(lines, (TRAIN_COLOUR, VAL_COLOUR), strict=True):
        heights = [np.nan if row[name] is None else row[name] for row in history]
        axes.plot(epochs, heights, color=colour, label=label, marker="o", markersize=4)
    if best_epoch:
        axes.axvline(best_epoch, color=MUTED, linestyle=":", label=f"chosen: {best_epoch}")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _dress(axes, title)
    if curves is LOSS:
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter("{x:.0%}")


def _draw_reliability(
    axes: Axes, reliability: Reliability, words: tuple[str, str, str, str]
) -> None:
    all_that, right, probability, title = words
    edges = np.arange(NUM_BINS) / NUM_BINS
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="perfect")
    axes.bar(
        edges, reliability.counts / reliability.counts.sum(), 1 / NUM_BINS, align="edge",
        color="#d9e2ec", edgecolor="white", label=all_that,
    )  # fmt: skip
    filled = reliability.counts > 0
    axes.scatter(
        reliability.confidence[filled], reliability.accuracy[filled],
        s=12 + 160 * reliability.counts[filled] / reliability.counts.max(),
        color=TRAIN_COLOUR, alpha=0.9, label=right, zorder=3, clip_on=False,
    )  # fmt: skip
    axes.set_xlabel(probability)
    _dress(axes, title)
    _share_axes(axes)


def _draw_risk(axes: Axes, coverage: NDArray[np.float64], risk: NDArray[np.float64]) -> None:
    axes.plot(coverage, risk, color=TRAIN_COLOUR)
    axes.fill_between(coverage, risk, color=TRAIN_COLOUR, alpha=0.12)
    axes.set_xlabel("Share of pictures answered, the surest first")
    _dress(axes, "Wrong answers among them")
    _share_axes(axes)
    axes.set_ylim(0, max(0.05, 1.15 * float(risk.max())))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))


def _explain(figure: Figure, axes: Axes) -> None:
    """Put a legend below a figure, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), edgecolor="none",
        fontsize=8, columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip


def _small_chart() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.4, 3.5), layout="constrained")
    return figure, figure.add_subplot()


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left")
    axes.grid(axis="y", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _share_axes(axes: Axes) -> None:
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")


def _svg(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    stream = io.BytesIO()
    # Letters as outlines look the same everywhere; a fixed salt gives the same bytes every time.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "report"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()


def _save(path: Path, figure: Figure) -> None:
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI, facecolor="white")
