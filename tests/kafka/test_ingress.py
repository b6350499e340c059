"""Topics of foreign payloads: what their events become, in which scope, and that each is decided once."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import click
import orjson
import pytest

from grouping.commands.worker import from_environment
from grouping.formats import FORMATS
from grouping.runtimes.kafka.ingress import translate
from grouping.runtimes.kafka.settings import BadSettings
from grouping.runtimes.kafka.sources import read_source, read_sources

pytestmark = pytest.mark.xdist_group("kafka")
SAMPLES = Path(__file__).parent.parent / "formats"
T_MS = 1_760_000_000_000
POSTED = {
    "labels": {"alertname": "DiskFull", "team": "storage", "k8s.zone": "eu", "service": "ledger"},
    "annotations": {"summary": "disk full"},
    "startsAt": "2025-11-01T12:00:00Z",
}
NAMED = {"kind": "alert", "id": "a1", "summary": "disk full", "scope": "its own"}

SCOPES = [
    ("t=alertmanager", b"shop", POSTED, "default"),
    ("t=alertmanager,scope=shop", None, POSTED, "shop"),
    ("t=alertmanager,scope-from=key", b"shop", POSTED, "shop"),
    ("t=alertmanager,scope-from=key", None, POSTED, "default"),
    ("t=alertmanager,scope-from=key,scope=shop", b" ", POSTED, "shop"),
    ("t=alertmanager,scope-from=service", None, POSTED, "ledger"),
    ("t=alertmanager,scope-from=details.team", None, POSTED, "storage"),
    ("t=alertmanager,scope-from=details.k8s.zone", None, POSTED, "eu"),
    ("t=alertmanager,scope-from=details.team.name,scope=shop", None, POSTED, "shop"),
    ("t=canonical,scope=shop,scope-from=key", b"key", NAMED, "its own"),
    ("t=canonical,scope=shop", b"key", NAMED | {"scope": None}, "shop"),
]


@pytest.mark.parametrize(("option", "key", "sent", "scope"), SCOPES)
def test_the_scope_of_an_event(option, key, sent, scope):
    """Its own, else that of the key or a field, else the topic's, else the default; the record is keyed by it."""
    payload = orjson.dumps([sent] if "labels" in sent else sent)
    ((keyed, value),), refused = translate(read_source(option), key, payload, {}, T_MS)
    assert refused == []
    assert keyed.decode() == scope
    assert orjson.loads(value).get("scope", "default") == scope


@pytest.mark.parametrize(
    ("option", "payload", "place"),
    [
        ("t=alertmanager", [POSTED, {"labels": 5}], "$[1].labels: expected an object, got 5"),
        ("t=alertmanager", {"version": "4", "alerts": [POSTED, 5]}, "$.alerts[1]: expected an object, got 5"),
        ("t=canonical", [NAMED, {"kind": "alert"}], "$[1].summary: expected a text"),
        ("t=canonical", [NAMED, 5], "$[1]: expected an object, got 5"),
    ],
)
def test_a_refusal_names_the_place_once(option, payload, place):
    """In the message as it was sent."""
    found, (refused,) = translate(read_source(option), None, orjson.dumps(payload), {}, T_MS)
    assert len(found) == 1
    assert str(refused).startswith(place)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("alerts", "expected a format of canonical, "),
        ("=canonical", "expected TOPIC=FORMAT"),
        ("t=xml", "expected a format of canonical, .* got 'xml'"),
        ("t=canonical,scope", "expected TOPIC=FORMAT.* got 'scope'"),
        ("t=canonical,scope=", "scope: expected a text of at most 255 characters"),
        ("t=canonical,sope=shop", "expected TOPIC=FORMAT.* got 'sope=shop'"),
        ("t=canonical,scope-from=team", "scope-from: expected key, or a field of the event .* a label is details.NAME"),
    ],
)
def test_an_entry_that_cannot_be_used(option, said):
    with pytest.raises(BadSettings, match=f"--ingress {option}: .*{said}"):
        read_source(option)


FILE = """
policy = "service~5s"
[formats.ticker]
summary = "text"
service = "app"
[worker.ingress."of.shop"]
format = "alertmanager"
scope = "shop"
[worker.ingress.tickets]
format = "ticker"
scope_from = "service"
"""


def test_the_configuration_names_topics_and_formats_of_its_own():
    """Those of [formats] too; the command line counts where both name a topic, and may use them as well."""
    found = read_sources(tomllib.loads(FILE), ["tickets=ticker,scope=all", "more=ticker"])
    assert [(one.topic, one.format, one.scope, one.scope_from) for one in found] == [
        ("of.shop", "alertmanager", "shop", None),
        ("tickets", "ticker", "all", None),
        ("more", "ticker", None, None),
    ]
    ((key, value),), _ = translate(found[1], None, b'{"text":"queue is long","app":"cart"}', {}, T_MS)
    assert (key, orjson.loads(value)["service"]) == (b"all", "cart")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("[formats.ticker]\nservice = 'app'", "formats.ticker.summary: expected an expression"),
        ("[worker]\nsession = 5", "worker: expected a table with nothing but ingress"),
        ("[worker.ingress]\nt = 'canonical'", "worker.ingress.t: expected a table, got 'canonical'"),
        ("[worker.ingress.a.b]\nformat = 'canonical'", "worker.ingress.a.b: no such setting; .* quote a topic"),
        ("[worker.ingress.t]\nformat = 'xml'", "worker.ingress.t: expected a format of canonical, .* got 'xml'"),
    ],
)
def test_a_configuration_that_cannot_be_used(file, said, tmp_path):
    """`grouping config check` says the same."""
    with pytest.raises(BadSettings, match=said):
        read_sources(tomllib.loads(file))
    (tmp_path / "g.toml").write_text(file)
    command = [sys.executable, "-m", "grouping", "config", "check", tmp_path / "g.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said.partition(":")[0] in done.stderr


def test_all_options_that_the_faust_command_lacks_are_variables(monkeypatch, tmp_path):
    """Several topics with blanks between them; what cannot be used is told as for the option."""
    (tmp_path / "g.toml").write_text(FILE)
    told = {"CONFIG": str(tmp_path / "g.toml"), "INGRESS": "a=pagerduty b=ticker,scope-from=key", "SESSION": "4.5"}
    for name, value in {**told, "ACCEPT_LOSS": "true", "METRICS": "127.0.0.1:9464"}.items():
        monkeypatch.setenv(f"GROUPING_{name}", value)
    settings, sources, metrics = from_environment()
    assert (settings.session_s, settings.accept_loss, settings.config.policy) == (4.5, True, "service~5s")
    assert (settings.brokers, metrics) == ("127.0.0.1:9092", "127.0.0.1:9464")
    assert [one.topic for one in sources] == ["of.shop", "tickets", "a", "b"]
    monkeypatch.setenv("GROUPING_INGRESS", "a=xml")
    with pytest.raises(click.UsageError, match="--ingress a=xml: expected a format"):
        from_environment()


def test_two_topics_land_in_two_scopes(stage):
    """One scope is fixed, the other is in the records' keys; both are decided."""
    stage.foreign("of.shop", "of.teams")
    posted = [orjson.dumps([{**POSTED, "labels": {**POSTED["labels"], "instance": f"h{n}"}}]) for n in range(20)]
    stage.produce([(None, value) for value in posted], "of.shop")
    stage.produce([(b"bikes", value) for value in posted], "of.teams")
    of_shop, of_teams = (f"{stage.prefix}of.{name}=alertmanager" for name in ("shop", "teams"))
    stage.worker("one", "--ingress", f"{of_shop},scope=shop", "--ingress", f"{of_teams},scope-from=key")
    stage.until(lambda: sum(map(len, stage.read("events"))) == 40, what="the last of both topics")
    stage.until_settled()
    decided = [record.key for part in stage.read("decisions") for record in part if b'"decision"' in record.value]
    assert {key: decided.count(key) for key in decided} == {b"shop": 20, b"bikes": 20}


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("nothere", "nothere: not there; make it\n"),
        ("dead_letters", "dead_letters: the worker writes to it, and would feed itself for ever"),
        ("no there", "no there: InvalidTopicError: "),
    ],
)
def test_a_topic_that_cannot_be_read_is_told_at_the_start(stage, topic, said):
    """A name with a typo, one that is the worker's own, one that none can have; no work has begun."""
    worker = stage.worker("one", "--ingress", f"{stage.prefix}{topic}=alertmanager")
    assert worker.wait(60) == 2
    assert said in stage.log("one")


def test_a_worker_that_is_back_reads_what_it_is_now_told_to(stage):
    """One more topic, one less, and more partitions of one: it is a static member, which brokers ask no more."""
    stage.foreign("of.one", "of.two")
    one, two = (("--ingress", f"{stage.prefix}of.{name}=canonical") for name in ("one", "two"))
    forwarded = lambda: sum(map(len, stage.read("events")))  # noqa: E731
    sent = itertools.count(1)

    def reads(topic, partition, *options):
        worker = stage.worker("one", "--session", "6", *options)  # longer than the restart takes
        number = next(sent)
        event = {"kind": "alert", "id": f"a{number}", "at": T_MS // 1000, "summary": "disk full"}
        stage.produce([(None, orjson.dumps(event))], topic, partition=partition)
        stage.until(lambda: forwarded() == number, what=f"event {number}, of {topic}")
        worker.terminate()
        assert worker.wait(20) == 0

    reads("of.one", 0, *one)
    reads("of.two", 1, *one, *two)
    reads("of.one", 1, *one)
    stage.add_partitions(3, ["of.one"])
    reads("of.one", 2, *one)
    assert "Traceback" not in stage.log()


TICKER = """
[formats.ticker]
each = "items"
when = "kind == 'alarm'"
summary = "join(': ', [app, text])"
severity = "prio"
severities = { P2 = "error" }
status = "state"
at = "raised"
dedup_key = "ticket"
service = "app"
"""
RECEIVED_MS = 1_772_436_400_500  # as in tests/test_formats.py


def test_every_format_comes_in_from_a_topic_of_its_own(stage):
    """Every sample of tests/formats becomes the events beside it, in the scope of its topic; what it refuses, a letter."""
    (stage.home / "g.toml").write_text(TICKER)
    formats = [*FORMATS, "ticker"]
    stage.foreign(*formats)
    expected: dict[str, list[dict[str, object]]] = {name: [] for name in formats}
    refused = 0
    for path in sorted(SAMPLES.glob("*.json")):
        name = "pagerduty-change" if path.stem == "pagerduty-change" else path.stem.partition("-")[0]
        sample = orjson.loads(path.read_bytes())
        headers = [(key.title(), value.encode()) for key, value in sample["headers"].items()]
        body = [(None, orjson.dumps(sample["payload"]))]
        stage.produce(body, name, headers=headers, timestamp_ms=RECEIVED_MS)
        lines = [orjson.loads(line) for line in path.with_suffix(".jsonl").read_bytes().splitlines()]
        expected[name] += [{"scope": name} | line for line in lines if isinstance(line, dict)]
        refused += any(isinstance(line, str) for line in lines)
    options = [f"{stage.prefix}{name}={name},scope={name}" for name in formats]
    arguments = [word for option in options for word in ("--ingress", option)]
    stage.worker("one", "--config", str(stage.home / "g.toml"), *arguments)
    count = sum(map(len, expected.values()))
    stage.until(lambda: sum(map(len, stage.read("events"))) >= count, what="the last event")
    stage.until(lambda: sum(map(len, stage.read("dead_letters"))) >= refused, what="the last letter")
    stage.until_settled()
    found = [orjson.loads(record.value) for part in stage.read("events") for record in part]
    for name, lines in expected.items():
        named = [event for event in found if event["scope"] in {name, *(line["scope"] for line in lines)}]
        assert lines, name
        assert sorted(map(orjson.dumps, map(sort, named))) == sorted(map(orjson.dumps, map(sort, lines))), name
    assert sum(map(len, stage.read("dead_letters"))) == refused


def sort(event):
    """With its keys in order."""
    return dict(sorted(event.items()))


def test_killed_again_and_again_while_forwarding(stage):
    """Kill -9 while a topic is forwarded: what is forwarded twice is decided once, and nothing is missing."""
    stage.foreign("posts")
    count, each = 4000, 8
    alerts = [
        {**POSTED, "labels": {"alertname": "Full", "service": f"s{n % 5}", "instance": f"h{n}"}} for n in range(count)
    ]
    posts = [(None, orjson.dumps(alerts[n : n + each])) for n in range(0, count, each)]
    option = f"{stage.prefix}posts=alertmanager,scope-from=service"
    forwarded = lambda: sum(map(len, stage.read("events")))  # noqa: E731
    for kill in range(4):
        stage.produce(posts[kill::4], "posts")
        worker, before = stage.worker("one", "--ingress", option), forwarded()
        stage.until(lambda before=before: forwarded() > before, what=f"forwarding {kill}")
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    stage.worker("one", "--ingress", option)
    ids = lambda: Counter(orjson.loads(record.value)["id"] for part in stage.read("events") for record in part)  # noqa: E731
    stage.until(lambda: len(ids()) == count, what="the last post")
    stage.until_settled()
    decided = Counter(
        dict(record.headers)["event"]
        for part in stage.read("decisions")
        for record in part
        if b'"decision"' in record.value
    )
    assert sum(ids().values()) > count  # some were forwarded twice
    assert len(decided) == count
    assert set(decided.values()) == {1}
