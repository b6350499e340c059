"""The worker on a real Kafka, end to end: throughput, latency, hand-over, recovery; and Faust's own ways beside it.

    python -m benchmarks.kafka [--json FILE] [--quick] [--only PART ...]

Broker, load, reader and workers share the machine, so two workers on two cores are not twice one. Scopes are 64 bytes
long; alerts come from the simulated workloads `repeats` and `crowd`, spread over 64 scopes by host. The needed jars are
those of `make kafka`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from benchmarks.kafka_aims import PER_SECOND
from benchmarks.kafka_probe import Probe, Record, decided, decides, sending
from benchmarks.machine import machine
from grouping.simulate import simulate
from tests.kafka.broker import Broker
from tests.kafka.stage import Stage

SCOPES = 64
POLICY = "host=300s"  # by host, so that as many incidents stay open as there are faults
PATIENCE_S = 240.0
JAVA = ["-Xms256m", "-Xmx768m", "-XX:+UseG1GC"]  # what the broker is given: no less than it needs
WARM = 4000  # alerts before anything is measured: each partition is taken over by then


@dataclass
class Bench:
    """A broker, the place for what is written, and the share of the full load to run."""

    broker: Broker
    scratch: Path
    share: float
    made: int = 0

    def stage(self, partitions: int, policy: str = POLICY) -> Stage:
        """New topics."""
        self.made += 1
        home = self.scratch / f"run{self.made}"
        home.mkdir()
        (home / "config.toml").write_text(f"policy = {json.dumps(policy)}\n")
        one = Stage(self.broker.address, f"b{self.made}-", home, partitions)
        one.create()
        return one


def load(name: str, count: int, incidents: int = 1000) -> list[Record]:
    """Keys and values of alerts."""
    found = []
    for number, (raw, _) in enumerate(
        simulate(name, 7, alerts=count, incidents=incidents if name == "crowd" else None)
    ):
        scope = f"{zlib.crc32(str(raw.get('host')).encode()) % SCOPES:064d}"
        found.append((scope.encode(), orjson.dumps({**raw, "scope": scope, "id": f"e{number}"})))
    return found


def start(stage: Stage, name: str, session: float = 10.0) -> Any:
    """A worker as a user starts it."""
    more = ["--config", str(stage.home / "config.toml"), "--session", str(session)]
    return stage.worker(name, *more)


def reference(stage: Stage, way: str) -> Any:
    """Faust's own way: benchmarks/faust_way.py."""
    names = {"BROKERS": stage.brokers, "PREFIX": stage.prefix, "WAY": way, "STATE": str(stage.home)}
    names["PARTITIONS"] = str(stage.partitions)
    return stage.start("-W", "ignore", "-m", "benchmarks.faust_way", "worker", "--without-web", **names)


async def _make(stage: Stage, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.brokers)
    await admin.start()
    await admin.create_topics([NewTopic(stage.prefix + topic, stage.partitions, 1)])
    await admin.close()


# -- what is measured


async def throughput(stage: Stage, topic: str, records: list[Record]) -> float:
    """Decisions a second between four and nine tenths of those expected; all must come, and each once."""
    expected = decided(records)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stage.brokers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    seen: list[str] = []
    marks: list[tuple[float, int]] = []  # when so many were seen
    try:
        consumer.assign([TopicPartition(stage.prefix + topic, number) for number in range(stage.partitions)])
        until = time.monotonic() + PATIENCE_S
        while len(seen) < len(expected):
            for got in (await consumer.getmany(timeout_ms=100)).values():
                seen += [id for record in got if (id := decides(record)) in expected]
            if len(seen) >= (0.4, 0.9, 2.0)[len(marks)] * len(expected):
                marks.append((time.monotonic(), len(seen)))
            assert time.monotonic() < until, f"{len(seen)} of {len(expected)}: {stage.log()[-2000:]}"
    finally:
        await consumer.stop()
    assert sorted(seen) == sorted(expected), f"{len(seen)} decisions of {len(set(seen))} alerts, not {len(expected)}"
    if len(marks) == 1:  # all came between two looks
        marks.append((time.monotonic(), len(seen)))
    (began, before), (ended, after) = marks
    return (after - before) / (ended - began)


def probe(stage: Stage, topic: str = "decisions") -> Probe:
    """Of the topics of a stage."""
    return Probe(stage.brokers, f"{stage.prefix}events", stage.prefix + topic, stage.partitions)


# -- the parts


def flow(bench: Bench, name: str, partitions: int, workers: int, way: str = "", policy: str = POLICY) -> dict[str, Any]:
    """Throughput on a full topic, then latency at half of it, or of the rate aimed at where that is less.

    Every worker has its partitions before that.
    """
    count = int(60_000 * bench.share) // (5 if way else 1)  # Faust's ways take long
    records = load(name, WARM + 3 * count)
    stage = bench.stage(partitions, policy)
    topic = "reference" if way else "decisions"
    try:
        if way:
            asyncio.run(_make(stage, topic))
        for number in range(workers):
            _ = reference(stage, way) if way else start(stage, f"w{number}")
        stage.until(lambda: way != "" or _members(stage) == workers, what="the last worker")
        stage.produce(records[:WARM])
        asyncio.run(throughput(stage, topic, records[:WARM]))
        with sending(stage.brokers, f"{stage.prefix}events", partitions, records[WARM : WARM + count]):
            per_second = asyncio.run(throughput(stage, topic, records[WARM : WARM + count]))
        half, looked = min(per_second, PER_SECOND) / 2, probe(stage, topic)
        asyncio.run(looked.run(records[WARM + count :][: int(min(half * 10, 2 * count))], half, {}))
        row = {"way": way or "this worker", "policy": policy, "load": name, "scopes": SCOPES}
        row |= {"partitions": partitions, "workers": workers}
        return row | {"per_second": round(per_second), "half": round(half)} | looked.ms(0.2)
    finally:
        stage.close()


def _members(stage: Stage) -> int:
    """How many workers share the partitions, once they have agreed."""

    async def look() -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=stage.brokers)
        await admin.start()
        try:
            (answer,) = await admin.describe_consumer_groups([f"{stage.prefix}grouping"])
        except KafkaError:  # no coordinator yet
            return 0
        finally:
            await admin.close()
        (_, _, state, _, _, members, *_) = answer.groups[0]
        return len(members) if state == "Stable" else 0

    return asyncio.run(look())


def hand_over(bench: Bench, how: signal.Signals, incidents: int, session: float) -> dict[str, Any]:
    """The longest that an alert waits when one of two workers goes."""
    stage = bench.stage(8)
    records = load("crowd", 2 * incidents + 3000, incidents)
    try:
        stage.produce(records[: 2 * incidents])
        first = start(stage, "one", session)
        asyncio.run(throughput(stage, "decisions", records[: 2 * incidents]))
        start(stage, "two", session)
        stage.until(lambda: _members(stage) == 2, what="the second worker")
        time.sleep(3)  # it has taken its partitions over by then
        looked = probe(stage)
        asyncio.run(looked.run(records[2 * incidents :][:1500], 60, {5.0: lambda: first.send_signal(how)}))
        return {
            "how": how.name,
            "incidents": incidents,
            "session_s": session,
            "silence_s": round(max(looked.late.values()), 2),
        }
    finally:
        stage.close()


def recovery(bench: Bench, incidents: int) -> dict[str, Any]:
    """From the start of a worker with nothing on its disk to its first decision; one partition."""
    stage = bench.stage(1)
    records = load("crowd", 2 * incidents + 10, incidents)
    try:
        stage.produce(records[: 2 * incidents])
        first = start(stage, "one")
        asyncio.run(throughput(stage, "decisions", records[: 2 * incidents]))
        first.send_signal(signal.SIGTERM)
        first.wait(30)
        state = sum(len(record.key) + len(record.value or b"") for records in stage.read("state") for record in records)
        before = stage.written()
        stage.produce(records[2 * incidents :])
        began = time.monotonic()
        start(stage, "two")
        stage.until(lambda: stage.written() > before, what="the first decision")
        return {
            "incidents": incidents,
            "topic_mib": round(state / 2**20, 1),
            "seconds": round(time.monotonic() - began, 2),
        }
    finally:
        stage.close()


PARTS: dict[str, list[Callable[[Bench], dict[str, Any]]]] = {
    "flow": [
        lambda bench: flow(bench, "repeats", 8, 1),
        lambda bench: flow(bench, "repeats", 8, 2),
        lambda bench: flow(bench, "repeats", 64, 1),
        lambda bench: flow(bench, "crowd", 8, 1),
        lambda bench: flow(bench, "crowd", 8, 2),
        lambda bench: flow(bench, "crowd", 64, 1),
        lambda bench: flow(bench, "repeats", 8, 1, policy="default"),
        lambda bench: flow(bench, "crowd", 8, 1, policy="default"),
    ],
    "beside": [
        lambda bench: flow(bench, "repeats", 8, 1, "agent"),
        lambda bench: flow(bench, "repeats", 8, 1, "table"),
        lambda bench: flow(bench, "crowd", 8, 1, "agent"),
        lambda bench: flow(bench, "crowd", 8, 1, "table"),
    ],
    "hand_over": [
        lambda bench: hand_over(bench, signal.SIGTERM, 10_000, 10.0),
        lambda bench: hand_over(bench, signal.SIGKILL, 10_000, 10.0),
    ],
    "recovery": [lambda bench: recovery(bench, 1000), lambda bench: recovery(bench, 10_000)],
}


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--quick", is_flag=True, help="A fifth of the alerts.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(PARTS)), help="Not all parts; others stay in the file as they are."
)
def main(out: Path | None, only: tuple[str, ...], *, quick: bool) -> None:
    """Measure the worker on a broker of its own."""
    figures: dict[str, Any] = {"what": "kafka", "machine": machine()}
    if only and out is not None and out.exists():
        figures = json.loads(out.read_text()) | figures
    figures["machine"]["packages"] |= {name: version(name) for name in ("aiokafka", "faust-streaming")}
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "broker").mkdir()
        broker = Broker(Path(scratch) / "broker", JAVA)
        broker.start()
        try:
            bench = Bench(broker, Path(scratch), 0.2)
            flow(bench, "repeats", 8, 1)  # a broker that has just begun is slow
            bench.share = 0.2 if quick else 1.0
            for part in only or PARTS:
                figures[part] = []
                figures.setdefault("commits", {})[part] = figures["machine"]["commit"]
                for measure in PARTS[part]:
                    figures[part].append(measure(bench))
                    click.echo(f"  {part}: {figures[part][-1]}", err=True)
                    if out is not None:
                        out.write_text(json.dumps(figures, indent=1) + "\n")
        finally:
            broker.stop()
    _show(figures)


def _show(figures: dict[str, Any]) -> None:
    for part in PARTS:
        rows = figures.get(part, [])
        if rows:
            table = Table(title=part)
            for column in rows[0]:
                table.add_column(column)
            for row in rows:
                table.add_row(*map(str, row.values()))
            Console().print(table)


if __name__ == "__main__":
    main()
