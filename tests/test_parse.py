"""The door: every line becomes an event or a refusal that names place, value and remedy; nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grouping.parse import LAST_SECOND, MAX_DEPTH, MAX_KEYS, MAX_LINE, MAX_LIST, MAX_NAME, MAX_TEXT, Malformed, parse
from grouping.records import Alert, Event, Feedback, PolicyEvent, Severity, Status, Tick
from grouping.unread import NEAR

FIELDS = ("source", "service", "host", "component", "group", "class")  # optional texts
KNOWN = {"kind", "id", "at", "scope", "status", "dedup_key", "severity", "summary", "details", *FIELDS}


def alert(**fields: Any) -> Alert:
    """The alert of a line with these fields."""
    event = parse(orjson.dumps({"kind": "alert", "summary": "x", **fields}))
    assert isinstance(event, Alert)
    return event


def refusal(line: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse(line)
    return caught.value


def taken(line: bytes) -> Event | Malformed:
    """The event of a line, or its refusal."""
    try:
        return parse(line)
    except Malformed as wrong:
        return wrong


def id_of(line: bytes) -> str:
    event = parse(line)
    assert not isinstance(event, Tick)
    return event.id


def shown(event: Event) -> dict[str, Any]:
    """An event's fields, named as in a line."""
    fields = asdict(event) if is_dataclass(event) else event._asdict()
    return {name.rstrip("_"): value for name, value in orjson.loads(orjson.dumps(fields)).items()}


# -- cases

CASES = Path(__file__).with_name("test_parse_cases.txt")


def cases() -> Iterator[Any]:
    lines = enumerate(CASES.read_text(encoding="utf-8").splitlines(), 1)
    for (number, line), (_, answer) in pairwise(lines):
        if answer.startswith(("= ", "! ")):
            raw = ast.literal_eval(line) if line.startswith("b'") else line.encode()
            yield pytest.param(raw, answer, id=f"line {number}")


@pytest.mark.parametrize(("line", "answer"), list(cases()))
def test_a_line_and_what_becomes_of_it(line: bytes, answer: str) -> None:
    if answer.startswith("= "):
        expected = orjson.loads(answer[2:])
        found = shown(parse(line))
        assert {name: found[name] for name in expected} == expected
    else:
        assert re.fullmatch(re.escape(answer[2:]).replace(re.escape("(...)"), ".+"), str(refusal(line)))


def test_a_refusal_knows_scope_and_id_where_they_can_be_read() -> None:
    """Whoever sent it is told which one it was."""
    wrong = refusal(b'{"kind":"alert","id":"a7","scope":"pay","summary":"x","severity":9}')
    assert (wrong.scope, wrong.id) == ("pay", "a7")
    wrong = refusal(b'{"kind":"alert","id":" ","scope":[],"summary":"x"}')
    assert (wrong.scope, wrong.id) == ("default", None)
    wrong = refusal(b'{"kind":"nothing","id":"a7","scope":"pay"}')
    assert (wrong.scope, wrong.id) == ("pay", "a7")
    wrong = refusal(b"{")
    assert (wrong.scope, wrong.id) == ("default", None)


# -- bounds


@pytest.mark.parametrize(
    ("field", "limit"),
    [("dedup_key", MAX_NAME), ("id", MAX_NAME), ("scope", MAX_NAME), *((f, MAX_TEXT) for f in FIELDS)],
)
def test_the_longest_text(field: str, limit: int) -> None:
    """The limit is taken, one more is refused, and characters count, not bytes."""
    assert shown(alert(**{field: "ä" * limit}))[field] == "ä" * limit
    wrong = refusal(orjson.dumps({"kind": "alert", "summary": "x", field: "ä" * (limit + 1)}))
    assert str(wrong).startswith(f"$.{field}: expected ")
    assert str(limit) in str(wrong)


def test_a_long_summary_is_cut_not_refused() -> None:
    """Its first 1,024 characters are kept."""
    assert alert(summary="ä" * 1024).summary == "ä" * 1024
    assert alert(summary="ä" * 5000).summary == "ä" * 1024


def test_the_longest_line() -> None:
    frame = len(b'{"kind":"alert","summary":""}')
    line = b'{"kind":"alert","summary":"%b"}'
    longest, longer = (line % (b"x" * (MAX_LINE - frame + more)) for more in (0, 1))
    for end in (b"", b"\n", b"\r\n"):
        event = parse(longest + end)
        assert isinstance(event, Alert)
        assert event.summary == "x" * 1024
        assert str(refusal(longer + end)) == f"$: more than {MAX_LINE} bytes in one event; shorten details"


def nested(levels: int, inner: bytes = b"1") -> bytes:
    """Arrays and objects in turn."""
    pairs = [(b"[", b"]") if level % 2 else (b'{"a":', b"}") for level in range(levels)]
    return b"".join(pair[0] for pair in pairs) + inner + b"".join(pair[1] for pair in reversed(pairs))


@pytest.mark.parametrize("named", [True, False], ids=["with an id", "without an id"])
@pytest.mark.parametrize("key", ["details", "runbook"])
def test_the_deepest_details(key: str, named: bool) -> None:
    """The details themselves are the first level; what is deeper is refused, whether or not an id is to be derived."""
    allowed = MAX_DEPTH if key == "details" else MAX_DEPTH - 1
    id_ = b'"id":"a1",' if named else b""
    line = b'{%b"kind":"alert","summary":"x","%b":%b}'
    assert parse(line % (id_, key.encode(), nested(allowed)))
    for levels in (allowed + 1, 250, 300, 1000):
        wrong = refusal(line % (id_, key.encode(), nested(levels)))
        assert str(wrong) == f"$.details: expected at most {MAX_DEPTH} levels, got more; flatten it"


@pytest.mark.parametrize("key", ["kind", "id", "at", "scope", "status", "severity", "dedup_key", "host", "summary"])
def test_depth_in_the_wrong_place(key: str) -> None:
    """A thousand levels where a text should be are told, not followed."""
    fields = {"kind": b'"alert"', "summary": b'"x"', key: nested(1000)}
    line = b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in fields.items())
    assert ", got an object; " in str(refusal(line))


@pytest.mark.parametrize(
    "event", ['"kind":"feedback","action":"confirm","incident":"i1"', '"kind":"policy","mode":"rollback"']
)
def test_depth_where_nothing_is_read(event: str) -> None:
    """A key that this kind of event does not have may be deep; only an id cannot be derived from it."""
    line = b'{%b,"id":"e1","other":%b}' % (event.encode(), nested(1000))
    assert id_of(line) == "e1"
    error = "$: too many levels for an id to be derived; flatten it, or give it an id"
    assert str(refusal(line.replace(b'"id":"e1",', b""))) == error
    assert parse(b'{"kind":"tick","at":1,"other":%b}' % nested(1000)) == Tick(1.0, "default")


def test_deeper_than_json_is_read() -> None:
    wrong = str(refusal(b'{"kind":"alert","summary":"x","details":%b}' % nested(100_000)))
    assert wrong.startswith("$.details.a[0].a[0].a[0]")
    assert wrong.endswith("...: expected fewer levels, got more than 1,000 (character 3113); flatten it")


@pytest.mark.parametrize(
    "details",
    [
        {f"k{number}": number for number in range(MAX_KEYS + 1)},
        {"list": [0] * (MAX_KEYS - 1), "z": 0},
        {"a": {"b": {"c": [[]] * (MAX_KEYS - 3)}}, "z": 0},
        {"a": [{"b": 1}] * (MAX_KEYS // 2 - 1), "y": 0, "z": 0},
    ],
    ids=["keys", "items", "deep down", "together"],
)
def test_too_many_keys(details: dict[str, Any]) -> None:
    """All levels count together, items as well as keys; one less is taken."""
    wrong = refusal(orjson.dumps({"kind": "alert", "summary": "x", "details": details}))
    assert str(wrong).startswith(f"$.details: expected at most {MAX_KEYS} keys and items, got {MAX_KEYS + 1}; ")
    details.popitem()
    assert alert(details=details).details == details


def test_keys_outside_details_count_too() -> None:
    wrong = refusal(
        orjson.dumps({"kind": "alert", "summary": "x", **{f"k{number}": 0 for number in range(MAX_KEYS + 1)}})
    )
    assert str(wrong).startswith("$.details: ")


def test_the_longest_list() -> None:
    ids = [f"a{number}" for number in range(MAX_LIST)]
    event = {"kind": "feedback", "action": "move", "into": None, "alerts": ids}
    assert shown(parse(orjson.dumps(event)))["alerts"] == ids
    event["alerts"] = [*ids, "one more"]
    assert str(refusal(orjson.dumps(event))).startswith(f"$.alerts: expected an array of 1 to {MAX_LIST} ids, ")


def put(value: Any, path: tuple[str | int, ...]) -> Any:
    """A value under a path, with some before it and after it on each level."""
    for step in reversed(path):
        if type(step) is int:
            value = [*({"k": [",", 1]} for _ in range(step)), value, "]"]
        else:
            value = {"before": ['"', {}], step: value, "~": "}"}
    return value


@given(st.lists(st.integers(0, 3) | st.sampled_from(["a", "load_1m", "x-y"]), max_size=12).map(tuple))
def test_what_is_no_number_is_told_by_its_path(path: tuple[str | int, ...]) -> None:
    """Whatever stands before it; wrong bytes are told by the same path."""
    place = "".join(f"[{step}]" if type(step) is int else f".{step}" for step in path)
    line = orjson.dumps({"kind": "alert", "summary": "ä", "details": put("HERE", path)})
    wrong = refusal(line.replace(b'"HERE"', b"1e400"))
    assert str(wrong).startswith(f"$.details{place}: expected a number up to 1.8e308, got 1e400 (character ")
    wrong = refusal(line.replace(b"HERE", b"HE\xe9RE"))
    assert str(wrong).startswith(f"$.details{place}: expected UTF-8, got the byte 0xe9 (byte ")


def test_the_path_is_looked_for_in_what_is_near() -> None:
    """A refusal costs no more for a long line: what is far away is told by its character, and a long path is cut."""
    line = b'{"details":{"text":"%b","v":1e400}}'
    assert str(refusal(line % (b"x" * (NEAR - 40)))).startswith("$.details.v: ")
    assert str(refusal(line % (b"x" * NEAR))).startswith(
        f"$: expected a number up to 1.8e308, got 1e400 (character {NEAR + 27})"
    )
    deep = str(refusal(b'{"%b":' % (b"k" * 90) * 9 + b"9" * 400)).partition(", got ")
    assert len(deep[0]) < 400
    assert deep[2].startswith(f"{'9' * 80}... (character ")


def test_a_long_value_is_shown_short() -> None:
    wrong = refusal(b'{"kind":"alert","summary":"x","severity":"%b"}' % (b"a" * 100_000))
    assert f"got {'a' * 80!r}...; " in str(wrong)
    assert len(str(wrong)) < 300


# -- ids

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    SCALARS | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
TIMES = st.floats(0, LAST_SECOND) | st.integers(0, int(LAST_SECOND)) | st.none()


def turned(value: Any) -> Any:
    """The same with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(TEXTS, VALUES, max_size=4), TIMES)
def test_a_derived_id_does_not_depend_on_the_order_of_keys(details: dict[str, Any], at: float | None) -> None:
    """Nor on white space: a sender whose objects have no order sends the same event twice, and it counts once."""
    event = {"kind": "alert", "summary": "x", "at": at, "details": details}
    again = orjson.dumps(turned(event), option=orjson.OPT_INDENT_2)
    assert id_of(orjson.dumps(event)) == id_of(again)


@given(st.dictionaries(st.sampled_from(["at", "host", "note", "scope"]), st.sampled_from([1, 2]), max_size=3))
def test_a_derived_id_depends_on_all_content(change: dict[str, int]) -> None:
    """Another time, scope, field or detail is another event."""
    fields = {key: value if key in ("at", "note") else str(value) for key, value in change.items()}
    assert (alert(**fields).id == alert().id) == (not change)


def test_events_of_different_kinds_never_share_a_derived_id() -> None:
    """Even where all their other fields are the same."""
    fields = {"summary": "x", "action": "confirm", "incident": "i1", "mode": "rollback", "at": 1}
    ids = {id_of(orjson.dumps({"kind": kind, **fields})) for kind in ("alert", "feedback", "policy")}
    assert len(ids) == 3


def test_a_blank_id_is_derived() -> None:
    """Otherwise all events with a blank id were one."""
    assert alert(id=" ", at=1).id != alert(id=" ", at=2).id
    assert alert(id="", at=1).id.startswith("e-")


# -- laws


@given(st.binary(max_size=64))
@example(b"\x00")
def test_no_bytes_do_anything_but_be_refused(line: bytes) -> None:
    found = taken(line)
    assert not isinstance(found, Malformed) or str(found).startswith("$")


NAMES = st.sampled_from(
    [*sorted(KNOWN), "action", "into", "alerts", "incidents", "incident", "feedback", "mode", "policy"]
)
HALF_RIGHT = st.fixed_dictionaries(
    {"kind": st.sampled_from(["alert", "alert", "feedback", "policy", "tick"])},
    optional={
        "summary": TEXTS,
        "at": TIMES | st.sampled_from(["2025-11-01T12:00:00Z", "2025-11-01"]),
        "action": st.sampled_from(["merge", "move", "confirm", "undo"]),
        "mode": st.sampled_from(["auto", "rollback"]),
    },
)


@given(HALF_RIGHT, st.dictionaries(NAMES | TEXTS, VALUES, max_size=6))
def test_every_refusal_names_place_value_and_remedy(base: dict[str, Any], changes: dict[str, Any]) -> None:
    """What is taken is as records.py says; what is not is told with a path, a value and what to do, and briefly."""
    found = taken(orjson.dumps(base | changes))
    if isinstance(found, Malformed):
        assert re.fullmatch(r"\$[^ ]*: .+(, got .+)?; .+", str(found), re.DOTALL)
        assert len(str(found)) < 1200
        assert 0 < len(found.scope) <= MAX_NAME
        orjson.dumps([str(found), found.scope, found.id])
    else:
        sound(found)


def sound(event: Event) -> None:
    """An event is what the rest of the engine trusts it to be."""
    assert event.at is None or (type(event.at) is float and 0 <= event.at <= LAST_SECOND)
    assert 0 < len(event.scope) <= MAX_NAME
    assert event.scope.strip()
    if isinstance(event, Tick):
        return
    assert 0 < len(event.id) <= MAX_NAME
    if isinstance(event, Alert):
        assert len(event) == len(Alert._fields)
        assert type(event.status) is Status
        assert event.severity is None or type(event.severity) is Severity
        assert event.dedup_key is None or 0 < len(event.dedup_key) <= MAX_NAME
        assert event.summary.strip()
        assert len(event.summary) <= 1024
        assert type(event.details) is dict
        for text in (event.source, event.service, event.host, event.component, event.group, event.class_):
            assert text is None or (text.strip() and len(text) <= MAX_TEXT)
    else:
        assert isinstance(event, Feedback | PolicyEvent)


@given(
    st.fixed_dictionaries(
        {"summary": TEXTS.filter(str.strip)},
        optional=dict.fromkeys(("scope", "dedup_key", *FIELDS), TEXTS | st.none())
        | {
            "status": st.sampled_from([*map(str, Status), "", None]),
            "severity": st.sampled_from([*map(str, Severity), "", None]),
            "details": st.dictionaries(TEXTS, VALUES, max_size=3) | st.none(),
            "at": TIMES,
            "id": TEXTS | st.none(),
        },
    )
)
def test_each_field_is_read_as_if_alone(event: dict[str, Any]) -> None:
    """The short check of all fields together and the careful one of each give the same: blank is None, else as it is."""
    found = shown(alert(**event))
    expected = {key: value if not isinstance(value, str) or value.strip() else None for key, value in event.items()}
    expected["scope"] = expected.get("scope") or "default"
    expected["status"] = expected.get("status") or "firing"
    expected["details"] = expected.get("details") or {}
    if not expected.get("id"):
        expected["id"] = found["id"]
        assert re.fullmatch("e-[0-9a-f]{24}", found["id"])
    assert found == dict.fromkeys(found) | expected


@given(st.dictionaries(TEXTS, SCALARS, max_size=4), st.dictionaries(TEXTS, SCALARS, max_size=4))
@example({"a": 1, "$.a": 2}, {"a": 3})
@example({"a": 1, "$.a": 2, "$.$.a": 3}, {"a": 4, "$.a": 5})
def test_no_key_is_dropped(outside: dict[str, Any], details: dict[str, Any]) -> None:
    """Details hold their own keys unchanged, and each unknown one once more, under its name or its path."""
    outside = {key: value for key, value in outside.items() if key not in KNOWN | {"bypass"}}
    found = dict(alert(details=details, **outside).details)
    assert {key: found.pop(key) for key in details} == details
    assert len(found) == len(outside)
    assert sorted(map(repr, found.values())) == sorted(map(repr, outside.values()))
    assert {re.sub(r"^(\$\.)+", "", key) for key in found} == {re.sub(r"^(\$\.)+", "", key) for key in outside}


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30)),  # noqa: DTZ001 — the offset is drawn apart
    st.integers(-1439, 1439),
)
def test_a_time_as_text_is_the_same_time_as_number(local: datetime, minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    at = alert(at=moment.isoformat()).at
    assert at is not None
    assert abs(at - seconds) < 1e-5
