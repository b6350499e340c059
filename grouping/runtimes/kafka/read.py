"""A record of the topic `events` to an event, or to a refusal with place, value and remedy. Pure."""

from __future__ import annotations

import orjson

from grouping.parse import Malformed, event_of, parse
from grouping.records import Alert, Bypass, Event


def read(key: bytes | None, value: bytes | None, timestamp: int) -> Event:
    """The event of a record; ``timestamp``: ms since the epoch, its time where it brings none. Raises Malformed.

    The key must be the scope: it decides which worker sees the event, and one scope must be seen by one.
    """
    if value is None:
        raise Malformed("$: no value; send one JSON object a record")
    event = parse(value)
    if event.at is None:
        event = event_of(orjson.loads(value) | {"at": timestamp / 1000})  # an id derived from it differs, as it must
    scope = event.scope.encode()
    if key != scope:
        id = getattr(event, "id", None)
        if key is None:
            raise Malformed(f"key: expected the scope {event.scope!r}, got none; key events by scope", event.scope, id)
        shown = key[:80].decode("utf-8", "replace")
        raise Malformed(f"key: expected the scope {event.scope!r}, got {shown!r}; key it so", event.scope, id)
    return event


def bypassed(event: Event) -> Event:
    """An event on which the engine failed: an alert is opened ungrouped. Raises Malformed for any other."""
    if isinstance(event, Alert):
        return event._replace(bypass=Bypass.FAULT)
    id = getattr(event, "id", None)
    raise Malformed("$: the engine failed on this event; send another", event.scope, id)
