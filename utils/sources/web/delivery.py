"""Fetch whole collections into ALL_DATA, with licence and citation beside them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.common.cli.console import table
from utils.common.disk.writing import explain_write_errors, write_text
from utils.common.errors import DownloadError, SettingsError, SourceError
from utils.sources.catalog import FOLDERS, NAMES, SOURCES, owner_of
from utils.sources.collect import where_to_get
from utils.sources.files.tree import FileTree, walk
from utils.sources.source import Source
from utils.sources.web.download import (
    check_space,
    fetch_file,
    only_downloader,
)
from utils.sources.web.manners import POLITE, Manners
from utils.sources.web.partial import Partial, remove_leftovers
from utils.sources.web.remote import RemoteFile

ALL, OPEN, STARTER = "all", "open", "starter"
"""In place of names: what needs no login (twice), and the least that fills every class."""

STARTER_LIMIT = 250
"""Pictures per class and published side of what a starter fetches one by one."""

LICENCE_NAME = "LICENCE.txt"
DEFAULT = Path("ALL_DATA")
Bundle = tuple[RemoteFile, ...]


def choose_downloads(names: Sequence[str], all_data: Path) -> list[Source]:
    """Return the named collections in the order of the catalog.

    "open" and "all" are those without a login, "starter" the least that fills every class.

    Raises:
        SettingsError: If there is no collection of such a name.
        DownloadError: If one of them takes a login.
    """
    unknown = [name for name in names if name not in (ALL, OPEN, STARTER, *NAMES)]
    if unknown:
        raise SettingsError(
            f"--download does not know {', '.join(unknown)}",
            expected=f"'{OPEN}', '{STARTER}', or some of {', '.join(NAMES)}",
        )
    chosen = [source for source in SOURCES if source.name in names]
    if closed := [source for source in chosen if not source.folder]:
        raise DownloadError(
            f"--download cannot fetch {', '.join(source.name for source in closed)}",
            todo=" ".join(where_to_get(source, all_data) for source in closed),
        )
    is_all = ALL in names or OPEN in names
    return [
        source
        for source in SOURCES
        if source in chosen
        or (is_all and source.folder)
        or (STARTER in names and source.is_starter)
    ]


def limit_for(names: Sequence[str], limit: int | None) -> int | None:
    """Return how many pictures per class to fetch one by one; a starter has a limit of its own."""
    return STARTER_LIMIT if limit is None and set(names) == {STARTER} else limit


def deliver(
    sources: Sequence[Source],
    all_data: Path,
    *,
    dry: bool = False,
    retry_failed: bool = False,
    limit: int | None = None,
    manners: Manners = POLITE,
) -> Iterator[str]:
    """Fetch collections and yield what the user should read, licences first.

    Args:
        sources: What to fetch.
        all_data: Where to.
        dry: Only say what would be fetched.
        retry_failed: Ask again for pictures that failed for good.
        limit: Of what comes picture by picture, at most so many per class and published side.
        manners: How patiently and how politely.

    Raises:
        DownloadError: If something did not come, after all else was tried.
        OutputError: If the disk has too little space, before anything is fetched.
    """
    for source in sources:
        yield terms(source)
    if not dry:
        with explain_write_errors(all_data):
            all_data.mkdir(parents=True, exist_ok=True)
    tree = _list_files(all_data)
    rows = [row for source in sources for row in _rows(source, tree, limit)]
    yield table(["file", "MB", "state"], rows)
    num_bytes = sum(_num_bytes(source, tree, limit) for source in sources)
    yield f"About {num_bytes / 1e9:,.1f} GB to fetch."
    if dry:
        yield "Dry run: nothing was downloaded."
        return
    with only_downloader(all_data):
        check_space(all_data, num_bytes)
        lost = []
        for source in sources:
            _sweep(source, all_data)
            try:
                yield from _fetch(source, tree, retry_failed, limit, manners)
            except DownloadError as error:
                lost.append(f"{source.name}: {error} Get it by hand: {source.page}.")
    if lost:
        raise DownloadError(
            f"Not everything came. {' '.join(lost)}",
            todo="Run the same command again later: it goes on where it was",
        )
    elsewhere = "" if all_data == DEFAULT else f" --all-data {all_data.as_posix()}"
    yield f"Now run: python create_dataset.py{elsewhere}"


def terms(source: Source) -> str:
    """Return title, page, licence and citation of a collection, line by line."""
    commercial = "" if source.commercial else " (no commercial use)"
    return (
        f"{source.title}\n"
        f"Page: {source.page}\n"
        f"Licence: {source.licence}{commercial}\n"
        f"Cite: {source.citation}\n"
    )


def _fetch(
    source: Source, tree: FileTree, retry_failed: bool, limit: int | None, manners: Manners
) -> Iterator[str]:
    """Fetch the first of a collection's bundles that comes whole, then what its fetcher brings.

    The licence comes with the first file: a folder with nothing else would look like a collection
    whose tables are lost.
    """
    licence, reasons = tree.root / source.folder / LICENCE_NAME, []
    for bundle in _in_order(source, tree):
        failed = []
        for file in _missing(bundle, tree):
            try:
                fetch_file(file, tree.root, manners)
            except DownloadError as error:
                failed.append(str(error))
            else:
                write_text(licence, terms(source))
                yield f"{file.path} downloaded."
        if not failed:
            break
        reasons += failed
    else:
        if reasons:
            raise DownloadError(" ".join(reasons))
    if source.fetcher and (source.on_request or not source.bundles):
        before = FileTree.scan(tree.root, homes=FOLDERS)
        try:
            yield from source.fetcher(before, retry_failed, manners.private_hosts, limit)
        finally:
            if licence.parent.is_dir():
                write_text(licence, terms(source))
        after = before.scan_again()
        reading = source.read(after)
        if not (reading and reading.records) and not after.pictures(source.folder):
            raise DownloadError("None of its pictures came")
    else:
        write_text(licence, terms(source))


def _sweep(source: Source, all_data: Path) -> None:
    """Remove what a killed download left beside the files of a collection."""
    places = {file.path for bundle in source.bundles for file in bundle}
    folders = {(all_data / path).parent for path in places} | {all_data / source.folder}
    with explain_write_errors(all_data):
        for folder in folders:
            remove_leftovers(folder)


def _list_files(all_data: Path) -> FileTree:
    """List what lies there, without a look into archives: their names tell what they hold."""
    return FileTree(all_data, walk(all_data))


def _in_order(source: Source, tree: FileTree) -> list[Bundle]:
    """Return the bundles, those first of which most is there."""
    return sorted(
        source.bundles, key=lambda bundle: len(_missing(bundle, tree)) / max(1, len(bundle))
    )


def _missing(bundle: Bundle, tree: FileTree) -> list[RemoteFile]:
    return [file for file in bundle if not _is_there(file, tree)]


def _is_there(file: RemoteFile, tree: FileTree) -> bool:
    """Tell whether a file need not be fetched: it is there, or what it holds is.

    Raises:
        SourceError: If a file lies in its place that is not what was published.
    """
    target = tree.root / file.path
    if not target.is_file():
        unpacked = any(tree.pictures(folder) for folder in tree.folders(*file.holds))
        ours = (None, owner_of(file.path))
        return unpacked or any(owner_of(path) in ours for path in tree.named(file.name))
    if file.size not in (0, target.stat().st_size):
        raise SourceError(
            f"{target.as_posix()} has {target.stat().st_size:,} bytes",
            expected=f"the {file.size:,} that were published",
            todo="Move it away to download it again",
        )
    return True


def _rows(source: Source, tree: FileTree, limit: int | None) -> Iterator[list[str]]:
    for file in next(iter(_in_order(source, tree)), ()):
        num_bytes, so_far = file.size or file.roughly, Partial(tree.root / file.path).size
        state = f"{so_far / 1e6:,.1f} MB so far" if so_far else "to fetch"
        yield [
            file.path,
            f"{num_bytes / 1e6:,.1f}" if num_bytes else "?",
            "there" if _is_there(file, tree) else state,
        ]
    if source.roughly:
        num_bytes = _num_bytes_one_by_one(source, tree, limit)
        yield [f"{source.folder}/", f"{num_bytes / 1e6:,.1f}", "what is missing"]


def _num_bytes(source: Source, tree: FileTree, limit: int | None) -> int:
    """Return about how many bytes are still to come."""
    bundle = next(iter(_in_order(source, tree)), ())
    return _num_bytes_one_by_one(source, tree, limit) + sum(
        max(0, (file.size or file.roughly) - Partial(tree.root / file.path).size)
        for file in _missing(bundle, tree)
    )


def _num_bytes_one_by_one(source: Source, tree: FileTree, limit: int | None) -> int:
    """Return about how many bytes a fetcher brings beside the pictures that are there."""
    if not (wanted := source.bytes_fetched(limit)):
        return 0
    there = (tree.root / path for path in tree.pictures(source.folder))
    return max(0, wanted - sum(path.stat().st_size for path in there if path.is_file()))
