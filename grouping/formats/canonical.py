"""Canonical events, docs/events.md: one, an array of them, or one a line. Taken as they are."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from grouping.formats.base import MAX_EVENTS, Raw, dumped, loaded
from grouping.parse import Malformed, event_of, shown


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """One event, an array, or one a line; those without a time get that of receipt. Raises Malformed."""
    found = payload.strip()
    try:
        whole = orjson.loads(found)
    except orjson.JSONDecodeError:
        if b"\n" not in found:
            return [_checked(loaded(found), received)]  # raises: it was not JSON a moment ago
        lines = [line for line in found.split(b"\n", MAX_EVENTS * 2) if line and not line.isspace()]
        _few(len(lines))
        return [_line(line, received) for line in lines]
    items = whole if type(whole) is list else [whole]
    _few(len(items))
    return [_checked(item, received) for item in items]


def _few(count: int) -> None:
    if count > MAX_EVENTS:
        raise Malformed(f"$: {count} events, at most {MAX_EVENTS} are taken; send fewer at once")


def _line(line: bytes, received: float) -> Raw | Malformed:
    try:
        return _checked(loaded(line), received)
    except Malformed as error:
        return error


def _checked(raw: object, received: float) -> Raw | Malformed:
    if type(raw) is not dict:
        return Malformed(f"$: expected an object, got {shown(raw)}; send an event as one JSON object")
    at = raw.get("at")
    event = raw if at is not None and not (type(at) is str and (not at or at.isspace())) else raw | {"at": received}
    try:
        event_of(event)
        dumped(event, "$")  # fields that the format does not know can be deeper than JSON is written
    except Malformed as error:
        return error
    return event
