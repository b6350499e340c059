"""The worker on a real Kafka: whatever is killed, and when, what is committed is what a straight replay gives."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import pytest

import tests.kafka.needing  # noqa: F401 — before the client, which may not be there

# isort: split
from grouping import Engine, parse
from grouping.keyspace import FORMAT
from grouping.runtimes.kafka.home import claim
from grouping.runtimes.kafka.settings import Settings
from grouping.runtimes.kafka.topics import create, look
from grouping.runtimes.store import Store
from tests.kafka.broker import PASSWORD, USER, free_ports
from tests.kafka.stage import POSITION, ROOT, events, straight

pytestmark = pytest.mark.xdist_group("kafka")


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(20)


# -- what is written


def test_the_outputs_are_those_of_a_replay(stage):
    """Line by line; each keyed by its scope, with the id of the event that caused it; a stopped worker ends with 0."""
    stage.produce(events(0, 1000))
    worker = stage.loop()
    stage.until_settled()
    assert stop(worker) == 0
    assert "grouping.runtimes" not in stage.log()
    assert "Traceback" not in stage.log()
    for records in stage.read("decisions"):
        for record in records:
            line = orjson.loads(record.value)
            assert record.key.decode() == line["scope"]
            if line["kind"] == "decision":
                assert dict(record.headers)["event"].decode() == line["alert"]


def test_incidents_hold_the_latest_state_of_each(stage):
    """The last record of an incident says what the engine knows of it at the end."""
    stage.produce(events(0, 600))
    stage.loop(step="stored", times=2).wait(20)
    stage.loop()
    stage.until_settled()
    for inputs, outputs in zip(stage.read("events"), stage.read("incidents"), strict=True):
        engine = Engine()
        for record in inputs:
            engine.step(parse(record.value))
        latest = {record.key.decode(): orjson.loads(record.value) for record in outputs}
        assert latest
        for id, said in latest.items():
            known = engine.state.known_incident(engine.state.scope(said["scope"]), id)
            told = (said["status"], said["alerts"], said["title"], said["last_at"], said["into"])
            assert told == (known.standing, known.count, known.title.text(), known.last_at, known.into)


def test_poison_is_refused_with_its_offset(stage):
    """No value, empty, no JSON, no UTF-8, too large, too deep, no key, another key: each is one refused line."""
    good = events(0, 3, scopes=1)
    big = orjson.dumps({"kind": "alert", "scope": "s0", "summary": "big", "details": {"x": "x" * 5_000_000}})
    poison = [
        (b"s0", None),
        (b"s0", b""),
        (b"s0", b"nonsense"),
        (b"s0", b"\xff\xfe"),
        (b"s0", big),
        (b"s0", b"[" * 100_000),
        (None, good[0][1]),
        (b"elsewhere", good[0][1]),
    ]
    stage.partitions = 1
    stage.drop_topic("events")
    stage.drop_topic("decisions")
    stage.drop_topic("incidents")
    stage.drop_topic("state")
    stage.create()
    stage.produce([good[0], *poison, *good[1:]])
    stage.loop()
    stage.until_settled()
    lines = [orjson.loads(line) for line in stage.decisions()[0].splitlines()]
    refused = {line["seq"]: line["error"] for line in lines if line["kind"] == "refused"}
    assert list(refused) == list(range(1, 9))
    said = ["no value", "not JSON", "not JSON", "byte 0xff", "bytes in one", "levels", "got none", "got 'elsewhere'"]
    assert [word for word, error in zip(said, refused.values(), strict=True) if word not in error] == []
    assert sum(line["kind"] == "decision" for line in lines) == 2


FAILING = """
import sys
if "tests.kafka.process" in sys.orig_argv:
    from grouping.engine import Engine
    step = Engine.step
    def breaks(self, event):
        if str(event.id).startswith("bad") and getattr(event, "bypass", None) is None:
            raise RuntimeError("a mistake of ours")
        return step(self, event)
    Engine.step = breaks
"""


def test_an_event_on_which_the_engine_fails_is_opened_ungrouped(stage, tmp_path):
    """Two alerts and a feedback among good ones: no partition stands still, and the outputs are those of one engine.

    Also when a worker without the fault goes on after a kill: it has been said which events were bypassed.
    """
    (tmp_path / "sitecustomize.py").write_text(FAILING)
    feedback = {"kind": "feedback", "id": "bad-f", "scope": "s0", "action": "confirm", "incident": "i-1"}
    bad = [alert | {"kind": "alert", "scope": "s0", "summary": "odd"} for alert in ({"id": "bad-1"}, {"id": "bad-2"})]
    rows = [(b"s0", orjson.dumps(event)) for event in (*bad, feedback)]
    stage.produce([*events(0, 120), rows[0], rows[1], *events(120, 60), rows[2], *events(180, 60)])
    given = orjson.dumps({**stage.settings(), "step": "", "times": 1}).decode()
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    worker = stage.start("-m", "tests.kafka.process", given, PYTHONPATH=paths)
    stage.until_settled("bad")
    lines = b"".join(stage.decisions()).splitlines()
    assert sum(b'"bypassed"' in line for line in lines) == 2
    assert sum(b"the engine failed on this event" in line for line in lines) == 1
    assert "RuntimeError: a mistake of ours" in stage.log()
    worker.kill()
    worker.wait()
    stage.produce(events(240, 60))
    stage.loop("two")
    stage.until_settled("bad")


def test_an_event_without_a_time_has_that_of_its_record(stage):
    """The time of receipt; the id derived from it differs, so two are two alerts."""
    value = orjson.dumps({"kind": "alert", "scope": "s", "summary": "no time"})
    stage.produce([(b"s", value)])
    stage.loop()
    stage.until_settled()
    stage.produce([(b"s", value)])
    stage.until_settled()
    lines = b"".join(stage.decisions()).splitlines()
    assert len({orjson.loads(line)["alert"] for line in lines if b'"decision"' in line}) == 2


# -- whatever is killed


STEPS = {
    "owned": 2,
    "fenced": 2,
    "taken": 2,
    "read": 4,
    "stepped": 4,
    "begun": 1,
    "begun ": 4,
    "sent": 1,
    "sent ": 3,
    "sent  ": 4,
    "committed": 3,
    "piece": 1,
    "piece ": 4,
    "stored": 2,
    "replayed": 1,
}


@pytest.mark.parametrize(("step", "times"), STEPS.items())
def test_killed_at_a_step(stage, step, times):
    """Kill -9 at each step of taking over and of a batch, with and without a checkpoint."""
    stage.produce(events(0, 500))
    if step == "replayed":
        stage.loop(step="stored", times=3, checkpoint_events=80).wait(20)
        shutil.rmtree(stage.home / "one")
    assert stage.loop(step=step.strip(), times=times, checkpoint_events=80).wait(20) == -signal.SIGKILL
    stage.produce(events(500, 50))
    stage.loop()
    stage.until_settled()


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_killed_again_and_again_under_load(stage, kills):
    """Kill -9 at any moment, again and again, while events come in; the command, with all of Faust around it."""
    chance, enough = random.Random(7), threading.Event()

    def feed() -> None:
        first = 0
        while not enough.wait(0.3):  # as long as there are kills, and slowly enough for the straight replay at the end
            stage.produce(events(first, 200))
            first += 200

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for kill in range(kills):
            worker, before = stage.worker(), stage.written()
            stage.until(lambda before=before: stage.written() > before + chance.randrange(600), what=f"work {kill}")
            worker.kill()
            worker.wait()
    finally:
        enough.set()
    feeder.join()
    stage.worker()
    stage.until_settled()


def test_workers_join_and_leave(stage):
    """A second worker joins under load, is killed, joins again, and the first one leaves."""
    stage.produce(events(0, 1500))
    first = stage.loop("one")
    stage.until(lambda: stage.written() > 0)
    second = stage.loop("two", step="stored", times=2)
    fed = itertools.count(1500, 100)

    def killed() -> bool:
        stage.produce(events(next(fed), 100))  # as long as it may take until the second one has something to write down
        return second.poll() == -signal.SIGKILL

    stage.until(killed, what="the end of the second worker")
    base, before = next(fed), stage.written()
    stage.produce(events(base, 600))
    stage.loop("two")
    stage.until(lambda: stage.written() > before)
    assert stop(first) == 0
    stage.produce(events(base + 600, 400))
    stage.until_settled()


def test_a_wiped_state_directory(stage):
    """The state comes back from its topic."""
    stage.produce(events(0, 900))
    stage.loop(step="stored", times=4, checkpoint_events=80).wait(20)
    shutil.rmtree(stage.home / "one")
    stage.produce(events(900, 300))
    stage.loop()
    stage.until_settled()


def test_compaction_runs_all_the_time(stage):
    """What is left of the state after the broker has compacted it is enough, for a worker with nothing on its disk."""
    often = {"cleanup_policy": "compact", "segment_ms": "200", "min_cleanable_dirty_ratio": "0.001"}
    for topic in ("state", "incidents"):
        stage.configure(topic, **{name.replace("_", "."): value for name, value in often.items()})
    fed = iter(range(0, 100_000, 60))

    def gone() -> bool:
        stage.produce(events(next(fed), 60))
        return stage.compacted("state") and stage.compacted("incidents")

    worker = stage.loop(checkpoint_events=80)
    stage.until(gone, what="compaction")
    worker.kill()
    worker.wait()
    stage.produce(events(next(fed), 60))
    stage.loop("two")
    stage.until_settled()


def test_a_store_that_lay_idle_is_built_anew(stage):
    """A deletion that the topic has forgotten does not come back to life."""
    stage.produce(events(0, 300))
    worker = stage.loop()
    stage.until_settled()
    assert stop(worker) == 0
    path = stage.home / "one" / f"{stage.prefix}0000"
    store = Store(path)
    store.commit({b"zombie": b"1"}, b"", 0, store.position() | {"at": 0.0})
    store.close()
    worker = stage.loop()
    stage.produce(events(300, 300))
    stage.until_settled()
    assert stop(worker) == 0
    store = Store(path)
    assert store.get(b"zombie") is None
    store.close()


def test_a_frozen_worker_wakes_after_its_partitions_moved(stage):
    """What it had under way is locked out, and it does not lock out the new owner."""
    stage.produce(events(0, 4000))
    frozen = stage.loop("one")
    stage.until(lambda: stage.written() > 200)
    frozen.send_signal(signal.SIGSTOP)
    stage.loop("two")
    before = stage.written()
    stage.until(lambda: stage.written() > before + 300)
    stage.produce(events(4000, 300))
    frozen.send_signal(signal.SIGCONT)
    stage.produce(events(4300, 300))
    stage.until_settled()
    assert frozen.poll() is None
    stage.produce(events(4600, 300))
    stage.until_settled()


def test_the_broker_restarts(stage, broker):
    """Once in order and once by kill -9; the worker comes back by itself."""
    if stage.brokers != broker.address:
        pytest.skip("the broker is somebody else's")
    worker, command = stage.loop("one"), stage.worker("two")
    stage.produce(events(0, 500), "inbox")
    stage.until(lambda: sum(map(len, stage.read("events"))) == 500, what="the first of the inbox")
    stage.produce(events(500, 500))
    for first, how in ((1000, signal.SIGTERM), (2000, signal.SIGKILL)):
        before = stage.written()
        stage.until(lambda before=before: stage.written() > before + 100)
        broker.stop(how)
        broker.start()
        stage.produce(events(first, 500))
        stage.produce(events(first + 500, 500), "inbox")
    stage.until(lambda: sum(map(len, stage.read("events"))) == 3000, what="the last of the inbox")
    stage.until_settled()
    assert [process.poll() for process in (worker, command)] == [None, None]


@pytest.mark.parametrize(
    ("how", "step", "said"),
    [
        ("cancelled", "fenced", "the client gave up what was waited for"),
        ("cancelled", "begun", "the client gave up what was waited for"),
        ("cancelled", "sent", "the client gave up what was waited for"),
        ("illegal", "begun", "IllegalOperation: "),  # what was begun is over: fenced between two sends
    ],
)
def test_an_end_that_is_the_clients_own_is_none_of_the_partition(stage, how, step, said):
    """It is taken over again: nobody would notice that it stood still, and the worker has others."""
    stage.produce(events(0, 600))
    worker = stage.loop(step=step, times=2, how=how)
    stage.until_settled()
    assert re.search(rf"partition \d: {said}; taken over again", stage.log())
    assert worker.poll() is None


def test_a_transaction_that_no_broker_answers_is_given_up(stage, broker):
    """Its partition asks no more, and is taken over again once a broker answers; nothing is missing, nothing twice."""
    if stage.brokers != broker.address:
        pytest.skip("the broker is somebody else's")
    stage.produce(events(0, 8000))
    worker = stage.loop("one", transaction_s=3, batch_events=20)  # so small that neither partition is done soon
    stage.until(lambda: stage.written() > 200)
    broker.stop(signal.SIGKILL)
    try:
        given_up = r"partition (\d): TimeoutError: no broker has answered for 3 s; taken over again"
        stage.until(lambda: set(re.findall(given_up, stage.log())) == {"0", "1"}, what="giving up")
        consumer, anybody = "Group Coordinator Request failed", "Unable connect to node"
        for what in ("the last of the producers", "the consumer alone"):
            size = len(stage.log())
            stage.until(lambda size=size: stage.log()[size:].count(consumer) > 100, what=what)
        since = stage.log()[size:]
        assert since.count(anybody) < 6 * since.count(consumer)
    finally:
        broker.start()
    stage.produce(events(8000, 300))
    stage.until_settled()
    assert worker.poll() is None


def test_a_worker_that_is_told_to_stop_ends_where_no_broker_answers(stage, broker):
    """And what it had committed is the beginning of what the next one writes."""
    if stage.brokers != broker.address:
        pytest.skip("the broker is somebody else's")
    worker = stage.worker("one")
    stage.produce(events(0, 300))
    stage.until_settled()
    broker.stop(signal.SIGKILL)
    try:
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    finally:
        broker.start()
    stage.loop("one")
    stage.produce(events(300, 300))
    stage.until_settled()


# -- what is lost is told


def test_events_deleted_before_they_were_worked_off(stage):
    """Nothing is skipped in silence; with --accept-loss the rest is worked off."""
    stage.produce(events(0, 400))
    worker = stage.loop()
    stage.until_settled()
    assert stop(worker) == 0
    before = stage.decisions()
    ends = [len(records) for records in stage.read("events")]
    stage.produce(events(400, 400))
    left = [records[:end] + records[end + 50 :] for records, end in zip(stage.read("events"), ends, strict=True)]
    stage.delete_before({number: end + 50 for number, end in enumerate(ends)})
    worker = stage.loop()
    stage.until(lambda: stage.log().count("were deleted before they were worked off") == 2)
    assert f"events {ends[0]} to {ends[0] + 49} were deleted" in stage.log()
    assert stage.decisions() == before
    assert stop(worker) == 0
    stage.loop(accept_loss=True)
    stage.until(lambda: stage.decisions() == [straight(records) for records in left])


def worked(stage, count=400) -> list[bytes]:
    """What a worker has decided of so many events before it was stopped in order."""
    stage.produce(events(0, count))
    worker = stage.loop()
    stage.until_settled()
    assert stop(worker) == 0
    return stage.decisions()


def test_a_lost_state_topic_is_told(stage):
    """Whether or not this worker still has the state on its disk."""
    before = worked(stage)
    stage.drop_topic("state")
    stage.create()
    stage.loop("one")
    stage.until(lambda: "it was deleted or cut" in stage.log("one"))
    stage.close()
    stage.loop("two")
    stage.until(lambda: "nothing is left of the state" in stage.log("two"))
    assert stage.decisions() == before


def test_a_lost_state_is_told_where_the_group_has_no_offsets(stage):
    """Brokers forget them after a while; what was decided before must not be decided again."""
    stage.produce(events(0, 400))
    worker = stage.loop(commit_s=3600)
    stage.until_settled()
    worker.kill()
    worker.wait()
    before = stage.decisions()
    stage.drop_topic("state")
    stage.create()
    stage.loop("two")
    stage.until(lambda: stage.log("two").count("has decisions of before, and nothing is left of the state") == 2)
    assert stage.decisions() == before


@pytest.mark.parametrize(
    ("refilled", "said"), [(0, "ends at 0, and event "), (1000, "is another than the one worked off")]
)
def test_another_topic_of_events_is_told(stage, refilled, said):
    """Made anew: empty, and filled again beyond where the worker was."""
    before = worked(stage)
    stage.drop_topic("events")
    stage.create()
    stage.produce(events(5000, refilled))
    stage.loop()
    stage.until(lambda: stage.log().count(said) == 2)
    assert stage.decisions() == before


@pytest.mark.parametrize("topic", ["decisions", "incidents"])
def test_lost_outputs_are_told(stage, topic):
    """With --accept-loss the worker goes on without them."""
    worked(stage)
    stage.drop_topic(topic)
    stage.create()
    worker = stage.loop()
    stage.until(lambda: stage.log().count(f"{topic}/0: ends at 0, and records up to") == 1)
    assert stop(worker) == 0
    stage.loop("two", accept_loss=True)
    stage.produce(events(400, 100))
    stage.until(lambda: any(stage.read(topic)), what="the first record of the new topic")


def test_a_topic_of_outputs_that_is_made_anew_meanwhile_is_told(stage):
    """Not only by the next owner."""
    stage.produce(events(0, 400))
    stage.loop()
    stage.until_settled()
    stage.drop_topic("decisions")
    stage.create()
    stage.produce(events(400, 400))
    stage.until(lambda: stage.log().count("was made anew while it was written to") == 2, what="the refusal")
    stage.until(lambda: stage.log().count("written: they were deleted or cut") == 2, what="the refusal to go on")
    assert stage.read("decisions") == [[], []]


@pytest.mark.parametrize("other", ["format", "settings"])
def test_an_old_state_is_refused(stage, other):
    """Of another format, or of other settings of the engine: nothing is written, neither outputs nor state."""
    before = worked(stage)
    more = {"config": {"explore": 0.1}} if other == "settings" else {}
    said = "built with other settings"
    if other == "format":
        for number, records in enumerate(stage.read("state")):
            position = next(record.value for record in reversed(records) if record.key == POSITION)
            old = orjson.loads(position) | {"format": FORMAT - 1}
            stage.produce([(POSITION, orjson.dumps(old))], "state", partition=number)
        said = f"the state is in format {FORMAT - 1}, this version reads {FORMAT}"
    state = stage.read("state")
    stage.produce(events(400, 100))
    for worker in ("one", "two"):  # with the state on its disk, and without
        process = stage.loop(worker, **more)
        stage.until(lambda worker=worker: stage.log(worker).count(said) == 2, what=f"the refusal of {worker}")
        assert stop(process) == 0
    assert stage.decisions() == before
    assert list(map(len, stage.read("state"))) == list(map(len, state))


def test_another_number_of_partitions_is_refused(stage):
    """Scopes would have moved away from their state."""
    stage.produce(events(0, 200))
    worker = stage.loop()
    stage.until_settled()
    assert stop(worker) == 0
    stage.add_partitions(3)
    stage.loop()
    stage.until(lambda: refused(stage, "one") == {0, 1, 2}, what="the refusal")


def refused(stage, worker: str) -> set[int]:
    """The partitions of which a worker has said that their number is another."""
    said = r"events/(\d): the state was built with 2 partitions, the topics now have 3"
    return set(map(int, re.findall(said, stage.log(worker))))


def test_partitions_added_while_workers_run_are_refused(stage):
    """All of them, the new one too, by every worker that gets them; nothing more is written."""
    stage.produce(events(0, 300))
    stage.loop("one")
    stage.until_settled()
    stage.loop("two")
    before = stage.decisions()
    stage.add_partitions(3)
    stage.partitions = 3
    stage.until(lambda: refused(stage, "one") | refused(stage, "two") == {0, 1, 2}, what="the refusal")
    stage.produce(events(300, 300))
    stage.until(lambda: stage.read("events")[2] != [], what="an event of the new partition")
    for process in stage.processes:
        assert stop(process) == 0
    assert stage.decisions() == [*before, b""]


def test_a_worker_that_is_not_taken_into_the_group_says_so_and_tries_again(stage):
    """With a session that the brokers do not allow, as with rights that it lacks."""
    worker = stage.loop(session_s=0.5)
    stage.until(lambda: "InvalidSessionTimeoutError; tried again" in stage.log(), what="the reason")
    stage.until(lambda: stage.log().count("Attempt to join group failed") > 1, what="another attempt")
    assert worker.poll() is None


def test_a_directory_is_of_one_worker_alone(stage):
    """A second one with it is refused; after a kill -9 it is free again."""
    stage.produce(events(0, 100))
    first = stage.worker("one")
    stage.until_settled()
    assert "\x1b" not in stage.log()  # no spinner
    assert stage.worker("one").wait(20) == 2
    assert "one: another worker has it; give each a directory of its own" in stage.log()
    first.kill()
    first.wait()
    stage.produce(events(100, 100))
    stage.worker("one")
    stage.until_settled()


def test_a_worker_is_known_again_by_its_directory(tmp_path, monkeypatch):
    """And by its host: neither two hosts of one name nor a copied directory are the same one."""

    def name(directory: str) -> str:
        program = "import pathlib, sys; from grouping.runtimes.kafka.home import claim; print(claim(pathlib.Path(sys.argv[1])))"
        command = [sys.executable, "-c", program, str(tmp_path / directory)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert name("one") == name("one") != name("two")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert name("copy") == name("one")
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert claim(tmp_path / "copy") != name("one").strip()


def test_topics_that_do_not_fit_are_refused_at_once(stage):
    """Exit status 2, and what to do."""
    stage.drop_topic("state")
    assert stage.worker().wait(20) == 2
    assert "start with --create-topics N" in stage.log()
    stage.partitions = 3
    stage.create()
    assert stage.worker().wait(20) == 2
    assert "must have the same number of partitions" in stage.log()


def test_topics_are_made_with_so_many_replicas(stage, tmp_path):
    """As many as the brokers can have; where they cannot, it is said why. They may take a while to be known."""
    stage.prefix = f"{stage.prefix}more-"
    settings = Settings(brokers=stage.brokers, state=tmp_path, prefix=stage.prefix)
    assert stage.worker("one", "--create-topics", "2", "--replication", "32").wait(20) == 2
    assert "InvalidReplicationFactorError" in stage.log()

    async def made_late() -> tuple[int, list[str]]:
        looking = asyncio.create_task(look(settings))
        await asyncio.sleep(0)
        made = await create(settings, 2, 1)
        return (await looking).partitions, made

    partitions, made = asyncio.run(made_late())
    assert (partitions, len(made)) == (2, 6)


# -- around the engine


def test_what_comes_in_without_a_key_is_keyed(stage):
    """The inbox takes events, arrays of them and feedback; what is none becomes a dead letter with the reason."""
    values = [value for _, value in events(0, 300)]
    array = b"[" + b",".join(value for _, value in events(300, 50)) + b"]"
    stage.worker("one", "--ingress", f"{stage.prefix}inbox=canonical")
    bad = [b"nonsense", b'[{"kind":"alert"},' + events(350, 1)[0][1] + b"]", b"\xff", None]
    stage.produce([(None if value else b"a key", value) for value in [*values, array, *bad]], "inbox")
    stage.until(lambda: sum(map(len, stage.read("events"))) == 351 and sum(map(len, stage.read("dead_letters"))) == 4)
    stage.until_settled()
    assert all(
        record.key.decode() == orjson.loads(record.value)["scope"] for part in stage.read("events") for record in part
    )
    letters = {
        record.value: dict(record.headers)["error"].decode() for part in stage.read("dead_letters") for record in part
    }
    assert "not JSON" in letters[b"nonsense"]
    assert "the byte 0xff (byte 1)" in letters[b"\xff"]
    assert "no value" in letters[None]
    assert "$[0].summary: expected a text" in letters[bad[1]]


def test_the_metrics_say_what_waits_and_what_is_refused(stage):
    """Also of partitions that are not taken over; what has moved to another worker is no longer refused here."""
    address = f"127.0.0.1:{free_ports(1)[0]}"

    def scraped(name: str) -> dict[str, float]:
        try:
            with urlopen(f"http://{address}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except URLError:  # it is only starting
            return {}
        found = re.findall(rf'^{name}(?:{{partition="(\d+)"}})? (\S+)$', text, re.MULTILINE)
        return {partition: float(value) for partition, value in found}

    stage.produce(events(0, 300))
    worker = stage.worker("one", "--metrics", address)
    stage.until_settled()
    stage.until(lambda: scraped("grouping_lag") == {"0": 0, "1": 0}, what="no lag")
    assert sum(scraped("grouping_events_total").values()) == 300
    assert scraped("grouping_partitions") == {"": 2}
    assert set(scraped("grouping_partition_refused").values()) == {0}
    assert scraped("grouping_faults_total") == scraped("grouping_bypassed_total") == {"0": 0, "1": 0}
    assert stop(worker) == 0
    stage.drop_topic("decisions")
    stage.create()
    stage.produce(events(300, 100))
    stage.worker("one", "--metrics", address)
    stage.until(lambda: scraped("grouping_partition_refused") == {"0": 1, "1": 1}, what="the refusal")
    stage.until(lambda: sum(scraped("grouping_lag").values()) == 100, what="the lag of what is refused")
    stage.loop("two", accept_loss=True)
    stage.until(lambda: sum(scraped("grouping_partition_refused").values()) == 1, what="a partition that moved")
    stage.until(lambda: len(scraped("grouping_lag")) == 1, what="the lag of what is left")


def test_the_faust_command_starts_it_too(stage):
    """With settings from the environment."""
    stage.foreign("further")
    stage.produce(events(0, 100))
    stage.produce([(None, value) for _, value in events(100, 50)], "further")
    names = {"BROKERS": stage.brokers, "STATE": str(stage.home / "one"), "TOPIC_PREFIX": stage.prefix}
    address = f"127.0.0.1:{free_ports(1)[0]}"
    names |= {"INGRESS": f"{stage.prefix}further=canonical", "SESSION": "2", "METRICS": address}
    environment = {f"GROUPING_{name}": value for name, value in names.items()}
    faust = ["-m", "faust", "-A", "grouping.runtimes.kafka.worker", "worker", "--without-web"]
    worker = stage.start("-W", "ignore", *faust, **environment)
    stage.until(lambda: sum(map(len, stage.read("events"))) == 150, what="the last of the further topic")
    stage.until_settled()
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert b"grouping_partitions 2.0" in answer.read()
    assert stop(worker) == 0


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-512", "certificate"])
def test_through_tls(stage, broker, tmp_path, way):
    """The broker's certificate is checked, and the worker says who it is: by a password, or by a certificate."""
    if stage.brokers != broker.address:
        pytest.skip("the broker is somebody else's")
    stage.produce(events(0, 100))
    security = tmp_path / "security.toml"
    lines = {"protocol": "SASL_SSL", "mechanism": way, "username": USER, "password": PASSWORD}
    if way == "certificate":
        lines = {"protocol": "SSL", "cert_file": str(broker.authority), "key_file": str(broker.key)}
    lines["ca_file"] = str(broker.authority)
    security.write_text("".join(f"{key} = {value!r}\n" for key, value in lines.items()))
    stage.brokers, plain = broker.mutual if way == "certificate" else broker.secure, stage.brokers
    stage.worker("one", "--security", str(security))
    stage.brokers = plain
    stage.until_settled()
