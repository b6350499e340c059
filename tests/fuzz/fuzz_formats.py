"""Payloads at the translators: whatever comes in is translated or refused, with place, value and remedy.

    python -m tests.fuzz.fuzz_formats [-max_total_time=60] [options of libFuzzer] [directory of inputs]

The first byte of an input chooses a format and the headers sent with it, the rest is the payload. Nothing but Malformed
may be raised; what comes out must be taken by parse; the same again must give the same (tests/wellsaid.py has the rest).
The same bytes are given to the check of signatures, which may only say that they are not signed.
"""

from __future__ import annotations

import copy
import random
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped]  # it has no types
import orjson

with atheris.instrument_imports(include=["grouping"], enable_loader_override=False):
    from grouping.formats import formats_of
    from grouping.runtimes.signatures import Hmac, Sns, Unsigned
from tests import wellsaid
from tests.published import PUBLISHED

RECEIVED = 1_770_790_000.0
FORM = {"content-type": "application/x-www-form-urlencoded"}
PROTOBUF = {"content-type": "application/x-protobuf"}
OWN = {
    "each": "items",
    "when": "kind == 'alarm'",
    "summary": "join(': ', [app, text])",
    "severity": "prio",
    "severities": {"P2": "error"},
    "status": "state",
    "at": "raised",
    "dedup_key": "ticket",
    "service": "app || a.b[0]",
}
FORMATS = formats_of({"own": OWN})
# A record of a library and a resource, as protobuf: {ResourceLogs {Resource} {ScopeLogs {scope} {LogRecord ...}}}.
LOGS = bytes.fromhex(
    "0a430a0e0a0c0a017312070a0574616e6b7312310a050a036c6962122809c00b61afdf15931810112a050a036c6f77"
    "32070a016b12021807320b0a016c12062a040a021001"
)
ITEMS = {"items": [{"kind": "alarm", "app": "a", "text": "t", "prio": "P2", "state": "open", "raised": 1, "ticket": 7}]}
EVENT = {"kind": "alert", "at": 1, "summary": "x", "severity": "info", "details": {"a": [1]}}

# Format, headers and payload: what a mutation starts from. The number of a case is the first byte of its inputs.
CASES: list[tuple[str, dict[str, str], bytes]] = [
    ("canonical", {}, orjson.dumps([EVENT])),
    ("canonical", {}, orjson.dumps(EVENT) + b"\n" + orjson.dumps(EVENT)),
    ("own", {}, orjson.dumps(ITEMS)),
    ("own", FORM, b"payload=%7B%22items%22%3A%5B%5D%7D"),
    ("zabbix", FORM, b"eventid=7&eventname=disk+full&eventvalue=1&eventtags=a%3Ab"),
    ("datadog", FORM, b"title=x&alert_transition=Recovered&tags=host%3Aa"),
    ("otlp", PROTOBUF, LOGS),
    *(
        (one.format, one.headers, one.payload if isinstance(one.payload, bytes) else orjson.dumps(one.payload))
        for one in PUBLISHED
    ),
]
SIGNED = (
    Hmac((b"secret",), "sentry-hook-signature"),
    Hmac((b"secret",), "x", "t", "sha256="),
    Sns((), frozenset({"arn:aws:sns:eu-north-1:210987654321:night-shift"})),
)
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    1e308,
    0.5,
    "",
    " ",
    "\0",
    "é" * 300,
    "x" * 2000,
    "resolved",
    "firing",
    "critical",
    "2026-02-11T04:12:08.951Z",
    "1770783128000",
    '{"a":1}',
    [],
    {},
    [[]],
    {"a": {"a": [1]}},
    {"key": "k", "value": {"kvlistValue": [{"key": "a"}]}},
]


def one_input(data: bytes) -> None:
    """Take one payload in. Raises whatever goes wrong."""
    name, headers, _ = CASES[data[0] % len(CASES) if data else 0]
    payload = data[1:]
    wellsaid.holds(FORMATS[name], payload, headers, RECEIVED, whole=name != "canonical")
    for how in SIGNED:
        for given in (headers, {**headers, "sentry-hook-signature": "0", "x": "sha256=ü", "t": "1770790000"}):
            with suppress(Unsigned):
                how.check(given, payload, RECEIVED)
                raise AssertionError("taken as signed")


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Values of JSON replaced, taken away or doubled; other bytes as libFuzzer does. The same seed does the same."""
    chance = random.Random(seed)
    try:
        node = orjson.loads(data[1:])
    except orjson.JSONDecodeError:
        node = None
    if node is None or chance.random() < 0.25:
        return bytes(atheris.Mutate(data, most))
    for _ in range(chance.randint(1, 3)):
        node = _changed(node, chance)
    found = b""
    with suppress(orjson.JSONEncodeError):  # deeper than JSON is written
        found = data[:1] + orjson.dumps(node)
    return found if found and len(found) <= most else bytes(atheris.Mutate(data, most))


def _changed(node: Any, chance: random.Random) -> Any:
    """One value somewhere in it is another."""
    if isinstance(node, str) and node[:1] in {"{", "["} and chance.random() < 0.7:  # SNS has JSON in a text
        with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
            return orjson.dumps(_changed(orjson.loads(node), chance)).decode()
    if not isinstance(node, dict | list) or not node or chance.random() < 0.15:
        return copy.deepcopy(chance.choice(ODD))  # it is changed further, and must not be in two places
    key: Any = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
    match chance.randrange(8):
        case 0:
            del node[key]
        case 1 if isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        case 2 if isinstance(node, dict):
            node[chance.choice(["x", "é", "a.b", "status", "labels", *node])] = copy.deepcopy(node[key])
        case _:
            node[key] = _changed(node[key], chance)
    return node


def main() -> None:
    """Fuzz until told to stop, or until something is found; then the input is written down and its trace shown."""
    with tempfile.TemporaryDirectory() as directory:
        corpus, dictionary = Path(directory) / "corpus", Path(directory) / "words"
        corpus.mkdir()
        for number, (_, _, payload) in enumerate(CASES):
            (corpus / f"seed-{number}").write_bytes(bytes((number,)) + payload)
        words = {name for case in CASES for name in _names(case[2])}
        dictionary.write_text("".join(f'"{word}"\n' for word in sorted(words)), encoding="ascii")
        options = [*sys.argv, f"-dict={dictionary}", "-max_len=8192", str(corpus)]
        atheris.Setup(options, one_input, custom_mutator=mutated)
        atheris.Fuzz()


def _names(payload: bytes) -> set[str]:
    """The names of fields in a payload that a dictionary can hold."""
    try:
        nodes = [orjson.loads(payload)]
    except orjson.JSONDecodeError:
        return set()
    found: set[str] = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            found |= {name for name in node if name.isidentifier() and name.isascii()}
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return found


if __name__ == "__main__":
    main()
