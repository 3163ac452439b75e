"""Programs started as forks of a process that has loaded torch: what a new one does, sooner.

A new process takes seconds to load torch and timm before it does anything. Where a test is about
what a program says, writes and ends with, a fork does the same at once: it has a working folder,
an environment, streams, `sys.argv` and `__main__` of its own. It computes on one thread: OpenMP
reads OMP_NUM_THREADS when torch is loaded. What a test tells about loading itself, or about
signals between processes, wants a new process.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "torch", "torchvision", "timm", "cv2", "pandas", "scipy.optimize", "sklearn.linear_model",
    "matplotlib.figure", "matplotlib.backends.backend_agg",
)  # fmt: skip


class Preloaded:
    """Runs programs; the process that they are forks of is started by the first and ends last."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="preloaded-")

    def run(
        self,
        *arguments: object,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS` without input, as `subprocess.run` does.

        Args:
            arguments: A script, `-c CODE` or `-m MODULE`, and what follows.
            cwd: Working folder.
            env: The environment; that of the tests when left out.
            timeout: Seconds after which it is killed.

        Raises:
            subprocess.TimeoutExpired: If it was.
        """
        words = [str(argument) for argument in arguments]
        environment = {**(os.environ if env is None else env), "OMP_NUM_THREADS": "1"}
        if sys.platform != "linux":  # Windows cannot fork; macOS forbids it to what it has loaded
            return subprocess.run(
                [sys.executable, *words], cwd=cwd, env=environment, check=False, text=True,
                capture_output=True, errors="replace", stdin=subprocess.DEVNULL, timeout=timeout,
            )  # fmt: skip
        asked = json.dumps({"arguments": words, "cwd": str(cwd), "env": environment}).encode()
        with (
            open(os.devnull, "rb") as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            socket.socket(socket.AF_UNIX) as line,
        ):
            line.connect(self._address())
            socket.send_fds(line, [b"?"], [nothing.fileno(), out.fileno(), err.fileno()])
            line.sendall(asked)
            line.shutdown(socket.SHUT_WR)
            code = _end_of(line, words, timeout)
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode(errors="replace"))
        return subprocess.CompletedProcess([sys.executable, *words], code, *said)

    def close(self) -> None:
        """End the process that programs are forks of."""
        if self._server is not None:
            assert self._server.stdin is not None
            self._server.stdin.close()
            self._server.terminate()  # a process that a test has forked may hold the pipe open
            self._server.wait()
        self._folder.cleanup()

    def _address(self) -> str:
        address = str(Path(self._folder.name) / "socket")
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__, address], cwd=ROOT, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            assert self._server.stdout is not None
            with self._server.stdout as told:
                assert told.readline() == b"ready\n", "nothing could be loaded"
        return address


def _end_of(line: socket.socket, words: list[str], timeout: float) -> int:
    """Return a program's exit code, negative for a signal, as `subprocess` has it."""
    with line.makefile("rb") as told:
        pid = int(told.readline())
        if not select.select([line], [], [], timeout)[0]:
            os.kill(pid, signal.SIGKILL)
            told.readline()
            raise subprocess.TimeoutExpired(words, timeout)
        return os.waitstatus_to_exitcode(int(told.readline()))


def serve(address: str) -> dict[str, Any] | None:
    """Fork for each that asks, until the one that started this process closes its input.

    Returns:
        In a fork, what it shall run; None in this process.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
                return None
            line, _ = listener.accept()
            with line:
                if os.fork() == 0:
                    listener.close()
                    return _asked(line)


def _asked(line: socket.socket) -> dict[str, Any]:
    """Take the place of what was asked for in a fork of its own; tell its id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(line, 1, 3)
    with line.makefile("rb") as told:
        asked = json.loads(told.read())
    pid = os.fork()
    if pid:
        with contextlib.suppress(BrokenPipeError):
            line.sendall(b"%d\n" % pid)
            line.sendall(b"%d\n" % os.waitpid(pid, 0)[1])
        os._exit(0)
    line.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    return asked


def become(asked: Mapping[str, Any]) -> None:
    """Run a program in this process as Python does when it is started with its arguments."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    first, *others = asked["arguments"]
    sys.path[:0] = filter(None, asked["env"].get("PYTHONPATH", "").split(os.pathsep))
    main = types.ModuleType("__main__")
    if first == "-m":
        sys.argv = others
        sys.path.insert(0, asked["cwd"])
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
        return
    if first == "-c":
        code, name = others.pop(0), "<string>"
        sys.path.insert(0, "")
    else:
        main.__file__ = name = os.path.abspath(first)
        code = Path(name).read_text(encoding="utf-8")
        sys.path.insert(0, os.path.dirname(os.path.realpath(name)))
    sys.argv = [first, *others]
    sys.modules["__main__"] = main
    exec(compile(code, name, "exec"), main.__dict__)


if __name__ == "__main__":
    del sys.path[0]  # this file's folder, where no program looks for modules
    for package in PACKAGES:
        importlib.import_module(package)
    gc.freeze()  # or a search for garbage would copy the pages that forks share
    wanted = serve(sys.argv[1])
    if wanted is not None:
        become(wanted)
