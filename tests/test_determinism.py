"""The same events give the same bytes: after a restore, from a store, in any company, on any processor."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Config, Engine
from grouping.engine import Engine as _Engine
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


# -- the golden log: made once by `python -m tests.golden.make`, the same on every machine and Python

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
def test_golden_log_gives_the_same_bytes(environment: dict[str, str]) -> None:
    """The committed log gives the committed outputs and state, byte for byte, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.golden.make", "check"]
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


def test_golden_log_covers_the_road() -> None:
    """The golden outputs hold every kind of line, action and reason there is."""
    done = subprocess.run([sys.executable, *REPLAY], capture_output=True, cwd=HERE.parent, check=False)
    outputs = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert {output["kind"] for output in outputs} >= {"decision", "incident", "merged", "moved", "policy", "refused"}
    decisions = [output for output in outputs if output["kind"] == "decision"]
    assert {decision["action"] for decision in decisions} == {"open", "join", "duplicate"}
    assert {decision["reason"] for decision in decisions} == {
        "duplicate",
        "only_choice",
        "best_score",
        "told",
        "explored",
    }
    assert all(before["seq"] <= after["seq"] for before, after in pairwise(outputs))
