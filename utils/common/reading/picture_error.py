"""The one error of a picture that cannot be used, with the reason that it is counted by."""

from utils.common.cli.terminal import printable

NOT_READ = "format not read"
"""Reason of a picture of a kind that no decoder here is asked about."""


class PictureError(Exception):
    """One picture that cannot be used; the run goes on without it.

    Args:
        reason: One of a few fixed phrases, to count by.
        detail: What exactly was found; made one line, with all spelt out that is no text, for a
            file may have a word in it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        detail = printable(" ".join(detail.split()))
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
