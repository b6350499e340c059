"""The benchmarks' walk along the road of an alert is the engine's own."""

from __future__ import annotations

import orjson

from benchmarks.walk import STEPS, walk
from grouping import Config, Engine, emit, parse
from grouping.simulate import simulate


def test_step_by_step_it_says_what_the_engine_says() -> None:
    """Line for line; and every step takes some time."""
    config = Config(policy="host=300s")
    walked, engine = Engine(config), Engine(config)
    for number, (event, _) in enumerate(simulate("crowd", 7, alerts=600, incidents=40)):
        alert = parse(orjson.dumps(event))
        way = walk(walked, alert)
        assert [emit(number, one) for one in way.outputs] == [emit(number, one) for one in engine.step(alert)]
        assert len(way.marks) == 1 + len(STEPS)
        assert way.marks == sorted(way.marks)
    assert walked.snapshot() == engine.snapshot()
