"""What one transaction writes, as built batches; sizes are checked before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from grouping.runtimes.kafka.breath import Breath

OVERHEAD = 512  # bytes of a batch and a record around key, value and headers

Record = tuple[bytes, bytes | None, list[tuple[str, bytes]]]  # key, value, headers


class TooLarge(Exception):
    """A record that the topic does not take; the message names place and remedy."""


class Outbox:
    """Records by topic. A failed send leaves a producer that is good for nothing, so what cannot go is told before."""

    def __init__(self, largest: Mapping[str, int]) -> None:
        """``largest``: full names of the topics, and the bytes of a record that each takes."""
        self._largest = largest
        self._records: dict[str, list[Record]] = {topic: [] for topic in largest}

    def add(self, topic: str, key: bytes, value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> None:
        """One more record. Raises TooLarge."""
        size = len(key) + len(value or b"") + OVERHEAD
        if size > self._largest[topic]:
            raise TooLarge(f"{topic}: a record of {size} bytes; raise the topic's max.message.bytes above it")
        self._records[topic].append((key, value, list(headers)))

    def __bool__(self) -> bool:
        return any(self._records.values())

    def count(self, topic: str) -> int:
        """How many records of a topic."""
        return len(self._records[topic])

    async def send(self, producer: AIOKafkaProducer, partition: int) -> dict[str, int]:
        """Send all and wait until the brokers have it; returns the next offset of each topic written to.

        Nothing is sent before all is built: what is ready when the producer looks goes to a broker in one request, and
        what comes later waits for the answer to that.
        """
        built = [(topic, batch) for topic in self._records for batch in await self._built(producer, topic)]
        sent = [await _sent(producer, batch, topic, partition) for topic, batch in built]
        return {topic: (await future).offset + count for topic, count, future in sent}

    async def _built(self, producer: AIOKafkaProducer, topic: str) -> list[BatchBuilder]:
        """The records of a topic, in batches as large as they may be."""
        built: list[BatchBuilder] = []
        breath = Breath()
        for key, value, headers in self._records[topic]:
            if not built or built[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:  # full
                built.append(producer.create_batch())
                built[-1].append(timestamp=None, key=key, value=value, headers=headers)
            await breath.draw()
        return built


async def _sent(
    producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: int
) -> tuple[str, int, asyncio.Future[Any]]:
    count = batch.record_count()
    future = await producer.send_batch(batch, topic, partition=partition)
    future.add_done_callback(_seen)
    return topic, count, future


def _seen(future: asyncio.Future[Any]) -> None:
    """A send that fails after we have stopped waiting for it is no news."""
    if not future.cancelled():
        future.exception()
