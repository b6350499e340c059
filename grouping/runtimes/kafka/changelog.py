"""The topic `state`: the engine's records as they change, and how a store is brought up to its end.

One record per key of the store, and one that says how far things are (``Position``), all of a partition in the
partition of the same number. They are written in the transaction of the outputs that belong to them, so what is
committed always agrees.
"""

from __future__ import annotations

import itertools
import shutil
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from grouping.keyspace import FORMAT
from grouping.runtimes.kafka.breath import Breath
from grouping.runtimes.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POSITION = b"\x00position"
_SMALL = 4096  # bytes below which nothing is packed: an alert would cost more time than room
_CHUNK = 2000  # records written to the store at once
_PIECE = 200  # the same, where others wait for it
_TAIL = 64  # last records of a partition that are looked at, to know whether it is in use
_MARGIN_S = 600.0  # the brokers' clocks and ours


class Lost(Exception):
    """Data that was there is not; the message names place and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a partition is, as the last transaction says it."""

    stepped: int  # the records in the topic hold the state after this event
    done: int  # the outputs up to this event are written; those after ``stepped`` are stepped again in silence
    partitions: int  # of the topics: another number sends scopes elsewhere
    settings: str  # digest of the engine's settings
    bypassed: tuple[int, ...] = ()  # of the events after ``stepped``: those on which the engine failed
    last: tuple[int, int] | None = None  # timestamp and checksum of event ``done``, by which it is known again
    ends: Mapping[str, int] = field(default_factory=dict)  # of the topics of outputs: they reach so far at least
    format: int = FORMAT

    def packed(self) -> bytes:
        """As the value of its record."""
        return orjson.dumps(asdict(self))

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Position:
        """From what ``packed`` wrote."""
        known = {key: fields[key] for key in ("stepped", "done", "partitions", "settings", "format")}
        last = fields.get("last")
        more = {"last": None if last is None else (last[0], last[1]), "ends": fields.get("ends", {})}
        return cls(**known, **more, bypassed=tuple(fields["bypassed"]))


def pack(value: bytes | None) -> bytes | None:
    """The value of a record in the topic."""
    if value is None:
        return None
    return b"\x00" + value if len(value) < _SMALL else b"\x01" + zlib.compress(value, 1)


def unpack(value: bytes | None) -> bytes | None:
    """What ``pack`` was given."""
    if value is None:
        return None
    return zlib.decompress(value[1:]) if value[:1] == b"\x01" else value[1:]


def open_store(path: Path, *, stale_s: float) -> Store:
    """The store at ``path``; an empty one where the one there is too old to learn what was deleted meanwhile."""
    store = Store(path, sync=False)
    position = store.position()
    if position and position["at"] + stale_s - _MARGIN_S < time.time():
        store.close()
        shutil.rmtree(path)
        store = Store(path, sync=False)
    return store


def save(store: Store, records: Mapping[bytes, bytes | None], state: int, position: Position | None) -> None:
    """Write records and how far the store is: ``state``, the next offset to read of the topic."""
    known: dict[str, Any] = store.position() if position is None else asdict(position)
    store.commit(records, b"", 0, known | {"state": state, "at": time.time()})


async def save_in_pieces(
    store: Store,
    records: Mapping[bytes, bytes | None],
    state: int,
    position: Position,
    breath: Breath,
    watch: Callable[[int], None],
) -> None:
    """As `save`, a piece after the other: it holds nobody up, and a store that has a part of them is caught up again.

    ``watch``: records written.
    """
    pieces = iter(records.items())
    while piece := list(itertools.islice(pieces, _PIECE)):
        store.write(piece)
        watch(len(piece))
        await breath.draw()
    save(store, {}, state, position)


async def catch_up(
    store: Store, tp: TopicPartition, connection: Mapping[str, Any], watch: Callable[[int], None]
) -> Position | None:
    """Read the topic from where the store is to its end; returns the last position. ``watch``: records read.

    Raises Lost, KafkaError.
    """
    async with reader([tp], connection) as topic:
        end: int = (await topic.end_offsets([tp]))[tp]
        before = store.position()
        at = before.get("state", 0)
        if at > end:
            raise Lost(
                f"{tp.topic}/{tp.partition}: ends at {end}, and this worker had read to {at}: it was deleted or cut;"
                " bring it back from a replica, or start anew with another --topic-prefix"
            )
        topic.seek(tp, at)
        while at < end:
            try:
                got = (await topic.getmany(tp, timeout_ms=200, max_records=_CHUNK)).get(tp, [])
            except OffsetOutOfRangeError:
                raise Lost(
                    f"{tp.topic}/{tp.partition}: what was written at {at} is deleted: a compacted topic keeps it;"
                    " bring it back from a replica, or start anew with another --topic-prefix"
                ) from None
            at = await topic.position(tp)
            if not got:
                continue
            records, position = {}, None
            for record in got:
                if record.key == POSITION:
                    position = Position.of(orjson.loads(record.value))
                else:
                    records[record.key] = unpack(record.value)
            if position is not None and position.done < before.get("done", -1):
                raise Lost(
                    f"{tp.topic}/{tp.partition}: says event {position.done} after event {before['done']}: it was made"
                    " anew; bring it back from a replica, or start anew with another --topic-prefix"
                )
            save(store, records, at, position)
            watch(len(got))
    found = store.position()
    return Position.of(found) if "stepped" in found else None


async def positions(tp: TopicPartition, count: int, connection: Mapping[str, Any]) -> list[Position]:
    """The last positions of the other partitions of the topic, those that have one. Raises KafkaError."""
    others = [TopicPartition(tp.topic, number) for number in range(count) if number != tp.partition]
    found: dict[TopicPartition, Position] = {}
    if not others:  # the client would wait for an answer that nobody was asked for
        return []
    async with reader(others, connection) as topic:
        ends = await topic.end_offsets(others)
        begins = await topic.beginning_offsets(others)
        for other in others:  # every transaction ends with a position
            topic.seek(other, max(begins[other], ends[other] - _TAIL))
        while any([await topic.position(other) < ends[other] for other in others]):
            for other, records in (await topic.getmany(timeout_ms=200)).items():
                for record in records:
                    if record.key == POSITION:
                        found[other] = Position.of(orjson.loads(record.value))
    return list(found.values())


@asynccontextmanager
async def reader(tps: list[TopicPartition], connection: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads what is committed in some partitions, in no group. Raises KafkaError."""
    found = AIOKafkaConsumer(
        **connection,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=8 * 1024 * 1024,
        retry_backoff_ms=20,
    )
    try:
        await found.start()
        found.assign(tps)
        yield found
    finally:
        await found.stop()
