"""Assemble the five-class data set DATASET/{train,val,test} from collections under ALL_DATA.

    python create_dataset.py                   assemble DATASET from what is under ALL_DATA
    python create_dataset.py --download starter
                                               fetch the least that fills every class, and stop
    python create_dataset.py --download open   fetch all collections that need no login, and stop
    python create_dataset.py --dry-run         read and check everything, write nothing
    python create_dataset.py --demo            draw small stand-ins and assemble demo/DATASET
    python create_dataset.py --review PAN      a page to judge whether PAN is PAN
    python create_dataset.py --limit 500       at most 500 pictures per class and split

Run it again at any time: what is in place already is not written again.
"""

from collections.abc import Sequence

from utils.common.cli.command_line import parse
from utils.common.cli.terminal import printable
from utils.common.errors import run_script
from utils.dataset.settings import DatasetSettings


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch what may be fetched, read what is there, and build the data set from it."""
    settings, _ = parse(DatasetSettings, argv, __doc__)

    # After the flags, so that --help and a mistyped flag are answered at once.
    from utils.dataset.demo import describe_demo
    from utils.dataset.planning.split import TooFewGroupsError
    from utils.dataset.review.page import write_review
    from utils.dataset.update import update_dataset
    from utils.sources import collect
    from utils.sources.catalog import FOLDERS
    from utils.sources.extra import forget_extra, read_extra
    from utils.sources.files.tree import FileTree, list_all_data
    from utils.standins.drawings import draw_all_data

    if settings.download:
        download(settings)
        return

    sources = collect.choose_sources(settings.only)
    collect.check_output(settings.all_data, settings.output)
    extra = None
    if own := settings.own_pictures:
        extra = read_extra(own, settings.all_data, settings.output, settings.state)
    elif not settings.review:
        forget_extra(settings.state)
    if settings.demo and not settings.dry_run:
        print(f"Demo: these are drawings, not patients; they go to {settings.all_data}.")
        draw_all_data(
            settings.all_data, seed=settings.seed, workers=settings.workers, only=settings.only
        )

    listing = list_all_data(settings.all_data)
    collect.check_output(settings.all_data, settings.output, listing.folders)
    tree = FileTree.of(listing, settings.state, homes=FOLDERS)
    may_fetch = not (settings.no_download or settings.demo)
    if may_fetch and not settings.dry_run:
        tree, notes = collect.fetch(
            sources, tree, settings.retry_failed, settings.allow_private_hosts
        )
        for note in notes:
            print(printable(note))

    collected = collect.read_all(sources, tree, extra)
    originals = extra.added_to(tree.originals) if extra else tree.originals
    print(collected.describe(settings.all_data))
    if may_fetch and settings.dry_run:
        for line in collect.pending(sources, tree, settings.retry_failed):
            print(line)
    if settings.review:
        for label in settings.review:
            rows = collected.corrections.rows
            print(write_review(collected.records, label, originals, settings, rows).describe())
        return
    try:
        print(update_dataset(collected.records, collected.left_out, settings, originals))
    except TooFewGroupsError as error:
        raise error.with_remedy(collect.remedy(error.label, settings.all_data)) from None
    if settings.demo and not settings.dry_run:
        titles = [source.title for source in sources]
        print(describe_demo(titles, settings.all_data, settings.output))


def download(settings: DatasetSettings) -> None:
    """Fetch the collections that --download names, and say what became of each file."""
    from utils.sources.web import delivery
    from utils.sources.web.manners import POLITE

    chosen = delivery.choose_downloads(settings.download, settings.all_data)
    for line in delivery.deliver(
        chosen,
        settings.all_data,
        dry=settings.dry_run,
        retry_failed=settings.retry_failed,
        limit=delivery.limit_for(settings.download, settings.limit),
        manners=POLITE.towards(settings.allow_private_hosts),
    ):
        print(line, flush=True)


if __name__ == "__main__":
    run_script(main)
