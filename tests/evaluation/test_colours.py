"""Every text of the confusion matrix can be read on every shade, and no legend hides a point."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from utils.common.labels import CLASSES
from utils.evaluation import colours, plots
from utils.evaluation.colours import LEAST_CONTRAST, contrast, readable_on, shade
from utils.evaluation.files import write_report
from utils.evaluation.plots import MUTED, SHADES, page_charts, save_confusion_matrix, save_curves
from utils.evaluation.report import Report


def test_some_contrasts_are_those_of_the_standard() -> None:
    for first, second, expected in (
        ("#ffffff", "#767676", 4.54),
        ("#000000", "#ffffff", 21),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
    ):
        assert contrast(first, second) == contrast(second, first)
        assert contrast(first, second) == pytest.approx(expected, abs=0.005)


def test_text_can_be_read_on_the_shade_of_every_share() -> None:
    for share in np.linspace(0, 1, 1001):
        drawn = to_hex(SHADES(share))
        for background in (shade(share), drawn):
            assert contrast(readable_on(background), background) >= LEAST_CONTRAST
    assert contrast(MUTED, shade(0)) >= LEAST_CONTRAST


def test_text_can_be_read_on_any_grey() -> None:
    for grey in range(256):
        background = f"#{grey:02x}{grey:02x}{grey:02x}"
        assert contrast(readable_on(background), background) >= LEAST_CONTRAST


@pytest.mark.slow
def test_the_page_says_the_colours_of_each_cell(
    tmp_path: Path, report: Report, data_folder: Path
) -> None:
    write_report(tmp_path, report, data_folder)
    text = (tmp_path / "report.html").read_text()
    cells = re.findall(r'<td style="background:(#\w{6});color:(#\w{6})">', text)
    assert len(cells) == len(CLASSES) ** 2
    assert all(contrast(*cell) >= LEAST_CONTRAST for cell in cells)
    style = (Path(colours.__file__).parent / "page.css").read_text()
    assert ".confusion small { color: inherit; }" in style
    soft = re.search(r"--soft: (#\w{6})", style)[1]
    assert all(contrast(soft, ground) >= LEAST_CONTRAST for ground in ("#ffffff", "#f3f5f7"))


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return a list that gets every figure as it is drawn."""
    drawn: list[Figure] = []
    for name in ("_save", "_svg"):
        real = getattr(plots, name)

        def keep(*arguments: object, real: Callable[..., object] = real) -> object:
            kept = real(*arguments)
            drawn.append(arguments[-1])
            return kept

        monkeypatch.setattr(plots, name, keep)
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.0, 0.2, 0.5, 1.0])
def test_no_legend_lies_on_a_chart(
    tmp_path: Path, report: Report, figures: list[Figure], level: float
) -> None:
    row = {"train_loss": level, "val_loss": level}
    row |= {"train_balanced_accuracy": level, "val_balanced_accuracy": level}
    history = [{"epoch": epoch, **row} for epoch in range(1, 16)]
    save_curves(tmp_path / "curves.png", history, 3)
    page_charts(history, 3, report.after, report.risk)
    assert len(figures) == 5
    for figure in figures:
        assert not any(axes.get_legend() for axes in figure.axes)
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
            assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    assert sum(bool(figure.legends) for figure in figures) == 4


@pytest.mark.parametrize("right", range(0, 1001, 50))
def test_each_cell_of_the_picture_can_be_read(
    tmp_path: Path, figures: list[Figure], right: int
) -> None:
    counts = np.diag([right] * len(CLASSES)) + np.roll(np.diag([1000 - right] * len(CLASSES)), 1)
    counts[-1] = 0
    save_confusion_matrix(tmp_path / "matrix.png", counts)
    axes = figures[0].axes[0]
    [image] = axes.get_images()
    for text in axes.texts:
        column, row = text.get_position()
        background = to_hex(image.cmap(image.norm(image.get_array()[int(row), int(column)])))
        assert contrast(to_hex(text.get_color()), background) >= LEAST_CONTRAST
