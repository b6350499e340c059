"""The engine in a plain Faust agent, and with its state in a Faust Table: what benchmarks/kafka.py compares with.

WAY=agent: state in memory only, lost with the process. WAY=table: each changed record goes into a Table, whose changelog
is a topic. Both are at-least-once: after a crash lines come twice, and counts are wrong.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import faust

from grouping import Config, Engine, emit, parse

prefix, way, partitions = os.environ["PREFIX"], os.environ["WAY"], int(os.environ["PARTITIONS"])
app = faust.App(
    f"{prefix}faust",
    broker=f"kafka://{os.environ['BROKERS']}",
    datadir=Path(os.environ["STATE"]) / "faust",
    key_serializer="raw",
    value_serializer="raw",
    store="memory://",
    topic_partitions=partitions,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
events = app.topic(f"{prefix}events", key_serializer="raw", value_serializer="raw")
table: Any = (
    app.Table(f"{prefix}records", partitions=partitions, key_type=bytes, value_type=bytes) if way == "table" else None
)
engines: dict[int, Engine] = {}


@app.agent(events)
async def group(stream: Any) -> None:
    """Step each event; send each line; in the Table's way, keep each changed record."""
    async for event in stream.events():
        message = event.message
        engine = engines.setdefault(message.partition, Engine(Config(policy="host=300s")))
        parsed = parse(message.value)
        for output in engine.step(parsed):
            headers = {"event": parsed.id.encode()}
            await app.topic(f"{prefix}reference").send(
                key=message.key, value=emit(message.offset, output)[:-1], headers=headers
            )
        if table is not None:
            for key, value in engine.drain().items():
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value


if __name__ == "__main__":
    app.main()
