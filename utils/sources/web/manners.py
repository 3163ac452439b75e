"""How long a download waits, how often it asks, how much it takes and whom it trusts."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Manners:
    """How patient a download is, how polite, and what it puts up with.

    Attributes:
        connect_s: Seconds that a connection may take.
        read_s: Seconds of silence; also the time in which an answer's headers must be whole,
            for each redirect anew.
        file_s: Seconds for a whole picture; for a large file, for each `CHUNK_BYTES` of it.
        max_retries: How often one file is asked for again after a failure that may pass; a host
            that does not answer at all is asked once more only.
        backoff_s: Pauses before a retry are 0, 2, 4 ... times this, and by chance up to this more.
        max_retry_after_s: The longest pause that a host may ask for; who asks for more is left
            alone for the rest of the run.
        max_redirects: How many redirects are followed for one request.
        threads_per_host: How many files are fetched at a time from one host.
        pause_s: Seconds that each of these threads pauses between two files.
        max_host_failures: After so many failures in a row a host is given up.
        min_bytes: Fewer are no picture.
        max_bytes: More are no picture.
        max_file_bytes: More are no file of a collection, where its length was not published.
        note_s: Seconds between two notes of what came so far.
        private_hosts: Whether hosts of this machine's own network may be asked, too.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    file_s: float = 120.0
    max_retries: int = 3
    backoff_s: float = 1.0
    max_retry_after_s: float = 120.0
    max_redirects: int = 5
    threads_per_host: int = 4
    pause_s: float = 0.25
    max_host_failures: int = 6
    min_bytes: int = 500
    max_bytes: int = 64 * 2**20
    max_file_bytes: int = 32 * 2**30
    note_s: float = 5.0
    private_hosts: bool = False

    def towards(self, private_hosts: bool) -> "Manners":
        """Return these manners, with hosts that are not public allowed if they should be."""
        return replace(self, private_hosts=self.private_hosts or private_hosts)


POLITE = Manners()
