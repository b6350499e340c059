"""Foreign formats: what each sample becomes, and that no payload breaks a translator."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.config import BadConfig
from grouping.formats import FORMATS, Malformed, alertmanager, formats_of
from grouping.formats.base import each
from grouping.parse import parse
from tests import wellsaid

RECEIVED = 1_772_436_400.5
SAMPLES = Path(__file__).parent / "formats"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))
TICKER = {
    "each": "items",
    "when": "kind == 'alarm'",
    "summary": "join(': ', [app, text])",
    "severity": "prio",
    "severities": {"P2": "error"},
    "status": "state",
    "at": "raised",
    "dedup_key": "ticket",
    "service": "app",
}
ALL = formats_of({"ticker": TICKER})
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def format_of(sample: str) -> str:
    """The longest name of a format with which a sample's name begins."""
    action = {"pagerduty-change": "pagerduty-change"}.get(sample)
    return action or sample.partition("-")[0]


def translated(name: str, payload: Any, headers: dict[str, str] | None = None, received: float = RECEIVED) -> list[Any]:
    """Events and, as texts, refusals."""
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    found = ALL[name](body, headers or {}, received)
    return [f"refused: {one}" if isinstance(one, Malformed) else one for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_becomes_the_events_beside_it(name: str) -> None:
    """NAME.json holds headers and payload, NAME.jsonl the events, one a line."""
    sample = orjson.loads((SAMPLES / f"{name}.json").read_bytes())
    found = translated(format_of(name), sample["payload"], sample["headers"])
    expected = [orjson.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()]
    assert found == expected
    for event in found:
        if isinstance(event, dict):
            parse(orjson.dumps(event))


def test_every_format_has_samples() -> None:
    """None is taken on trust."""
    assert {format_of(name) for name in NAMES} == set(ALL)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value."""
    found = [path]
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        found += places(child, (*path, key))
    return found


def swapped(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The value at a path replaced; ``...`` takes it away."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    inner = swapped(node[path[0]], path[1:], value)
    if inner is ...:
        if isinstance(copy, dict):
            del copy[path[0]]
        else:
            copy.pop(path[0])
    else:
        copy[path[0]] = inner
    return copy


def holds(name: str, payload: bytes, headers: dict[str, str]) -> None:
    wellsaid.holds(ALL[name], payload, headers, RECEIVED, whole=name != "canonical")


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_no_damage_to_a_sample_breaks_its_translator(data: st.DataObject) -> None:
    """Values are replaced by others or taken away, anywhere, several at once."""
    name = data.draw(st.sampled_from(NAMES))
    sample = orjson.loads((SAMPLES / f"{name}.json").read_bytes())
    node = sample["payload"]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(node)))
        node = swapped(node, path, data.draw(JUNK | st.just(...) if path else JUNK))
    holds(format_of(name), orjson.dumps(node), sample["headers"])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(ALL)),
    JUNK.map(orjson.dumps) | st.binary(max_size=40),
    st.sampled_from([{}, FORM, {"content-type": "application/x-protobuf"}]),
)
def test_any_bytes_are_taken_or_refused(name: str, payload: bytes, headers: dict[str, str]) -> None:
    """JSON of any shape, and what is no JSON."""
    holds(name, payload, headers)


def test_a_form_is_the_same_as_the_object_of_its_fields() -> None:
    """As Datadog sends it with `Encode as form`, Zabbix with a query string, and what is written for Slack."""
    fields = {"eventid": "7", "eventname": "disk & more = 97 % ü", "eventvalue": "1", "nothing": ""}
    assert translated("zabbix", urlencode(fields).encode(), FORM) == translated("zabbix", fields)
    fields = {"title": "x", "alert_transition": "Recovered", "tags": "host:a,service:b"}
    assert translated("datadog", urlencode(fields).encode(), FORM) == translated("datadog", fields)
    slack = {"items": [{"kind": "alarm", "app": "cart", "text": "down"}]}
    as_slack = urlencode({"payload": orjson.dumps(slack)}).encode()
    assert translated("ticker", as_slack, FORM) == translated("ticker", slack)
    twice = translated("zabbix", b"eventid=7&eventname=x&note=a&note=b&note=c", FORM)
    assert twice == translated("zabbix", {"eventid": "7", "eventname": "x", "note": ["a", "b", "c"]})
    # curl -d calls JSON a form, and other formats have none.
    assert translated("zabbix", b' {"eventid":7,"eventname":"x"}', FORM)[0]["dedup_key"] == "zabbix/7"
    with pytest.raises(Malformed, match="not JSON"):
        translated("sentry", b"a=b", FORM)


@pytest.mark.parametrize("body", [b"", b"no form", b"a=b&c", b"\xff=1", b"a=1&" * 513 + b"a=1"])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    """With the remedy; also one of more fields than an event may have."""
    if not body:
        with pytest.raises(Malformed):
            translated("zabbix", body, FORM)
        return
    with pytest.raises(Malformed, match=r"\$: not a form of at most 512 fields: .*; encode it, or send JSON"):
        translated("zabbix", body, FORM)


def test_hostile_payloads_are_bounded() -> None:
    """Deep, wide, long: taken within the bounds of an event, or refused."""
    deep: Any = 1
    for _ in range(200):
        deep = {"d": deep}
    wide = {f"k{at}": at for at in range(600)}
    for name, sample, key in (
        ("datadog", {"title": "x"}, "more"),
        ("zabbix", {"eventid": "1", "eventname": "x"}, "more"),
        ("ticker", {"items": [{"kind": "alarm", "app": "a", "text": "b"}]}, "items"),
    ):
        for value in (deep, wide):
            payload = {**sample, key: [{**sample[key][0], "more": value}] if key == "items" else value}
            holds(name, orjson.dumps(payload), {})
            assert list(translated(name, payload)[0]["details"]) == ["json"]
    long = translated("zabbix", {"eventid": "1" * 5000, "eventname": "x" * 5000, "hostname": "h" * 5000})[0]
    assert (len(long["dedup_key"]), len(long["summary"]), len(long["host"])) == (255, 1024, 1024)
    with pytest.raises(Malformed, match="more than 10000 items; send fewer at once"):
        translated("alertmanager", [{"labels": {"a": "b"}}] * 10_001)
    fat = {"key": "k", "value": {"stringValue": "x" * 100_000}}
    logs = {"resource": {"attributes": [fat]}, "scopeLogs": [{"logRecords": [{"body": {"stringValue": "b"}}] * 1000}]}
    with pytest.raises(Malformed, match="shared by 1000 events"):
        translated("otlp", {"resourceLogs": [logs]})
    logs["scopeLogs"][0]["logRecords"] = [{"body": {"stringValue": "b"}}] * 100
    assert len(translated("otlp", {"resourceLogs": [logs] * 3})) == 300
    with pytest.raises(Malformed, match=r"resourceLogs\[3\].* of this request, at most 33554432 are taken"):
        translated("otlp", {"resourceLogs": [logs] * 4})  # each by itself would be taken


def test_an_alert_is_the_same_by_either_door_of_alertmanager() -> None:
    """Prometheus posts labels, Alertmanager's webhook has them too; sent again, it is the same event."""
    alert = {"labels": {"alertname": "A", "x": "1"}, "startsAt": "2026-03-02T07:15:30Z"}
    (posted,) = translated("alertmanager", [alert | {"endsAt": "2027-03-02T07:15:30Z"}])
    (again,) = translated("alertmanager", [alert | {"endsAt": "2028-03-02T07:15:30Z"}], received=RECEIVED + 60)
    (told,) = translated("alertmanager", {"alerts": [alert | {"status": "firing", "fingerprint": "f"}]})
    assert posted["id"] == again["id"] == told["id"]
    (over,) = translated("alertmanager", [alert | {"endsAt": "2026-03-02T07:20:00Z"}])
    assert over["dedup_key"] == posted["dedup_key"]
    assert (over["status"], over["id"] != posted["id"]) == ("resolved", True)


TIMES = [RECEIVED - 3600, RECEIVED - 1800, RECEIVED, RECEIVED + 240]
WRITTEN = [None, "", "0001-01-01T00:00:00Z", *(f"{datetime.fromtimestamp(at, UTC):%FT%TZ}" for at in TIMES), 7, "soon"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"labels": st.dictionaries(st.sampled_from(["alertname", "host", ""]), st.sampled_from(["a", "b", "", 3]))},
            optional={
                "annotations": st.just({"summary": "s"}),
                "startsAt": st.sampled_from(WRITTEN),
                "endsAt": st.sampled_from(WRITTEN),
                "status": st.sampled_from(["firing", "resolved", None]),
                "generatorURL": st.sampled_from(["", "u"]),
            },
        )
        | st.sampled_from(
            [None, 3, [], {"labels": {"a": "b"}, "deep": functools.reduce(lambda d, _: [d], range(300), 1)}]
        ),
        max_size=12,
    ),
    st.sampled_from(TIMES),
)
def test_what_is_remembered_of_prometheus_is_what_would_be_said_anew(alerts: list[Any], received: float) -> None:
    """Also when the same alert comes with another end, and after somebody wrote into what was handed out."""
    for item in alerts:
        try:
            anew: Any = alertmanager.posted(item, "$[0]", received)
        except Malformed as error:
            anew = f"refused: {error}"
        for _ in range(2):
            (found,) = [
                f"refused: {one}" if isinstance(one, Malformed) else one
                for one in each([item], "$", lambda one, place: alertmanager._pushed(one, place, received))
            ]
            assert found == anew
            if isinstance(found, dict):
                found["scope"] = "elsewhere"
                found.get("details", {})["more"] = 1


def test_what_is_remembered_of_prometheus_is_bounded() -> None:
    """In number, the oldest goes first; and in size."""
    start = "2026-03-02T07:15:30Z"
    translated("alertmanager", [{"labels": {"n": str(n)}, "startsAt": start} for n in range(alertmanager.MEMO + 5)])
    assert len(alertmanager._memo) == alertmanager.MEMO
    assert not any(key.startswith(b'{"labels":{"n":"4"}') for key in alertmanager._memo)
    translated("alertmanager", [{"labels": {"n": "x" * alertmanager.MEMO_KEY}, "startsAt": start}])
    assert max(map(len, alertmanager._memo)) <= alertmanager.MEMO_KEY


def test_dedup_keys_of_pagerduty_count_within_their_routing_key() -> None:
    """Two services may use the same key; the routing key itself is written nowhere."""
    event = {"event_action": "resolve", "dedup_key": "k" * 255}
    one, two = (translated("pagerduty", event | {"routing_key": letter * 32})[0] for letter in "ab")
    assert one["dedup_key"] != two["dedup_key"]
    assert "a" * 32 not in orjson.dumps(one).decode()
    new = {"routing_key": "a" * 32, "event_action": "trigger"}
    new["payload"] = {"summary": "s", "source": "h", "severity": "info"}
    keys = {translated("pagerduty", new, received=RECEIVED + at)[0]["dedup_key"] for at in (0, 0, 1)}
    assert len(keys) == 2  # without a key each trigger is an alert of its own


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"routing_key": "short"}, "$.routing_key: expected a text of 32 characters, got one of 5; "),
        ({"event_action": "fire"}, "$.event_action: expected one of trigger, acknowledge, resolve, got 'fire'; "),
        ({"payload": {"summary": "s", "source": "h", "severity": "bad"}}, "$.payload.severity: expected one of "),
        ({"payload": {"source": "h", "severity": "info"}}, "$.payload.summary: expected a text, got nothing; "),
        ({"dedup_key": "k" * 256}, "$.dedup_key: expected a text of at most 255 characters, got "),
    ],
)
def test_pagerduty_is_refused_where_pagerduty_refuses(change: dict[str, Any], told: str) -> None:
    """With place and remedy."""
    good = {"routing_key": "a" * 32, "event_action": "trigger"}
    good["payload"] = {"summary": "s", "source": "h", "severity": "info"}
    with pytest.raises(Malformed) as refusal:
        translated("pagerduty", good | change)
    assert str(refusal.value).startswith(told)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("x", r"formats\.t: expected a table"),
        ({}, r"formats\.t\.summary: expected an expression, got nothing"),
        ({"summary": "a[", "at": "b"}, r"formats\.t\.summary: 'a\[' is not JMESPath"),
        ({"summary": "a", "titel": "b"}, r"formats\.t\.titel: no such field"),
        ({"summary": "a", "severities": {"X": "fatal"}}, r"formats\.t\.severities\.X: expected one of critical"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_at_the_start(table: Any, told: str) -> None:
    """Not when the first payload comes."""
    with pytest.raises(BadConfig, match=told):
        formats_of({"t": table})


def test_names_of_formats_are_not_taken_twice() -> None:
    """Nor are names that an address cannot hold."""
    for name in (*FORMATS, "a/b", ""):
        with pytest.raises(BadConfig):
            formats_of({name: TICKER})
