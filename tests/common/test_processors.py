"""As many processes as asked for, or one for each processor, and no more than the system allows."""

import pytest

from utils.common import processors
from utils.common.processors import available_processors, pool_size


def test_one_for_each_processor_unless_told_otherwise() -> None:
    assert pool_size(0) == available_processors() >= 1
    assert pool_size(5) == 5


def test_no_more_than_the_system_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "MAX_POOL", 61)
    monkeypatch.setattr(processors, "available_processors", lambda: 64)
    assert pool_size(0) == pool_size(100) == 61
