"""Results in, lines of an append-only file out, and back: a line cut by a crash does not count."""

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils.common.files import explain_write_errors, whole_file
from utils.dataset.prepare import Prepared

BINARY = frozenset({"sha256", "original_sha256", "thumbnail"})


class Journal:
    """The results of earlier work, noted one per line of JSON.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[int, Prepared]:
        """Return the noted results by key, the latest of each key."""
        results = {}
        if self.path.exists():
            with self.path.open("rb") as lines:
                for line in lines:
                    if (result := _from_line(line)) is not None:
                        results[result.key] = result
        return results

    def mend(self) -> None:
        """Cut off a last line that a crash left without its end, before more is added."""
        if self.path.exists():
            whole = 0
            with self.path.open("rb+") as stream:
                for line in stream:
                    whole += len(line) if line.endswith(b"\n") else 0
                stream.truncate(whole)

    def add(self, results: Iterable[Prepared]) -> None:
        """Note results at the end."""
        with explain_write_errors(self.path), self.path.open("ab") as stream:
            stream.writelines(_to_lines(results))

    def replace(self, results: Iterable[Prepared]) -> None:
        """Note these results and no others, wholly or not at all."""
        with whole_file(self.path) as partial, partial.open("wb") as stream:
            stream.writelines(_to_lines(results))


def _to_lines(results: Iterable[Prepared]) -> Iterator[bytes]:
    """Leave out what another run has to try again."""
    return (_to_line(result) for result in results if not result.may_pass)


def _to_line(result: Prepared) -> bytes:
    values = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if getattr(result, field.name) != field.default
    }
    for name in BINARY.intersection(values):
        values[name] = base64.b64encode(values[name]).decode()
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _from_line(line: bytes) -> Prepared | None:
    """Read a line; a cut or damaged one is as if it had not been noted."""
    try:
        values = json.loads(line)
        for name in BINARY.intersection(values):
            values[name] = base64.b64decode(values[name])
        return Prepared(**values)
    except (ValueError, TypeError):
        return None
