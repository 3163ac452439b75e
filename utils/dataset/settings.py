"""What `create_dataset.py` can be told: one field, one flag."""

from dataclasses import dataclass
from pathlib import Path

from utils.common.cli.command_line import setting
from utils.common.errors import SettingsError, shortlist
from utils.common.labels import COLLECTED_CLASSES
from utils.common.limits import MAX_PIXELS, SMALLEST_GOOD
from utils.dataset.planning.names import STATE_NAME
from utils.dataset.recipe import Recipe

DEMO_FOLDER = "demo"


@dataclass(frozen=True)
class DatasetSettings:
    """The settings of one assembly."""

    all_data_dir: str = setting(
        "",
        "folder with the downloaded collections (default: ALL_DATA)",
        "--all-data",
        metavar="DIR",
    )
    output_dir: str = setting(
        "", "folder for the data set (default: DATASET)", "--output", metavar="DIR"
    )
    only: tuple[str, ...] = setting(
        (), "read only these collections, by short name", nargs="+", metavar="NAME"
    )
    other_extra: str = setting(
        "",
        "also take pictures of your own for OTHER from this folder, such as documents, screenshots "
        "and drawings, as the collection other_extra",
        metavar="DIR",
    )
    limit: int | None = setting(
        None,
        "at most this many pictures per class and split; with --download, of what comes picture by "
        "picture",
        type=int,
        metavar="N",
    )
    seed: int = setting(0, "seed of splits and degradations", type=int, metavar="N")
    image_size: int = setting(
        256,
        "shorter side of the written pictures in pixels; 0 keeps each picture's size",
        type=int,
        metavar="N",
    )
    min_size: int = setting(
        SMALLEST_GOOD,
        "leave out originals whose shorter side has fewer pixels",
        type=int,
        metavar="N",
    )
    keep_poor: bool = setting(
        False, "keep originals that are too blurred or too dark to be examples of their class"
    )
    max_pixels: int = setting(
        MAX_PIXELS, "leave out originals that have more pixels", type=int, metavar="N"
    )
    workers: int = setting(
        0, "number of processes; 0 means one per processor", type=int, metavar="N"
    )
    low_quality: float = setting(
        1.0,
        "LOW_QUALITY pictures to make in each split, as a multiple of the mean of the other "
        "classes; 0 leaves the class out",
        type=float,
        metavar="X",
    )
    real_low_quality: bool = setting(
        False,
        "also train on real LOW_QUALITY pictures, where a collection has them (they are always "
        "test pictures)",
    )
    download: tuple[str, ...] = setting(
        (),
        "fetch these collections into the folder of collections, by short name, and stop; 'open' "
        "are all that need no login, 'starter' the least that fills every class",
        nargs="+",
        metavar="NAME",
    )
    retry_failed: bool = setting(
        False, "ask again for pictures whose download failed for good in an earlier run"
    )
    no_download: bool = setting(False, "fetch nothing from the internet")
    allow_private_hosts: bool = setting(
        False, "also download from this machine and its own network, if a list names them"
    )
    dry_run: bool = setting(False, "read and check everything, download and write nothing")
    fresh: bool = setting(False, "remove what an earlier run wrote to the output and start anew")
    verify: bool = setting(
        False,
        "hash every original and every written picture, say which were changed since, and make "
        "those again",
    )
    allow_empty: bool = setting(False, "go on where a class has too few pictures for all splits")
    review: tuple[str, ...] = setting(
        (),
        "write a page of pictures of these classes, on which a person judges whether they belong "
        "to them, and stop",
        nargs="+",
        metavar="CLASS",
    )
    demo: bool = setting(
        False, "draw small stand-ins of all collections and build a data set from them"
    )

    def __post_init__(self) -> None:
        """Check every value that has a range.

        Raises:
            SettingsError: If one is out of its range.
        """
        if self.limit is not None and self.limit < 1:
            raise SettingsError(f"--limit is {self.limit}", expected="1 or more")
        if self.image_size and not 32 <= self.image_size <= 4096:
            raise SettingsError(
                f"--image-size is {self.image_size}", expected="0, or 32 to 4096 pixels"
            )
        if self.min_size < 1 or self.max_pixels < 1:
            raise SettingsError("--min-size and --max-pixels are too small", expected="1 or more")
        if self.workers < 0:
            raise SettingsError(f"--workers is {self.workers}", expected="0 or more")
        if self.no_download and (self.download or self.retry_failed):
            flag = "--download" if self.download else "--retry-failed"
            raise SettingsError(f"{flag} and --no-download contradict each other", todo="Drop one")
        if self.demo and self.download:
            raise SettingsError("--demo downloads nothing", todo="Drop --demo or --download")
        if self.other_extra and self.download:
            raise SettingsError(
                "--download fetches and stops, so --other-extra has no use", todo="Drop one"
            )
        unknown = [label for label in self.review if label not in COLLECTED_CLASSES]
        if unknown:
            raise SettingsError(
                f"--review does not know {shortlist(unknown)}",
                expected=f"some of {', '.join(COLLECTED_CLASSES)}",
            )
        if self.review and (self.download or self.dry_run):
            flag = "--download" if self.download else "--dry-run"
            raise SettingsError(f"--review and {flag} contradict each other", todo="Drop one")
        if not 0 <= self.low_quality <= 100:
            raise SettingsError(f"--low-quality is {self.low_quality}", expected="0 to 100")

    @property
    def recipe(self) -> Recipe:
        """What of it decides on the data set."""
        return Recipe(
            seed=self.seed,
            image_size=self.image_size,
            min_size=self.min_size,
            keep_poor=self.keep_poor,
            max_pixels=self.max_pixels,
            limit=self.limit,
            low_quality=self.low_quality,
            real_low_quality=self.real_low_quality,
            allow_empty=self.allow_empty,
            workers=self.workers,
        )

    @property
    def all_data(self) -> Path:
        """Where the collections are."""
        return Path(self.all_data_dir or (f"{DEMO_FOLDER}/ALL_DATA" if self.demo else "ALL_DATA"))

    @property
    def output(self) -> Path:
        """Where the data set goes."""
        return Path(self.output_dir or (f"{DEMO_FOLDER}/DATASET" if self.demo else "DATASET"))

    @property
    def own_pictures(self) -> Path | None:
        """Where pictures of the user's own for OTHER are, None without any."""
        return Path(self.other_extra) if self.other_extra else None

    @property
    def state(self) -> Path | None:
        """Where working state is kept, None where nothing may be written."""
        return None if self.dry_run else self.output / STATE_NAME
