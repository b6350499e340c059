"""The same events give the same bytes: after a restore, from a store, in any company, on any processor."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Config, Engine, Malformed, parse
from grouping.engine import Engine as _Engine
from grouping.records import (
    Action,
    Alert,
    Bound,
    Bypass,
    Change,
    Decision,
    Event,
    Feedback,
    IncidentLine,
    Mode,
    Output,
    PolicyEvent,
    PolicyLine,
    Reason,
    Status,
    Suggestion,
    Verb,
)
from tests.golden.check import logs as logs_of
from tests.golden.check import played
from tests.logs import SCOPES, Player, logs, run

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"


def _reference(events: list[dict[str, Any]]) -> list[bytes]:
    return run(events)


@given(logs())
@settings(max_examples=40, deadline=None)
def test_a_restore_after_every_event_changes_nothing(log: list[dict[str, Any]]) -> None:
    """Snapshot to bytes and back after each event: same lines."""
    player = Player()
    lines = []
    for event in log:
        lines.append(player.play(event))
        player.engine = Engine.restore(player.engine.snapshot())
    assert lines == _reference(log)


@given(logs(), st.sets(st.integers(0, 39)))
@settings(max_examples=40, deadline=None)
def test_a_store_drained_at_any_moment_changes_nothing(log: list[dict[str, Any]], moments: set[int]) -> None:
    """Records handed to a store at any moments, and everything forgotten at some: same lines."""
    store: dict[bytes, bytes] = {}
    player = Player(_Engine(None, store))
    lines = []
    for number, event in enumerate(log):
        lines.append(player.play(event))
        if number in moments:
            for key, value in player.engine.drain().items():
                if value is None:
                    store.pop(key, None)
                else:
                    store[key] = value
            if number % 2:
                player.engine = _Engine(None, store)
    assert lines == _reference(log)


@given(logs())
@settings(max_examples=40, deadline=None)
def test_scopes_that_leave_memory_come_back_the_same(log: list[dict[str, Any]]) -> None:
    """One scope in memory at a time: same lines as with all of them."""
    assert run(log, Config(hot_scopes=1)) == _reference(log)


@given(logs())
@settings(max_examples=40)
def test_what_is_kept_decoded_changes_nothing(log: list[dict[str, Any]]) -> None:
    """Sweeping after every event and forgetting all that can be read back: same lines as keeping it."""
    with patch("grouping.apply.SWEEP", 1):
        kept = run(log)
        with patch("grouping.state.KEYS_KEPT", 0), patch("grouping.state.INCIDENTS_KEPT", 0):
            assert run(log) == kept


@given(logs())
@settings(max_examples=40, deadline=None)
def test_a_scope_does_not_feel_its_neighbours(log: list[dict[str, Any]]) -> None:
    """The lines of a scope, apart from seq, are those of its events replayed alone."""

    def of(lines: list[bytes], scope: str) -> list[dict[str, Any]]:
        outputs = [orjson.loads(line) for part in lines for line in part.splitlines()]
        return [output | {"seq": 0} for output in outputs if output["scope"] == scope]

    together = _reference(log)
    for scope in SCOPES:
        alone = run(event for event in log if event["scope"] == scope)
        assert of(together, scope) == of(alone, scope)


@given(logs())
@settings(max_examples=40, deadline=None)
def test_a_snapshot_is_canonical(log: list[dict[str, Any]]) -> None:
    """The same events give the same state bytes, whether taken in one go or with a restore on the way."""
    whole, broken = Player(), Player()
    for number, event in enumerate(log):
        whole.play(event)
        broken.play(event)
        if number % 3 == 0:
            broken.engine = Engine.restore(broken.engine.snapshot())
    assert whole.engine.snapshot() == broken.engine.snapshot()


# -- the golden logs: made once by `python -m tests.golden.make`, the same on every machine and Python

_FEATURES = " ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"])  # type: ignore[index,call-overload]
REPLAY = ["-m", "grouping", "replay", str(GOLDEN / "log.jsonl"), "--config", str(GOLDEN / "config.toml")]
ENVIRONMENTS = {
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 4242": {"PYTHONHASHSEED": "4242"},
    "no AVX-512": {"NPY_DISABLE_CPU_FEATURES": " ".join(f for f in _FEATURES.split() if f.startswith("AVX512"))},
    "no AVX2": {"NPY_DISABLE_CPU_FEATURES": _FEATURES},
    "another BLAS kernel": {"OPENBLAS_CORETYPE": "Nehalem"},
    "and another": {"OPENBLAS_CORETYPE": "Haswell"},
}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_golden_logs_give_the_same_bytes(environment: dict[str, str]) -> None:
    """The committed logs give the committed outputs and states, byte for byte, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.golden.check"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **environment}, cwd=HERE.parent, check=True)
    assert done.stdout.decode() == (GOLDEN / "expected.sha256").read_text()


@pytest.mark.parametrize("feed", ["file", "stdin"])
def test_a_replay_of_the_golden_log_gives_them_too(feed: str) -> None:
    """Through the command line, whole or line by line."""
    data = (GOLDEN / "log.jsonl").read_bytes()
    command = [sys.executable, *REPLAY] if feed == "file" else [sys.executable, *REPLAY[:3], "-", *REPLAY[4:]]
    done = subprocess.run(command, input=data, capture_output=True, cwd=HERE.parent, check=False)
    assert done.returncode == 3, "the log has bad lines on purpose"
    assert hashlib.sha256(done.stdout).hexdigest() == (GOLDEN / "expected.sha256").read_text().split()[0]


def test_golden_logs_cover_the_road() -> None:
    """Every kind of line, of event, action, reason, change, verb, mode and bound there is, and every way to a policy."""
    events: list[Event] = []
    outputs: list[Output] = []
    for log, config in logs_of().values():
        found, _ = played(log, config)
        outputs += [output for each in found for output in each]
        for line in log.splitlines():
            with contextlib.suppress(Malformed):
                events.append(parse(line))
    assert {type(event) for event in events} == set(get_args(Event))
    assert {type(output) for output in outputs} == set(get_args(Output))
    alerts = [event for event in events if isinstance(event, Alert)]
    assert {alert.status for alert in alerts} == set(Status)
    assert {alert.bypass for alert in alerts} == {None, *Bypass}
    assert {event.action for event in events if isinstance(event, Feedback)} == set(Verb)
    assert {event.mode for event in events if isinstance(event, PolicyEvent)} == set(Mode)
    decisions = [output for output in outputs if isinstance(output, Decision)]
    assert {decision.action for decision in decisions} == set(Action)
    assert {decision.reason for decision in decisions} == set(Reason)
    left = [decision.choice.left_out for decision in decisions if decision.choice is not None]
    assert {one.why for one in left if one is not None} == set(Bound)
    assert {output.event for output in outputs if isinstance(output, IncidentLine)} == set(Change)
    assert {output.action for output in outputs if isinstance(output, Suggestion)} == {"merge", "move"}
    assert {_way(output) for output in outputs if isinstance(output, PolicyLine)} == {
        "set",
        "shadow",
        "suggest",
        "tuned",
        "tuned: kin",
        "promoted",
        "rolled_back: by a person",
        "rolled_back: swallows",
        "rolled_back: objections",
    }


def _way(line: PolicyLine) -> str:
    """How a policy came to decide, and what spoke against the one before it."""
    if line.why == "rolled_back":
        return f"rolled_back: {_AGAINST[next(iter(set(line.evidence) & set(_AGAINST)))]}"
    if line.why == "tuned" and "(kin~" in line.policy:
        return "tuned: kin"
    return str(line.evidence.get("mode", line.why))


_AGAINST = {"by": "by a person", "largest": "swallows", "rate": "objections"}


def test_replayed_lines_are_in_the_order_of_the_events() -> None:
    done = subprocess.run([sys.executable, *REPLAY], capture_output=True, cwd=HERE.parent, check=False)
    numbers = [orjson.loads(line)["seq"] for line in done.stdout.splitlines()]
    assert len(numbers) > 2000
    assert numbers == sorted(numbers)
