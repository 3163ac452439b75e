"""Decode pictures in another process, which may hang, crash or run out of memory.

Decoders whose work is not bounded by a picture's header run there. One such process belongs to
each that reads pictures, is started when first needed and ends with it.
"""

import atexit
import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from PIL import Image

from utils.common.reading.isolation import clock
from utils.common.reading.picture_error import PictureError

REQUEST = struct.Struct(">QQQ")
"""Number of bytes of the file, wanted shorter side, most pixels."""

REPLY = struct.Struct(">I")
READY = b"ready"
STRIP_BYTES = 2**24
CHANNELS = 3
START_S = 120
TIMED_OUT = 1
"""Exit code of a process that its clock ended."""

KILLED = (-9, -15)
"""Exit codes of one that something else ended, such as a system without memory: no decoder does."""

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""One thread: their stacks would count against the limit of memory."""

STARTS = (
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0"),
    *(b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
    *(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
)
"""First bytes of TIFF, JPEG 2000 and JPEG XL."""

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class ElsewhereError(Exception):
    """A picture that is to be decoded in the other process."""


class Child:
    """The other process, and how to talk to it."""

    def __init__(self) -> None:
        package = __name__.rpartition(".")[0]
        root = Path(__file__).parents[package.count(".") + 1]
        code = f"import sys; sys.path.insert(0, {str(root)!r}); from {package}.child import serve"
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"{code}; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._messages,
                bufsize=0,
                creationflags=NO_WINDOW,
                env=os.environ | ENVIRONMENT,
            )
        except OSError:
            self._messages.close()
            raise
        try:
            self._receive(len(READY))
        except EOFError:
            self._messages.seek(0)
            said = self._messages.read().decode("utf-8", "replace")
            self.end()
            raise RuntimeError(
                f"The process that decodes pictures did not start:\n{said}"
            ) from None

    def read(
        self, content: bytes, shorter_side: int, max_pixels: int
    ) -> tuple[Image.Image, dict[str, Any]]:
        """Return the pixels and the facts.

        Raises:
            PictureError: If there is no whole picture in these bytes.
            EOFError: If the process has ended.
        """
        self._send(REQUEST.pack(len(content), shorter_side, max_pixels))
        self._send(content)
        (length,) = REPLY.unpack(self._receive(REPLY.size))
        reply = json.loads(bytes(self._receive(length)))
        if "reason" in reply:
            raise PictureError(reply["reason"], reply["detail"])
        if "bug" in reply:
            raise RuntimeError(reply["bug"])
        image = Image.new("RGB", tuple(reply["size"]))
        for top, bottom in strips(image.size):
            pixels = self._receive(image.width * (bottom - top) * CHANNELS)
            image.paste(Image.frombytes("RGB", (image.width, bottom - top), pixels), (0, top))
        facts: dict[str, Any] = reply["facts"]
        return image, facts

    @property
    def has_ended(self) -> bool:
        """Whether something else has ended the process."""
        return self._process.poll() is not None

    def end(self) -> int:
        """End the process and return its exit code."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.stdout.close()
        self._messages.close()
        return self._process.wait()

    def forget(self) -> None:
        """Let go of a process that belongs to the one that this one was forked from."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._messages.close()
        self._process.returncode = 0  # whose end is not waited for here

    def _send(self, content: bytes) -> None:
        assert self._process.stdin
        view = memoryview(content)
        try:
            while view:
                view = view[self._process.stdin.write(view) :]
        except OSError:
            raise EOFError from None

    def _receive(self, size: int) -> bytearray:
        assert self._process.stdout
        content = bytearray(size)
        view = memoryview(content)
        while view:
            count = self._process.stdout.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            view = view[count:]
        return content


is_child = False
"""Whether this process is such another."""

_lock = threading.Lock()
_child: Child | None = None


def is_needed(content: bytes) -> bool:
    """Tell by the first bytes whether a picture is to be decoded in the other process."""
    return not is_child and (
        content.startswith(STARTS) or content[4:8] == b"ftyp" or content[128:132] == b"DICM"
    )


def leave_to_child() -> None:
    """Go on only in the other process.

    Raises:
        ElsewhereError: If this is not it.
    """
    if not is_child:
        raise ElsewhereError


def read_in_child(
    content: bytes, shorter_side: int, max_pixels: int
) -> tuple[Image.Image, dict[str, Any]]:
    """Return upright RGB and the facts about the original, as fields of `Original`.

    Raises:
        PictureError: If there is no whole picture in these bytes, or decoding takes too long,
            too much memory, or its process along.
    """
    global _child
    with _lock:
        try:
            if _child is not None and _child.has_ended:  # in between, which is no picture's fault
                _stop()
            if _child is None:
                _child = Child()
        except OSError as error:
            detail = f"no process could be started to decode it: {error.strerror or error}"
            raise PictureError("unreadable", detail) from None
        start = time.monotonic()
        try:
            return _child.read(content, shorter_side, max_pixels)
        except PictureError:
            raise
        except EOFError:
            code = _stop()
            took_s = time.monotonic() - start
            if code == TIMED_OUT and took_s > clock.BASE_S:
                raise PictureError("too slow", f"not decoded in {took_s:.0f} seconds") from None
            if code in KILLED:
                detail = f"the decoder was ended from outside (exit code {code})"
                raise PictureError("unreadable", detail) from None
            raise PictureError("damaged", f"the decoder crashed (exit code {code})") from None
        except BaseException:
            _stop()  # in the middle of an answer
            raise


def strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the first row and that behind the last of pieces of a picture."""
    width, height = size
    rows = max(1, STRIP_BYTES // (width * CHANNELS))
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


@atexit.register
def _stop() -> int:
    """End the other process, if there is one."""
    global _child
    ended, _child = _child, None
    return ended.end() if ended else 0


def _start_anew() -> None:
    """Forget, in a process that was just forked, what belongs to its parent."""
    global _child, _lock
    _lock = threading.Lock()
    forgotten, _child = _child, None
    if forgotten:
        forgotten.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
