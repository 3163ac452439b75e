"""Write what the pages say of the collections from the catalog.

    python -m utils.sources.guide

writes ALL_DATA/README.md, the README's table of collections and the border between DERM_CLINIC and
PAN in docs/data.md again after a change of the catalog.
"""

from pathlib import Path

from utils.common.disk.writing import write_text
from utils.common.labels import CLINIC_OR_PAN
from utils.sources.catalog import SOURCES
from utils.sources.source import Source

GUIDE = Path("ALL_DATA/README.md")
README = Path("README.md")
DATA_PAGE = Path("docs/data.md")
START = "<!-- {}: written by python -m utils.sources.guide -->"
END = "<!-- end of {} -->"


def collections_table() -> str:
    """Return the README's table: one line per collection."""
    lines = [
        "| collection | classes | put it in `ALL_DATA/` as | pictures | licence |",
        "|---|---|---|---:|---|",
    ]
    for source in SOURCES:
        count = f"{source.num_pictures:,}" if source.num_pictures else "?"
        lines.append(
            f"| {_linked(source)} | {', '.join(source.labels)} | {_as_code(source.place)} "
            f"| {count} | {source.licence} |"
        )
    return "\n".join(lines)


def border_table() -> str:
    """Return the border between DERM_CLINIC and PAN, and how each collection keeps it."""
    lines = [
        CLINIC_OR_PAN,
        "",
        "| collection | classes | how it keeps the border |",
        "|---|---|---|",
    ]
    lines += [
        f"| {source.title} | {', '.join(source.labels)} | {source.border} |"
        for source in SOURCES
        if source.border
    ]
    return "\n".join(lines)


def guide() -> str:
    """Return the text of ALL_DATA/README.md."""
    parts = [
        "# Where each collection goes",
        "Put what you have; what is absent is named by `python create_dataset.py`, and the run "
        "goes on. Any folder may sit one level deeper, as unzipping leaves it, and file endings "
        "may be in any case. Nothing in this folder is ever changed, except that downloads are "
        "added to it.",
        "There is no need to unpack anything: zips (also in other zips) and tars are read where "
        "they lie, as if they had been unpacked there; one that lies directly in this folder and "
        "holds several things, as if unpacked into a folder of its own name. Where a file of an "
        "archive lies there unpacked, too, the unpacked one is read, and that is said.",
        f"Two classes border on each other. {CLINIC_OR_PAN}",
    ]
    for source in SOURCES:
        parts.append(f"## {source.title} (`{source.name}`)")
        parts.append(
            "\n".join(
                [
                    f"- **Put it here:** {_as_code(source.place)}",
                    *(
                        [f"- **Download:** `python create_dataset.py --download {source.name}`"]
                        if source.folder
                        else []
                    ),
                    f"- **Get it:** {source.page} ({source.how})",
                    f"- **Fills:** {', '.join(source.labels)}",
                    *([f"- **Border of the classes:** {source.border}"] if source.border else []),
                    f"- **Split:** {source.splits}",
                    f"- **Licence:** {source.licence}"
                    + ("" if source.commercial else " (no commercial use)"),
                    f"- **Cite:** {source.citation}",
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def with_table(readme: str) -> str:
    """Return the README's text with its table of collections as the catalog has it."""
    return _with_part(readme, "collections", collections_table())


def with_border(page: str) -> str:
    """Return the text of docs/data.md with the border as the catalog has it."""
    return _with_part(page, "border", border_table())


def _with_part(page: str, name: str, part: str) -> str:
    """Return a page with the part between the marks of a name written anew."""
    start, end = START.format(name), END.format(name)
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{part}\n{end}{after}"


def _linked(source: Source) -> str:
    return f"[{source.title}]({source.page})" if source.page.startswith("http") else source.title


def _as_code(place: str) -> str:
    """Set what looks like a file or folder in code type."""
    words = []
    for word in place.split(" "):
        core = word.strip("(),")
        is_path = core.endswith(("/", ".csv", ".jpg>")) or core.startswith("<")
        words.append(word.replace(core, f"`{core}`") if is_path and core else word)
    return " ".join(words)


if __name__ == "__main__":
    write_text(GUIDE, guide())
    write_text(README, with_table(README.read_text(encoding="utf-8")))
    write_text(DATA_PAGE, with_border(DATA_PAGE.read_text(encoding="utf-8")))
