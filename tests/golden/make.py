"""Makes the golden log: `python -m tests.golden.make`. What it gives is recorded as hashes beside it.

To be run again only when the outputs are meant to change; the changelog then says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
from pathlib import Path
from typing import Any

import orjson

from grouping import Config, Engine, Malformed, emit, parse
from grouping.records import Refused
from tests.logs import Player

HERE = Path(__file__).parent
T = 1_760_000_000.0
EXPLORE = 0.4  # so that the log has explored decisions; as in config.toml


def log(seed: int = 20_26) -> list[dict[str, Any]]:
    """Two thousand events of every kind, good and bad, and a scope with a shape of its own."""
    chance = random.Random(seed)
    events: list[dict[str, Any]] = []
    at = T
    for number in range(2000):
        at += chance.choice([0.0, 0.1, 0.5, 1.0, 3.0, 20.0, 45.0, -2.0]) if number % 97 else 2000.0
        scope = chance.choice(["default", "payments", "shop"])
        roll = chance.random()
        if roll < 0.04:
            events.append(_feedback(chance, number) | {"scope": scope, "at": at})
        elif roll < 0.05:
            name = chance.choice(["service~5s", "linear(*~2s)", "*=20s", "nonsense"])
            events.append({"kind": "policy", "mode": "auto", "policy": name, "scope": scope, "at": at})
        elif roll < 0.06:
            events.append({"kind": "tick", "at": at, "scope": scope})
        else:
            events.append(_alert(chance, number) | {"scope": scope, "at": at})
    return events + _bursts(chance, at)


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
    return {key: value for key, value in event.items() if value is not None}


def _feedback(chance: random.Random, number: int) -> dict[str, Any]:
    event: dict[str, Any] = {"kind": "feedback", "id": f"f{number}", "actor": "ana@example.com"}
    recent = [f"@{back}" for back in range(1, 12)]  # the alerts decided last in the scope
    match chance.choice(["merge", "move", "split", "confirm", "resolve", "dismiss", "undo"]):
        case "merge":
            return event | {"action": "merge", "incidents": [-1, -3], "into": -2}
        case "move":
            return event | {"action": "move", "alerts": chance.sample(recent, 2), "into": -1}
        case "split":
            return event | {"action": "move", "alerts": chance.sample(recent, 2), "into": None}
        case "undo":
            return event | {"action": "undo", "feedback": f"f{number - chance.randrange(1, 60)}"}
        case verb:
            return event | {"action": verb, "incident": -1}


class _Recorder(Player):
    """Puts the ids in: -1 is the incident opened last in the scope, @1 the alert decided last."""

    def __init__(self) -> None:
        super().__init__(config=Config(explore=EXPLORE))
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
    """The log."""
    recorder = _Recorder()
    for event in log():
        with contextlib.suppress(Malformed):
            recorder.play(event)
    return b"\n".join(recorder.lines) + b"\n"


def hashes(lines: bytes) -> str:
    """What the log gives: the outputs, and the state at the end, every stored feature included."""
    engine = Engine(Config(explore=EXPLORE))
    outputs = []
    for number, line in enumerate(lines.splitlines(), 1):
        try:
            outputs += [emit(number, output) for output in engine.step(parse(line))]
        except Malformed as error:
            outputs.append(emit(number, Refused(error.scope, error.id, str(error))))
    found = {"outputs": b"".join(outputs), "snapshot": engine.snapshot()}
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in found.items())


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        print(hashes((HERE / "log.jsonl").read_bytes()), end="")
    else:
        (HERE / "log.jsonl").write_bytes(make())
        (HERE / "expected.sha256").write_text(hashes((HERE / "log.jsonl").read_bytes()))
