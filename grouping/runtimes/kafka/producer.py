"""Letting go of a partition's producer, whatever state it is in: idle, cut off, or locked out by the next owner."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

STOP_S = 2  # to say goodbye in


async def let_go(producer: AIOKafkaProducer) -> None:
    """Stop a producer. Nothing is aborted and nothing is sent: the next owner ends what is under way.

    What the brokers have against it is no news to anybody: whoever used it was told. That they may say it only now is how
    a worker that slept hears that its partition has moved.
    """
    try:
        await asyncio.wait_for(producer.stop(), STOP_S)
    except (TimeoutError, KafkaError):
        await _end(producer)


async def _end(producer: AIOKafkaProducer) -> None:
    """Stop a producer that waits for an answer that may never come. There is no public way that does not wait."""
    producer._message_accumulator.fail_all(KafkaError("given up"))  # noqa: SLF001
    task: asyncio.Task[None] | None = producer._sender.sender_task  # noqa: SLF001
    while task is not None and not task.done():
        task.cancel()  # first itself, and then what it waits for: that looks for the brokers for ever
        await asyncio.wait([task], timeout=0.1)
    await producer.client.close()
