"""Sends events to a Kafka topic at an even pace, from a process of its own, and tells when the decision of each is read.

What is late is late from the moment an event was due, not from when an overloaded sender came to it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import murmur2

TICK_S = 0.005  # between two looks at what is due
PATIENCE_S = 60.0
Record = tuple[bytes, bytes]  # key, value


def decided(records: list[Record]) -> set[str]:
    """Ids of the alerts that get a decision line: those that fire."""
    raws = [orjson.loads(value) for _, value in records]
    return {raw["id"] for raw in raws if raw["kind"] == "alert" and raw.get("status", "firing") == "firing"}


def decides(record: ConsumerRecord) -> str | None:
    """The alert that an output line decides; None for any other line."""
    line: bytes = record.value
    if b'"kind":"decision"' not in line[:64]:
        return None
    return str(dict(record.headers)["event"], "utf-8")


async def _send(brokers: str, topic: str, partitions: int, records: list[Record], due: list[float]) -> None:
    """Send each record when it is due, s of the monotonic clock; all that are due together, in a batch a partition."""
    placed = [(murmur2(key) & 0x7FFFFFFF) % partitions for key, _ in records]
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    try:
        at = 0
        while at < len(records):
            await asyncio.sleep(max(due[at] - time.monotonic(), TICK_S))
            until, batches = at, dict[int, Any]()
            while until < len(records) and due[until] <= time.monotonic():
                (key, value), partition = records[until], placed[until]
                batch = batches.get(partition) or batches.setdefault(partition, producer.create_batch())
                if batch.append(key=key, value=value, timestamp=None) is None:
                    break  # full: the rest goes with the next
                until += 1
            for partition, batch in batches.items():
                await producer.send_batch(batch, topic, partition=partition)
            at = until
        await producer.flush()
    finally:
        await producer.stop()


def _sender(*given: Any) -> None:
    asyncio.run(_send(*given))


@contextmanager
def sending(
    brokers: str, topic: str, partitions: int, records: list[Record], due: list[float] | None = None
) -> Iterator[None]:
    """Another process sends the records as long as the block runs; all at once, or each when it is due."""
    given = (brokers, topic, partitions, records, due or [0.0] * len(records))
    sender = multiprocessing.get_context("spawn").Process(target=_sender, args=given)
    sender.start()
    try:
        yield
    finally:
        sender.join(PATIENCE_S)
    assert sender.exitcode == 0, "the sender failed"


class Probe:
    """How late each decision is committed and read."""

    def __init__(self, brokers: str, events: str, outputs: str, partitions: int) -> None:
        """``events``, ``outputs``: full names of the topics."""
        self._brokers, self._events, self._outputs, self._partitions = brokers, events, outputs, partitions
        self._due: dict[str, float] = {}  # of those that are decided, in the order in which they are sent
        self.late: dict[str, float] = {}  # seconds from due to read

    async def run(self, records: list[Record], per_second: float, during: dict[float, Callable[[], None]]) -> None:
        """``during``: what to do so many seconds after the start. Every decision must come."""
        expected = decided(records)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._brokers, isolation_level="read_committed", auto_offset_reset="latest"
        )
        await consumer.start()
        tps = [TopicPartition(self._outputs, number) for number in range(self._partitions)]
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        began = time.monotonic() + 1.0  # the sender is there by then
        due = [began + number / per_second for number in range(len(records))]
        ids = [orjson.loads(value)["id"] for _, value in records]
        self._due = {id: at for id, at in zip(ids, due, strict=True) if id in expected}
        try:
            with sending(self._brokers, self._events, self._partitions, records, due):
                await self._read(consumer, expected, began, dict(during), due[-1] + PATIENCE_S)
        finally:
            await consumer.stop()
        assert set(self.late) == expected, f"{len(self.late)} of {len(expected)} were decided"

    async def _read(
        self,
        consumer: AIOKafkaConsumer,
        expected: set[str],
        began: float,
        during: dict[float, Callable[[], None]],
        until: float,
    ) -> None:
        while len(self.late) < len(expected) and time.monotonic() < until:
            for at in [at for at in during if time.monotonic() - began > at]:
                during.pop(at)()
            got = await consumer.getmany(timeout_ms=20)
            now = time.monotonic()
            for records in got.values():
                for record in records:
                    id = decides(record)
                    if id in expected:
                        self.late.setdefault(id, now - self._due[id])

    def ms(self, skip: float) -> dict[str, float]:
        """p50 and p99, without the first part."""
        values = [self.late[id] * 1000 for id in list(self._due)[int(skip * len(self._due)) :] if id in self.late]
        return {
            "p50_ms": round(float(np.percentile(values, 50)), 1),
            "p99_ms": round(float(np.percentile(values, 99)), 1),
        }
