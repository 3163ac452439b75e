"""Results in, lines of an append-only file out, and back: a line cut by a crash does not count."""

import base64
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from utils.common.files import explain_write_errors, write_bytes
from utils.dataset.prepare import Prepared


class Journal:
    """The results of earlier work, noted one per line of JSON.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Prepared]:
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
            content = self.path.read_bytes()
            if content and not content.endswith(b"\n"):
                write_bytes(self.path, content[: content.rfind(b"\n") + 1])

    def add(self, results: Iterable[Prepared]) -> None:
        """Note results at the end."""
        with explain_write_errors(self.path), self.path.open("ab") as stream:
            stream.write(b"".join(map(_to_line, results)))

    def replace(self, results: Iterable[Prepared]) -> None:
        """Note these results and no others, wholly or not at all."""
        write_bytes(self.path, b"".join(map(_to_line, results)))


def _to_line(result: Prepared) -> bytes:
    values = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if getattr(result, field.name) != field.default
    }
    if "thumbnail" in values:
        values["thumbnail"] = base64.b64encode(result.thumbnail).decode()
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _from_line(line: bytes) -> Prepared | None:
    """Read a line; a cut or damaged one is as if it had not been noted."""
    try:
        values = json.loads(line)
        if "thumbnail" in values:
            values["thumbnail"] = base64.b64decode(values["thumbnail"])
        return Prepared(**values)
    except (ValueError, TypeError):
        return None
