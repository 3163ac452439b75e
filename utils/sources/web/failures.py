"""All that may go wrong with one request, as errors whose text is a short reason to count by."""

from urllib3.exceptions import ConnectTimeoutError

NO_ADDRESS = "leads to no http address"
NOT_PUBLIC = "not a public host; --allow-private-hosts lets it be asked"
INWARD = "leads to a host that is not public"


class FetchError(Exception):
    """A file that did not come; its text is a short reason to count by.

    Attributes:
        final: Whether asking again is of no use.
        wait_s: Seconds that the host wants to be left alone.
        is_refused: Whether the host wants a login, or forbids it.
        attempts: How often the file was asked for.
    """

    def __init__(
        self, reason: str, *, final: bool = False, wait_s: float = 0.0, is_refused: bool = False
    ) -> None:
        super().__init__(reason)
        self.final, self.wait_s, self.attempts = final, wait_s, 1
        self.is_refused = is_refused


class HostGoneError(FetchError, ConnectTimeoutError):
    """A host that does not answer at all; to urllib3's `Retry` a failure to connect."""

    def __init__(self) -> None:
        super().__init__("host does not answer")


class PrivateHostError(FetchError):
    """A host of this machine's own network that was asked for, or that a public one leads to.

    One that was asked for is left alone for this run only: another run may let it be asked.

    Args:
        is_redirect: Whether another host leads there.
    """

    def __init__(self, is_redirect: bool) -> None:
        super().__init__(
            INWARD if is_redirect else NOT_PUBLIC,
            final=is_redirect,
            wait_s=0.0 if is_redirect else float("inf"),
        )
