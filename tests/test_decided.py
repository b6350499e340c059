"""Decisions are judged as they were made; corrections only pass names on."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest

from grouping import Config, Engine, emit, parse
from grouping.decided import Decided

START = 1_760_000_000.0


class Bench:
    """An engine whose scope puts alerts of a class together, and a ledger that watches it."""

    def __init__(self) -> None:
        self.engine = Engine(Config(policy="class=600s", explore=0.0))
        self.decided, self.read = Decided(), Decided()
        self.count = 0

    def send(self, **event):
        self.count += 1
        event = {"id": f"e{self.count}", "at": START + self.count, "scope": "s", **event}
        outputs = self.engine.step(parse(orjson.dumps(event)))
        self.decided.take(outputs)
        for output in outputs:
            self.read.read(orjson.loads(emit(self.count, output)))
        return outputs

    def alert(self, id, kind, **more):
        """The incident that the decision names."""
        return self.send(kind="alert", id=id, summary=f"{kind} failed", **{"class": kind}, **more)[-1].incident

    def correct(self, action, **more):
        self.send(kind="feedback", id=f"f{self.count}", action=action, **more)
        return f"f{self.count - 1}"

    def names(self):
        assert self.read.names == self.decided.names
        assert self.read.corrected() == self.decided.corrected()
        return dict(zip(self.decided.alerts, self.decided.names, strict=True))

    def corrected(self):
        return dict(zip(self.decided.alerts, self.decided.corrected(), strict=True))


def test_without_corrections_an_alert_counts_under_the_incident_of_its_decision():
    bench = Bench()
    a, b = bench.alert("a1", "a"), bench.alert("b1", "b")
    bench.alert("a2", "a")
    assert bench.names() == {"a1": a, "b1": b, "a2": a} == bench.corrected()


def test_a_correction_does_not_make_the_decision_better():
    bench = Bench()
    a, b = bench.alert("a1", "a"), bench.alert("b1", "b")
    bench.correct("merge", incidents=[b], into=a)
    assert bench.names() == {"a1": a, "b1": b}
    assert bench.corrected() == {"a1": a, "b1": a}


@pytest.mark.parametrize("many_into_few", [True, False])
def test_a_merge_costs_the_same_in_either_direction(many_into_few):
    """Three alerts decided into one incident, one wrongly into another: after the merge a fifth joins the three."""
    bench = Bench()
    many, *_ = [bench.alert(f"a{i}", "a") for i in range(3)]
    few = bench.alert("b0", "b")
    source, into = (many, few) if many_into_few else (few, many)
    bench.correct("merge", incidents=[source], into=into)
    assert bench.alert("a3", "a") == into
    assert Counter(bench.names().values()) == {many: 4, few: 1}
    assert set(bench.corrected().values()) == {into}


@pytest.mark.parametrize("many_off_few", [True, False])
def test_a_split_costs_the_same_in_either_direction(many_off_few):
    """Of four alerts in one incident one is foreign; whichever part is moved out, later ones join the three."""
    bench = Bench()
    one, *_ = [bench.alert(id, "a") for id in ("a1", "a2", "a3", "x")]
    bench.correct("move", alerts=["a1", "a2", "a3"] if many_off_few else ["x"], into=None)
    parts = bench.corrected()
    assert parts["a1"] == parts["a2"] == parts["a3"] != parts["x"]
    joined = bench.alert("a4", "a")  # to whichever part the engine holds for the class's
    assert bench.names()["a4"] == (one if joined == parts["a1"] else ({*parts.values()} - {one}).pop())
    names = bench.names()
    assert names["a1"] == names["a2"] == names["a3"] == names["x"] == one


def test_a_merge_undone_gives_the_names_back():
    bench = Bench()
    (a, _), b = [bench.alert(id, "a") for id in ("a1", "a2")], bench.alert("b1", "b")
    merge = bench.correct("merge", incidents=[a], into=b)
    bench.correct("undo", feedback=merge)
    assert bench.corrected() == bench.names() == {"a1": a, "a2": a, "b1": b}
    assert bench.alert("b2", "b") == bench.names()["b2"] == b
    assert bench.alert("a3", "a") == bench.names()["a3"] == a


def test_a_repeat_counts_where_its_alert_is():
    bench = Bench()
    a = bench.alert("a1", "a", dedup_key="k")
    assert bench.alert("a2", "a", dedup_key="k") == a
    assert bench.names() == {"a1": a, "a2": a}


def test_the_same_alert_id_in_two_scopes_is_two_alerts():
    bench = Bench()
    first = bench.alert("a1", "a")
    second = bench.alert("a1", "a", scope="t")
    assert first != second
    bench.correct("move", alerts=["a1"], into=None, scope="t")
    assert bench.decided.names == [first, second]
    assert bench.decided.corrected()[0] == first != bench.decided.corrected()[1] != second


def test_a_correction_of_what_was_deleted_says_nothing_of_what_is_left():
    """`grouping outputs` of a service with `keep_days` begins somewhere: what its lines name may be of before that."""
    left = Decided()
    lines = [
        {"kind": "decision", "seq": 8, "scope": "s", "alert": "a2", "incident": "i1", "action": "join"},
        {"kind": "moved", "seq": 9, "scope": "s", "alerts": ["a1", "a2"], "from": "i1", "into": "i2", "by": "f"},
        {"kind": "decision", "seq": 10, "scope": "s", "alert": "a3", "incident": "i2", "action": "join"},
    ]
    for line in lines:
        left.read(line)
    assert (left.alerts, left.names, left.corrected()) == (["a2", "a3"], ["i1", "i1"], ["i2", "i2"])
