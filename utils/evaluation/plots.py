"""Counts and learning curves in, PNG files out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from utils.common.files import whole_file
from utils.common.labels import CLASSES

DPI = 150
INK = "#222222"
MUTED = "#8a8a8a"
TRAIN_COLOUR = "#4c78a8"
VAL_COLOUR = "#e45756"
DARK_SHARE = 0.55
"""From this row share on, a cell is dark enough for white text."""


def save_confusion_matrix(path: Path, confusion: NDArray[np.int64]) -> None:
    """Draw counts with their share of the row; rows true, columns predicted."""
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(
        confusion, totals, out=np.zeros(confusion.shape, dtype=float), where=totals > 0
    )
    figure = Figure(figsize=(7.2, 6.2), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if shares[row, column] > DARK_SHARE else INK if count else MUTED
        text = f"{count:,}\n{shares[row, column]:.0%}" if totals[row, 0] else "-"
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


def save_curves(path: Path, history: Sequence[Mapping[str, Any]], best_epoch: int | None) -> None:
    """Draw loss and accuracy by epoch, with the epoch that was chosen."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    curves = (
        ("Loss (class-balanced)", ("train_loss", "train"), ("val_loss", "val")),
        (
            "Balanced accuracy",
            ("train_balanced_accuracy", "train, augmented"),
            ("val_balanced_accuracy", "val"),
        ),
    )
    epochs = [row["epoch"] for row in history]
    for axes, (title, *lines) in zip(panels, curves, strict=True):
        for (name, label), colour in zip(lines, (TRAIN_COLOUR, VAL_COLOUR), strict=True):
            heights = [np.nan if row[name] is None else row[name] for row in history]
            axes.plot(epochs, heights, color=colour, label=label, marker="o", markersize=4)
        if best_epoch:
            axes.axvline(best_epoch, color=MUTED, linestyle=":", label=f"chosen: {best_epoch}")
        axes.set_title(title, loc="left")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="#e5e5e5")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0, 1.03)
    panels[1].yaxis.set_major_formatter("{x:.0%}")
    panels[1].legend(loc="lower right", edgecolor="none", framealpha=1)
    _save(path, figure)


def _save(path: Path, figure: Figure) -> None:
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI, facecolor="white")
