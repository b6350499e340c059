"""A producer is let go of without a word, whatever the brokers have against it."""

from __future__ import annotations

import asyncio

import pytest

import tests.kafka.needing  # noqa: F401 — before the client, which may not be there

# isort: split
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced

from grouping.runtimes.kafka.producer import let_go

pytestmark = pytest.mark.xdist_group("kafka")


async def _fenced_while(stage, turns: int) -> tuple[bool, int]:
    """Whether a commit was refused as somebody's who is locked out, and how many tasks are left."""
    before = len(asyncio.all_tasks())
    connection = {"bootstrap_servers": stage.brokers, "transactional_id": stage.prefix, "retry_backoff_ms": 20}
    ours, theirs = AIOKafkaProducer(**connection), AIOKafkaProducer(**connection)
    await ours.start()
    await ours.begin_transaction()
    await (await ours.send(stage.prefix + "decisions", b"1", partition=0))
    await theirs.start()
    commit = asyncio.create_task(ours.commit_transaction())
    for _ in range(turns):
        await asyncio.sleep(0)
    await let_go(ours)
    await let_go(theirs)
    (refused,) = await asyncio.gather(commit, return_exceptions=True)
    return isinstance(refused, ProducerFenced), len(asyncio.all_tasks()) - before


@pytest.mark.parametrize("turns", [0, 1, 3, 6, 10])
def test_one_that_hears_only_now_that_it_is_locked_out(stage, turns):
    """As a worker that slept does, at whatever moment of its commit; all its tasks are over."""
    assert asyncio.run(_fenced_while(stage, turns)) == (True, 0)


async def _let_go_of_one_with_a_full_line(stage, broker) -> int:
    """How many tasks are left."""
    before = len(asyncio.all_tasks())
    ours = AIOKafkaProducer(
        bootstrap_servers=stage.brokers,
        transactional_id=stage.prefix,
        max_batch_size=40_000_000,
        max_request_size=40_000_000,
        retry_backoff_ms=20,
    )
    await ours.start()
    await ours.begin_transaction()
    await (await ours.send(stage.prefix + "decisions", b"1", partition=0))
    broker.freeze()
    try:
        last = await ours.send(stage.prefix + "decisions", bytes(30_000_000), partition=0)
        await asyncio.sleep(0.5)
        await let_go(ours)
    finally:
        broker.thaw()
    await asyncio.gather(last, return_exceptions=True)
    return len(asyncio.all_tasks()) - before


def test_one_whose_broker_reads_no_more(stage, broker):
    """The client waits until all it has written is read, and its own futures are cancelled over that; ours are not."""
    if stage.brokers != broker.address:
        pytest.skip("the broker is somebody else's")
    assert asyncio.run(_let_go_of_one_with_a_full_line(stage, broker)) == 0
