"""Logs made by Hypothesis: few names, so that everything meets everything, and times that jump and go backwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from hypothesis import strategies as st

from grouping import Config, Engine, emit, parse

IDS = [f"a{number}" for number in range(12)]
KEYS = ["k1", "k2", "k3"]
SERVICES = ["api", "db"]
HOSTS = ["db-1", "db-2", "web-1"]
TITLES = ["CPU high on db-1", "CPU high on db-2", "disk 97% full", "disk 98% full", "no route to 10.0.0.7"]
SCOPES = ["default", "pay"]
# Eighths of a second, so that sums of them are exact and no silence is a rounding error away from a limit.
GAPS = [0.0, 0.25, 0.875, 1.0, 5.0, 29.0, 31.0, 400.0, 5000.0, -3.0, -400.0]


def some(values: Iterable[Any]) -> st.SearchStrategy[Any]:
    """One of the values, or nothing: the field is left out."""
    return st.sampled_from([*values, None])


@st.composite
def alerts(draw: st.DrawFn, scopes: list[str]) -> dict[str, Any]:
    """An alert; its time is a gap, made absolute by ``logs``."""
    event = {
        "kind": "alert",
        "id": draw(some(IDS)),
        "gap": draw(st.sampled_from(GAPS)),
        "scope": draw(st.sampled_from(scopes)),
        "status": draw(st.sampled_from(["firing"] * 6 + ["resolved", "acknowledged"])),
        "dedup_key": draw(some(KEYS)),
        "severity": draw(some(["critical", "info"])),
        "service": draw(some(SERVICES)),
        "host": draw(some(HOSTS)),
        "summary": draw(st.sampled_from(TITLES)),
        "details": draw(some([{"region": "eu"}, {"region": "us", "pod": "p-1"}])),
    }
    return {key: value for key, value in event.items() if value is not None}


@st.composite
def feedbacks(draw: st.DrawFn, scopes: list[str]) -> dict[str, Any]:
    """A correction. Incidents are named by the alert that opened them; ``run`` puts their ids in."""
    action = draw(st.sampled_from(["merge", "move", "move", "confirm", "resolve", "dismiss", "undo"]))
    event: dict[str, Any] = {
        "kind": "feedback",
        "id": draw(st.sampled_from([f"f{number}" for number in range(8)])),
        "gap": 0.0,
        "scope": draw(st.sampled_from(scopes)),
        "action": action,
    }
    incident = st.integers(0, 5)
    match action:
        case "merge":
            event |= {"incidents": draw(st.lists(incident, min_size=1, max_size=3)), "into": draw(incident)}
        case "move":
            event |= {"alerts": draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3))}
            event |= {"into": draw(st.none() | incident)}
        case "undo":
            event |= {"feedback": draw(st.sampled_from([f"f{number}" for number in range(8)]))}
        case _:
            event |= {"incident": draw(incident)}
    return event


def policies(scopes: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """A person changes what decides, or goes back."""
    names = st.sampled_from(["*~1s", "service=60s", "host+service~5s", "default", "linear(service~5s)"])
    said = {"kind": st.just("policy"), "gap": st.just(0.0), "scope": st.sampled_from(scopes)}
    given = st.fixed_dictionaries(said | {"mode": st.just("auto"), "policy": names})
    return st.one_of(given, given, st.fixed_dictionaries(said | {"mode": st.just("rollback")}))


def ticks(scopes: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Time passes."""
    return st.fixed_dictionaries(
        {"kind": st.just("tick"), "gap": st.sampled_from([0.0, 60.0, 9000.0]), "scope": st.sampled_from(scopes)}
    )


@st.composite
def logs(draw: st.DrawFn, scopes: list[str] = SCOPES, most: int = 40, corrections: bool = True) -> list[dict[str, Any]]:
    """Events in order of arrival, with absolute times."""
    kinds = [alerts(scopes)] * 6 + [ticks(scopes)]
    if corrections:
        kinds += [feedbacks(scopes)] * 3 + [policies(scopes)]
    events: list[dict[str, Any]] = draw(st.lists(st.one_of(kinds), min_size=1, max_size=most))
    at = 1_760_000_000.0
    for event in events:
        at += event.pop("gap")
        event["at"] = at
    return events


class Player:
    """Plays a log and puts the ids of incidents in where the log has numbers: the n-th one opened in the scope."""

    def __init__(self, engine: Engine | None = None, config: Config | None = None) -> None:
        self.engine = engine or Engine(config)
        self.opened: dict[str, list[str]] = {}
        self.number = 0

    def play(self, event: dict[str, Any]) -> bytes:
        """The output lines of one event."""
        self.number += 1
        lines = b"".join(
            emit(self.number, output) for output in self.engine.step(parse(orjson.dumps(self._named(event))))
        )
        for line in lines.splitlines():
            output = orjson.loads(line)
            if output["kind"] == "incident" and output["event"] == "opened":
                self.opened.setdefault(output["scope"], []).append(output["incident"])
        return lines

    def _named(self, event: dict[str, Any]) -> dict[str, Any]:
        known = self.opened.get(event.get("scope", "default"), [])

        def name(value: Any) -> Any:
            if isinstance(value, list):
                return [name(item) for item in value]
            return (known[value] if value < len(known) else f"i-{value}") if isinstance(value, int) else value

        return {key: value if key == "at" else name(value) for key, value in event.items()}


def run(events: Iterable[dict[str, Any]], config: Config | None = None) -> list[bytes]:
    """The output lines of each event."""
    player = Player(config=config)
    return [player.play(event) for event in events]
