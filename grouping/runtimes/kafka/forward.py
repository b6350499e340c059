"""Forwards what the agents read to `events`, and acknowledges it once the brokers have it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service

from grouping.parse import Malformed
from grouping.runtimes.kafka.acks import InOrder, Waiting
from grouping.runtimes.kafka.ingress import translate
from grouping.runtimes.kafka.outbox import OVERHEAD
from grouping.runtimes.kafka.settings import DEAD_LETTERS, EVENTS, MAX_RECORD, Settings
from grouping.runtimes.kafka.sources import Source
from grouping.runtimes.kafka.topics import look

logger = logging.getLogger(__name__)
AGAIN_S = 1.0  # until what could not be sent is sent again
REASONS = 20  # of one message that are told
Sent = tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]  # topic, key, value, headers


class Ingress(Service):
    """The producer for what agents read, as a service of the app."""

    def __init__(
        self, settings: Settings, topics: Iterable[str], reads: Callable[[Mapping[str, int]], None], **kwargs: Any
    ) -> None:
        """``topics``: full names of those that agents read; ``reads``: told how many partitions each has."""
        self._settings = settings
        self._topics = list(topics)
        self._reads = reads
        self._producer: AIOKafkaProducer | None = None
        self._largest: dict[str, int] = {}
        self._acks = InOrder()
        self._stuck = False
        super().__init__(**kwargs)

    async def on_start(self) -> None:
        """Connect."""
        found = await look(self._settings, self._topics)
        self._largest = found.largest
        self._reads({topic: found.counts[topic] for topic in self._topics})
        self._producer = AIOKafkaProducer(
            **self._settings.connection(),
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
            max_request_size=MAX_RECORD,
        )
        await self._producer.start()

    async def on_stop(self) -> None:
        """Send what is waiting, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def forward(self, source: Source, event: Any) -> None:
        """Translate one message and send what it holds.

        Where some of it cannot be translated, the whole message also becomes a dead letter, with every reason.
        """
        message = event.message
        one = self._acks.begin((message.topic, message.partition), message.offset, event.ack)
        await self._send(one, message.topic, self._translated(source, message))

    def _translated(self, source: Source, message: Any) -> list[Sent]:
        """What becomes of a message."""
        events, letters = self._settings.topic(EVENTS), self._settings.topic(DEAD_LETTERS)
        headers = {key.lower(): value.decode("utf-8", "replace") for key, value in _headers(message)}
        good, refused = translate(source, message.key, message.value, headers, _ms(message))
        found: list[Sent] = []
        for key, value in good:
            if len(key) + len(value) + OVERHEAD > self._largest[events]:
                refused.append(Malformed(f"$: an event of {len(value)} bytes; raise max.message.bytes of {events}"))
            else:
                found.append((events, key, value, []))
        if refused:
            place = f"{message.topic}/{message.partition}/{message.offset}"
            reasons = "\n".join(str(error) for error in refused[:REASONS])
            told = [("error", reasons.encode("utf-8", "replace")), ("from", place.encode())]
            letter = (message.key or b"", message.value)
            if sum(map(len, filter(None, letter))) + len(told[0][1]) + OVERHEAD > self._largest[letters]:
                letter = (b"", None)  # the reasons and the place are what can be kept of it
            found.append((letters, *letter, told))
        return found

    async def _send(self, one: Waiting, topic: str, found: list[Sent]) -> None:
        """Send what became of a message of ``topic``, without waiting until the brokers have it."""
        assert self._producer is not None
        try:
            sends = [await self._producer.send(to, value, key, headers=more) for to, key, value, more in found]
        except KafkaError as error:  # no broker has taken anything for so long that there is no room for more
            self._failed(one, topic, found, error)
            return
        together = asyncio.gather(*sends)
        together.add_done_callback(lambda future: self._sent(one, topic, found, future))

    def _sent(self, one: Waiting, topic: str, found: list[Sent], future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self._stuck = False
            self._acks.done(one)
        elif isinstance(error, KafkaError):
            self._failed(one, topic, found, error)
        else:
            self.add_future(self.crash(error))

    def _failed(self, one: Waiting, topic: str, found: list[Sent], error: KafkaError) -> None:
        """Mostly brokers that are away: until a message is acknowledged, nothing is lost."""
        if not self._stuck:
            logger.warning("ingress of %s: %s: %s; sent again", topic, type(error).__name__, error)
        self._stuck = True  # said once, and again after it has worked
        self.add_future(self._again(one, topic, found))

    async def _again(self, one: Waiting, topic: str, found: list[Sent]) -> None:
        await self.sleep(AGAIN_S)
        await self._send(one, topic, found)


def _headers(message: Any) -> Iterable[tuple[str, bytes]]:
    """The message's headers; Faust gives a list, a mapping or nothing."""
    found = message.headers or ()
    return found.items() if isinstance(found, Mapping) else found


def _ms(message: Any) -> int:
    """The message's time, in ms since the epoch; Faust gives seconds."""
    seconds: float = message.timestamp
    return round(seconds * 1000)
