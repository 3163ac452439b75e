"""Count the URLs of a table by host and label, empty cells and repeats included.

python -m utils.sources.web.survey ALL_DATA/fitzpatrick17k/fitzpatrick17k.csv
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from utils.common.cli.console import table
from utils.common.cli.terminal import printable
from utils.common.errors import SettingsError, SourceError, run_script
from utils.sources.files.tables import Row, read_table
from utils.sources.files.tree import FileTree
from utils.sources.web.urls import host_of, path_of, without_password

URL_COLUMNS = ("url", "train_url", "test_url")


@dataclass(frozen=True)
class Survey:
    """What a column of URLs holds.

    Attributes:
        num_empty: Number of cells without a URL.
        urls: Number of cells by URL.
        hosts: Number of cells by scheme and host.
        endings: Number of cells by the ending of the path, in lower case.
        names: Number of different URLs by the file name in the path, in lower case.
        labels: Number of cells by scheme and host, then by label, where the table has labels.
    """

    num_empty: int
    urls: Counter[str]
    hosts: Counter[str]
    endings: Counter[str]
    names: Counter[str]
    labels: dict[str, Counter[str]]


def survey(rows: Sequence[Row], column: str) -> Survey:
    """Count what a column of URLs holds."""
    filled = [row for row in rows if row[column]]
    urls = Counter(row[column] for row in filled)
    paths = {url: PurePosixPath(path_of(url).lower()) for url in urls}
    hosts = {url: f"{url.partition('://')[0]}://{host_of(url)}" for url in urls}
    labels: dict[str, Counter[str]] = {host: Counter() for host in hosts.values()}
    for row in filled:
        labels[hosts[row[column]]].update([row["label"]] if "label" in row else [])
    return Survey(
        num_empty=len(rows) - len(filled),
        urls=urls,
        hosts=Counter(hosts[row[column]] for row in filled),
        endings=Counter(paths[row[column]].suffix for row in filled),
        names=Counter(path.name for path in paths.values() if path.suffix),
        labels=labels,
    )


def repeats(counts: Counter[str]) -> list[str]:
    """Return what is there more than once.

    >>> repeats(Counter("abacus"))
    ['a']
    """
    return sorted(item for item, count in counts.items() if count > 1)


def describe(rows: Sequence[Row]) -> str:
    """Return what a table lists, column by column."""
    columns = [column for column in URL_COLUMNS if rows and column in rows[0]]
    surveys = {column: survey(rows, column) for column in columns}
    lines = [f"{len(rows):,} rows"]
    if rows and "md5hash" in rows[0]:
        again = repeats(Counter(row["md5hash"] for row in rows if row["md5hash"]))
        lines.append(f"md5hash: {len(again):,} repeated")
    for column, found in surveys.items():
        again = repeats(found.urls)
        hosts = [[host, n, len(found.labels[host])] for host, n in found.hosts.most_common()]
        endings = [[ending or "none", n] for ending, n in found.endings.most_common()]
        labels = sorted(sum(found.labels.values(), Counter()).items())
        lines += [
            f"{column}: {found.urls.total():,} URLs, {len(found.urls):,} different, "
            f"{found.num_empty:,} empty cells, {len(again):,} repeated, "
            f"{len(repeats(found.names)):,} file names of different URLs",
            table(["host", "URLs", "labels"], hosts),
            table(["ending", "URLs"], endings),
            *([table(["label", "URLs"], labels)] if labels else []),
            *(f"repeated: {printable(without_password(url))}" for url in again),
        ]
    if len(surveys) > 1:
        shared = sorted(set.intersection(*(set(found.urls) for found in surveys.values())))
        lines += [f"in all columns: {printable(without_password(url))}" for url in shared]
    return "\n".join(lines)


def main() -> None:
    """Print a survey of each table named on the command line."""
    if len(sys.argv) < 2:
        raise SettingsError(
            "No table named", expected="python -m utils.sources.web.survey TABLE ..."
        )
    for path in map(Path, sys.argv[1:]):
        if not path.is_file():
            raise SourceError(f"No file {path}", expected="a table with URLs")
        rows = read_table(FileTree(path.parent, [path.name]), path.name, ())
        print(f"{printable(path.name)}: {describe(rows)}")


if __name__ == "__main__":
    run_script(main)
