"""The one error of a picture that cannot be used, with the reason that it is counted by."""

NOT_READ = "format not read"
"""Reason of a picture of a kind that no decoder here is asked about."""


class PictureError(Exception):
    """One picture that cannot be used; the run goes on without it.

    Args:
        reason: One of a few fixed phrases, to count by.
        detail: What exactly was found; made one line.
    """

    def __init__(self, reason: str, detail: str) -> None:
        detail = " ".join(detail.split())
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
