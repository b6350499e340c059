"""What the tests of this folder need, and what happens where it is not there: one rule for all of them."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import pytest


def missing(why: str) -> None:
    """Skip, with the reason; where NEED_KAFKA is set nothing is skipped."""
    if os.environ.get("NEED_KAFKA"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why, allow_module_level=True)


@cache
def client() -> None:
    """Look for the Kafka client; once, as Faust cannot be looked for any more where it was imported."""
    if find_spec("aiokafka") is None or find_spec("faust") is None:
        missing("no Kafka client: pip install '.[kafka]'")
