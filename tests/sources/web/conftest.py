"""A server that says byte by byte what it is told to, and hears what it is asked."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

DRIP_S = 0.02


@dataclass
class RawServer:
    """Answers every connection with the same pieces, a little pause between any two.

    Attributes:
        host: Its address and port.
        speak: Makes the pieces for a request.
        heard: The heads of all requests.
        stopping: Set when the test is over.
    """

    host: str = ""
    speak: Callable[[str], Iterable[bytes]] = lambda request: ()
    heard: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/a.jpg") -> str:
        """Return an address at it."""
        return f"http://{self.host}{path}"

    def serve(self, listener: socket.socket) -> None:
        """Answer until the test is over."""
        while not self.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(2**16)
                if not received:
                    return
                request += received
            self.heard.append(request.decode("latin-1"))
            for piece in self.speak(request.decode("latin-1")):
                connection.sendall(piece)
                if self.stopping.wait(DRIP_S):
                    return
            connection.shutdown(socket.SHUT_WR)


@pytest.fixture
def raw_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """Run the server while the test lasts; no proxy stands before it."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1,localhost")
    server = RawServer()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.host = f"127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        server.stopping.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()
