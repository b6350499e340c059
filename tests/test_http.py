"""The service's HTTP: what senders and responders ask, and what they are told when it cannot be."""

from __future__ import annotations

import gzip
import hmac
import http.client
import os
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from click.testing import CliRunner

from grouping.__main__ import main
from grouping.grounds import FIRST as FIRST_TRIAL
from grouping.parse import MAX_LINE
from grouping.quality import Quality
from grouping.runtimes.files import OWN
from grouping.runtimes.http.short import SPARE
from grouping.tune import FIRST as FIRST_LOOK
from tests.live import PATIENCE, Answer, Live, grouping, until

T = 1_760_000_000.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One service for all; each test has a scope of its own."""
    config = "[service]\nbody_max = 2097152\nevents_max = 100\nread_s = 0.5\n"
    with Live(tmp_path_factory.mktemp("http") / "state", config) as service:
        yield service
        assert service.stop() == 0
        service.assert_live_and_offline_are_one()
        assert "raceback" not in service.said()


def test_a_correction_sent_as_curl_sends_it_is_taken(live: Live) -> None:
    """Without a word of what the body is; a form is not what anybody means here."""
    live.ask("POST", "/events", [event("c0", scope="curl"), event("c1", scope="curl")])
    live.settled()
    (one,) = live.ask("GET", "/incidents?scope=curl").json["incidents"]
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    split = live.ask("POST", f"/incidents/{one['id']}/split", {"alerts": ["c1"]}, **form)
    assert [line["kind"] for line in split.json["outputs"]] == ["incident", "moved"]


def event(id: str | None = None, **fields: Any) -> dict[str, Any]:
    """An alert."""
    return {"kind": "alert", "summary": "disk full", **({"id": id} if id else {}), **fields}


def logged(live: Live, scope: str) -> list[dict[str, Any]]:
    """What the log has of a scope."""
    return [one for one in live.log() if one.get("scope") == scope]


# -- senders


def test_one_an_array_or_one_a_line(live: Live) -> None:
    """Also packed, also with a missing time: then it is that of receipt."""
    one, two = event("a1", scope="shapes"), event("a2", scope="shapes", at=T)
    assert live.ask("POST", "/events", one).json["id"] == "a1"
    assert live.ask("POST", "/events", [two, event("a3", scope="shapes")]).json["accepted"] == 2
    lines = b"\n".join(orjson.dumps(event(f"l{n}", scope="shapes")) for n in range(3)) + b"\n\n"
    assert live.ask("POST", "/events", lines, Content_Type="application/x-ndjson").json["accepted"] == 3
    pretty = orjson.dumps(event("p", scope="shapes"), option=orjson.OPT_INDENT_2)
    packed = live.ask("POST", "/events", gzip.compress(pretty), Content_Encoding="gzip")
    assert (packed.status, packed.json["accepted"]) == (202, 1)
    assert live.ask("POST", "/events", b"[]").json["accepted"] == 0
    events = logged(live, "shapes")
    assert [one["id"] for one in events] == ["a1", "a2", "a3", "l0", "l1", "l2", "p"]
    assert events[1]["at"] == T
    assert all(one["at"] > T for one in events if one["id"] != "a2")


@pytest.mark.parametrize(
    "one",
    [
        {"kind": "alert", "id": "k1", "summary": "x"},
        {"kind": "feedback", "id": "k2", "action": "confirm", "incident": "i-none"},
        {"kind": "policy", "id": "k3", "mode": "rollback"},
        {"kind": "tick", "at": T},
    ],
    ids=lambda one: one["kind"],
)
def test_each_kind_of_event_is_answered_by_itself(live: Live, one: dict[str, Any]) -> None:
    """What is in the log is not answered with a failure; a tick has no id to be told."""
    sent = {**one, "scope": f"kinds-{one['kind']}"}
    for _ in range(2):
        answer = live.ask("POST", "/events", sent)
        assert (answer.status, answer.json["accepted"], answer.json["id"]) == (202, 1, one.get("id"))
    assert [kept["kind"] for kept in logged(live, sent["scope"])] == [one["kind"]] * (1 if "id" in one else 2)


def test_what_cannot_be_taken_is_told_and_not_logged(live: Live) -> None:
    """Place, value and remedy; the good ones beside it are taken."""
    before = len(live.log())
    bad = live.ask("POST", "/events", event("b", severity="fatal"))
    assert bad.status == 400
    assert bad.json["error"].startswith("$.severity: expected one of critical, error, warning, info, got 'fatal'; ")
    assert bad.json["trace"] == bad.headers["x-trace-id"]
    both = live.ask("POST", "/events", [event(scope="some", at="yesterday"), event("g", scope="some"), 3])
    assert (both.status, both.json["accepted"]) == (202, 1)
    assert [one["index"] for one in both.json["refused"]] == [0, 2]
    for body in (b"", b"{", b'"x"', b"null", b"\xff", b"[" * 5000, b'{"kind":"alert","summary":"x","at":NaN}'):
        assert live.ask("POST", "/events", body).status == 400, body
    deep = b'{"kind":"tick","at":1,"more":' + b"[" * 500 + b"]" * 500 + b"}"
    assert "flatten" in live.ask("POST", "/events", deep).json["error"]
    long = live.ask("POST", "/events", event(details={"x": "y" * MAX_LINE}))
    assert (long.status, "bytes in one event" in long.json["error"]) == (400, True)
    assert len(live.log()) == before + 1


def test_what_is_sent_again_is_not_logged_again(live: Live) -> None:
    """An id given twice is a no-op: the answer is that of the first time, also among new ones; other scopes are others."""
    first = live.ask("POST", "/events", event("r1", scope="again")).json
    again = live.ask("POST", "/events", event("r1", scope="again")).json
    assert {**first, "trace": ""} == {**again, "trace": ""}
    both = live.ask("POST", "/events", [event("r1", scope="again"), event("r2", scope="again")]).json
    assert (both["accepted"], both["seq"]) == (2, first["seq"])
    assert live.ask("POST", "/events", event("r1", scope="again-other")).json["seq"] > first["seq"]
    assert [one["id"] for one in logged(live, "again")] == ["r1", "r2"]


def test_the_short_way_and_the_usual_one_give_the_same_answers(live: Live) -> None:
    """Known posts in one piece, in two, three in one, and closing the connection; denied ones stay denied."""
    live.ask("POST", "/events", event("s1", scope="short"))
    body = orjson.dumps(event("s1", scope="short"))
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", live.port)) as connection, connection.makefile("rb") as answers:

        def answer() -> tuple[bytes, dict[str, Any]]:
            status, size = answers.readline(), 0
            while (line := answers.readline()) != b"\r\n":
                size = int(line[16:]) if line.startswith(b"content-length") else size
            return status.split()[1], orjson.loads(answers.read(size))

        connection.sendall(head + b"\r\n" + body)
        assert answer()[1]["id"] == "s1"
        connection.sendall(head + b"\r\n" + body[:9])
        until(lambda: live.ask("GET", "/healthz").status == 200)
        connection.sendall(body[9:])
        assert answer()[0] == b"202"
        connection.sendall((head + b"\r\n" + body) * 3)
        assert [answer()[0] for _ in range(3)] == [b"202"] * 3
        connection.sendall(head + b"Origin: https://bad.example\r\n\r\n" + body)
        assert answer()[0] == b"403"
        connection.sendall(head + b"Connection: close\r\n\r\n" + body)
        assert answer()[0] == b"202"
        assert answers.read() == b""
    assert len(logged(live, "short")) == 1


def test_bounds_of_a_request(live: Live) -> None:
    """Size before and after unpacking, events, and time."""
    assert live.ask("POST", "/events", [event()] * 101).status == 413
    assert live.ask("POST", "/events", b" " * 3_000_000).status == 413
    assert live.ask("POST", "/events", gzip.compress(b" " * 3_000_000), Content_Encoding="gzip").status == 413
    assert live.ask("POST", "/events", b"plain", Content_Encoding="gzip").status == 400
    assert live.ask("POST", "/events", b"{}", Content_Encoding="br").status == 415
    assert live.ask("GET", "/events").status == 405
    with socket.create_connection(("127.0.0.1", live.port)) as slow:
        slow.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_bounds_hold_for_responders_too(live: Live) -> None:
    """Size and time; at an address that there is not, the same."""
    for path in ("/incidents/i-1/merge", "/v1/webhooks/none", "/none"):
        large = live.ask("POST", path, b" " * 1_500_000)
        assert (large.status, "more than 1048576 bytes" in large.json["error"]) == (413, True)
        assert large.json["trace"] == large.headers["x-trace-id"]
        with raw(live) as slow:
            slow.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{" % path.encode())
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_headers_are_bounded_and_idle_connections_closed(live: Live) -> None:
    """In bytes and in time, also where nothing is ever sent; and what nobody wants is not read for ever."""
    with raw(live) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert sent_until_closed(endless) < 1 << 24
    with raw(live) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
        assert b"HTTP/1.1 408" in slow.recv(1000)
        assert slow.recv(1000) == b""
    with raw(live) as idle:
        assert idle.recv(1000) == b""
    with raw(live) as blank:  # between two requests
        blank.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not blank.recv(1000).endswith(b"}"):
            pass
        blank.sendall(b"\r\n")
        assert blank.recv(1000) == b""
    with raw(live) as unwanted:
        unwanted.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n")
        assert unwanted.recv(1000).startswith(b"HTTP/1.1 413")
        sent_until_closed(unwanted)


def sent_until_closed(connection: socket.socket) -> int:
    """Bytes that could be sent before the other side closed; fails if it takes what is sent for ever."""
    sent, end = 0, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            connection.sendall(b"y" * (1 << 20))
        except OSError:
            return sent
        sent += 1 << 20
    raise AssertionError("it was never closed")


def raw(live: Live) -> socket.socket:
    """A connection without a client's manners."""
    return socket.create_connection(("127.0.0.1", live.port), timeout=60)


def test_all_that_is_under_way_is_bounded(tmp_path: Path) -> None:
    """One that is too much is refused with Retry-After; as soon as the others are through it is taken."""
    body = orjson.dumps(event("big", details={"x": "y" * 900_000}))
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % 1_000_000
    with Live(tmp_path / "state", "[service]\nbody_max = 1000000\nunder_way_max = 1024\n") as live:
        with raw(live) as one, raw(live) as two, raw(live) as three:
            for connection in (one, two):
                connection.sendall(head + b" " * 950_000)
            three.sendall(head + b" " * 999_999)
            refused = select.select([one, two, three], [], [], 60)[0][0]  # the others wait for their end
            answer = refused.recv(1000)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1\r\n" in answer
            answer += refused.recv(1000) if answer.endswith(b"\r\n\r\n") else b""
            assert b"requests of 1 MiB are under way" in answer
        until(lambda: live.ask("POST", "/events", body).status in (202, 400))


def test_with_too_many_connections_one_can_still_ask_how_it_is(tmp_path: Path) -> None:
    """Others are told so, in words, and when to come again; it is counted."""
    with Live(tmp_path / "state", "[service]\nconnections_max = 4\nread_s = 600.0\n") as live:
        before = live.ask("POST", "/events", event("a")).status
        with raw(live), raw(live), raw(live), raw(live):
            until(lambda: live.ask("GET", "/incidents").status == 503)
            for path in ("/events", "/v2/enqueue", "/incidents/i-1/confirm"):
                told = live.ask("POST", path, event("a"))
                assert (before, told.status, told.headers["retry-after"]) == (202, 503, "1")
                assert b"4 connections are open" in told.body
            assert [live.ask("GET", path).status for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
            text = live.ask("GET", "/metrics").body.decode()
            assert (
                float(dict(line.rsplit(" ", 1) for line in text.splitlines())['grouping_denied_total{status="503"}'])
                >= 4
            )
        until(lambda: live.ask("POST", "/events", event("b")).status == 202)


def test_connections_have_the_files_they_need_or_it_is_said(tmp_path: Path) -> None:
    """A soft limit is raised, as far as is needed; where the hard one is in the way, a line says what to do."""
    started = []
    for name, limits in (("soft", "-Sn 300"), ("hard", "-n 300")):
        live = Live(tmp_path / name, "[service]\nconnections_max = 100\n", below=f"ulimit {limits}")
        with live:
            limit = re.search(r"Max open files +(\d+)", Path(f"/proc/{live.process.pid}/limits").read_text())
            assert limit is not None
            started.append((int(limit[1]), [line["do"] for line in live.logs() if "lacking" in line]))
    assert started[0] == (100 + SPARE + OWN, [])
    assert started[1][0] == 300
    assert started[1][1] == ["raise the hard limit (ulimit -Hn, LimitNOFILE) by 72, or set connections_max = 28"]


def test_a_body_is_waited_for_only_with_a_token(tmp_path: Path) -> None:
    """Whoever is not known is told so before anything else is read."""
    with Live(tmp_path / "state", TOKENS) as live:
        for path in ("/events", "/incidents/i-1/merge", "/scopes/x/policy", "/none"):
            with raw(live) as stranger:
                stranger.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n" % path.encode())
                assert stranger.recv(1000).startswith(b"HTTP/1.1 401")


def test_the_root_says_what_answers_here_and_where_to_go_on(live: Live) -> None:
    """Every way it names is there."""
    said = live.ask("GET", "/").json
    assert (said["name"], said["ready"], said["why"]) == ("grouping", True, None)
    ways = [way for way in said["ways"] if way != "/stream"]  # that one does not end
    assert [live.ask("GET", way).status for way in ways] == [200] * len(ways)
    for way in ("/", "/healthz", "/readyz"):  # as those ask who want to know no more than whether it is there
        head = live.ask("HEAD", way)
        assert (head.status, head.body, int(head.headers["content-length"]) > 0) == (200, b"", True)


def test_what_a_request_causes_to_be_logged_has_its_trace(live: Live) -> None:
    """The answer too, whatever it is; without one of the sender's, each request has its own."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    discarded = live.ask("DELETE", "/deadletters?subscription=nobody", traceparent=parent)
    assert (discarded.status, discarded.headers["x-trace-id"]) == (200, trace)
    assert [line["say"] for line in live.logs() if line.get("trace") == trace] == ["dead letters discarded"]
    asked = [("GET", "/healthz"), ("GET", "/incidents/none"), ("PUT", "/incidents/none"), ("GET", "/events")]
    own = [live.ask(method, path).headers["x-trace-id"] for method, path in asked]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in own)
    assert len(set(own)) == len(own)


def test_a_question_waits_as_long_as_is_set(tmp_path: Path) -> None:
    """Then 503 says for how long: who asks is not kept waiting by a process that does not answer."""
    with Live(tmp_path / "state", "[service]\nanswer_s = 1.5\n") as live:
        assert live.ask("GET", "/incidents").status == 200
        decider = live.decider()
        os.kill(decider, signal.SIGSTOP)
        told = live.ask("GET", "/incidents")
        os.kill(decider, signal.SIGCONT)
        assert (told.status, told.headers["retry-after"]) == (503, "5")
        assert told.json["error"] == "the process that decides did not answer within 1.5 s; it is busy"
        assert live.ask("GET", "/incidents").status == 200


def test_a_sender_s_trace_is_kept(live: Live) -> None:
    """W3C trace context: its id is in the answer and in the log line of a refusal."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = live.ask("POST", "/events", event(severity="x"), traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert answer.json["trace"] == trace
    assert [line["door"] for line in live.logs() if line.get("trace") == trace] == ["events"]


def test_without_tokens_a_page_in_a_browser_is_turned_away(live: Live) -> None:
    """Neither from another origin nor by a name that was bent to this machine."""
    assert live.ask("POST", "/events", event("x"), Origin="https://bad.example").status == 403
    assert live.ask("GET", "/incidents", Host="bad.example").status == 403
    assert live.ask("GET", "/incidents", Host="localhost:1").status == 200
    for wrong in ("[", "[::1", "]", "[x]:1"):  # no address at all
        for method, path in (("POST", "/events"), ("GET", "/incidents")):
            assert live.ask(method, path, Host=wrong).status == 403
            assert live.ask(method, path, Origin=f"http://{wrong}").status == 403
        assert live.ask("GET", "/healthz", Host=wrong).status == 200
        assert live.ask("GET", "/none/", Host=wrong).status == 404


# -- responders


def open_three(live: Live, scope: str) -> list[str]:
    """Three incidents of two alerts each; their ids, oldest first."""
    for number in range(6):
        alert = event(f"a{number}", scope=scope, at=T + 10_000 * (number // 2), host=f"h{number // 2}")
        assert live.ask("POST", "/events", alert).status == 202
    live.settled()
    found = live.ask("GET", f"/incidents?scope={scope}").json["incidents"]
    return [one["id"] for one in reversed(found)]


def test_incidents_in_pages_and_by_what_they_are(live: Live) -> None:
    """The one opened last first."""
    first, second, third = open_three(live, "pages")
    found, page = [], live.ask("GET", "/incidents?scope=pages&limit=2").json
    while True:
        found.append([one["id"] for one in page["incidents"]])
        if page["next"] is None:
            break
        page = live.ask("GET", f"/incidents?scope=pages&limit=2&after={page['next']}").json
    assert found == [[third, second], [first]]
    assert live.ask("POST", f"/incidents/{second}/resolve").json["status"] == "done"

    def ids(query: str) -> list[str]:
        return [
            one["id"] for one in live.ask("GET", f"/incidents?{query}").json["incidents"] if one["scope"] == "pages"
        ]

    assert ids("scope=pages&status=open") == [third, first]
    assert ids("status=open") == [third, first]
    assert ids("status=resolved&limit=1000") == [second]
    assert ids("scope=pages&text=DISK") == [third, second, first]
    assert ids("scope=pages&severity=critical") == []
    assert "pages" in live.ask("GET", "/scopes").json["scopes"]
    assert live.ask("GET", "/incidents?limit=0").status == 400
    assert live.ask("GET", "/incidents?after=zz").status == 400
    assert live.ask("GET", "/incidents/i-none").status == 404


def test_what_is_misspelt_is_refused_and_changes_nothing(live: Live) -> None:
    """A filter that was passed over would show, or delete, more than was meant; a field, do what nobody asked for."""
    first, *_ = open_three(live, "misspelt")
    events = live.ask("GET", "/scopes/misspelt").json["events"]
    as_pagerduty = "application/vnd.pagerduty+json"
    for method, path, body, name in (
        ("GET", "/incidents?stauts=open", None, "stauts"),
        ("GET", "/incidents?offset=10&statuses[]=resolved", None, "offset, statuses[]"),  # of the other shape
        ("GET", f"/incidents/{first}/alerts?page=2", None, "page"),
        ("GET", "/scopes?from=a", None, "from"),
        ("GET", "/stream?sope=misspelt", None, "sope"),
        ("DELETE", "/deadletters?subscription=chat&numbers=3", None, "numbers"),
        ("POST", "/feedback/f1/undo?scop=misspelt", {}, "scop"),
        ("PUT", "/scopes/misspelt/policy", {"mode": "auto", "polcy": "service~5s"}, "body.polcy"),
        ("PUT", "/scopes/misspelt/policy", {}, "$.policy"),
        ("POST", f"/incidents/{first}/resolve", {"acter": "ana"}, "body.acter"),
    ):
        refused = live.ask(method, path, body)
        assert (refused.status, refused.json["error"].split(":")[0]) == (400, name), path
    there = live.ask("GET", "/incidents?service_ids[]=x", Accept=as_pagerduty)
    assert (there.status, there.json["error"]["errors"][0].split(":")[0]) == (400, "service_ids[]")
    assert live.ask("GET", "/incidents?include[]=services&time_zone=UTC", Accept=as_pagerduty).status == 200
    assert live.ask("GET", "/scopes/misspelt").json["events"] == events
    assert live.ask("GET", "/incidents?scope=misspelt&token=none").status == 200  # a token may stand there


def test_names_in_an_address_are_any_text(live: Live) -> None:
    """Scopes, alerts and feedback are called as their senders like, also with a slash, as ids of Kubernetes are."""
    for name in ("pay/eu", "50%2F", "a b+c", "\u00fc/%"):
        scope, id = quote(name, safe=""), quote(f"{name}/alert", safe="")
        live.ask("POST", "/events", [event(f"{name}/{end}", scope=name) for end in ("first", "alert")])
        live.settled()
        assert live.ask("GET", f"/scopes/{scope}").json["scope"] == name
        alert = live.ask("GET", f"/alerts/{id}?scope={scope}").json
        assert alert["id"] == f"{name}/alert"
        assert live.ask("PUT", f"/scopes/{scope}/policy", {"policy": "service~5s"}).json["status"] == "done"
        assert live.ask("GET", f"/scopes/{scope}/model").status == 200
        told = {"alerts": [alert["id"]], "id": f"{name}/said"}
        assert live.ask("POST", f"/incidents/{alert['incident']}/split", told).json["status"] == "done"
        undone = live.ask("POST", f"/feedback/{quote(told['id'], safe='')}/undo?scope={scope}")
        assert undone.json["status"] == "done", name
    assert live.ask("GET", "/scopes/pay/eu").status == 404  # two parts


def test_an_incident_s_alerts_and_how_they_were_decided(live: Live) -> None:
    """All options with their scores and named features."""
    first, *_ = open_three(live, "why")
    incident = live.ask("GET", f"/incidents/{first}").json
    assert (incident["status"], incident["alerts"], incident["title"]) == ("open", 2, "disk full")
    alerts = live.ask("GET", f"/incidents/{first}/alerts").json["alerts"]
    assert [(one["id"], one["host"], one["incident"]) for one in alerts] == [("a1", "h0", first), ("a0", "h0", first)]
    assert live.ask("GET", f"/incidents/{first}/alerts?skip=1&limit=1").json["alerts"] == alerts[1:]
    joined, opened = live.ask("GET", f"/incidents/{first}/decisions").json["decisions"]
    assert opened["reason"] == "only_choice"
    assert [one["incident"] for one in joined["actions"]] == [None, first]
    assert joined["features"][1]["match_host"] == 1.0
    alert = live.ask("GET", "/alerts/a1?scope=why").json
    assert alert["decision"] == {key: value for key, value in joined.items() if key != "alert"}
    assert alert["words"].startswith("same host and kind of title; ")
    assert live.ask("GET", "/alerts/a0?scope=why").json["words"] != alert["words"]


def test_corrections_are_done_when_answered(live: Live) -> None:
    """Each is an event of the log; what cannot be done is said with 409."""
    first, second, third = open_three(live, "fix")
    merged = live.ask("POST", f"/incidents/{first}/merge", {"incidents": [second], "actor": "ana", "id": "f1"})
    assert (merged.status, merged.json["status"]) == (200, "done")
    assert live.ask("GET", f"/incidents/{second}").json["into"] == first
    assert live.ask("GET", f"/incidents/{first}").json["alerts"] == 4
    moved = live.ask("POST", f"/incidents/{third}/move", {"alerts": ["a0"]})
    assert moved.json["outputs"][0]["into"] == third
    split = live.ask("POST", f"/incidents/{third}/split", {"alerts": ["a0", "a4"]}).json["outputs"]
    fresh = split[0]["incident"]
    assert {one["id"] for one in live.ask("GET", f"/incidents/{fresh}/alerts").json["alerts"]} == {"a0", "a4"}
    assert live.ask("POST", "/feedback/f1/undo?scope=fix").json["status"] == "done"
    assert live.ask("GET", f"/incidents/{second}").json["status"] == "open"
    assert live.ask("POST", f"/incidents/{second}/confirm", {"actor": "bo"}).json["status"] == "done"
    assert live.ask("POST", f"/incidents/{second}/dismiss").json["status"] == "done"
    again = live.ask("POST", f"/incidents/{second}/resolve")
    assert (again.status, "is resolved" in again.json["error"]) == (409, True)
    assert live.ask("POST", f"/incidents/{first}/merge", {"incidents": []}).status == 400
    assert live.ask("POST", "/incidents/i-none/resolve").status == 404
    actions = [(one["action"], one["actor"]) for one in logged(live, "fix") if one["kind"] == "feedback"]
    assert actions[0] == ("merge", "ana")
    assert actions[-1] == ("resolve", "anybody")


def test_only_alerts_of_the_incident_in_the_address_are_taken_out_of_it(live: Live) -> None:
    """Else nothing is moved and nothing is learned; the answer says where they are."""
    first, second, third = open_three(live, "strays")
    wrong = live.ask("POST", f"/incidents/{first}/split", {"alerts": ["a0", "a3", "nobody"]})
    assert wrong.status == 409
    assert wrong.json["error"] == (
        f"not all alerts belong to incident {first}: a3 is in {second}, nobody is not known; nothing was done"
    )
    put = {"alerts": [{"id": "a3", "incident": {"id": third}}]}
    assert live.ask("PUT", f"/incidents/{first}/alerts", put).status == 409
    assert live.ask("PUT", "/incidents/i-none/alerts", put).status == 404
    put["alerts"][0]["incident"]["id"] = "i-none"
    assert live.ask("PUT", f"/incidents/{second}/alerts", put).status == 404
    assert [one["kind"] for one in logged(live, "strays")] == ["alert"] * 6
    live.ask("POST", f"/incidents/{third}/merge", {"incidents": [second]})
    split = live.ask("POST", f"/incidents/{second}/split", {"alerts": ["a4"]})  # where it was merged into
    assert split.json["status"] == "done"


def test_of_several_moves_those_that_can_be_made_are_told(live: Live) -> None:
    """What cannot be is told beside it, and not instead of it; the same for several incidents."""
    first, second, third = open_three(live, "several")
    assert live.ask("POST", f"/incidents/{second}/resolve").status == 200
    both = {"alerts": [{"id": "a0", "incident": {"id": second}}, {"id": "a1", "incident": {"id": third}}]}
    answer = live.ask("PUT", f"/incidents/{first}/alerts", both)
    assert (answer.status, "is resolved" in answer.json["error"]) == (409, True)
    assert [(one["id"], one["incident"]["id"]) for one in answer.json["alerts"]] == [("a1", third)]
    assert live.ask("GET", "/alerts/a1?scope=several").json["incident"] == third
    put = {"incidents": [{"id": id, "status": "resolved"} for id in (second, third)]}
    answer = live.ask("PUT", "/incidents", put)
    assert (answer.status, [one["id"] for one in answer.json["incidents"]]) == (409, [third])


def test_what_cannot_be_acknowledged_is_told(live: Live) -> None:
    """Without a dedup_key, or over already, nothing is done; beside others such alerts are named. Counts have them."""
    first, second, _ = open_three(live, "acks")
    assert live.ask("GET", f"/incidents/{first}").json["firing"] == 2
    shape = {"Accept": "application/vnd.pagerduty+json;version=2"}
    counts = live.ask("GET", f"/incidents/{first}", **shape).json["incident"]["alert_counts"]
    assert counts == {"all": 2, "triggered": 2, "resolved": 0}
    refused = live.ask("POST", f"/incidents/{first}/acknowledge")
    assert (refused.status, "without dedup_key alone" in refused.json["error"]) == (409, True)
    assert live.ask("PUT", f"/incidents/{first}", {"incident": {"status": "acknowledged"}}).status == 409
    at = T + 10_001
    for id in ("x" * 250 + "a", "x" * 250 + "b"):  # ids that end alike once cut
        live.ask("POST", "/events", event(id, scope="acks", at=at, host="h1", dedup_key=id))
    live.settled()
    (where,) = {live.ask("GET", f"/alerts/{'x' * 250}{end}?scope=acks").json["incident"] for end in "ab"}
    done = live.ask("POST", f"/incidents/{where}/acknowledge", {"id": "ack"}).json
    assert (done["status"], len(done["alerts"])) == ("done", 2)
    assert set(done["without_key"]) == {"a2", "a3"}
    rows = live.ask("GET", f"/incidents/{where}/alerts").json["alerts"]
    assert sorted(row["status"] for row in rows) == ["acknowledged", "acknowledged", "firing", "firing"]
    assert live.ask("GET", f"/incidents/{where}").json["firing"] == 4
    live.ask("POST", f"/incidents/{second}/resolve")
    over = live.ask("POST", f"/incidents/{second}/acknowledge")
    assert (over.status, "is resolved" in over.json["error"]) == (409, True)


def test_policies_are_set_and_rolled_back(live: Live) -> None:
    """From the next event on."""
    open_three(live, "rules")
    before = live.ask("GET", "/scopes/rules").json
    assert (before["tuned"], before["because"]) == (True, None)
    assert before["looks"] == {"found": None, "alerts": 6, "next_at": FIRST_LOOK, "goes_on": False, "refused": []}
    assert before["trials"] == {
        "promoted": None,
        "corrections": 0,
        "next_at": FIRST_TRIAL,
        "goes_on": False,
        "refused": [],
    }
    done = live.ask("PUT", "/scopes/rules/policy", {"policy": "service~5s"}).json
    assert [one["policy"] for one in done["outputs"]] == ["service~5s"]
    now = live.ask("GET", "/scopes/rules").json
    assert (now["policy"], now["because"]) == ("service~5s", done["outputs"][0])
    assert live.ask("PUT", "/scopes/rules/policy", {"mode": "shadow", "policy": "*~1s"}).status == 200
    assert live.ask("GET", "/scopes/rules").json["because"] == done["outputs"][0]  # what plays along decides nothing
    back = live.ask("PUT", "/scopes/rules/policy", {"mode": "rollback"}).json
    assert back["outputs"][0]["why"] == "rolled_back"
    assert live.ask("GET", "/scopes/rules").json["because"] == back["outputs"][0]
    wrong = live.ask("PUT", "/scopes/rules/policy", {"policy": "best"})
    assert (wrong.status, "expected a policy" in wrong.json["error"]) == (409, True)
    assert live.ask("GET", "/scopes/none").status == 404


def test_the_stream_goes_on_where_one_was(live: Live) -> None:
    """Each line once, from any event on; with Last-Event-ID too; new ones as they are decided."""
    open_three(live, "flow")
    expected = grouping("outputs", live.state).stdout.splitlines()
    found = read_stream(live, "/stream?after=0", len(expected))
    assert [orjson.dumps(data) for _, data in found] == expected
    seqs = [data["seq"] for _, data in found]
    half = seqs[len(seqs) // 2]
    rest = [data for _, data in found if data["seq"] > half]
    assert [data for _, data in read_stream(live, "/stream", len(rest), last_event_id=str(half))] == rest
    ids = [id for id, _ in found]
    assert all((id is None) == (seq == after) for id, seq, after in zip(ids, seqs, [*seqs[1:], -1], strict=True))

    beyond = live.ask("GET", "/stream", last_event_id=str(10**6))  # of another log, as after a restore
    assert (beyond.status, beyond.json["error"].split(",")[0]) == (400, "there is no event 1000000")

    connection = live.connect()
    connection.request("GET", "/stream?scope=flow-b")
    response = connection.getresponse()
    live.ask("POST", "/events", event("other", scope="flow-a"))
    live.ask("POST", "/events", event("mine", scope="flow-b"))
    kinds = [data["kind"] for _, data in events_of(response, 2)]
    connection.close()
    assert kinds == ["incident", "decision"]


def test_who_reads_along_is_let_go_at_the_end_and_without_a_token(tmp_path: Path) -> None:
    """At once: a stop waits for nobody, and a token that is taken away opens nothing any more."""
    with Live(tmp_path / "state", TOKENS) as live, closing(live.connect()) as one, closing(live.connect()) as two:
        for token, connection in (("respond", one), ("admin", two)):
            connection.request("GET", "/stream", headers={"Authorization": f"Bearer {token}"})
        first, second = one.getresponse(), two.getresponse()
        (tmp_path / "state.toml").write_text(TOKENS.replace(sha256(b"respond").hexdigest(), "0" * 64))
        live.process.send_signal(signal.SIGHUP)
        assert first.read().replace(b": still here\n\n", b"") == b""  # to its end
        live.ask("POST", "/events", event("a"), Authorization="Bearer admin")
        assert events_of(second, 1)[0][1]["kind"] == "incident"
        assert live.stop() == 0
        assert [line for line in live.logs() if line["level"] == "error"] == []
        assert "raceback" not in live.said()


def read_stream(live: Live, path: str, count: int, **headers: str) -> list[tuple[int | None, dict[str, Any]]]:
    """So many events of the stream, each with its id."""
    connection = live.connect()
    connection.request("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    found = events_of(connection.getresponse(), count)
    connection.close()
    return found


def events_of(response: http.client.HTTPResponse, count: int) -> list[tuple[int | None, dict[str, Any]]]:
    """So many server-sent events with data."""
    found: list[tuple[int | None, dict[str, Any]]] = []
    id: int | None = None
    while len(found) < count:
        name, _, value = response.readline().decode().rstrip("\n").partition(": ")
        if name == "id":
            id = int(value)
        elif name == "data":
            found.append((id, orjson.loads(value)))
        elif name == "":
            id = None
    return found


# -- operation


def test_metrics_say_how_it_is(live: Live) -> None:
    """In Prometheus' text format."""
    first, second, _ = open_three(live, "metrics")
    assert live.ask("POST", f"/incidents/{first}/merge", {"incidents": [second]}).status == 200
    live.settled()
    text = live.ask("GET", "/metrics").body.decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["grouping_log_end"]) == float(values["grouping_decided"]) == len(live.log())
    assert float(values['grouping_accepted_total{door="events"}']) > 0
    assert float(values["grouping_backlog"]) == 0
    assert float(values["grouping_accept_seconds_count"]) > 0
    assert float(values["grouping_decision_seconds_count"]) == len(live.log())
    assert float(values["grouping_log_bytes"]) > 100
    page = live.ask("GET", "/incidents?status=open&limit=1000").json
    assert page["next"] is None
    assert float(values["grouping_open_incidents"]) == len(page["incidents"]) > 0
    assert float(values["grouping_disk_free_bytes"]) > float(values["grouping_disk_reserve_bytes"]) == 0
    quality = Quality()
    for line in grouping("outputs", live.state).stdout.splitlines():
        quality.read(orjson.loads(line))
    assert quality.counts["corrections"] > 0
    for what, count in quality.counts.items():
        assert float(values[f'grouping_quality_total{{what="{what}"}}']) == count
    assert float(values["grouping_opening_rate"]) == quality.opening_rate() > 0
    assert float(values["grouping_override_rate"]) == quality.override_rate() > 0
    assert float(values["grouping_corrections_per_100_incidents"]) == quality.corrections_per_100() > 0
    assert float(values["grouping_calibration_error"]) == quality.calibration_error() > 0


def test_the_openapi_document_names_every_route(live: Live) -> None:
    """With their methods."""
    document = live.ask("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.")
    paths = document["paths"]
    assert "post" in paths["/events"]
    for path in ("/healthz", "/readyz", "/metrics", "/incidents", "/incidents/{id}/decisions", "/scopes", "/stream"):
        assert "get" in paths[path], path
    assert "put" in paths["/scopes/{scope}/policy"]


# -- tokens


TOKENS = "".join(
    f'[[service.tokens]]\nname = "{right}"\nrights = ["{right}"]\nsha256 = "{sha256(right.encode()).hexdigest()}"\n'
    for right in ("ingest", "read", "respond", "admin")
)


def test_tokens_give_rights_and_have_a_rate(tmp_path: Path) -> None:
    """401 without one, 403 without the right, 429 when too fast; each in words, with what to do."""
    with Live(tmp_path / "state", f"[service]\nrate = 0.001\nburst = 3\n{TOKENS}") as live:

        def status(method: str, path: str, token: str | None, body: Any = None) -> int:
            return live.ask(method, path, body, **({"Authorization": f"Bearer {token}"} if token else {})).status

        assert live.ask("GET", "/healthz").status == 200
        assert status("POST", "/events", None, event("a")) == 401
        assert status("POST", "/events", "wrong", event("a")) == 401
        assert status("POST", "/events", "respond", event("a")) == 403
        assert status("POST", "/events", "ingest", event("a")) == 202
        assert live.ask("POST", "/events?token=ingest", event("b")).status == 202
        for never in ("%ff", "%C3%A9"):  # what no token can be
            for method, path in (("POST", "/events"), ("GET", "/incidents")):
                assert live.ask(method, f"{path}?token={never}", event("b")).status == 401
        assert live.ask("POST", "/events", event("c"), Authorization="Basic eDppbmdlc3Q=").status == 202  # x:ingest
        fast = live.ask("POST", "/events", event("d"), Authorization="Bearer ingest")
        assert (fast.status, int(fast.headers["retry-after"]) > 100) == (429, True)
        read = [status("GET", "/incidents", token) for token in (None, "ingest", "read", "respond", "admin")]
        assert read == [401, 403, 200, 200, 200]
        incident = live.ask("GET", "/incidents", Authorization="Bearer read").json["incidents"][0]["id"]
        assert status("POST", f"/incidents/{incident}/confirm", "read") == 403
        assert status("PUT", f"/incidents/{incident}", "read", {"incident": {"status": "resolved"}}) == 403
        assert status("GET", "/deadletters", "read") == 403
        for path in ("/metrics", "/scopes", "/subscriptions"):
            told = [status("GET", path, token) for token in (None, "ingest", "read", "respond", "admin")]
            assert told == [401, 403, 200, 200, 200], path
        assert status("PUT", "/scopes/default/policy", "respond", {"policy": "default"}) == 403
        assert "ingest" not in [line.get("token") for line in live.logs()]
        assert len(live.log()) == 3


def test_whoever_is_turned_away_is_counted_wherever_that_was(tmp_path: Path) -> None:
    """Who tries tokens on incidents is seen as one who tries them on events; the line has the trace of the answer."""
    with Live(tmp_path / "state", TOKENS) as live:

        def ask(method: str, path: str, token: str, body: Any = None) -> Answer:
            return live.ask(method, path, body, Authorization=f"Bearer {token}")

        def denied(status: int) -> float:
            text = ask("GET", "/metrics", "read").body.decode()
            found = re.search(rf'grouping_denied_total{{status="{status}"}} (\S+)', text)
            return float(found[1]) if found else 0.0

        unknown = [ask("GET", "/incidents", "guess"), ask("POST", "/incidents/i-1/confirm", "guess", {"id": "x"})]
        assert [answer.status for answer in unknown] == [401, 401]
        assert (ask("GET", "/scopes", "ingest").status, denied(401), denied(403)) == (403, 2.0, 1.0)
        lines = [line for line in live.logs() if line["say"] == "denied"]
        assert [(line["path"], line["status"]) for line in lines] == [
            ("/incidents", 401),
            ("/incidents/i-1/confirm", 401),
        ]
        assert [line["trace"] for line in lines] == [answer.headers["x-trace-id"] for answer in unknown]


@pytest.mark.parametrize("path", ["/events", "/v1/webhooks/canonical"])
def test_each_kind_of_event_needs_its_right(tmp_path: Path, path: str) -> None:
    """Whoever may send alerts may neither correct nor set what decides; what is allowed beside it is taken."""
    kinds = {
        "alert": event("a1", scope="x"),
        "feedback": {"kind": "feedback", "id": "f1", "action": "confirm", "incident": "i-1", "scope": "x"},
        "policy": {"kind": "policy", "id": "p1", "mode": "rollback", "scope": "x"},
        "tick": {"kind": "tick", "at": T, "scope": "x"},
    }
    allowed = {"ingest": {"alert"}, "respond": {"feedback"}, "admin": set(kinds)}
    with Live(tmp_path / "state", TOKENS) as live:
        assert live.ask("POST", path, kinds["alert"], Authorization="Bearer read").status == 403
        for token, may in allowed.items():
            for kind, one in kinds.items():
                sent = {**one, "id": f"{token}-{kind}"} if "id" in one else one
                answer = live.ask("POST", path, sent, Authorization=f"Bearer {token}")
                assert answer.status == (202 if kind in may else 403), (token, kind, answer)
                if kind not in may:
                    right = {"alert": "ingest", "feedback": "respond"}.get(kind, "admin")
                    assert answer.json["error"] == f"the token of {token} does not give the right to {right}"
        known = live.ask("POST", path, {**kinds["policy"], "id": "admin-policy"}, Authorization="Bearer ingest")
        assert known.status == 403
        both = live.ask("POST", path, [kinds["policy"], kinds["alert"]], Authorization="Bearer ingest")
        assert (both.status, both.json["accepted"], both.json["refused"][0]["id"]) == (202, 1, "p1")
        told = live.ask("POST", path, event("b", bypass="late"), Authorization="Bearer admin")
        assert (told.status, told.json["error"].startswith("$.bypass: expected nothing")) == (400, True)
        kept = [(one["kind"], one.get("id")) for one in live.log()]
        assert kept == [
            ("alert", "ingest-alert"),
            ("feedback", "respond-feedback"),
            ("alert", "admin-alert"),
            ("feedback", "admin-feedback"),
            ("policy", "admin-policy"),
            ("tick", None),
            ("alert", "a1"),
        ]


def test_a_signature_gives_the_right_to_send_alerts_alone(tmp_path: Path) -> None:
    """Also where any kind of event can be read."""
    signed = '[[service.signed]]\nformat = "canonical"\nsecrets = ["env:SIGNS"]\nheader = "X-Signature"\n'
    with Live(tmp_path / "state", signed, SIGNS="secret") as live:

        def status(one: dict[str, Any]) -> int:
            body = orjson.dumps(one)
            proof = hmac.digest(b"secret", body, "sha256").hex()
            return live.ask("POST", "/v1/webhooks/canonical", body, X_Signature=proof).status

        assert status(event("a")) == 202
        assert status({"kind": "policy", "id": "p", "mode": "rollback"}) == 403
        assert status({"kind": "tick", "at": T}) == 403


def test_a_token_may_have_a_rate_of_its_own(tmp_path: Path) -> None:
    """In place of the service's; 0 is as fast as it can. What another one sends does not count."""
    own = {"slow": "rate = 0.001\nburst = 2\n", "free": "rate = 0\n", "usual": ""}
    rows = "".join(
        f'[[service.tokens]]\nname = "{name}"\nrights = ["ingest"]\nsha256 = "{sha256(name.encode()).hexdigest()}"\n{more}'
        for name, more in own.items()
    )
    with Live(tmp_path / "state", f"[service]\nrate = 0.002\nburst = 4\n{rows}") as live:
        for name, most in (("slow", 2), ("usual", 4), ("free", 6)):
            sent = [live.ask("POST", "/events", event(f"{name}{n}"), Authorization=f"Bearer {name}") for n in range(6)]
            assert [one.status for one in sent] == [202] * most + [429] * (6 - most)
        told = live.ask("POST", "/events", event("x"), Authorization="Bearer slow").json["error"]
        assert told == "slow sends more than 0.001 events a second; send slower"
    checked = grouping("config", "check", tmp_path / "state.toml").stdout.decode()
    assert "service.tokens: slow: ingest, 0.001 events/s\n" in checked
    assert "service.tokens: free: ingest, as fast as it can\n" in checked


def test_settings_are_read_again_on_sighup(tmp_path: Path) -> None:
    """New tokens, rates and bounds hold from then on; a file that cannot be used changes nothing."""
    with Live(tmp_path / "state") as live:
        config = tmp_path / "state.toml"

        def reload(text: str, said: str) -> dict[str, Any]:
            seen = len(live.logs())
            config.write_text(text)
            live.process.send_signal(signal.SIGHUP)
            until(lambda: any(line["say"].startswith(said) for line in live.logs()[seen:]))
            return live.logs()[-1]

        assert live.ask("POST", "/events", event("a")).status == 202
        reload(TOKENS, "reloaded")
        assert live.ask("POST", "/events", event("b")).status == 401
        assert live.ask("POST", "/events", event("b"), Authorization="Bearer ingest").status == 202
        assert "service.rate: expected a number" in reload("[service]\nrate = 'x'\n", "not reloaded")["why"]
        assert live.ask("POST", "/events", event("c")).status == 401
        assert reload("seed = 9\n[service]\nbody_max = 1024\n", "reloaded")["need_a_restart"] == [
            "the settings of the engine"
        ]
        assert live.ask("POST", "/events", b" " * 2000).status == 413


def test_settings_are_checked_before_anything_starts(tmp_path: Path) -> None:
    """Place, value, remedy; status 2."""
    file = tmp_path / "c.toml"
    cases = {
        "[service]\nport = 1\n": "service.port: no such setting",
        "[service]\nlisten = '0.0.0.0:80'\n": "can be reached from other machines and there are no tokens",
        "[service]\nlisten = '80'\n": "expected HOST:PORT",
        "[service]\nbody_max = 1\n": "service.body_max: expected 1024",
        "[service]\nrate = 'x'\n": "service.rate: expected a number",
        "service = 1\n": "service: expected a table",
        "[[service.tokens]]\nname = 'x'\n": "service.tokens[0]: expected name, sha256 and rights",
        "[[service.tokens]]\nname = 'x'\nsha256 = 'y'\nrights = ['ingest']\n": "64 hexadecimal digits",
        f"{TOKENS}rate = -1\n": "service.tokens[3].rate: expected a number from 0 to 1e+09, got -1",
        f"{TOKENS}burst = '9'\n": "service.tokens[3].burst: expected a number from 1 to 1e+09, got '9'",
        f"{TOKENS}speed = 9\n": "service.tokens[3]: expected name, sha256 and rights, rate and burst if it has its own",
        "seed = 'x'\n": "seed: expected a whole number",
    }
    for text, said in cases.items():
        file.write_text(text)
        for command in (("config", "check", file), ("serve", "--state", tmp_path / "s", "--config", file)):
            done = CliRunner().invoke(main, [str(part) for part in command])
            assert done.exit_code == 2, (text, done.output)
            assert said in done.output, (text, done.output)
    file.write_text("seed = 4\n[service]\nlisten = '127.0.0.1:99'\n")
    done = grouping("config", "check", file, GROUPING_BODY_MAX="4096")
    assert done.returncode == 0
    assert {"seed = 4", "service.listen = '127.0.0.1:99'", "service.body_max = 4096"} <= set(
        done.stdout.decode().split("\n")
    )
    assert b"GROUPING_BURST: expected a number, got 'many'" in grouping("config", "check", GROUPING_BURST="many").stderr


def test_a_made_token_is_one_that_is_taken(tmp_path: Path) -> None:
    """What `grouping config token` prints goes into the configuration as it is."""
    made = grouping("config", "token", "prometheus", "--right", "ingest", "--right", "respond")
    secret = made.stderr.decode().split()[-1]
    with Live(tmp_path / "state", made.stdout.decode()) as live:
        assert live.ask("POST", "/events", event("a"), Authorization=f"Bearer {secret}").status == 202
        assert live.ask("GET", "/incidents", Authorization=f"Bearer {secret}").status == 200
