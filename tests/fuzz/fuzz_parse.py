"""Bytes at the door: whatever comes in, lines are refused or decided, and the engine's state stays whole.

    python -m tests.fuzz.fuzz_parse [-max_total_time=60] [options of libFuzzer] [directory of inputs]

An input is a small log. Each of its lines is parsed, stepped through the engine, written out and read back. Nothing
but Malformed may be raised; at the end the state must restore to itself.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it has no types
import orjson

with atheris.instrument_imports(include=["grouping"], enable_loader_override=False):
    from grouping import Engine, Malformed, emit, parse
    from grouping.draw import name
    from grouping.records import Output, Refused

# What a mutation starts from, a log a paragraph: every kind of event, and lines that are only just wrong.
SEEDS = rb"""
{"kind":"alert","summary":"x"}

{"kind":"alert","id":"a1","at":1762000000.25,"scope":"s","status":"firing","dedup_key":"k","severity":"critical","source":"p","service":"l","host":"db-7","component":"c","group":"g","class":"C","summary":"disk 97% on db-7","details":{"region":"eu-1","n":[1,2.5,{"a":null}]}}

{"kind":"alert","id":"a1","at":1,"dedup_key":"k","summary":"x"}
{"kind":"alert","id":"a2","at":2,"dedup_key":"k","status":"resolved","summary":"x"}
{"kind":"alert","id":"a3","at":0,"summary":"CPU 3% on 10.0.0.1:80 /var/x http://a.b/c 12:30 v1.2 0xff"}

{"kind":"alert","id":"a1","at":1,"summary":"x"}
{"kind":"alert","id":"a2","at":9999,"summary":"y"}
{"kind":"feedback","id":"f1","action":"move","alerts":["a1","a2"],"into":null}
{"kind":"feedback","id":"f2","action":"undo","feedback":"f1"}
{"kind":"tick","at":99999}

{"kind":"alert","id":"a1","at":1,"summary":"x"}
{"kind":"alert","id":"a2","at":9999,"summary":"y"}
{"kind":"feedback","id":"f1","action":"merge","incidents":["OF a2"],"into":"OF a1","actor":"a@b"}
{"kind":"feedback","action":"undo","feedback":"f1"}
{"kind":"feedback","action":"dismiss","incident":"OF a1"}

{"kind":"policy","id":"p1","mode":"auto","policy":"service~5-60s"}
{"kind":"policy","id":"p2","mode":"rollback"}

{"kind":"tick","at":"2025-11-01T12:00:00.25+02:00","scope":"s"}

{"kind":"alert","at":"2016-12-31T23:59:60Z","summary":"\ud83d\udd25","other":1e308,"details":{"other":-0.0}}

[{"kind":"alert","at":1e400,"severity":"fatal","summary":"\ud800"}]
""".strip()
for alert in ("a1", "a2"):
    SEEDS = SEEDS.replace(f"OF {alert}".encode(), name("i", "default", alert).encode())
WORDS = (
    "kind id at scope status dedup_key severity source service host component group class summary details alert feedback "
    "policy tick firing acknowledged resolved critical error warning info action merge move confirm resolve dismiss undo "
    "incidents incident alerts into mode shadow suggest auto rollback actor null true false 1e400 NaN \\ud800 \\u0000"
).split()


def one_input(data: bytes) -> None:
    """Take one log in. Raises whatever goes wrong."""
    engine = Engine()
    for number, line in enumerate(data.split(b"\n"), 1):
        outputs: Sequence[Output]
        try:
            event = parse(line)
        except Malformed as wrong:
            outputs = [Refused(wrong.scope, wrong.id, str(wrong))]
        else:
            outputs = engine.step(event)
        for output in outputs:
            assert orjson.loads(emit(number, output))["seq"] == number
    state = engine.snapshot()
    assert Engine.restore(state).snapshot() == state


def main() -> None:
    """Fuzz until told to stop, or until something is found; then the input is written down and its trace shown."""
    with tempfile.TemporaryDirectory() as directory:
        corpus, dictionary = Path(directory) / "corpus", Path(directory) / "words"
        corpus.mkdir()
        for number, seed in enumerate(SEEDS.split(b"\n\n")):
            (corpus / f"seed-{number}").write_bytes(seed)
        quoted = (word.replace("\\", "\\\\") for word in WORDS)
        dictionary.write_text("".join(f'"{word}"\n' for word in quoted), encoding="ascii")
        atheris.Setup([*sys.argv, f"-dict={dictionary}", "-max_len=4096", str(corpus)], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
