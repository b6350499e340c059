"""PagerDuty's Events API v2: alert events and change events.

https://developer.pagerduty.com/docs/events-api-v2-overview. What PagerDuty refuses is refused. ``source`` is where the
problem is, so it becomes the host; the tool that sends, ``client``, becomes the source.

A dedup key counts within one routing key. The routing key is somebody's secret: eight digits of its digest stand for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grouping.formats.base import (
    MAX_EVENTS,
    Raw,
    alert,
    digest,
    dumped,
    each,
    first,
    host,
    loaded,
    moment,
    record,
    refuse,
    rest,
    text,
    within,
)
from grouping.parse import MAX_NAME, Malformed

ROUTING_KEY = 32  # characters
MAX_CUT = MAX_NAME - 9  # characters of a dedup key that still fits behind the routing key's digest
_STATUS = {"trigger": "firing", "acknowledge": "acknowledged", "resolve": "resolved"}
_LEVELS = ("critical", "error", "warning", "info")


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """One event, or an array of them. Raises Malformed."""
    raw = loaded(payload)
    if type(raw) is list:
        return each(raw, "$", lambda item, place: event(item, place, received))
    return [event(raw, "$", received)]


def translate_changes(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the same
    """One change event, or an array of them. Raises Malformed."""
    raw = loaded(payload)
    if type(raw) is list:
        return each(raw[: MAX_EVENTS + 1], "$", lambda item, place: change(item, place, received))
    return [change(raw, "$", received)]


def event(raw: Any, place: str, received: float) -> Raw:
    """One alert event. Raises Malformed."""
    raw = record(raw, place, "send one event as a JSON object")
    integration = _integration(raw, place)
    action = raw.get("event_action")
    if type(action) is not str or action not in _STATUS:
        refuse(f"{place}.event_action", f"expected one of {', '.join(_STATUS)}", action, "say what happened")
    key = dedup_key(raw, place, received)
    payload = within(raw, "payload", place)
    at = moment(payload.get("timestamp"), f"{place}.payload.timestamp")
    severity = payload.get("severity")
    if action == "trigger":
        _required(payload, f"{place}.payload", "summary", "source")
    if severity not in _LEVELS and (action == "trigger" or severity is not None):
        refuse(
            f"{place}.payload.severity", f"expected one of {', '.join(_LEVELS)}", severity, "map your levels to these"
        )
    custom = payload.get("custom_details")
    return alert(
        received if at is None else at,
        text(payload.get("summary")) or f"{action} {key}",
        _details(raw, payload, integration) | ({} if len(key) <= MAX_CUT else {"dedup_key": key}),
        f"{place}.payload.summary",
        dedup_key=scoped(key, integration),
        status=_STATUS[action],
        severity=severity,
        source=first(raw, "client"),
        host=host(payload.get("source")),
        service=custom.get("service") if type(custom) is dict else None,
        component=payload.get("component"),
        group=payload.get("group"),
        class_=payload.get("class"),
    )


def change(raw: Any, place: str, received: float) -> Raw:
    """One change event: an alert of severity info and class `change` that is over. Raises Malformed.

    A change is a moment and no trouble: what is over and has no key opens nothing, joins nothing and resolves nothing.
    """
    raw = record(raw, place, "send one change event as a JSON object")
    integration = _integration(raw, place)
    payload = within(raw, "payload", place)
    _required(payload, f"{place}.payload", "summary")
    at = moment(payload.get("timestamp"), f"{place}.payload.timestamp")
    return alert(
        received if at is None else at,
        payload["summary"],
        _details(raw, payload, integration),
        f"{place}.payload.summary",
        status="resolved",
        severity="info",
        host=host(payload.get("source")),
        source=first(raw, "client"),
        class_="change",
    )


def dedup_key(raw: Raw, place: str, received: float) -> str:
    """The key of an event as its sender is told it; made from its content where a trigger has none. Raises Malformed."""
    key = raw.get("dedup_key")
    if key is None or key == "":
        if raw.get("event_action") != "trigger":
            refuse(f"{place}.dedup_key", "expected a text", None, f"{raw.get('event_action')} needs it")
        payload = raw.get("payload")
        timed = type(payload) is dict and payload.get("timestamp")  # then a resend is the same event
        return digest(dumped(raw, place), b"" if timed else repr(received).encode())
    if type(key) is not str or len(key) > MAX_NAME or key.isspace():
        refuse(f"{place}.dedup_key", f"expected a text of at most {MAX_NAME} characters", key, "quote and shorten it")
    return key


def scoped(key: str, integration: str) -> str:
    """A dedup key that counts within its routing key."""
    return f"{integration}/{key if len(key) <= MAX_CUT else digest(key.encode())}"


def _integration(raw: Raw, place: str) -> str:
    key = raw.get("routing_key")
    if type(key) is not str or len(key) != ROUTING_KEY:
        expected = f"expected a text of {ROUTING_KEY} characters"
        # The value is not told: it may be somebody's key with a slip of the pen in it.
        got = f"one of {len(key)}" if type(key) is str else "nothing" if key is None else "another kind of value"
        raise Malformed(f"{place}.routing_key: {expected}, got {got}; any {ROUTING_KEY} characters will do")
    return digest(key.encode())[:8]


def _required(payload: Raw, place: str, *keys: str) -> None:
    for key in keys:
        value = payload.get(key)
        if type(value) is not str or not value or value.isspace():
            refuse(f"{place}.{key}", "expected a text", value, "PagerDuty's format requires it")


def _details(raw: Raw, payload: Raw, integration: str) -> Raw:
    """Everything without a field of its own; custom details that are an object stay what they are."""
    kept = rest(payload, "summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details")
    kept |= rest(raw, "routing_key", "event_action", "dedup_key", "payload", "client")
    custom = payload.get("custom_details")
    if custom:
        kept["custom_details"] = custom
    return kept | {"integration": integration}
