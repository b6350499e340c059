"""Which partitions this worker has, and a task for each: take over, work, and over again after any fault.

One rule for every fault of a partition: nothing is aborted, store, producer and memory are dropped, and after a while
the partition is taken over again, as long as it is ours. What was half done ends there, whoever the next owner is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalOperation, IllegalStateError, KafkaError, OffsetOutOfRangeError

from grouping.runtimes.kafka.changelog import Lost
from grouping.runtimes.kafka.outbox import TooLarge
from grouping.runtimes.kafka.partition import Fault, Partition, Shared, Watch
from grouping.runtimes.kafka.settings import EVENTS, Settings
from grouping.runtimes.kafka.topics import Topics
from grouping.runtimes.store import StoreError

logger = logging.getLogger(__name__)

# What may go wrong with a partition while the worker is well. An AssertionError and an IllegalOperation are how aiokafka
# says that a producer was fenced or used after a failure.
FAULTS = (KafkaError, AssertionError, IllegalOperation, OSError, TimeoutError)
REFUSALS = (Lost, StoreError, TooLarge)  # nothing that goes away by itself: told as errors
WAIT_S, WAIT_MOST_S = 0.1, 2.0  # before a partition is taken over again; doubled each time
REFUSED_S = 10.0  # the same where somebody must do something first
COMMIT_S = 5.0  # between two commits of offsets, which serve lag tools alone
HEAR_S = 1.0  # between two questions whether the group has something against us
IDLE_MS = 200
METADATA_MS = 10_000  # after which the brokers are asked again how many partitions there are


class Loop(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """A worker on Kafka, without a command line around it."""

    def __init__(self, settings: Settings, topics: Topics, watch: Watch | None = None) -> None:
        """``watch`` is called at every step of the work: for metrics, and for tests that stop the process there."""
        self._settings = settings
        self._connection = settings.connection()
        self._watch = watch or _nobody
        self._topics = topics
        self._consumer = AIOKafkaConsumer(
            **self._connection,
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="none",  # where events are gone, that is told, not skipped
            isolation_level="read_committed",
            partition_assignment_strategy=[StickyPartitionAssignor],
            session_timeout_ms=round(settings.session_s * 1000),
            heartbeat_interval_ms=round(settings.session_s * 100),
            max_poll_interval_ms=900_000,
            metadata_max_age_ms=METADATA_MS,
            retry_backoff_ms=50,
        )
        self._shared = Shared(
            settings,
            topics,
            self._connection,
            self._consumer,
            asyncio.Lock(),
            asyncio.Semaphore(settings.transactions),
            self._watch,
        )
        self._ready: dict[int, Partition] = {}  # taken over
        self._tasks: dict[int, asyncio.Task[None]] = {}  # of the partitions that are ours
        self._leaving: set[asyncio.Task[None]] = set()  # of those that were
        self.lag: dict[
            int, int
        ] = {}  # events not decided, by partition; replaced as a whole, as another thread reads it
        self._agreed = asyncio.Event()  # who has what; an offset committed before that makes the client join once more
        self._stop = asyncio.Event()
        self._ended = asyncio.get_running_loop().create_future()  # when a task ends by a fault of ours

    async def run(self) -> None:
        """Work until `stop`. Raises KafkaError where no broker answers, and any fault of ours."""
        try:
            await self._consumer.start()
            self._consumer.subscribe([self._settings.topic(EVENTS)], listener=self)
            beside = [asyncio.create_task(one) for one in (self._commit_now_and_then(), self._hear())]
            for task in beside:
                task.add_done_callback(self._task_ended)
            try:
                await self._ended
            finally:
                for task in beside:
                    task.cancel()
                self._stop.set()
                if self._tasks:
                    await asyncio.wait(self._tasks.values(), timeout=10)
                await self._let_go()
        finally:
            await self._consumer.stop()

    def stop(self) -> None:
        """Let `run` end, with everything written down."""
        self._stop.set()
        self._agreed.set()  # nobody waits for it any more
        if not self._ended.done():
            self._ended.set_result(None)

    # -- the assignment

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """All are revoked at every change; most come back, with their store and producer as they were."""
        self._agreed.clear()
        self._watch("revoked", -1, float(len(list(revoked))))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Let go of those that are gone, begin with those that are new. Must be quick: no heartbeats run meanwhile."""
        numbers = {tp.partition for tp in assigned}
        for number in self._tasks.keys() - numbers:
            task = self._tasks.pop(number)
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
            self._ready.pop(number, None)
            task.cancel()
            logger.info("partition %d: another worker's now", number)
            self._watch("left", number, 0.0)
        for number in numbers:
            partition = self._ready.get(number)
            self._place(number, partition)
            if number not in self._tasks and not self._stop.is_set():
                task = asyncio.create_task(self._serve(number), name=_name(number))
                task.add_done_callback(self._task_ended)
                self._tasks[number] = task
        self._agreed.set()
        self._watch("assigned", -1, float(len(numbers)))

    def _place(self, number: int, partition: Partition | None) -> None:
        """Where the consumer reads on; nowhere as long as the partition is not taken over."""
        tp = TopicPartition(self._settings.topic(EVENTS), number)
        with contextlib.suppress(IllegalStateError):  # no longer ours: the next assignment says so
            if partition is None:
                self._consumer.pause(tp)
                self._consumer.seek(tp, 0)  # a place, so that nobody asks for one
            else:
                self._consumer.seek(tp, partition.next)
                self._consumer.resume(tp)

    async def _let_go(self) -> None:
        tasks = [*self._tasks.values(), *self._leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ended.done():
            self._ended.set_exception(error)

    async def _hear(self) -> None:
        """Hear why the brokers do not take us into the group: the client tries nothing more until it has told somebody.

        Who has partitions hears it from them. Who has none, as all partitions have workers or it was never taken in, would
        wait for ever.
        """
        while True:
            wait = HEAR_S
            try:
                self._consumer._coordinator.check_errors()  # noqa: SLF001 — `getmany` does it, but is taken for work
            except KafkaError as error:
                logger.error("group %s: %s; tried again", self._settings.group, error)  # noqa: TRY400 — it says it all
                wait = REFUSED_S
            await asyncio.sleep(wait)

    # -- a partition

    async def _serve(self, number: int) -> None:
        """Hold a partition: until it is taken away, or we stop."""
        before = [task for task in self._leaving if task.get_name() == _name(number)]
        if before:
            await asyncio.wait(before)
        wait, suspect = WAIT_S, -1
        while await self._agreed.wait() and not self._stop.is_set():
            partition = Partition(self._shared, number, suspect)
            try:
                await partition.take()
                logger.info("partition %d: taken over, goes on with event %d", number, partition.next)
                self._ready[number] = partition
                self._place(number, partition)
                wait = WAIT_S
                await self._flow(partition)
            except REFUSALS as error:
                logger.error("partition %d: %s", number, error)  # noqa: TRY400 — the message says it all
                self._watch("refused", number, 0.0)
                wait = REFUSED_S
            except Fault as fault:
                logger.error("partition %d: %s", number, fault, exc_info=fault.__cause__)  # noqa: TRY400 — its cause is what is told
                suspect = fault.offset
                self._watch("bypassed" if fault.bypassed else "failed", number, 0.0)
            except FAULTS as error:
                logger.warning("partition %d: %s: %s; taken over again", number, type(error).__name__, error)
                self._watch("failed", number, 0.0)
            except asyncio.CancelledError:
                if _told_to_end():
                    raise
                logger.warning("partition %d: the client gave up what was waited for; taken over again", number)
                self._watch("failed", number, 0.0)
            finally:
                if self._ready.get(number) is partition:
                    del self._ready[number]
                self._place(number, None)
                await asyncio.shield(partition.drop())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait)
            wait = min(2 * wait, WAIT_MOST_S)

    async def _flow(self, partition: Partition) -> None:
        """Batch after batch."""
        settings = self._settings
        while not self._stop.is_set():
            partition.look()
            records = await self._read(partition, settings.batch_events, IDLE_MS)
            if not records:
                await partition.rest()
                continue
            async with self._shared.turn:
                if room := settings.batch_events - len(records):
                    # What came while it waited goes along: until its next turn all others have theirs.
                    records += await self._read(partition, room, 0)
                await partition.work(records)
            if len(records) < settings.batch_events:
                await asyncio.sleep(settings.linger_s)
        await partition.finish()
        await self._consumer.commit({partition.tp: partition.written})

    async def _read(self, partition: Partition, most: int, wait_ms: int) -> list[ConsumerRecord]:
        """The next events, at most so many; [] where none came in time. Raises Lost, KafkaError."""
        tp = partition.tp
        try:
            got = await self._consumer.getmany(tp, timeout_ms=wait_ms, max_records=most)
        except OffsetOutOfRangeError:
            raise Lost(f"{tp.topic}/{tp.partition}: event {partition.next} is deleted; looking again") from None
        records: list[ConsumerRecord] = got.get(tp, [])
        if records:
            partition.next = records[-1].offset + 1  # before anything is awaited: a new assignment reads on from here
            self._watch("read", partition.number, float(len(records)))
        return records

    # -- offsets, for others to see

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            with contextlib.suppress(KafkaError):
                offsets = {partition.tp: partition.written for partition in self._ready.values()}
                if offsets and self._agreed.is_set():
                    await self._consumer.commit(offsets)
                await self._measure()

    async def _measure(self) -> None:
        """Look how many events wait in each partition that is ours, also where it is not taken over."""
        tps = {number: TopicPartition(self._settings.topic(EVENTS), number) for number in self._tasks}
        if not tps:
            self.lag = {}
            return
        ends = await self._consumer.end_offsets(list(tps.values()))
        lag = {}
        for number, tp in tps.items():
            partition = self._ready.get(number)
            at = await self._consumer.committed(tp) if partition is None else partition.written
            lag[number] = max(0, ends[tp] - (at or 0))
        self.lag = {number: events for number, events in lag.items() if number in self._tasks}


def _told_to_end() -> bool:
    """Whether somebody has cancelled the task that asks: the client also lets through what it cancels of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _name(number: int) -> str:
    return f"partition {number}"


def _nobody(what: str, partition: int, amount: float) -> None:
    """Watches nothing."""
