"""The doors for tools that send: their own addresses, statuses and bodies, on a real service."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from pagerduty import EventsApiV2Client

from tests.live import Live, grouping

KEY = "k" * 32
SAMPLES = Path(__file__).parent / "formats"
TICKER = """
[formats.ticker]
each = "items"
summary = "text"
severity = "prio"
dedup_key = "ticket"
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One service for all; each test has a scope of its own."""
    with Live(tmp_path_factory.mktemp("senders") / "state", TICKER) as service:
        yield service
        assert service.stop() == 0
        service.assert_live_and_offline_are_one()
        assert "raceback" not in service.said()


def logged(live: Live, scope: str) -> list[dict[str, Any]]:
    """What the log has of a scope."""
    return [one for one in live.log() if one.get("scope", "default") == scope]


def test_pagerdutys_own_client_triggers_acknowledges_and_resolves(live: Live) -> None:
    """It changes nothing but its address; keys come back as they were sent, or as they were made."""
    client = EventsApiV2Client(KEY)
    client._url = f"http://127.0.0.1:{live.port}"  # the setter takes https alone; here nobody stands between
    key = client.trigger("web-4 is down", "web-4", severity="critical", custom_details={"ping": 3}, dedup_key="web-4")
    assert key == "web-4"
    client.acknowledge(key)
    client.resolve(key)
    made = client.trigger("nas is full", "nas")
    client.resolve(made)
    client.submit("cart 4.2 is out", source="ci", timestamp="2026-03-02T07:10:00+00:00Z")  # as it writes them
    client.close()
    events = [one for one in logged(live, "default") if one.get("details", {}).get("integration")]
    assert [one.get("status") for one in events] == [
        "firing",
        "acknowledged",
        "resolved",
        "firing",
        "resolved",
        "resolved",
    ]
    assert events[3]["dedup_key"] == events[4]["dedup_key"]
    live.settled()
    statuses = [one["status"] for one in live.ask("GET", "/incidents?scope=default&status=resolved").json["incidents"]]
    assert statuses == ["resolved", "resolved"]


def test_pagerdutys_answers(live: Live) -> None:
    """Status and bodies that its clients look at."""
    payload = {"summary": "s", "source": "h", "severity": "info"}
    good = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "x" * 255, "payload": payload}
    taken = live.ask("POST", "/v2/enqueue?scope=pd", good)
    assert taken.status == 202
    assert taken.json == {"status": "success", "message": "Event processed", "dedup_key": "x" * 255}
    bad = live.ask("POST", "/v2/enqueue?scope=pd", good | {"routing_key": "short"})
    assert (bad.status, bad.json["status"], bad.json["message"]) == (400, "invalid event", "Event object is invalid")
    assert bad.json["errors"] == [
        "$.routing_key: expected a text of 32 characters, got one of 5; any 32 characters will do"
    ]
    broken = live.ask("POST", "/v2/enqueue", b"{")
    assert (broken.status, broken.json["status"]) == (400, "Unrecognized object")
    assert broken.json["errors"][0] == "JSON parse error"
    change = live.ask("POST", "/v2/change/enqueue?scope=pd", {"routing_key": KEY, "payload": {"summary": "out"}})
    assert (change.status, change.json["status"]) == (202, "success")
    assert len(logged(live, "pd")) == 2


def test_a_change_is_on_record_and_nobody_is_woken_for_it(live: Live) -> None:
    """Before, beside and after what looks like it: it opens nothing, joins nothing, resolves nothing, and teaches nothing."""
    payload = {"summary": "checkout is slow", "source": "web-1", "severity": "critical"}
    trouble = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "slow", "payload": payload}
    change = {"routing_key": KEY, "payload": {"summary": "checkout is slow", "source": "web-1"}}
    for path, body in (("change/", change), ("", trouble), ("change/", change), ("change/", change | {"links": []})):
        assert live.ask("POST", f"/v2/{path}enqueue?scope=changes", body).status == 202
    live.settled()
    assert [one.get("class") for one in logged(live, "changes")] == ["change", None, "change", "change"]
    (one,) = live.ask("GET", "/incidents?scope=changes").json["incidents"]
    assert (one["status"], one["alerts"], one["severity"]) == ("open", 1, "critical")
    told = [orjson.loads(line) for line in grouping("outputs", live.state).stdout.splitlines()]
    assert [line["kind"] for line in told if line["scope"] == "changes"] == ["incident", "decision"]


def test_prometheus_posts_as_to_alertmanager(live: Live) -> None:
    """200 and no body; what is wrong is refused with 400, and what is right beside it is taken."""
    alerts = [{"labels": {"alertname": "A", "n": str(n)}, "startsAt": "2026-03-02T07:15:30Z"} for n in range(3)]
    for _ in range(2):
        answer = live.ask("POST", "/api/v2/alerts?scope=am", alerts)
        assert (answer.status, answer.body) == (200, b"")
    some = live.ask("POST", "/api/v2/alerts?scope=am", [{"labels": {}}, *alerts])
    assert some.status == 400
    assert some.json.startswith("$[0].labels: expected at least one label")
    hook = {"version": "4", "alerts": [one | {"status": "firing"} for one in alerts]}
    assert live.ask("POST", "/alertmanager/webhook?scope=am", hook).json["accepted"] == 3
    live.settled()
    decisions = [one for one in grouping("outputs", live.state).stdout.splitlines() if b'"scope":"am"' in one]
    # Sent again it is the same event: it is decided once.
    assert sum(b'"kind":"decision"' in one for one in decisions) == 3


def test_what_is_turned_away_is_said_as_the_sender_expects_it(tmp_path: Path) -> None:
    """Without a token, without the right, too large, too fast: PagerDuty's three words, Alertmanager's text, OTLP's status."""
    rows = "".join(
        f'[[service.tokens]]\nname = "{name}"\nrights = ["{name}"]\nsha256 = "{sha256(name.encode()).hexdigest()}"\n'
        for name in ("ingest", "respond")
    )
    good = {
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "a", "source": "b", "severity": "info"},
    }
    posts = {"/v2/enqueue": good, "/api/v2/alerts": [{"labels": {"alertname": "A"}}], "/v2/change/enqueue": good}
    with Live(tmp_path / "state", f"[service]\nrate = 0.001\nburst = 1\nbody_max = 4096\n{rows}") as live:
        live.ask(
            "POST", "/events", {"kind": "alert", "summary": "x"}, Authorization="Bearer ingest"
        )  # the one there is
        for path, good in posts.items():
            cases = {401: (good, {}), 403: (good, {"Authorization": "Bearer respond"})}
            cases |= {413: (b" " * 5000, {"Authorization": "Bearer ingest"})}
            cases |= {429: (good, {"Authorization": "Bearer ingest"})}
            for status, (body, headers) in cases.items():
                answer = live.ask("POST", path, body, **headers)
                assert answer.status == status, (path, answer)
                if path == "/api/v2/alerts":
                    assert isinstance(answer.json, str)
                else:
                    assert set(answer.json) == {"status", "message", "errors"}
                    assert answer.json["errors"] == [answer.json["message"]]
                    assert (answer.json["status"] == "throttle exceeded") == (status == 429)
                assert ("retry-after" in answer.headers) == (status == 429)


def test_each_sample_is_taken_at_its_webhook(live: Live) -> None:
    """And a format of the configuration at an address of its own."""
    for path in sorted(SAMPLES.glob("*.json")):
        name = path.stem if path.stem == "pagerduty-change" else path.stem.partition("-")[0]
        if name == "ticker":
            continue
        sample = orjson.loads(path.read_bytes())
        headers = {"Content-Type": "application/json"} | sample["headers"]
        answer = live.ask("POST", f"/v1/webhooks/{name}?scope=samples", orjson.dumps(sample["payload"]), **headers)
        assert answer.status == 202, (path.stem, answer)
    own = live.ask("POST", "/v1/webhooks/ticker?scope=own", {"items": [{"text": "t", "prio": "high", "ticket": 1}]})
    assert own.json["accepted"] == 1
    assert logged(live, "own")[0]["severity"] == "error"
    none = live.ask("POST", "/v1/webhooks/nagios", {})
    assert none.status == 404
    assert "there are: canonical, pagerduty, " in none.json["error"]


def test_a_subscription_is_shown_and_nothing_is_fetched(live: Live) -> None:
    """The address that SNS asks to fetch is our own here: nobody comes for it."""
    address = f"http://127.0.0.1:{live.port}/v1/webhooks/fetched"
    asked = orjson.loads((SAMPLES / "cloudwatch-subscription.json").read_bytes())["payload"] | {"SubscribeURL": address}
    assert live.ask("POST", "/v1/webhooks/cloudwatch?scope=sns", asked, Content_Type="text/plain").status == 202
    live.settled()
    (event,) = logged(live, "sns")
    assert (event["class"], event["details"]["SubscribeURL"]) == ("SubscriptionConfirmation", address)


def test_logs_are_answered_as_otlp_says(live: Live) -> None:
    """Also when some of the records are refused."""
    record = {"severityNumber": 17, "body": {"stringValue": "lost"}}
    wrong = {"severityNumber": -1, "body": {"stringValue": "?"}}

    def send(*records: Any) -> Any:
        return live.ask("POST", "/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]})

    assert (send(record).status, send(record).json) == (200, {})
    assert send(record, wrong).json["partialSuccess"]["rejectedLogRecords"] == "1"
    assert send(wrong).status == 400


def test_the_description_names_every_door(live: Live) -> None:
    """With the answers of each."""
    paths = live.ask("GET", "/openapi.json").json["paths"]
    expected = {"/v2/enqueue": "202", "/v2/change/enqueue": "202", "/api/v2/alerts": "200", "/v1/logs": "200"}
    expected |= {"/alertmanager/webhook": "202", "/v1/webhooks/{name}": "202"}
    for path, status in expected.items():
        assert {status, "400", "401", "413", "429", "503"} <= set(paths[path]["post"]["responses"])


def test_what_posts_to_slack_is_answered_with_its_word(live: Live) -> None:
    """A newer Alertmanager takes JSON without `ok` for a failure; what is refused has none."""
    body = {"items": [{"text": "queue is long", "prio": "high"}]}
    assert live.ask("POST", "/v1/webhooks/ticker?scope=ok", body).json["ok"] is True
    assert "ok" not in live.ask("POST", "/v1/webhooks/ticker?scope=ok", {"items": [{"prio": "high"}]}).json
    assert "ok" not in live.ask("POST", "/v1/webhooks/grafana", {"alerts": []}).json


def test_a_mapping_can_be_tried(tmp_path: Path) -> None:
    """Events on standard output, what failed on standard error with its place."""
    config = tmp_path / "c.toml"
    config.write_text(TICKER)
    payload = b'{"items":[{"text":"queue is long","prio":"high"},{"text":"x","prio":"P9"},{"prio":"low"}]}'
    tried = grouping("mapping", "try", config, "ticker", "-", "--at", "1772435730", feed=payload)
    assert tried.returncode == 3
    (line,) = tried.stdout.splitlines()
    assert orjson.loads(line)["severity"] == "error"
    told = tried.stderr.decode().splitlines()
    assert told[0].startswith("refused: $[1]: severity: expected a word of `severities`, got 'P9'; ")
    assert told[1].startswith("refused: $[2]: summary: expected a text that says what is wrong, got nothing; ")
    assert told[2] == "1 events, 2 refused"
    config.write_text('[formats.ticker]\nsummary = "a["\n')
    wrong = grouping("mapping", "try", config, "ticker", "-", feed=b"{}")
    assert (wrong.returncode, b"formats.ticker.summary: 'a[' is not JMESPath" in wrong.stderr) == (2, True)
    for command in (("config", "check", config), ("serve", "--config", config, "--state", tmp_path / "s")):
        assert grouping(*command).returncode == 2
