"""Makes the golden logs: `python -m tests.golden.make`. What they give is recorded as hashes beside them.

``log.jsonl`` has events of every kind at random, good and bad, under tight bounds and much exploration. ``taught.jsonl.gz``
has scopes that learn: what they find, what corrections promote, what is rolled back, what plays along.

To be run again only when the outputs are meant to change; the changelog then says so.
"""

from __future__ import annotations

import contextlib
import gzip
import random
from dataclasses import asdict
from typing import Any

import orjson

from grouping import Engine, Malformed, parse
from grouping.records import Feedback
from grouping.responder import Habits, Responder, arrivals
from grouping.simulate import simulate
from tests.golden.check import HERE, TIGHT, hashes
from tests.logs import Player
from tests.test_guard import renamed
from tests.test_kin import stream
from tests.test_promote import changing

T = 1_760_000_000.0


def log(seed: int = 20_26) -> list[dict[str, Any]]:
    """Two thousand events of every kind, good and bad, and a scope with a shape of its own."""
    chance = random.Random(seed)
    events: list[dict[str, Any]] = []
    given: dict[str, list[str]] = {}  # feedback by scope
    at = T
    for number in range(2000):
        at += chance.choice([0.0, 0.1, 0.5, 1.0, 3.0, 20.0, 45.0, -2.0]) if number % 97 else 2000.0
        scope = chance.choice(["default", "payments", "shop"])
        roll = chance.random()
        if roll < 0.04:
            one = _feedback(chance, number, given.setdefault(scope, []))
            events.append(one | {"scope": scope, "at": at})
        elif roll < 0.05:
            name = chance.choice(["service~5s", "linear(*~2s)", "*=20s", "*=900s", "nonsense"])
            events.append({"kind": "policy", "mode": "auto", "policy": name, "scope": scope, "at": at})
        elif roll < 0.06:
            events.append({"kind": "tick", "at": at, "scope": scope})
        else:
            late = 500.0 if chance.random() < 0.02 else 0.0
            events.append(_alert(chance, number) | {"scope": scope, "at": at - late})
    return events + _bursts(chance, at) + _corners(at + 1e6)


def _bursts(chance: random.Random, at: float) -> list[dict[str, Any]]:
    """Faults of one service after the other, each a burst over several hosts: a scope finds this by itself."""
    events: list[dict[str, Any]] = []
    for fault in range(40):
        start = at + 400.0 * fault
        service = chance.choice(["ore", "mill", "kiln"])
        for number in range(20):
            start += chance.uniform(0.5, 6.0)
            event = {"kind": "alert", "id": f"b{fault}-{number}", "scope": "plant", "service": service, "at": start}
            events.append(event | {"host": f"h-{chance.randrange(40)}", "summary": f"{service} stopped"})
    return events


def _corners(at: float) -> list[dict[str, Any]]:
    """What chance hardly brings: an incident that begins too much later, and an undo of what was moved on since."""
    policy = {"kind": "policy", "id": "c0", "mode": "auto", "policy": "*=3600s"}
    down = {"kind": "alert", "summary": "down", "service": "db"}
    split = {
        "kind": "feedback",
        "id": "s1",
        "action": "move",
        "alerts": ["c3"],
        "into": None,
        "actor": "ana@example.com",
    }
    events = [
        policy | {"at": at},
        down | {"id": "c1", "at": at + 1000.0},
        down | {"id": "c2", "at": at},
        down | {"id": "c3", "at": at + 1.0},
        split | {"at": at + 2.0},
        split | {"id": "s2", "at": at + 3.0, "into": -3, "actor": "bob@example.com"},
        {"kind": "feedback", "id": "s3", "action": "undo", "feedback": "s1", "at": at + 4.0},
    ]
    return [event | {"scope": "corners"} for event in events]


def _alert(chance: random.Random, number: int) -> dict[str, Any]:
    service, host = chance.choice(["api", "db", "web", None]), f"h-{chance.randrange(9)}"
    event = {
        "kind": "alert",
        "id": f"a{number if chance.random() < 0.97 else number - 1}",
        "status": chance.choice(["firing"] * 8 + ["resolved", "acknowledged"]),
        "dedup_key": chance.choice([None, f"{service}/{host}"]),
        "severity": chance.choice(
            ["critical", "error", "warning", "info", None, None, "fatal" if number % 50 == 0 else None]
        ),
        "service": service,
        "host": host,
        "class": chance.choice(["DiskFull", "Latency", None]),
        "summary": chance.choice([f"disk {number % 100}% full on {host}", f"p99 of {service} is {number} ms", "down"]),
        "details": {"region": chance.choice(["eu-1", "us-2"]), "value": number * 0.1, "tags": ["a", "b"]},
    }
    if number % 70 == 0:
        event["bypass"] = "late" if number % 140 else "fault"
    return {key: value for key, value in event.items() if value is not None}


def _feedback(chance: random.Random, number: int, given: list[str]) -> dict[str, Any]:
    event: dict[str, Any] = {"kind": "feedback", "id": f"f{number}", "actor": "ana@example.com"}
    given.append(f"f{number}")
    recent = [f"@{back}" for back in range(1, 12)]  # the alerts decided last in the scope
    match chance.choice(["merge", "move", "split", "confirm", "resolve", "dismiss", "undo"]):
        case "merge":
            return event | {"action": "merge", "incidents": [-1, -3], "into": -2}
        case "move":
            return event | {"action": "move", "alerts": chance.sample(recent, 2), "into": -1}
        case "split":
            return event | {"action": "move", "alerts": chance.sample(recent, 2), "into": None}
        case "undo":
            return event | {"action": "undo", "feedback": chance.choice(given[-6:] or ["f0"])}
        case verb:
            return event | {"action": verb, "incident": -1}


class _Recorder(Player):
    """Puts the ids in: -1 is the incident opened last in the scope, @1 the alert decided last."""

    def __init__(self) -> None:
        super().__init__(config=TIGHT)
        self.lines: list[bytes] = []
        self.alerts: dict[str, list[str]] = {}

    def _named(self, event: dict[str, Any]) -> dict[str, Any]:
        known = [*[f"i-{number}" for number in range(3)], *self.opened.get(event["scope"], [])]
        alerts = [*[f"b{number}" for number in range(12)], *self.alerts.setdefault(event["scope"], [])]

        def name(value: Any) -> Any:
            if isinstance(value, str) and value.startswith("@"):
                return alerts[-int(value[1:])]
            return known[value] if isinstance(value, int) and value < 0 else value

        named = {k: [name(v) for v in value] if isinstance(value, list) else name(value) for k, value in event.items()}
        self.lines.append(orjson.dumps(named))
        if event["kind"] == "alert":
            self.alerts[event["scope"]].append(event["id"])
        return named


def make() -> bytes:
    """The log of events at random."""
    recorder = _Recorder()
    for event in log():
        with contextlib.suppress(Malformed):
            recorder.play(event)
    return b"\n".join(recorder.lines) + b"\n"


# -- the log of scopes that learn

Rows = list[tuple[dict[str, Any], str | None]]  # an event, and the group of its alert


def taught() -> bytes:
    """Scopes that learn, one after the other, and what a responder did in them."""
    logins = [({key: value for key, value in one.items() if key != "fault"}, one["fault"]) for one in stream()]
    tenants: Rows = [(event, None) for event in renamed(60, tenants=120)]
    lines = [*_lived("kin", logins, Habits(budget=0)), *_lived("swallowed", tenants, Habits(budget=0))]
    lines += _lived("promoted", changing(), Habits())
    beside: Rows = [(event, group) for event, group in simulate("two_faults", 3) if event["kind"] == "alert"]
    beside.insert(100, ({"kind": "policy", "id": "p1", "mode": "shadow", "policy": "service~5s"}, None))
    beside.insert(250, ({"kind": "policy", "id": "p2", "mode": "suggest", "policy": "learned(service~5s)"}, None))
    beside.insert(500, ({"kind": "policy", "id": "p3", "mode": "auto", "policy": "service=60s"}, None))
    beside.insert(520, ({"kind": "policy", "id": "p4", "mode": "rollback"}, None))
    lines += _lived("beside", beside, Habits(budget=30))
    return b"\n".join(lines) + b"\n"


def _lived(scope: str, rows: Rows, habits: Habits) -> list[bytes]:
    """The events of a scope with the feedback of a responder who knows the groups, as lines."""
    lines = []
    raw = [event | {"scope": scope} for event, _ in rows]
    truth = {str(event["id"]): group for event, group in rows}
    engine, responder = Engine(), Responder(truth, habits)
    events = [parse(orjson.dumps(event)) for event in raw]
    for sent, event, now in zip(raw, events, arrivals(events), strict=True):
        while (said := responder.next(scope, now)) is not None:
            lines.append(written(said))
            responder.watch(said, engine.step(said), now)
        lines.append(orjson.dumps(sent))
        responder.watch(event, engine.step(event), now)
    return lines


def written(said: Feedback) -> bytes:
    """A feedback as its line."""
    fields = asdict(said)
    return orjson.dumps(
        {"kind": "feedback"} | {key: value for key, value in fields.items() if value or (key == "into" and said.alerts)}
    )


if __name__ == "__main__":
    (HERE / "log.jsonl").write_bytes(make())
    (HERE / "taught.jsonl.gz").write_bytes(gzip.compress(taught(), mtime=0))
    (HERE / "expected.sha256").write_text(hashes())
