"""Text and rows in, pieces of HTML out; whatever comes from outside is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape

from utils.evaluation.bootstrap import Figure

Cell = str | int | Figure


def heading(text: str, introduction: str = "") -> str:
    """Return a heading with a paragraph below it."""
    below = f"<p>{escape(introduction)}</p>" if introduction else ""
    return f"<h2>{escape(text)}</h2>{below}"


def table(header: Sequence[str], rows: Iterable[Sequence[Cell]], kind: str = "") -> str:
    """Return a table; its first column is text, a figure is shown with its interval.

    Args:
        header: Name of each column.
        rows: Their cells.
        kind: "stacked" if it has too many columns for a phone: there each row becomes a block.
    """
    head = "".join(f"<th>{breakable(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-name="{escape(name)}">{show(cell)}</td>'
            if column
            else f"<th>{breakable(str(cell))}</th>"
            for column, (name, cell) in enumerate(zip(header, row, strict=True))
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table class="{kind}"><tr>{head}</tr>{body}</table></div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names with what is to be said of them."""
    return (
        "<dl>"
        + "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in pairs
        )
        + "</dl>"
    )


def tiles(pairs: Iterable[tuple[str, Figure | str, str]]) -> str:
    """Return the large figures: each has a name, a value and a line below it."""
    return (
        '<div class="tiles">'
        + "".join(
            f"<div><span>{escape(name)}</span><b>{escape(large(value))}</b>"
            f"<small>{escape(below)}</small></div>"
            for name, value, below in pairs
        )
        + "</div>"
    )


def large(value: Figure | str) -> str:
    """Return a figure without its interval."""
    return value if isinstance(value, str) else percent(value.value)


def show(cell: Cell) -> str:
    """Return what stands in a table's cell."""
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, str):
        return breakable(cell)
    if cell.value is None:
        return f"&ndash;<small>{escape(cell.reason)}</small>"
    return f"{percent(cell.value)}<small>{between(cell)}</small>"


def between(figure: Figure) -> str:
    """Return "80.1-87.2 %", with a dagger where it is not to be relied on; "" if undefined."""
    if figure.interval is None:
        return ""
    low, high = figure.interval
    return span(low, high) + ("" if figure.is_reliable else " †")


def span(low: float, high: float) -> str:
    """Return two shares as "80.1-87.2 %"."""
    return f"{100 * low:.1f}\N{EN DASH}{100 * high:.1f}\N{NO-BREAK SPACE}%"


def percent(share: float | None) -> str:
    """Return a share as text."""
    return "\N{EN DASH}" if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def breakable(text: str) -> str:
    """Escape text, and let the names of classes break where they are too long for a phone."""
    return escape(text).replace("_", "_<wbr>")
