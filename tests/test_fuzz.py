"""No input breaks the process or the state: logs made wrong in every way, and bytes found by coverage."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping import Engine, Malformed, emit, parse
from tests.logs import logs

ROOT = Path(__file__).resolve().parent.parent
RUNS = 20_000


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: make fuzz installs it"
)
@pytest.mark.parametrize("target", ["fuzz_parse", "fuzz_formats"])
def test_no_bytes_break_the_engine_or_a_translator(tmp_path: Path, target: str) -> None:
    """Bytes that libFuzzer makes from good lines and payloads, led by what they reach. The same in every run."""
    command = [
        sys.executable,
        "-m",
        f"tests.fuzz.{target}",
        f"-runs={RUNS}",
        "-seed=1",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr


ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    "",
    " ",
    "\0",
    "a1",
    "é" * 300,
    "x" * 2000,
    [],
    ["a1", 7],
    {},
    {"a": {"a": [1]}},
]
FIELDS = (
    "kind id at scope status dedup_key severity source service host component group class summary details action "
    "incidents incident alerts into feedback actor mode policy other"
).split()
HARM = st.tuples(st.integers(0, 60), st.sampled_from(FIELDS), st.sampled_from(ODD))


def told(engine: Engine, lines: list[bytes]) -> tuple[list[bytes], int]:
    """The output lines, and how many inputs were refused at the door."""
    outputs, refused = [], 0
    for number, line in enumerate(lines):
        try:
            event = parse(line)
        except Malformed:
            refused += 1
        else:
            outputs += [emit(number, output) for output in engine.step(event)]
    return outputs, refused


@given(logs(), st.lists(HARM, max_size=20), st.lists(st.binary(max_size=20), max_size=5))
def test_a_log_made_wrong_leaves_the_state_whole(
    log: list[dict[str, Any]], harm: list[tuple[int, str, Any]], noise: list[bytes]
) -> None:
    """Fields of any type anywhere, bytes in between: every line is taken or refused, and the state restores to itself."""
    log = [dict(event) for event in log]
    for place, field, value in harm:
        if log:
            log[place % len(log)][field] = value
    lines = [orjson.dumps(event) for event in log]
    for place, line in enumerate(noise):
        lines.insert(3 * place, line)
    engine = Engine()
    outputs, _ = told(engine, lines)
    assert all(orjson.loads(output) for output in outputs)
    state = engine.snapshot()
    assert Engine.restore(state).snapshot() == state


@given(logs(), st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ODD)), min_size=1, max_size=8))
def test_what_is_refused_at_the_door_changes_nothing(log: list[dict[str, Any]], bad: list[tuple[int, Any]]) -> None:
    """A log with bad lines in between gives the decisions and the state of the log without them."""
    lines = [orjson.dumps(event) for event in log]
    mixed = list(lines)
    for place, value in bad:
        mixed.insert(
            place % (len(mixed) + 1),
            orjson.dumps({"kind": "alert", "id": "a1", "summary": "x", "status": ["no"], "o": value}),
        )
    clean, dirty = Engine(), Engine()
    expected, refused_before = told(clean, lines)
    found, refused = told(dirty, mixed)
    assert refused == refused_before + len(bad)
    assert [{**orjson.loads(line), "seq": 0} for line in found] == [
        {**orjson.loads(line), "seq": 0} for line in expected
    ]
    assert dirty.snapshot() == clean.snapshot()
