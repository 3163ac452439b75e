"""Memory and time of predict.py with many pictures, as ratios measured in one run.

    python -m benchmarks.speed.predict_scale                      1,000,000 pictures against 100,000
    python -m benchmarks.speed.predict_scale --pictures 200000    200,000 against 20,000

Pictures are empty files in folders, and a stub answers in the place of a network: what is left is
what predict.py itself does with each picture. Each number of pictures gets a process of its own:
its peak memory is told after each step, and its processor time for each picture.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from models.gate import Answer
from models.stored_names import CARD_NAME
from utils.common.cli.console import progress, table
from utils.common.errors import run_script
from utils.common.labels import CLASSES
from utils.prediction import classify, sharded
from utils.prediction.inputs import find_inputs
from utils.prediction.join import open_joined
from utils.prediction.pictures import Inputs, Pictures
from utils.prediction.settings import PredictSettings
from utils.prediction.shards import all_shards
from utils.prediction.stream import in_batches

NUM_PICTURES = 1_000_000
GROWTH = 10
PER_FOLDER = 100_000
SHARDS = 2
LIMIT_MEMORY, LIMIT_TIME = 1.1, 1.2
ANSWER = Answer("DERM", 0.2, ("DERM", "PAN"), "ambiguous", dict.fromkeys(CLASSES, 0.2))
CALIBRATION = SimpleNamespace(caveat="", novelty=SimpleNamespace(threshold=1.0))
GATE = SimpleNamespace(card=SimpleNamespace(calibration=CALIBRATION))


class Killed(BaseException):
    """Ends a shard at once."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=NUM_PICTURES, help="the larger number")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # of one process
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder, arguments.pictures)))
        return
    few, many = (run(count) for count in (arguments.pictures // GROWTH, arguments.pictures))
    rows = [
        [
            step, round(few[step][0]), round(many[step][0]),
            round(many[step][0] / few[step][0], 3), round(few[step][1], 1),
            round(many[step][1], 1), round(many[step][1] / few[step][1], 2),
        ]
        for step in few
    ]  # fmt: skip
    print(f"{arguments.pictures // GROWTH:,} and {arguments.pictures:,} pictures")
    header = [
        "step", "peak MiB", "peak MiB", f"ratio (limit {LIMIT_MEMORY})", "us/picture",
        "us/picture", f"ratio (limit {LIMIT_TIME})",
    ]  # fmt: skip
    print(table(header, rows))


def run(count: int) -> dict[str, list[float]]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        draw(Path(place, "inbox"), count)
        Path(place, CARD_NAME).write_text("{}")
        command = [
            sys.executable,
            "-m",
            "benchmarks.speed.predict_scale",
            "--folder",
            place,
            "--pictures",
            str(count),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    steps: dict[str, list[float]] = json.loads(done.stdout)
    return steps


def draw(inbox: Path, count: int) -> None:
    """Make empty files whose names are as long as those of an archive of pictures."""
    for number in progress(range(count), desc="Files", unit="files"):
        folder = inbox / f"collection-{number // PER_FOLDER:03}"
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"ISIC_2026_{number:010}_close_up_of_a_lesion.jpg").touch()


def measure(folder: Path, count: int) -> dict[str, list[float]]:
    """Return of each step the peak memory so far, in MiB, and microseconds for each picture."""
    settings = PredictSettings(
        str(folder), (str(folder / "inbox"),), str(folder / "rows.csv"), resume=True
    )
    sharded.load = lambda *_: GATE
    found: dict[str, list[float]] = {}
    inputs = Inputs()

    def timed(step: str, act: Callable[[], object]) -> object:
        started = time.process_time()
        done = act()
        found[step] = [peak_mib(), 1e6 * (time.process_time() - started) / count]
        return done

    found["start"] = [peak_mib(), 1.0]
    inputs = timed("list", lambda: find_inputs(settings.pictures))
    own = [replace(settings, shard=str(shard)) for shard in all_shards(SHARDS)]
    timed("answer, killed at 9 of 10", lambda: [answer_until(one, inputs, 0.9) for one in own])
    timed("resume", lambda: [answer_until(one, inputs, 2) for one in own])
    timed("join", lambda: join(replace(settings, join=SHARDS)))
    timed("labels for sorting", lambda: look_up(replace(settings, join=SHARDS), inputs))
    return found


def answer_until(settings: PredictSettings, inputs: Inputs, share: float) -> None:
    """Answer a shard with a stub that is killed after this share of it."""

    def answer(
        gate: object, todo: Pictures, batch_size: int, workers: int, first: int
    ) -> Iterator[list[Answer]]:
        left = share * len(todo)
        for batch in in_batches(todo, batch_size, first):
            left -= len(batch)
            if left < 0 and share < 1:
                raise Killed
            yield [ANSWER] * len(batch)

    classify.stream_answers = answer
    try:
        sharded.answer_shard(settings, inputs)
    except Killed:
        return


def join(settings: PredictSettings) -> None:
    """Join all shards."""
    with open_joined(settings) as rows:
        rows.publish()


def look_up(settings: PredictSettings, inputs: Inputs) -> None:
    """Find the label of each picture as if the first had been moved away: none stands aside."""
    with open_joined(settings) as rows:
        rows.names()
        rows.labels_of(inputs.part(1, len(inputs)))


def peak_mib() -> float:
    """Return the largest memory of this process so far (Linux only)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    run_script(main)
