"""What counts as seen by people who voted, from what a stranger's table may say of it."""

import json

import pytest

from utils.common.faults import FAULT_NAMES
from utils.common.votes import FLAWS, NUM_VOTERS, SURE, sure_flaws


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_sure_from_so_many_votes_on(flaw: str) -> None:
    for count in range(NUM_VOTERS + 1):
        votes = json.dumps({**dict.fromkeys(FLAWS, 0), flaw: count})
        assert sure_flaws(votes) == ((flaw,) if count >= SURE else ())


@pytest.mark.parametrize("votes", ["", "{}", '{"blurred": "many", "dark": null, "bright": [5]}'])
def test_without_a_number_nothing_is_sure(votes: str) -> None:
    assert sure_flaws(votes) == ()


def test_flaws_are_faults_that_models_tell() -> None:
    assert set(FLAWS) <= set(FAULT_NAMES)
