"""The worker on three brokers, as docs/kafka.md advises for production: any of them may die, its disk too."""

from __future__ import annotations

import itertools
import threading

import orjson
import pytest

from tests.kafka import needed
from tests.kafka.stage import Stage, events

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.soak]


@pytest.fixture
def cluster(tmp_path):
    """Three brokers of the test's own."""
    needed.client()
    from tests.kafka.broker import why_not  # noqa: PLC0415 — it needs what was just looked for
    from tests.kafka.cluster import Cluster  # noqa: PLC0415 — the same

    why = why_not()
    if why is not None:
        needed.missing(why)
    one = Cluster(tmp_path / "cluster")
    for node in (1, 2, 3):
        one.start(node)
    one.until_whole()
    yield one
    one.close()


@pytest.fixture
def stage(cluster, tmp_path):
    """Workers on those brokers; the topics are theirs to make."""
    one = Stage(cluster.address, "t-", tmp_path, 4)
    yield one
    one.close()


def test_each_broker_dies_in_turn_with_its_disk(cluster, stage):
    """Kill -9 and an empty disk, under load, and a worker is killed too: what is committed is a straight replay."""
    enough, fed = threading.Event(), itertools.count(0, 120)

    def feed() -> None:
        while not enough.wait(0.3):
            first = next(fed)
            stage.produce(events(first, 100))
            stage.produce([(None, value) for _, value in events(first + 100, 20)], "inbox")

    made = ("--create-topics", "4", "--replication", "3")
    first, second = stage.worker("one", *made), stage.worker("two", *made)
    stage.until(lambda: (stage.log("one") + stage.log("two")).count("made the topic") >= 6, what="the topics")
    cluster.until_whole()
    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for node in (1, 2, 3):
            written(stage, 200)
            cluster.kill(node, wipe=True)
            written(stage, 200)
            second.kill()
            second = stage.worker("two")
            cluster.start(node)
            cluster.until_whole()
    finally:
        enough.set()
        feeder.join()
    ids = {orjson.loads(value)["id"] for _, value in events(0, next(fed))}
    stage.until(lambda: ids <= {*came_in(stage)}, what="the last of the inbox")
    # What a killed worker had forwarded may be forwarded once more, so the input may still grow.
    stage.until(lambda: stage.decisions() == stage.straight(), what="a straight replay")
    assert first.poll() is None


def written(stage: Stage, lines: int) -> None:
    """Wait until so many more are committed."""
    before = stage.written()
    stage.until(lambda: stage.written() > before + lines, what=f"{lines} lines")


def came_in(stage: Stage) -> list[str]:
    """The ids in `events`."""
    return [orjson.loads(record.value)["id"] for part in stage.read("events") for record in part]
