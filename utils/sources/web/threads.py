"""Run work in threads that never keep the process from ending."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future

Work = Callable[[], None]


def start_threads(works: Iterable[Work], most: int) -> list["Future[None]"]:
    """Start at most so many threads, which take one work after the other.

    Those of `concurrent.futures` are waited for when a process ends, however long they take.

    Returns:
        A future for each thread; it holds what went wrong, if anything did.
    """
    queue = deque(works)
    return [_start(queue) for _ in range(min(most, len(queue)))]


def _start(queue: "deque[Work]") -> "Future[None]":
    done: Future[None] = Future()

    def run() -> None:
        try:
            while work := _next(queue):
                work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    return done


def _next(queue: "deque[Work]") -> Work | None:
    try:
        return queue.popleft()
    except IndexError:
        return None
