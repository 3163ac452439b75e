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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "torch", "torchvision", "timm", "cv2", "pandas", "scipy.optimize", "sklearn.linear_model",
    "matplotlib.figure", "matplotlib.backends.backend_agg",
)  # fmt: skip

ADDRESS, LISTED = "PRELOADED_ADDRESS", "PRELOADED_LISTED"
TORCHRUN = """
import sys
from torch.distributed import run
from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler
from tests import preloaded

subprocess_handler.Popen = preloaded.start_for_torchrun
run.main(sys.argv[1:])
"""


class Preloaded:
    """Runs programs; the process that they are forks of is started by the first and ends last."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._num_torchruns = 0
        self._started: list[Fork | subprocess.Popen[str]] = []
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
        program = self.start(*arguments, cwd=cwd, env=env)
        try:
            out, err = program.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
            raise
        return subprocess.CompletedProcess(program.args, program.returncode, out, err)

    def start(
        self, *arguments: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None
    ) -> "Fork | subprocess.Popen[str]":
        """Start `python ARGUMENTS` as `run` does, and return it while it runs."""
        words = [str(argument) for argument in arguments]
        environment = {**(os.environ if env is None else env), "OMP_NUM_THREADS": "1"}
        if sys.platform == "linux":
            self._started.append(Fork(self._address(), words, cwd, environment))
        else:  # Windows cannot fork; macOS forbids it to what it has loaded
            process = subprocess.Popen(
                [sys.executable, *words], cwd=cwd, env=environment, text=True, errors="replace",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            self._started.append(process)
        return self._started[-1]

    def torchrun(self, *arguments: object, env: Mapping[str, str]) -> "Torchrun":
        """Start `torchrun ARGUMENTS` as a fork, and as forks the processes that it starts."""
        self._num_torchruns += 1
        process = Torchrun(
            self._address(),
            [str(argument) for argument in arguments],
            env,
            Path(self._folder.name) / f"torchrun-{self._num_torchruns}",
        )
        self._started.append(process)
        return process

    def end_all(self) -> None:
        """Kill what was started and still runs, as after a test that failed in between."""
        for process in self._started:
            if process.poll() is not None:
                continue
            workers = process.workers() if isinstance(process, Torchrun) else []
            for pid in (process.pid, *workers):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._started.clear()

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


class Fork:
    """A program in a fork, with what tests use of `subprocess.Popen`.

    Attributes:
        args: How it would be started by itself.
        pid: Its process.
        returncode: Its exit code, negative for a signal; None as long as it runs.
    """

    def __init__(
        self,
        address: str,
        words: list[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: Sequence[BinaryIO] | None = None,
        in_session: bool = False,
    ) -> None:
        """Ask for it.

        Args:
            address: Of the process that forks.
            words: A script, `-c CODE` or `-m MODULE`, and what follows.
            cwd: Working folder.
            environment: All of its environment.
            streams: Its standard output and error; kept for `communicate` when left out.
            in_session: Whether it leads a session of its own.
        """
        self.args = [sys.executable, *words]
        self.returncode: int | None = None
        self._said = "", ""
        asked = {
            "arguments": words, "cwd": str(cwd), "env": dict(environment), "in_session": in_session,
        }  # fmt: skip
        with contextlib.ExitStack() as opened:
            nothing = opened.enter_context(open(os.devnull, "rb"))
            self._kept = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
            self._line = opened.enter_context(socket.socket(socket.AF_UNIX))
            self._line.connect(address)
            numbers = [stream.fileno() for stream in (nothing, *(streams or self._kept))]
            socket.send_fds(self._line, [b"?"], numbers)
            self._line.sendall(json.dumps(asked).encode())
            self._line.shutdown(socket.SHUT_WR)
            self._told = opened.enter_context(self._line.makefile("rb"))
            self.pid = int(self._told.readline())
            self._open = opened.pop_all()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: If it has not after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._told.readline()))
            for stream in self._kept:
                stream.seek(0)
            out, err = (stream.read().decode(errors="replace") for stream in self._kept)
            self._said = out, err
            self._open.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit code, or None if it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait until it has ended, and return what it said."""
        self.wait(timeout)
        return self._said


class Torchrun(Fork):
    """Torchrun in a fork, which starts its processes as forks of the same process."""

    def __init__(
        self, address: str, words: list[str], environment: Mapping[str, str], listed: Path
    ) -> None:
        """Ask for it.

        Args:
            address: Of the process that forks.
            words: Flags of torchrun, a script, and what follows.
            environment: All of its environment.
            listed: A file for the processes that it starts.
        """
        self._listed = listed
        told = {**environment, ADDRESS: address, LISTED: str(listed)}
        super().__init__(address, ["-c", TORCHRUN, *words], ROOT, told, in_session=True)

    def workers(self) -> list[int]:
        """Return the ids of all processes that it has started."""
        listed = self._listed.read_text() if self._listed.exists() else ""
        return [int(line) for line in listed.splitlines()]


def start_for_torchrun(
    args: Sequence[str],
    env: Mapping[str, str],
    stdout: BinaryIO | None,
    stderr: BinaryIO | None,
    start_new_session: bool,
) -> Fork:
    """Do as `subprocess.Popen` does for torchrun, which starts `python -u SCRIPT ...`."""
    executable, unbuffered, *words = args
    assert (executable, unbuffered, start_new_session) == (sys.executable, "-u", True)
    streams = stdout or sys.stdout.buffer, stderr or sys.stderr.buffer
    fork = Fork(env[ADDRESS], words, Path.cwd(), env, streams, in_session=True)
    with open(env[LISTED], "a") as listed:
        listed.write(f"{fork.pid}\n")
    return fork


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
    if asked["in_session"]:
        os.setsid()
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
