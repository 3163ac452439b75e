"""The numbered series that URLs belong to, in which neighbours often are one patient."""

import re
from collections.abc import Mapping
from itertools import pairwise
from urllib.parse import urlsplit

from utils.sources.web.urls import path_of

MOST_OF_A_RUN = 200
"""Pages of one run, so that a whole atlas under one diagnosis does not become one group. The
longest run of Fitzpatrick17k's table has 175."""

Place = tuple[str, int]
"""The name of a series, and a number in it."""


def series_of(url: str) -> Place | None:
    """Return name and number of the numbered files that a URL belongs to, if it tells any.

    >>> series_of("https://example.org/clinical-pic/a/abcess/abcess12.jpg")
    ('/clinical-pic/a/abcess/abcess', 12)
    """
    matched = re.fullmatch(r"(.*[^\d])(\d{1,6})\.[A-Za-z]+", path_of(url))
    return (matched.group(1), int(matched.group(2))) if matched else None


def page_of(url: str) -> Place | None:
    """Return name and number of the numbered pages that a URL belongs to, if it tells any.

    >>> page_of("http://example.org/img?imageId=1204")
    ('/img?imageId', 1204)
    """
    try:
        query = urlsplit(url).query
    except ValueError:  # no URL at all
        return None
    matched = re.search(r"(?:^|&)(\w*id)=(\d{1,9})(?:&|$)", query, re.IGNORECASE)
    return (f"{path_of(url)}?{matched.group(1)}", int(matched.group(2))) if matched else None


def runs_of(diagnoses: Mapping[Place, str]) -> dict[Place, str]:
    """Name the run of each numbered page: consecutive numbers under one diagnosis.

    Pages are numbered through a whole atlas, so a number alone joins nothing. Those without a
    diagnosis are in no run.

    >>> pages = {("/img?id", 3): "acne", ("/img?id", 4): "acne", ("/img?id", 5): "scabies"}
    >>> list(runs_of(pages).values())
    ['/img?id=3', '/img?id=3', '/img?id=5']
    """
    known = sorted(place for place, diagnosis in diagnoses.items() if diagnosis)
    runs: dict[Place, str] = {}
    length = 0
    for before, place in pairwise([None, *known]):
        assert place is not None
        name, number = place
        goes_on = (
            before == (name, number - 1)
            and diagnoses[before] == diagnoses[place]
            and length < MOST_OF_A_RUN
        )
        length = length + 1 if goes_on else 1
        runs[place] = runs[before] if goes_on and before else f"{name}={number}"
    return runs
