"""What holds of every translator, whatever it is given: for the tests and for the fuzzer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from grouping.formats import Malformed, Translate
from grouping.formats.base import MAX_EVENTS
from grouping.parse import MAX_SHOWN, parse, shown

# Place, what was expected and what came, remedy.
_SAID = re.compile(r"(?P<place>\$.*?): (?P<what>.+); (?P<remedy>[^;]+)", re.DOTALL)
# A value, how many there are of something, or how another's words begin.
_VALUE = re.compile(r"got (?P<value>.+)|value: |received|\d", re.DOTALL)
_STATE = re.compile(r"not |too many|ends|needs")  # what is wrong with the whole
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
LONGEST = 700  # characters of a refusal


def holds(
    translate: Translate, payload: bytes, headers: Mapping[str, str], received: float, *, whole: bool = True
) -> None:
    """Nothing but Malformed, said well; what comes out is taken by parse; the same again gives the same.

    ``whole``: places are told from the payload's beginning, not from that of the event.
    """
    found = _told(translate, payload, headers, received)
    assert len(found) <= MAX_EVENTS
    for one in found:
        if isinstance(one, Malformed):
            well_said(str(one), payload if whole else b"")
        else:
            assert one["at"] is not None
            parse(orjson.dumps(one))
    again = _told(translate, payload, headers, received)
    assert list(map(str, again)) == list(map(str, found))


def _told(translate: Translate, payload: bytes, headers: Mapping[str, str], received: float) -> list[Any]:
    try:
        return list(translate(payload, headers, received))
    except Malformed as error:
        return [error]


def well_said(message: str, payload: bytes) -> None:
    """It names place, value and remedy, at a bearable length; and the value is the one that stands at that place."""
    said = _SAID.fullmatch(message)
    assert said is not None, message
    assert len(message.encode()) <= LONGEST * 4, message
    assert len(message) <= LONGEST, message
    value = _VALUE.search(said["what"])
    assert value is not None or _STATE.search(said["what"]), message
    if value is not None and value["value"] is not None:
        there = at(payload, said["place"])
        assert there is UNKNOWN or value["value"] in {shown(there), *_kinds(there)}, (message, there)


UNKNOWN = object()  # what stands where no path of JSON leads


def _kinds(there: object) -> set[str]:
    """How a secret is told, and a value that is no text where one is looked for in several places."""
    if isinstance(there, str):
        return {f"one of {len(there)}"} | (set() if there.strip() else {"nothing"})
    return {"another kind of value", "nothing"}


def at(payload: bytes, place: str) -> object:
    """What stands at a place like ``$.alerts[0].labels`` of a payload as JSON; None where there is nothing."""
    try:
        node = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return UNKNOWN
    steps = list(_STEP.finditer(place, 1))
    if "".join(step[0] for step in steps) != place[1:]:  # a name with dots or brackets in it, or a mapping's field
        return UNKNOWN
    for step in steps:
        key: Any = step[1] if step[2] is None else int(step[2])
        if isinstance(node, str):  # SNS has JSON in a text
            try:
                node = orjson.loads(node)
            except orjson.JSONDecodeError:
                return UNKNOWN
        if isinstance(node, dict) and isinstance(key, str):
            if key not in node and any(len(name) > MAX_SHOWN for name in node):
                return UNKNOWN
            node = node.get(key)
        elif isinstance(node, list) and isinstance(key, int):
            node = node[key] if key < len(node) else None
        else:
            return UNKNOWN
    return node
