"""What learning costs: what a scope looks for by itself, alert by alert, and what a responder's corrections take.

    python -m benchmarks.learning [--json FILE] [--alerts N] [--repeats N]

Alerts are walked as in walk.py, with the clock around tuning and around promotion, while a simulated responder corrects;
an engine beside takes the same events, and both must say the same. The longest pieces are of processor time: what else the
machine does in between does not count. A look at that clock is a call of the system, which slows what comes next; so the mean is
taken by the wall clock, in passes of their own, and the least of these counts. Python's cycle collector is off: it would strike
whoever makes the next object.
What a lesson costs when it is looked up is part of the decision (steps.py).
"""

from __future__ import annotations

import gc
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple

import click
import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.players import habits
from benchmarks.streams import Truth, parsed
from grouping import Config, Engine, apply, emit, learn, parse, steer, tune
from grouping.candidates import candidates, left_out, window
from grouping.engine import _evidence, _met, _noted, decided
from grouping.lifecycle import policy_key
from grouping.records import Alert, Decision, Event, Feedback, Output, Refused, Verb
from grouping.responder import Responder, arrivals
from grouping.score import pair_features
from grouping.simulate import START, simulate

STREAMS = ("storm", "two_faults", "skew", "noise", "crowd")
GIVEN = 200  # corrections
EARLY = (
    10_000  # new alerts of a scope that knows nothing yet, whose cost is told apart: it looks for its shape often then
)
SIZES, LESSONS = (5, 500), (0, 1000)  # alerts of an incident; corrections given before
APART_S = 0.01  # between two alerts, s
ABOUT = (Verb.MERGE, Verb.MOVE, Verb.CONFIRM, Verb.DISMISS, Verb.RESOLVE)

PASSES = 3  # by the wall clock

Row = dict[str, Any]
Clock = Callable[[], int]  # ns


class Way(NamedTuple):
    """What came of an alert; what tuning and promotion took, ns, and whether a piece of their work was done."""

    outputs: list[Output]
    tune_ns: int
    promote_ns: int
    sliced: bool
    tried: bool


def walk(engine: Engine, alert: Alert, clock: Clock) -> Way:
    """What Engine.step does with a new alert in a scope that finds its policy by itself."""
    state, config = engine.state, engine.config
    scope = state.scope(alert.scope)
    reach = engine._reach(scope)
    engine._begin(scope)
    state.remember_id(scope, alert.id)
    at = learn.tell_time(scope, alert.at, reach)
    features, now = engine._featurise(alert), state.policy(scope)
    key = policy_key(now, alert, features.same, scope.tuning.families)
    near = candidates(config, scope, at, features, learn.bits(scope.usual), key, now.open_minded)
    seen = _evidence(scope, at, features, near)
    decision, joined = decided(config, scope, alert, now, near, pair_features(seen))
    if near.left_out >= 0:
        decision = _noted(decision, left_out(config, scope, at, near.left_out))
    met = _met(scope, features, near, seen, joined)
    outputs = apply.group(state, scope, alert, at, features, key, joined)
    outputs.append(decision)
    counted_at = learn.observe(scope, at, features, reach)
    tuning, promotion = scope.tuning, scope.promotion
    was, families, number, look = state.policy_name(scope), tuning.families, tuning.recent.count, tuning.look
    begun = clock()
    found = tune.observe(tuning, counted_at, features.same, features.codes, features.label)
    tuned = clock()
    recorded = tuning.recent.count > number
    apply.keep(state, scope, alert, at, decision, number if recorded else -1, met)
    tried = found is None and recorded and (promotion.trial is not None or promotion.counted >= promotion.next_at)
    kept = clock()
    if found is not None:
        outputs += steer.tuned(state, scope, was, families, found)
    elif recorded:
        outputs += steer.promoted(state, scope, was)
    done = clock()
    if scope.events % apply.SWEEP == 0:
        apply.sweep(config, scope, window(config, scope), learn.clock(scope))
        state.trim(scope)
    sliced = recorded and look is not None and (tuning.recent.count - look.end) % tune.SLICE == 0
    return Way(outputs, tuned - begun, done - kept, sliced, tried)


def is_new(engine: Engine, event: Event) -> bool:
    """Whether an event is an alert that is to be grouped."""
    if not isinstance(event, Alert) or event.status != "firing":
        return False
    scope = engine.state.scope(event.scope)
    return event.dedup_key is None or apply.open_alert(engine.state, scope, event.dedup_key) is None


def alerts(name: str, count: int) -> Row:
    """What learning takes with each alert of a simulated stream, under a responder."""
    events, truth = parsed(list(simulate(name, seed=1, alerts=count)))
    corrections, ways = _walked(events, truth, thread_time_ns)
    means = [_mean(_walked(events, truth, perf_counter_ns)[1]) for _ in range(PASSES)]
    us, early_us = (round(min(values), 2) for values in zip(*means, strict=True))
    most = round(max(way.tune_ns + way.promote_ns for way in ways) / 1000, 1)
    pieces = {
        "slices": _spread([way.tune_ns for way in ways if way.sliced]),
        "trials": _spread([way.promote_ns for way in ways if way.tried]),
    }
    found = {"name": name, "alerts": len(ways), "corrections": corrections}
    return found | {"us": us, "early_us": early_us, "most_us": most} | pieces


def _walked(events: list[Event], truth: Truth, clock: Clock) -> tuple[int, list[Way]]:
    """How many corrections were given, and what came of each new alert."""
    walked, beside = Engine(), Engine()
    given = habits(GIVEN)
    assert given is not None
    responder, ways, corrections = Responder(truth, given), list[Way](), 0
    for event, now in zip(events, arrivals(events), strict=True):
        while (said := responder.next(event.scope, now)) is not None:
            outputs = _same(walked.step(said), beside.step(said))
            corrections += said.action in (Verb.MERGE, Verb.MOVE)
            responder.watch(said, outputs, said.at or 0.0)
        if is_new(walked, event):
            assert isinstance(event, Alert)
            ways.append(walk(walked, event, clock))
            outputs = ways[-1].outputs
        else:
            outputs = walked.step(event)
        responder.watch(event, _same(outputs, beside.step(event)), now)
    gc.collect()  # what the next pass is measured beside is not what this one left
    return corrections, ways


def _mean(ways: list[Way]) -> tuple[float, float]:
    """What learning takes per alert and per alert of the first ones, us."""
    cost, taken = _cost_of_clock(), [(way.tune_ns + way.promote_ns) / 1000 for way in ways]
    return sum(taken) / len(taken) - 2 * cost, sum(taken[:EARLY]) / len(taken[:EARLY]) - 2 * cost


def _spread(times: list[int]) -> Row:
    """How many, and what they took, us."""
    if not times:
        return {"count": 0}
    median, high = (round(float(np.percentile(times, q)) / 1000, 1) for q in (50, 99))
    return {"count": len(times), "p50_us": median, "p99_us": high, "most_us": round(max(times) / 1000, 1)}


def _cost_of_clock() -> float:
    """Microseconds between two looks at the wall clock."""
    looks = [perf_counter_ns() for _ in range(20_000)]
    return float(np.median(np.diff(looks))) / 1000


def _same(outputs: list[Output], expected: list[Output]) -> list[Output]:
    assert [emit(0, one) for one in outputs] == [emit(0, one) for one in expected]
    return outputs


class Desk:
    """A scope whose incidents are made to measure: one for each host."""

    def __init__(self) -> None:
        self.engine = Engine(Config(policy="learned(host=300s)"))
        self._alerts = self._incidents = self._said = 0

    def incident(self, size: int) -> tuple[str, tuple[str, ...]]:
        """A new incident of so many alerts: its id and theirs."""
        self._incidents += 1
        ids = []
        for number in range(size):
            self._alerts += 1
            ids.append(f"a{self._alerts}")
            body = {"id": ids[-1], "at": START + self._alerts * APART_S, "scope": "desk", "status": "firing"}
            body |= {"kind": "alert", "host": f"host-{self._incidents}", "service": f"service-{self._incidents}"}
            body |= {"class": f"class-{number % 7}", "summary": f"check {number % 7} failed on host-{self._incidents}"}
            outputs = self.engine.step(parse(orjson.dumps(body)))
        return next(one.incident for one in outputs if isinstance(one, Decision)), tuple(ids)

    def says(self, verb: Verb, size: int) -> tuple[int, int]:
        """What a correction about incidents of that size takes, and its undoing, ns."""
        id, ids = self.incident(size)
        about: Row = {"incident": id}
        if verb is Verb.MERGE:
            about = {"incidents": (self.incident(size)[0],), "into": id}
        elif verb is Verb.MOVE:
            about = {"alerts": ids[: size // 2]}
        given = self._feedback(verb, about)
        return self._timed(given), self._timed(self._feedback(Verb.UNDO, {"feedback": given.id}))

    def merge(self) -> None:
        """One more lesson."""
        into = self.incident(1)[0]
        self._timed(self._feedback(Verb.MERGE, {"incidents": (self.incident(1)[0],), "into": into}))

    def _feedback(self, verb: Verb, about: Row) -> Feedback:
        self._said += 1
        return Feedback(f"f{self._said}", START + self._alerts * APART_S, "desk", "ana", verb, **about)

    def _timed(self, given: Feedback) -> int:
        begun = thread_time_ns()
        outputs = self.engine.step(given)
        done = thread_time_ns()
        assert not any(isinstance(one, Refused) for one in outputs), outputs
        return done - begun


def corrections(repeats: int) -> Iterator[Row]:
    """What a correction of each kind takes, at small and large incidents, as one of the first and after many."""
    for size, lessons in product(SIZES, LESSONS):
        desk, taken = Desk(), defaultdict[Verb, list[tuple[int, int]]](list)
        for _ in range(lessons):
            desk.merge()
        for _ in range(repeats):
            for verb in ABOUT:
                taken[verb].append(desk.says(verb, size))
        for verb, times in taken.items():
            given, undone = (_spread([pair[side] for pair in times]) for side in (0, 1))
            yield {"verb": verb, "alerts": size, "lessons": lessons, "given": given, "undone": undone}


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--alerts", "count", default=100_000, show_default=True, help="Of each stream.")
@click.option("--repeats", default=20, show_default=True, help="Corrections of each kind.")
def main(out: Path | None, count: int, repeats: int) -> None:
    """Measure what learning costs."""
    gc.disable()
    streams = [alerts(name, count) for name in STREAMS]
    said = list(corrections(repeats))
    if out is not None:
        figures = {"what": "learning", "machine": machine(), "streams": streams, "corrections": said}
        out.write_text(json.dumps(figures, indent=1) + "\n")
    table = Table(title="What learning costs, us")
    for column in ("of", "count", "median", "p99", "most"):
        table.add_column(column, justify="left" if column == "of" else "right")
    for row in streams:
        name, count = row["name"], row["alerts"]
        table.add_row(f"{name}: an alert, amortised", str(count), f"{row['us']}", "", f"{row['most_us']}")
        table.add_row(f"{name}: one of the first", str(min(count, EARLY)), f"{row['early_us']}")
        _add(table, f"{row['name']}: a slice of tuning", row["slices"])
        _add(table, f"{row['name']}: a piece of a trial", row["trials"])
    for row in said:
        of = f"{row['verb']}, {row['alerts']} alerts, after {row['lessons']} others"
        _add(table, of, row["given"])
        _add(table, f"undo: {of}", row["undone"])
    Console(width=120).print(table)


def _add(table: Table, of: str, spread: Row) -> None:
    table.add_row(of, *(str(spread.get(key, "")) for key in ("count", "p50_us", "p99_us", "most_us")))


if __name__ == "__main__":
    main()
