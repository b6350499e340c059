"""What was there and is not: told before a partition is gone on with, because going on would hide it for good.

The last position says all that is needed: up to which event outputs are written and what that event was like, and how
far the topics of the outputs reach. What cannot be made good by going on is refused; where only something is missing,
``accept_loss`` goes on without it.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from grouping.runtimes.kafka.changelog import Lost, Position, reader
from grouping.runtimes.kafka.settings import DECISIONS, INCIDENTS, STATE, Settings

logger = logging.getLogger(__name__)

ANEW = "start anew with another --topic-prefix"
OUTPUTS = (DECISIONS, INCIDENTS)


def mark(record: ConsumerRecord) -> tuple[int, int]:
    """By which an event is known again: its timestamp, and a checksum of key and value."""
    return record.timestamp, zlib.crc32(record.value or b"", zlib.crc32(record.key or b""))


def moved(place: str, before: int, now: int) -> str:
    """What is said where the number of partitions is another."""
    return f"{place}: the state was built with {before} partitions, the topics now have {now}, and scopes have moved; {ANEW}"


@dataclass(frozen=True, slots=True)
class Losses:
    """Looks for what is lost of one partition."""

    settings: Settings
    tp: TopicPartition  # of the events
    consumer: AIOKafkaConsumer
    connection: Mapping[str, Any]

    async def check(self, found: Position | None, start: Position, first: int, committed: int | None) -> Position:
        """The position to go on from, if it can be that of these topics and settings. Raises Lost, KafkaError.

        ``start``: that of a partition without a state; ``first``: its first event; ``committed``: the group's offset.
        """
        if found is None:
            await self._check_new(first, committed)
            return replace(start, ends=await self._ends())
        place = self._place()
        if found.partitions != start.partitions:
            raise Lost(moved(place, found.partitions, start.partitions))
        if found.format != start.format:
            raise Lost(
                f"{place}: the state is in format {found.format}, this version reads {start.format}; use the version"
                f" that wrote it, or {ANEW}"
            )
        if found.settings != start.settings:
            raise Lost(f"{place}: built with other settings; use the same ones, or {ANEW}")
        await self._check_log(found, first)
        position = replace(found, ends=await self._check_outputs(found))
        if first <= found.stepped + 1:
            return position
        self._accepted(
            f"{place}: events {found.stepped + 1} to {first - 1} were deleted before they were worked off",
            "keep events for longer",
        )
        at = first - 1
        return replace(
            position,
            stepped=at,
            done=max(found.done, at),
            last=found.last if found.done > at else None,
            bypassed=tuple(offset for offset in found.bypassed if offset > at),
        )

    def _place(self) -> str:
        return f"{self.tp.topic}/{self.tp.partition}"

    def _accepted(self, what: str, remedy: str) -> None:
        """Tell of a loss, and go on where that was asked for. Raises Lost."""
        if not self.settings.accept_loss:
            raise Lost(f"{what}; give --accept-loss to go on without them, and {remedy}")
        logger.error("%s: goes on without them", what)

    async def _ends(self) -> dict[str, int]:
        """The next offsets of the topics of outputs."""
        tps = {name: TopicPartition(self.settings.topic(name), self.tp.partition) for name in OUTPUTS}
        ends: dict[TopicPartition, int] = await self.consumer.end_offsets(list(tps.values()))
        return {name: ends[tp] for name, tp in tps.items()}

    async def _check_new(self, first: int, committed: int | None) -> None:
        """No state: nothing may have been decided here. The group's offset alone would not do, brokers forget it."""
        lost = f"and nothing is left of the state in the topic {self.settings.topic(STATE)}"
        remedy = f"bring it back from a replica, or {ANEW}"
        if committed is not None and committed > first:
            raise Lost(f"{self._place()}: read up to {committed} before, {lost}; {remedy}")
        outputs = TopicPartition(self.settings.topic(DECISIONS), self.tp.partition)
        if await _any(outputs, self.consumer, self.connection):
            raise Lost(f"{self._place()}: {outputs.topic} has decisions of before, {lost}; {remedy}")

    async def _check_log(self, found: Position, first: int) -> None:
        """The events must be those of before: as many at least, and the last one the same."""
        end: int = (await self.consumer.end_offsets([self.tp]))[self.tp]
        remedy = f"bring it back from a replica, or {ANEW}"
        if end <= max(found.stepped, found.done):
            raise Lost(
                f"{self._place()}: ends at {end}, and event {found.done} was worked off: it was deleted or cut; {remedy}"
            )
        if found.last is None or found.done < first:
            return
        try:
            record = await _first(self.tp, found.done, end, self.connection)
        except OffsetOutOfRangeError:  # deleted in this moment, as old events are
            return
        if record is None or record.offset != found.done or mark(record) != tuple(found.last):
            raise Lost(
                f"{self._place()}: event {found.done} is another than the one worked off: the topic was made anew; {remedy}"
            )

    async def _check_outputs(self, found: Position) -> dict[str, int]:
        """What was written must be there, or have been; the next offsets."""
        ends = await self._ends()
        for name, wrote in found.ends.items():
            if ends[name] < wrote:
                topic = f"{self.settings.topic(name)}/{self.tp.partition}"
                self._accepted(
                    f"{topic}: ends at {ends[name]}, and records up to {wrote} were written: they were deleted or cut",
                    "bring them back from a replica",
                )
        return ends


async def _any(tp: TopicPartition, consumer: AIOKafkaConsumer, connection: Mapping[str, Any]) -> bool:
    """Whether anything was ever committed in a partition."""
    begin: int = (await consumer.beginning_offsets([tp]))[tp]
    end: int = (await consumer.end_offsets([tp]))[tp]
    if begin > 0 or end == 0:
        return begin > 0
    return await _first(tp, begin, end, connection) is not None


async def _first(tp: TopicPartition, at: int, end: int, connection: Mapping[str, Any]) -> ConsumerRecord | None:
    """The first record that is committed from an offset on; None where there is none before ``end``."""
    async with reader([tp], connection) as topic:
        topic.seek(tp, at)
        while await topic.position(tp) < end:  # what there is may all be of transactions that were taken back
            for records in (await topic.getmany(tp, timeout_ms=200, max_records=1)).values():
                return records[0]
    return None
