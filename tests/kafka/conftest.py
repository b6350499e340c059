"""A broker for the tests of this folder: the one named by KAFKA_BOOTSTRAP_SERVERS, else one started here."""

from __future__ import annotations

import itertools
import os

import pytest

from tests.kafka import needed


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A broker of the tests' own, which they may stop and start."""
    needed.client()
    from tests.kafka.broker import Broker, why_not  # noqa: PLC0415 — it needs what was just looked for

    why = why_not()
    if why is not None:
        needed.missing(why)
    one = Broker(tmp_path_factory.mktemp("broker"))
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def brokers(request):
    """The address of a broker that may be somebody else's."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return given or request.getfixturevalue("broker").address


_numbers = itertools.count()


@pytest.fixture
def stage(brokers, tmp_path):
    """Topics of a test's own, and the workers on them."""
    from tests.kafka.stage import Stage  # noqa: PLC0415 — it needs the client

    one = Stage(brokers, f"t{os.getpid()}-{next(_numbers)}-", tmp_path)
    one.create()
    yield one
    one.close()
    print(one.logs())  # shown where the test failed
