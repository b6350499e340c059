"""One partition of `events` in the hands of this worker: taken over, stepped through, written down, let go.

Every batch of events is one transaction: its output lines, the latest state of the incidents it touched, and how far
the partition is. Every few seconds the same transaction also holds the engine's records that have changed (a
checkpoint), and only when it is committed does the store on disk take them. A new owner loads the last checkpoint and
steps the events after it again, in silence up to the last output written: the engine answers the same, so nothing is
missing and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from grouping.emit import emit
from grouping.engine import Engine
from grouping.parse import Malformed
from grouping.records import Output, Refused, incidents_of
from grouping.runtimes.kafka import changelog
from grouping.runtimes.kafka.breath import Breath
from grouping.runtimes.kafka.changelog import POSITION, Lost, Position
from grouping.runtimes.kafka.incidents import incident
from grouping.runtimes.kafka.losses import OUTPUTS, Losses, mark, moved
from grouping.runtimes.kafka.outbox import Outbox
from grouping.runtimes.kafka.producer import let_go
from grouping.runtimes.kafka.read import bypassed, read
from grouping.runtimes.kafka.retention import Retention
from grouping.runtimes.kafka.settings import DECISIONS, EVENTS, INCIDENTS, MAX_BATCH, MAX_RECORD, STATE, Settings
from grouping.runtimes.kafka.topics import Topics
from grouping.runtimes.store import Store

logger = logging.getLogger(__name__)

DAY = 86_400.0  # s

STAGGER = (
    0.618  # of the time between two checkpoints, from one partition to the next: spreads any number of them evenly
)


Watch = Callable[[str, int, float], None]  # what was done, in which partition, and how many or how long


class Fault(Exception):
    """The engine failed on an event: a mistake of ours, and no reason to stop."""

    def __init__(self, offset: int, *, bypassed: bool) -> None:
        done = "for the second time: it is opened ungrouped" if bypassed else "once: it is tried again"
        super().__init__(f"the engine failed on event {offset} {done}")
        self.offset = offset
        self.bypassed = bypassed


@dataclass(frozen=True, slots=True)
class Shared:
    """What the partitions of a worker have in common."""

    settings: Settings
    topics: Topics
    connection: dict[str, Any]
    consumer: AIOKafkaConsumer
    stepping: asyncio.Lock  # one after the other: what is stepped side by side is all done late
    turn: asyncio.Semaphore  # batches under way
    watch: Watch


class Partition:
    """A partition, from `take` to `drop`."""

    def __init__(self, shared: Shared, number: int, suspect: int = -1) -> None:
        """``suspect``: the event on which the engine failed when the partition was held before."""
        self.number = number
        self.next = 0  # the next offset to read
        self._shared = shared
        self._settings = shared.settings
        self.tp = TopicPartition(self._settings.topic(EVENTS), number)
        self._store: Store | None = None
        self._producer: AIOKafkaProducer | None = None
        self._engine = Engine(self._settings.config)
        self._retention: Retention | None = None  # from `take` to `drop`
        self._partitions = 0  # of the topic, when this one was taken over
        self._done = -1  # outputs up to this event are written
        self._stepped = -1  # the last checkpoint holds the state after this event
        self._bypassed: tuple[int, ...] = ()  # events after that one on which the engine failed
        self._last: tuple[int, int] | None = None  # by which event ``_done`` is known again
        self._read: tuple[int, int] | None = None  # the same of the last event stepped
        self._ends: Mapping[str, int] = {}  # of the topics of outputs
        self._suspect = suspect
        self._since = 0  # events stepped since the last checkpoint
        self._checkpoint_at = 0.0

    @property
    def written(self) -> int:
        """The first event whose outputs are not committed: what the group's offset may say, and nothing beyond it.

        An offset ahead of the state would look like a state that was lost.
        """
        return self._done + 1

    def _watch(self, what: str, amount: float = 0.0) -> None:
        self._shared.watch(what, self.number, amount)

    # -- taking over

    async def take(self) -> None:
        """Make sure that this partition is ours alone, and bring its state up to date; `next` is where to go on.

        Raises Lost, StoreError, KafkaError, TimeoutError.
        """
        began, shared, settings = time.monotonic(), self._shared, self._settings
        self._partitions = max(self._counted(), self.number + 1)  # the group may know of a new one before we do
        path = settings.state / f"{settings.prefix}{self.number:04d}"
        self._store = changelog.open_store(path, stale_s=shared.topics.tombstones_s)
        committed = await shared.consumer.committed(self.tp)
        first: int = (await shared.consumer.beginning_offsets([self.tp]))[self.tp]
        # Whoever is no longer a member is told so here, before it fences the one that is.
        await shared.consumer.commit({self.tp: first if committed is None else committed})
        self._watch("owned")
        self._producer = self._new_producer()
        async with self._in_time():
            await self._producer.start()  # ends what a predecessor had under way, and locks it out
        self._watch("fenced")
        state = TopicPartition(settings.topic(STATE), self.number)
        position = await changelog.catch_up(
            self._store, state, shared.connection, lambda count: self._watch("replayed", count)
        )
        if position is None:
            others = await changelog.positions(state, self._partitions, shared.connection)
            position = next((one for one in others if one.partitions != self._partitions), None)
        losses = Losses(settings, self.tp, shared.consumer, shared.connection)
        position = await losses.check(position, self._position(first - 1, first - 1), first, committed)
        self._engine = Engine(settings.config, self._store)
        self._retention = Retention(self._store, self._engine, settings.keep_days * DAY)
        self._done, self._stepped, self.next = position.done, position.stepped, position.stepped + 1
        self._bypassed, self._last, self._ends = position.bypassed, position.last, position.ends
        # Partitions that are taken over together must not write all their checkpoints in the same moment.
        self._checkpoint_at = time.monotonic() - self.number * STAGGER % 1.0 * settings.checkpoint_s
        self._watch("taken", time.monotonic() - began)

    def _new_producer(self) -> AIOKafkaProducer:
        shared = self._shared
        return AIOKafkaProducer(
            **shared.connection,
            # One id per partition: the next owner uses the same and so locks this one out, even one that slept.
            transactional_id=f"{self._settings.group}-{self.number}",
            transaction_timeout_ms=round(self._settings.transaction_s * 1000),
            max_batch_size=min(MAX_BATCH, *(size - 4096 for size in shared.topics.largest.values())),
            max_request_size=MAX_RECORD,
            retry_backoff_ms=20,
            request_timeout_ms=10_000,
        )

    def _position(self, stepped: int, done: int, **more: Any) -> Position:
        digest, partitions = self._settings.digest, self._partitions
        return Position(stepped=stepped, done=done, partitions=partitions, settings=digest, **more)

    def _counted(self) -> int:
        """How many partitions the topic has, as the brokers last said."""
        return len(self._shared.consumer.partitions_for_topic(self.tp.topic) or range(self._shared.topics.partitions))

    def look(self) -> None:
        """Make sure that the topic is as it was when this partition was taken over. Raises Lost."""
        count = self._counted()
        if count != self._partitions:
            raise Lost(moved(f"{self.tp.topic}/{self.number}", self._partitions, count))

    # -- working

    async def work(self, records: Sequence[ConsumerRecord]) -> None:
        """Step a batch of events and write down what comes of it, all or nothing. Asked for in a turn of the worker's.

        Raises Fault, KafkaError, TooLarge.
        """
        self._watch("turn")
        began = time.monotonic()
        async with self._shared.stepping:
            outbox = await self._stepped_through(records)
        if outbox or self._due():
            await self._commit(outbox)
        self._watch("worked", time.monotonic() - began)

    async def _stepped_through(self, records: Sequence[ConsumerRecord]) -> Outbox:
        """What a batch of events comes to. Raises Fault, TooLarge; KafkaError where an event is to be bypassed."""
        outbox, incidents, breath = self._outbox(), dict[tuple[str, str], None](), Breath()
        for record in records:
            try:
                outputs, id = self._step(record)
            except Exception as error:
                if record.offset in self._bypassed:
                    raise
                again = record.offset == self._suspect
                if again:
                    await self._bypass(record.offset)
                raise Fault(record.offset, bypassed=again) from error
            if record.offset > self._done:
                for output in outputs:
                    headers = [] if id is None else [("event", id.encode())]
                    line = emit(record.offset, output)[:-1]
                    outbox.add(self._settings.topic(DECISIONS), output.scope.encode(), line, headers)
                    incidents.update(dict.fromkeys((output.scope, one) for one in incidents_of(output)))
            await breath.draw()
        for scope, id in incidents:
            outbox.add(self._settings.topic(INCIDENTS), id.encode(), incident(self._engine, scope, id))
            await breath.draw()
        self._since += len(records)
        self._read = mark(records[-1])
        self._watch("stepped", len(records))
        return outbox

    async def rest(self) -> None:
        """Nothing came in: write down what has not been."""
        if self._due():
            async with self._shared.turn:
                await self._commit(self._outbox())

    async def finish(self) -> None:
        """Leave nothing for the next owner to step again."""
        if self._since:
            async with self._shared.turn:
                await self._commit(self._outbox(), checkpoint=True)

    def _due(self) -> bool:
        since, settings = self._since, self._settings
        late = time.monotonic() - self._checkpoint_at > settings.checkpoint_s
        return since >= settings.checkpoint_events or (since > 0 and late)

    def _outbox(self) -> Outbox:
        return Outbox(self._shared.topics.largest)

    def _step(self, record: ConsumerRecord) -> tuple[Sequence[Output], str | None]:
        """The outputs of one event, and its id."""
        try:
            event = read(record.key, record.value, record.timestamp)
            if record.offset in self._bypassed:
                event = bypassed(event)
        except Malformed as error:
            return [Refused(error.scope, error.id, str(error))], error.id
        assert self._retention is not None
        outputs = self._engine.step(event)
        self._retention.take(event, outputs)
        return outputs, getattr(event, "id", None)

    async def _bypass(self, offset: int) -> None:
        """Write down that the engine failed on an event: whoever takes the partition over opens it ungrouped."""
        bypassed = (*self._bypassed, offset)
        position = self._position(self._stepped, self._done, bypassed=bypassed, last=self._last, ends=self._ends)
        outbox = self._outbox()
        outbox.add(self._settings.topic(STATE), POSITION, position.packed())
        await self._send(outbox, self._ends)

    async def _send(self, outbox: Outbox, reach: Mapping[str, int]) -> dict[str, int]:
        """One transaction; the offsets after it, by topic. ``reach``: what they are at least.

        Raises Lost, KafkaError, TimeoutError.
        """
        async with self._in_time():
            ends = await self._transact(outbox, reach)
        self._watch("committed")
        return ends

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Ends what waits for the brokers for too long: the client would ask for ever, many times a second."""
        seconds = self._settings.transaction_s
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise TimeoutError(f"no broker has answered for {seconds:g} s") from None

    async def _transact(self, outbox: Outbox, reach: Mapping[str, int]) -> dict[str, int]:
        assert self._producer is not None
        producer = self._producer
        await producer.begin_transaction()
        self._watch("begun")
        ends = await outbox.send(producer, self.number)
        for name, least in reach.items():
            topic = self._settings.topic(name)
            if ends.get(topic, least) < least:
                raise Lost(f"{topic}/{self.number}: was made anew while it was written to; looking again")
        self._watch("sent")
        await producer.commit_transaction()
        return ends

    async def _commit(self, outbox: Outbox, *, checkpoint: bool = False) -> None:
        assert self._store is not None
        assert self._retention is not None
        state = self._settings.topic(STATE)
        checkpoint = checkpoint or self._due()
        done = max(self._done, self.next - 1)
        stepped = self.next - 1 if checkpoint else self._stepped
        changed: dict[bytes, bytes | None] = {}
        gone: list[str] = []
        if checkpoint:
            gone, resolve = self._retention.forget(self._since)
            for id in gone:
                outbox.add(self._settings.topic(INCIDENTS), id.encode(), None)
            for scope, event in resolve:
                outbox.add(self.tp.topic, scope, event)
            changed = {**self._engine.drain(), **self._retention.drain()}
        breath = Breath()
        for key, value in changed.items():
            outbox.add(state, key, changelog.pack(value))
            await breath.draw()
        position = self._position(
            stepped,
            done,
            bypassed=tuple(offset for offset in self._bypassed if offset > stepped),
            last=self._read if self.next - 1 >= self._done else self._last,
            ends={name: self._ends[name] + outbox.count(self._settings.topic(name)) for name in OUTPUTS},
        )
        outbox.add(state, POSITION, position.packed())
        ends = await self._send(outbox, position.ends)
        self._bypassed, self._last = position.bypassed, position.last
        self._ends = {name: ends.get(self._settings.topic(name), reach) for name, reach in position.ends.items()}
        self._done, self._stepped = done, stepped
        if checkpoint:
            await changelog.save_in_pieces(
                self._store, changed, ends[state], position, breath, lambda count: self._watch("piece", count)
            )
            self._since, self._checkpoint_at = 0, time.monotonic()
            self._watch("stored", len(changed))
            if gone:
                self._watch("forgotten", len(gone))

    # -- letting go

    async def drop(self) -> None:
        """Close what is open. Nothing is aborted and nothing is sent: the next owner ends what is under way."""
        producer, self._producer = self._producer, None
        store, self._store = self._store, None
        if store is not None:
            store.close()
        self._engine, self._retention = Engine(self._settings.config), None
        if producer is not None:
            await let_go(producer)
