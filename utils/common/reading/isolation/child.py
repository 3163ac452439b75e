"""The process in which decoders may hang or crash; it answers requests from a pipe."""

import contextlib
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from typing import BinaryIO

from utils.common.reading import messages
from utils.common.reading.bounds import memory_limit
from utils.common.reading.isolation import clock, process
from utils.common.reading.picture_error import PictureError

SPARE_BYTES = 2**29
"""For libraries that are loaded later, and decoders' tables."""

MOST_BYTES = 2**60
"""That the system can be told."""

COPIES = 2
"""A decoder's picture, and the same as RGB."""


def serve() -> None:
    """Answer requests until nobody is left who could send one."""
    messages.is_file = clock.is_running = process.is_child = True
    clock.start(process.START_S)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other's
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints must not come between the pixels
    base = _prepare()
    clock.stop()
    replies.write(process.READY)
    replies.flush()
    while head := requests.read(process.REQUEST.size):
        length, shorter_side, max_pixels = process.REQUEST.unpack(head)
        content = requests.read(length)
        if len(content) == length:
            clock.start(clock.limit_s(0, length))
            _limit_memory(base, max_pixels, length)
            _answer(replies, content, shorter_side, max_pixels)
            clock.stop()
            messages.forget()


def _prepare() -> int:
    """Import the decoders and return the bytes of address space that this takes."""
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))  # of a decoder's messages
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 2**31


def _limit_memory(base: int, max_pixels: int, num_bytes: int) -> None:
    """Let a picture take so much, where the system knows such a limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        wanted = base + SPARE_BYTES + COPIES * (memory_limit(max_pixels) + num_bytes)
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (min(wanted, MOST_BYTES), hard))


def _answer(replies: BinaryIO, content: bytes, shorter_side: int, max_pixels: int) -> None:
    """Read one picture and send what came of it."""
    from utils.common.pictures import read_picture

    image = None
    try:
        image, original = read_picture(content, shorter_side, max_pixels)
        reply = {"size": image.size, "facts": asdict(original)}
    except PictureError as error:
        reply = {"reason": error.reason, "detail": error.detail}
    except Exception:
        reply = {"bug": traceback.format_exc()}
    packed = json.dumps(reply).encode()
    replies.write(process.REPLY.pack(len(packed)) + packed)
    if image:
        for top, bottom in process.strips(image.size):
            replies.write(image.crop((0, top, image.width, bottom)).tobytes())
    replies.flush()


if __name__ == "__main__":
    sys.exit("This is started by the process that reads pictures.")
