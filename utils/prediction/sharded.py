"""Pick one shard's pictures out of all pictures of a call."""

from pathlib import Path

from models import load
from utils.common.cli.console import warn
from utils.common.cli.terminal import printable
from utils.common.errors import SettingsError
from utils.prediction.classify import Tally, classify
from utils.prediction.join import forget_moving, is_finished, moved_picture
from utils.prediction.pictures import Files, Inputs
from utils.prediction.row_file import open_rows
from utils.prediction.settings import LIST, PredictSettings
from utils.prediction.shards import Note, Shard
from utils.prediction.unfinished import Unfinished


def rows_of(settings: PredictSettings) -> Path:
    """Return where the rows of the call's shard go."""
    return Shard.parse(settings.shard).output(settings.output)


def is_done(settings: PredictSettings, inputs: Inputs) -> bool:
    """Tell whether a shard that is to be gone on with has all of its rows.

    Args:
        settings: Of the call, with its shard.
        inputs: All pictures; the rows of another list of them do not count.
    """
    if not _has_rows(settings):
        return False
    if _has_rows(settings, {LIST: inputs.digest}):
        return True
    _tell_of_another_list(settings)
    return False


def _has_rows(settings: PredictSettings, more: dict[str, object] | None = None) -> bool:
    """Tell whether a shard that is to be gone on with is finished, of whatever list of pictures."""
    origin, named = {**settings.origin(), **(more or {})}, list(settings.pictures)
    return settings.resume and is_finished(rows_of(settings), origin, named)


def _is_of_another_list(settings: PredictSettings, origin: dict[str, object]) -> bool:
    """Tell whether a stopped call left rows of this shard, but of another list of pictures."""
    before = Unfinished(rows_of(settings)).origin
    return before is not None and before != origin == {**before, LIST: origin[LIST]}


def _tell_of_another_list(settings: PredictSettings) -> None:
    warn(f"{rows_of(settings)} is of another list of pictures, and is written anew.")


def is_being_sorted(settings: PredictSettings) -> bool:
    """Tell whether all shards are done and pictures of theirs moved, but the rows not yet joined.

    Raises:
        SettingsError: If so, and the call would replace these rows.
    """
    total = Shard.parse(settings.shard).total
    moved = moved_picture(settings.output, total)
    if moved and not _has_rows(settings):
        raise SettingsError(
            f"The {total} finished shards of {settings.output} have rows of pictures that were "
            f"moved already, such as {printable(moved)}",
            todo="Go on by the same command as before with --resume, or remove the shards",
        )
    return bool(moved)


def answer_shard(settings: PredictSettings, inputs: Inputs) -> Tally:
    """Write the rows of one shard, and beside them what they are.

    Args:
        settings: Of the call, with its shard.
        inputs: All pictures, those of the other shards among them.

    Raises:
        OutputError: If nothing can be written there, or a process that reads pictures dies.
        SettingsError: If the rows of a stopped call can neither be gone on with nor replaced.
    """
    shard = Shard.parse(settings.shard)
    start, stop = shard.stretch(len(inputs), settings.batch_size)
    part = inputs.part(start, stop)
    output = rows_of(settings)
    origin = {**settings.origin(), LIST: inputs.digest}
    note = Note(
        origin, list(settings.pictures), start, stop, len(inputs), dict(inputs.passed_over),
        inputs.num_unread,
    )  # fmt: skip
    gate = load(settings.run, settings.device, settings.amp, settings.prior)
    forget_moving(Path(settings.output))  # none was, or this call would have been refused
    is_resumed = settings.resume
    if is_resumed and _is_of_another_list(settings, origin):
        _tell_of_another_list(settings)
        is_resumed = False
    with open_rows(str(output), origin, Files(part), is_resumed) as rows:
        tally = classify(gate, part, rows, settings)
        rows.publish(lambda: note.write(output))
    return tally
