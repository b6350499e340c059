"""Canonical events, docs/events.md: one, an array of them, or one a line. Taken as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from grouping.formats.base import MAX_EVENTS, Raw, dumped
from grouping.parse import Malformed, event_of, shown
from grouping.unread import unread


def read(payload: bytes, headers: Mapping[str, str], received: float) -> list[Any]:  # noqa: ARG001 — the shape of all
    """One event, an array, or one a line, as it stands: for who looks at each of them himself.

    A line that is not JSON is a Malformed in its place. Raises Malformed where nothing can be read.
    """
    found = payload.strip()
    try:
        whole = orjson.loads(found)
    except orjson.JSONDecodeError as error:
        if b"\n" not in found:
            raise _not_json(found, error) from None
        return [_line(line) for line in found.split(b"\n") if line and not line.isspace()]
    return whole if type(whole) is list else [whole]


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:
    """The same, each looked at; those without a time get that of receipt. Raises Malformed."""
    items = read(payload, headers, received)
    if len(items) > MAX_EVENTS:
        raise Malformed(f"$: {len(items)} events, at most {MAX_EVENTS} are taken; send fewer at once")
    return [_checked(item, received) for item in items]


def timeless(raw: Raw) -> bool:
    """Whether an event does not say when it was."""
    at = raw.get("at")
    return at is None or (type(at) is str and (not at or at.isspace()))


def _line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _not_json(line, error)


def _not_json(data: bytes, error: orjson.JSONDecodeError) -> Malformed:
    return Malformed(unread(data, error, "send one object, an array, or one object a line, in UTF-8"))


def _checked(raw: Any, received: float) -> Raw | Malformed:
    if isinstance(raw, Malformed):
        return raw
    if type(raw) is not dict:
        return Malformed(f"$: expected an object, got {shown(raw)}; send an event as one JSON object")
    event = raw | {"at": received} if timeless(raw) else raw
    try:
        event_of(event)
        dumped(event, "$")  # fields that the format does not know can be deeper than JSON is written
    except Malformed as error:
        return error
    return event
