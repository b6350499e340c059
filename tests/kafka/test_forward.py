"""What the agents read is acknowledged once it and all before it are with the brokers, and read again where it is not."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.kafka.needing  # noqa: F401 — before the client, which may not be there

# isort: split
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError, NotLeaderForPartitionError

from grouping.runtimes.kafka import forward
from grouping.runtimes.kafka.acks import InOrder
from grouping.runtimes.kafka.forward import Ingress
from grouping.runtimes.kafka.settings import Settings
from grouping.runtimes.kafka.sources import source
from grouping.runtimes.kafka.worker import Again
from tests.kafka.stage import PATIENCE_S

pytestmark = pytest.mark.xdist_group("kafka")


READS = st.tuples(st.sampled_from(["read", "read", "done", "done", "back"]), st.integers(0, 1), st.integers(0, 9))


@given(st.lists(READS, max_size=60))
def test_none_is_acknowledged_before_those_before_it(happens):
    """Two partitions, brokers that confirm in any order, and a reader sent back: no gap at any time, and none is missed."""
    acks, acked, arrived, flying, at = InOrder(), set(), set(), [], [0, 0]

    def read(place):
        here = (place, at[place])
        flying.append(acks.begin(*here, lambda: acked.add(here)))
        at[place] += 1

    def arrives(index):
        one = flying.pop(index)
        arrived.add((one.place, one.offset))
        acks.done(one)

    for what, place, which in happens:
        if what == "read":
            read(place)
        elif what == "done" and flying:
            arrives(which % len(flying))
        elif what == "back":  # to what is committed, which may be less than what is acknowledged
            at[place] = min(which, sum(of == place for of, _ in acked))
        assert all((of, before) in arrived for of, offset in acked for before in range(offset + 1))
    for place in [0, 1] * len(happens):
        read(place)
    while flying:
        arrives(0)
    assert acked == arrived


class Brokers:
    """A producer whose sends end when and as the test says."""

    def __init__(self, full: int = 0):
        self.full, self.sent = full, []

    async def send(self, topic, value, key, headers):
        """As the client's."""
        if self.full:
            self.full -= 1
            raise KafkaTimeoutError
        future = asyncio.get_running_loop().create_future()
        self.sent.append((orjson.loads(value)["id"], future))
        return future

    async def stop(self):
        """As the client's."""


@pytest.fixture
def ingress(tmp_path, monkeypatch):
    """Forwards messages of one partition, with numbers for offsets; what they hold; what is acknowledged."""
    monkeypatch.setattr(forward, "AGAIN_S", 0)
    settings = Settings(brokers="none", state=tmp_path)
    acked = []

    async def run(brokers, count, after):
        one = Ingress(settings, [], lambda reads: None)
        one._producer, one._largest = brokers, defaultdict(lambda: 1_000_000)
        for number in range(count):
            value = orjson.dumps({"kind": "alert", "id": f"a{number}", "at": number, "summary": "disk full"})
            message = SimpleNamespace(topic="inbox", partition=0, offset=number, key=b"shop", value=value)
            message.headers, message.timestamp = [], number
            ack = lambda number=number: acked.append(number)  # noqa: E731
            await one.forward(
                source("inbox", {"format": "canonical"}, "inbox"), SimpleNamespace(message=message, ack=ack)
            )
        await after(brokers, acked)
        await one.stop()

    return lambda brokers, count, after: asyncio.run(run(brokers, count, after))


async def turns(until):
    """Let the others have their turns."""
    for _ in range(1000):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


def test_what_brokers_confirm_first_waits_for_what_was_read_first(ingress):
    """The last of three is with the brokers: a kill now must not lose the first two."""

    async def after(brokers, acked):
        futures = [future for _, future in brokers.sent]
        futures[2].set_result(None)
        futures[1].set_result(None)
        await turns(lambda: all(not future._callbacks for future in futures[1:]))
        for _ in range(10):
            await asyncio.sleep(0)
        assert acked == []
        futures[0].set_result(None)
        await turns(lambda: acked == [0, 1, 2])

    ingress(Brokers(), 3, after)


@pytest.mark.parametrize("full", [0, 1])
def test_what_could_not_be_sent_is_sent_again(ingress, full):
    """Brokers refuse it, or have taken nothing for so long that there is no room: it is late, nothing else."""

    async def after(brokers, acked):
        await turns(lambda: len(brokers.sent) == 2)
        refused = next(future for name, future in brokers.sent if name == "a0")
        refused.set_exception(NotLeaderForPartitionError())
        await turns(lambda: len(brokers.sent) == 3)
        assert acked == []
        for _, future in brokers.sent:
            if not future.done():
                future.set_result(None)
        await turns(lambda: acked == [0, 1])

    ingress(Brokers(full), 2, after)


async def _reads_again(stage) -> list[list[int]]:
    """Offsets as they are read: from the start, sent back, sent back after a commit, and of what is not deleted."""
    tp = TopicPartition(stage.prefix + "inbox", 0)
    names = {"bootstrap_servers": stage.brokers, "group_id": stage.prefix + "again", "auto_offset_reset": "earliest"}
    consumer = AIOKafkaConsumer(tp.topic, enable_auto_commit=False, **names)
    await consumer.start()
    thread = Again.__new__(Again)
    thread._consumer = consumer

    async def read() -> list[int]:
        found: list[int] = []
        async with asyncio.timeout(PATIENCE_S):
            while not found or found[-1] != 4:
                got = await consumer.getmany(tp, timeout_ms=100)
                found += [record.offset for records in got.values() for record in records]
        return found

    try:
        found = [await read()]
        await thread._seek_back()
        found.append(await read())
        await asyncio.to_thread(stage.delete_before, {0: 2}, "inbox")
        await thread._seek_back()
        found.append(await read())
        await consumer.commit({tp: 3})
        await thread._seek_back()
        found.append(await read())
        return found
    finally:
        await consumer.stop()


def test_a_reader_whose_group_changes_goes_back_also_where_nothing_is_committed(stage):
    """What was fetched and thrown away before the first commit was never forwarded: it comes again, if it is there."""
    stage.produce([(None, b"%d" % number) for number in range(5)], "inbox", partition=0)
    assert asyncio.run(_reads_again(stage)) == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [2, 3, 4], [3, 4]]
