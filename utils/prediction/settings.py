"""What `predict.py` can be told: one field, one flag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.prior import EQUAL, read_prior
from models.stored_names import CARD_NAME, stored_file
from utils.common.cli.command_line import parse, setting
from utils.common.disk.asking import is_folder, is_there
from utils.common.disk.writing import sha256_of_file
from utils.common.errors import SettingsError
from utils.common.system.processors import available_processors
from utils.common.values import at_least
from utils.prediction.shards import MAX_SHARDS, Shard

DESCRIPTION = "Say what kind of picture each of these is, with a model that was trained here."
EPILOG = """examples:
  python predict.py runs/resnet18-1 photo.jpg
  python predict.py runs/resnet18-1 folder/ more.zip --output predictions.csv
  find . -name "*.jpg" | python predict.py runs/resnet18-1 - --output predictions.jsonl
  python predict.py runs/resnet18-1 inbox/ --move-into sorted/
  python predict.py runs/resnet18-1 clinic/ --report clinic-report/

a million pictures:
  torchrun --nproc-per-node=4 predict.py runs/resnet18-1 inbox/ --output predictions.csv
  python predict.py runs/resnet18-1 inbox/ --output predictions.csv --shard 2/4
  python predict.py runs/resnet18-1 inbox/ --output predictions.csv --join 4"""

MOVE_INTO = "move_into"
"""Of what rows are of: where their pictures go, which changes no row."""

SHARD, BATCH_SIZE, LIST = "shard", "batch_size", "list of pictures"
"""Of what the rows of a shard are of, besides: they decide on which pictures it has."""

COLUMN_SET, WITH_FAULTS = "set of columns", "with faults"
"""Of what rows are of: whether they tell faults. Rows of earlier versions do not."""

ENDINGS = (".csv", ".jsonl")
MAX_WORKERS = 8


@dataclass(frozen=True, slots=True)
class PredictSettings:
    """The settings of one call."""

    run: str = setting("", "folder of a finished run", "run", metavar="RUN")
    pictures: tuple[str, ...] = setting(
        (), "pictures, folders, archives (zip, tar), or - for a list on stdin, one path per line",
        "pictures", nargs="+", metavar="PICTURES",
    )  # fmt: skip
    output: str = setting(
        "", "write the rows here, as CSV or JSON Lines by its ending; else a table is printed",
        metavar="FILE",
    )  # fmt: skip
    move_into: str = setting(
        "", "then move each picture into DIR/<CLASS>/, UNSURE/ if it is unlike all that was "
        "trained on; nothing is overwritten", metavar="DIR",
    )  # fmt: skip
    copy_into: str = setting("", "the same, but leave the pictures where they are", metavar="DIR")
    report: str = setting(
        "", "PICTURES is one folder with class folders of your own, sorted by hand: write the "
        "report of a test on them, as a run has one, into DIR", metavar="DIR",
    )  # fmt: skip
    resume: bool = setting(
        False, "go on with the rows that a stopped call left beside FILE: pictures that have one "
        "are not looked at again"
    )  # fmt: skip
    shard: str = setting(
        "", "look at the Ith of N equal shares of the pictures only, I from 1 to N, as the jobs of "
        "an array do; its rows go to FILE-I-of-N", metavar="I/N",
    )  # fmt: skip
    join: int | None = setting(
        None, "look at no picture, but put the rows of all N shards together in FILE; all else of "
        "the command is as theirs, and this is where pictures are moved or copied",
        type=int, metavar="N", check=at_least(1, MAX_SHARDS),
    )  # fmt: skip
    no_faults: bool = setting(
        False, "leave out the columns subject, subject_probability, faults, severity and advice, "
        "for programs that know the others alone"
    )  # fmt: skip
    batch_size: int = setting(
        32, "pictures at once; the answers are the same for any number",
        "-b", "--batch-size", type=int, metavar="N",
    )  # fmt: skip
    workers: int | None = setting(
        None, f"processes that read pictures (default: one per processor, at most {MAX_WORKERS})",
        "-j", "--workers", type=int, metavar="N",
    )  # fmt: skip
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps", metavar="NAME")
    amp: bool = setting(
        False, "compute in 16 bit where the hardware is fast at it; probabilities then change a "
        "little with the batch size, and sets promise what they do in 32 bit"
    )  # fmt: skip
    prior: str = setting(
        EQUAL, "how common each class is where the pictures come from: equal, train (as in the "
        "training pictures), or a JSON file with a number for each class; probabilities and labels "
        "change with it", metavar="PRIOR",
    )  # fmt: skip

    @property
    def num_workers(self) -> int:
        """Return the number of processes that read pictures, 0 for the main one."""
        return min(available_processors(), MAX_WORKERS) if self.workers is None else self.workers

    @property
    def sorted_into(self) -> Path | None:
        """Return the folder that gets the class folders, if pictures are to be sorted."""
        name = self.move_into or self.copy_into
        return Path(name) if name else None

    def origin(self) -> dict[str, object]:
        """Return what decides on the rows besides the pictures, and where these are to go.

        Of a shard that is also which share it is; the list of pictures is not known yet.

        Raises:
            ModelError: If there is no trained model.
        """
        card = stored_file(Path(self.run), CARD_NAME)  # has the hash of the weights in it
        origin: dict[str, object] = {
            "model": sha256_of_file(card), "amp": self.amp, "prior": self.prior,
            MOVE_INTO: self.move_into,
            COLUMN_SET: None if self.no_faults else WITH_FAULTS,
        }  # fmt: skip
        if self.shard or self.join:
            origin |= {SHARD: self.shard, BATCH_SIZE: self.batch_size}
        return origin


def has_faults(origin: Mapping[str, object]) -> bool:
    """Tell whether rows have the columns of what assesses a picture.

    Args:
        origin: What decides on the rows, from `PredictSettings.origin`.
    """
    return origin.get(COLUMN_SET) == WITH_FAULTS


def read_settings(argv: Sequence[str] | None) -> PredictSettings:
    """Parse and check the command line.

    Raises:
        SettingsError: If a flag cannot be used.
    """
    settings, _ = parse(PredictSettings, argv, DESCRIPTION, EPILOG)
    if settings.report:
        _check_report(settings)
    if settings.output and Path(settings.output).suffix.lower() not in ENDINGS:
        raise SettingsError(
            f"--output {settings.output} tells no format", expected=f"{' or '.join(ENDINGS)}"
        )
    if settings.output and is_folder(Path(settings.output)):
        raise SettingsError(f"--output {settings.output} is a folder", expected="a file")
    if settings.resume and not settings.output:
        raise SettingsError(
            "--resume goes on with rows that were written to a file", expected="--output FILE, too"
        )
    _check_shards(settings)
    if settings.move_into and settings.copy_into:
        raise SettingsError("--move-into and --copy-into contradict each other")
    for flag, value, lowest in (
        ("--batch-size", settings.batch_size, 1), ("--workers", settings.num_workers, 0),
    ):  # fmt: skip
        if value < lowest:
            raise SettingsError(
                f"{flag} {value} cannot be used", expected=f"a number of at least {lowest}"
            )
    for flag, folder in (("--move-into", settings.move_into), ("--copy-into", settings.copy_into)):
        if folder and is_there(Path(folder)) and not is_folder(Path(folder)):
            raise SettingsError(f"{flag} {folder} is a file", expected="a folder")
    return replace(settings, prior=read_prior(settings.prior))


def _check_report(settings: PredictSettings) -> None:
    others = (
        *("output", "move_into", "copy_into", "resume", "shard", "join", "no_faults"),
        *(["prior"] if settings.prior != EQUAL else []),
    )
    given = [f"--{name.replace('_', '-')}" for name in others if getattr(settings, name)]
    if given:
        raise SettingsError(
            f"--report does not go with {' and '.join(given)}",
            expected="--report alone: its folder gets the rows, too, as predictions.csv, and the "
            "figures are those of equally common classes",
        )
    if len(settings.pictures) != 1:
        raise SettingsError(
            f"--report is of one folder, and {len(settings.pictures)} paths were given",
            expected="one folder with class folders",
        )


def _check_shards(settings: PredictSettings) -> None:
    if settings.shard:
        Shard.parse(settings.shard)
        if settings.join:
            raise SettingsError("--shard and --join contradict each other")
        if settings.move_into or settings.copy_into:
            raise SettingsError(
                f"--shard {settings.shard} sorts no pictures: names may be taken in other shards",
                todo="Leave --move-into or --copy-into for the call with --join",
            )
    if (settings.shard or settings.join) and not settings.output:
        flag = "--shard" if settings.shard else "--join"
        raise SettingsError(f"{flag} has nowhere to write to", expected="--output FILE, too")
