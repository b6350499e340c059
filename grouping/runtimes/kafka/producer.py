"""Letting go of a partition's producer, whatever state it is in: idle, cut off, or locked out by the next owner."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

STOP_S = 2  # to say goodbye in


async def let_go(producer: AIOKafkaProducer) -> None:
    """Stop a producer. Nothing is aborted and nothing is sent: the next owner ends what is under way.

    What the brokers have against it is no news to anybody: whoever used it was told. That they may say it only now is how
    a worker that slept hears that its partition has moved.
    """
    if not await _done(producer.stop()):
        await _end(producer)


async def _end(producer: AIOKafkaProducer) -> None:
    """Stop a producer that waits for an answer that may never come. There is no public way that does not wait."""
    producer._message_accumulator.fail_all(KafkaError("given up"))  # noqa: SLF001
    task: asyncio.Task[None] | None = producer._sender.sender_task  # noqa: SLF001
    while task is not None and not task.done():
        task.cancel()  # first itself, and then what it waits for: that looks for the brokers for ever
        await asyncio.wait([task], timeout=0.1)
    for connection in producer.client._conns.values():  # noqa: SLF001
        if connection._writer is not None:  # noqa: SLF001 — none: it is closed
            connection._writer.transport.abort()  # noqa: SLF001 — closing it waits until the broker has read all
    await _done(producer.client.close())


async def _done(coroutine: Coroutine[None, None, None]) -> bool:
    """Whether something is done in time, and without the brokers' having anything against it.

    As a task of its own: the client cancels futures that it waits for itself, and that is no reason for us to end.
    """
    task = asyncio.create_task(coroutine)
    await asyncio.wait([task], timeout=STOP_S)
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=STOP_S)
        return False
    if task.cancelled():
        return False
    error = task.exception()
    if error is not None and not isinstance(error, KafkaError):
        raise error
    return error is None
