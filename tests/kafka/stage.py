"""What the tests of the worker do again and again: fill topics, run workers, read what is committed, replay straight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

import tests.kafka.needing  # noqa: F401 — before the client, which may not be there

# isort: split
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from grouping import Config, Engine, emit
from grouping.parse import Malformed
from grouping.records import Refused
from grouping.runtimes.kafka.changelog import POSITION
from grouping.runtimes.kafka.read import bypassed, read
from grouping.runtimes.kafka.settings import Settings
from grouping.runtimes.kafka.topics import ALIGNED, create

__all__ = ["POSITION", "ROOT", "Stage", "T", "events", "straight"]
ROOT = Path(__file__).resolve().parent.parent.parent
T = 1_760_000_000.0
PATIENCE_S = 90.0
AWAY = re.compile("Unable connect to node|Unable to update metadata|Group Coordinator Request failed")
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # brokers that are stopped on purpose are no news


def events(first: int, count: int, scopes: int = 6) -> list[tuple[bytes, bytes]]:
    """Keys and values of alerts in which keys repeat, resolve and fire again, and of some feedback."""
    found = []
    for number in range(first, first + count):
        scope = f"s{number % scopes}"
        event: dict[str, Any] = {"kind": "alert", "id": f"a{number}", "at": T + number / 7, "scope": scope}
        event |= {"host": f"h{number % 17}", "service": f"v{number % 5}", "summary": f"disk {number % 100}% full"}
        event["dedup_key"] = f"k{number % 301}"
        if number % 7 == 0:
            event["status"] = "resolved"
        if number % 50 == 49:
            event = {"kind": "feedback", "id": f"f{number}", "at": T + number / 7, "scope": scope, "action": "move"}
            event |= {"alerts": [f"a{number - scopes}"], "into": None}
        found.append((scope.encode(), orjson.dumps(event)))
    return found


@dataclass
class Stage:
    """One set of topics with a prefix of its own, and the workers on it."""

    brokers: str
    prefix: str
    home: Path
    partitions: int = 2
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def settings(self, worker: str = "one", **more: Any) -> dict[str, Any]:
        """Settings of a worker, quick ones."""
        quick = {"session_s": 1.5, "checkpoint_s": 0.5, "checkpoint_events": 300, "batch_events": 40}
        return {"brokers": self.brokers, "prefix": self.prefix, "state": str(self.home / worker), **quick, **more}

    def create(self) -> None:
        """Make the topics."""
        asyncio.run(create(Settings(brokers=self.brokers, state=self.home, prefix=self.prefix), self.partitions))

    def foreign(self, *topics: str) -> None:
        """Make topics that the worker does not know of."""

        async def make() -> None:
            async with self._admin() as admin:
                await admin.create_topics([NewTopic(self.prefix + topic, self.partitions, 1) for topic in topics])

        asyncio.run(make())

    def produce(self, records: Iterable[tuple[bytes | None, bytes | None]], topic: str = "events", **more: Any) -> None:
        """Write records, as any client would; ``more``: as the client's `send` takes it."""
        asyncio.run(self._produce(list(records), self.prefix + topic, more))

    async def _produce(
        self, records: list[tuple[bytes | None, bytes | None]], topic: str, more: dict[str, Any]
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.brokers, max_request_size=8_000_000, linger_ms=5, acks="all")
        await producer.start()
        try:
            await asyncio.gather(*[await producer.send(topic, value, key, **more) for key, value in records])
        finally:
            await producer.stop()

    def read(self, topic: str) -> list[list[ConsumerRecord]]:
        """All that is committed in a topic, by partition."""
        return asyncio.run(self._read(self.prefix + topic))

    async def _read(self, topic: str) -> list[list[ConsumerRecord]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.brokers, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            tps = [TopicPartition(topic, number) for number in range(self.partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            found: dict[TopicPartition, list[ConsumerRecord]] = {tp: [] for tp in tps}
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for tp, records in (await consumer.getmany(*tps, timeout_ms=100)).items():
                    found[tp] += records
            return list(found.values())
        finally:
            await consumer.stop()

    def decisions(self) -> list[bytes]:
        """The output lines that are committed, by partition."""
        return [b"".join(record.value + b"\n" for record in records) for records in self.read("decisions")]

    def straight(self, config: Config | None = None, failing: str = "") -> list[bytes]:
        """What a straight replay of the input topic gives, by partition; events with ids so beginning are bypassed."""
        return [straight(records, config, failing) for records in self.read("events")]

    def delete_before(self, offsets: dict[int, int], topic: str = "events") -> None:
        """Delete records as retention does."""
        asyncio.run(self._delete(offsets, self.prefix + topic))

    async def _delete(self, offsets: dict[int, int], topic: str) -> None:
        async with self._admin() as admin:
            await admin.delete_records(
                {TopicPartition(topic, number): RecordsToDelete(offset) for number, offset in offsets.items()}
            )

    def drop_topic(self, topic: str) -> None:
        """Delete a topic."""

        async def drop() -> None:
            async with self._admin() as admin:
                await admin.delete_topics([self.prefix + topic])
                while self.prefix + topic in await admin.list_topics():  # noqa: ASYNC110 — nobody tells us
                    await asyncio.sleep(0.05)

        asyncio.run(drop())

    def add_partitions(self, count: int, topics: Iterable[str] = ALIGNED) -> None:
        """Give topics more partitions."""

        async def add() -> None:
            async with self._admin() as admin:
                await admin.create_partitions({self.prefix + name: NewPartitions(count) for name in topics})

        asyncio.run(add())

    def configure(self, topic: str, **configs: str) -> None:
        """Give a topic these settings; all others become the broker's."""

        async def alter() -> None:
            async with self._admin() as admin:
                await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.prefix + topic, configs)])

        asyncio.run(alter())

    def compacted(self, topic: str) -> bool:
        """Whether most of what was ever written to a topic is gone."""
        found = [records for records in self.read(topic) if records]
        return bool(found) and all(len(records) < records[-1].offset / 3 for records in found)

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.brokers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    # -- workers

    def loop(self, worker: str = "one", *, step: str = "", times: int = 1, **more: Any) -> subprocess.Popen[bytes]:
        """A worker without a command line, which kills itself when a step comes the n-th time.

        ``how``: one of the ends in tests/kafka/process.py that the step comes to instead.
        """
        given = orjson.dumps({**self.settings(worker, **more), "step": step, "times": times}).decode()
        return self.start("-m", "tests.kafka.process", given, name=worker)

    def start(self, *arguments: str, name: str = "one", **environment: str) -> subprocess.Popen[bytes]:
        """A Python process, whose log is beside its state."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def worker(self, name: str = "one", *more: str) -> subprocess.Popen[bytes]:
        """A worker as a user starts it."""
        arguments = ["--brokers", self.brokers, "--state", str(self.home / name), "--topic-prefix", self.prefix]
        arguments += ["--session", "1.5", "--log-level", "WARNING"]
        return self.start("-m", "grouping", "worker", *arguments, *more, name=name)

    def log(self, name: str = "one") -> str:
        """What a worker said."""
        return (self.home / f"{name}.log").read_text()

    def logs(self) -> str:
        """What all workers said last, but for what a broker that is away makes the client say many times a second."""
        logs = [(path.name, path.read_text().splitlines()) for path in sorted(self.home.glob("*.log"))]
        said = [(name, [line for line in lines if not AWAY.search(line)]) for name, lines in logs]
        return "\n".join("\n".join([name, *lines[-120:]]) for name, lines in said)

    def written(self) -> int:
        """How many output lines are committed."""
        return sum(map(len, self.read("decisions")))

    def until(self, true: Callable[[], bool], *, what: str = "it") -> None:
        """Wait until something is true; a worker that ends meanwhile is no reason to give up."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > PATIENCE_S:
                written = [len(records) for records in self.read("decisions")]
                raise AssertionError(f"{what} did not happen; {written} outputs\n{self.logs()}")
            time.sleep(0.05)

    def until_settled(self, failing: str = "") -> None:
        """Wait until the outputs are those of the straight replay; then nothing may come after."""
        expected = self.straight(failing=failing)
        size = sum(map(len, expected))
        whole = [lines.count(b"\n") for lines in expected]
        self.until(lambda: sum(map(len, self.decisions())) >= size, what=f"the last output of {whole} by partition")
        assert self.decisions() == expected

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def straight(records: Iterable[ConsumerRecord], config: Config | None = None, failing: str = "") -> bytes:
    """One engine from the first record to the last; ``seq`` is the offset. Ids that begin with ``failing`` are bypassed."""
    engine, lines = Engine(config), []
    for record in records:
        try:
            event = read(record.key, record.value, record.timestamp)
            fails = failing and str(getattr(event, "id", "")).startswith(failing)
            outputs = engine.step(bypassed(event) if fails else event)
        except Malformed as error:
            outputs = [Refused(error.scope, error.id, str(error))]
        lines += [emit(record.offset, output) for output in outputs]
    return b"".join(lines)
