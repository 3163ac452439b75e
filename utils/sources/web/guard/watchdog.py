"""Cut the connections of a request once its time has passed."""

import contextlib
import socket
import threading
import time


class Watchdog:
    """Cuts connections by the wall clock, from a thread of its own.

    A time limit of a socket is for a single read: it never passes where a server drips status
    lines, headers, lengths of chunks or trailers byte by byte.

    Attributes:
        is_late: Whether the connections of this request were cut.
    """

    def __init__(self) -> None:
        self.is_late = False
        self._changed = threading.Condition()
        self._twins: list[socket.socket] = []
        self._deadline: float | None = None
        self._is_stopped = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Forget the request before."""
        with self._changed:
            self._forget()
            self.is_late = self._is_stopped

    def allow(self, seconds: float) -> None:
        """Let what is under way take so long from now."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            self._changed.notify()

    def watch(self, connection: socket.socket) -> None:
        """Hold a second handle on a connection, whatever becomes of the first."""
        twin = socket.fromfd(connection.fileno(), connection.family, connection.type)
        with self._changed:
            self._twins.append(twin)
            if self.is_late:
                self._cut()

    def stop(self) -> None:
        """Cut everything now, and whatever is watched from now on."""
        with self._changed:
            self._is_stopped = True
            self._cut()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._forget()
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._cut()
                else:
                    self._changed.wait(left)

    def _cut(self) -> None:
        self.is_late, self._deadline = True, None
        for twin in self._twins:
            with contextlib.suppress(OSError):  # the other end was faster
                twin.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        self._deadline = None
        for twin in self._twins:
            twin.close()
        self._twins.clear()
