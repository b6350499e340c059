"""Alertmanager: what Prometheus posts to `/api/v2/alerts`, and what Alertmanager posts to a webhook (version 3, 4).

https://prometheus.io/docs/alerting/latest/clients/ and .../configuration/#webhook_config. Both know an alert by its
labels, so both doors give it the same key, whichever it comes by. Prometheus sends a firing alert again and again: the
same alert with the same start is the same event, and a no-op.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from grouping.formats.base import (
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
    rows,
    severity,
    spread,
    within,
)
from grouping.parse import Malformed

MEMO = 8192  # alerts that fire at once and are remembered, translated
MEMO_KEY = 4096  # bytes of one, at most
_SUMMARIES = ("summary", "description", "message", "title")


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """The array of `/api/v2/alerts`, or a webhook message. Raises Malformed."""
    raw = loaded(payload)
    if type(raw) is list:
        return each(raw, "$", lambda item, place: _pushed(item, place, received))
    return message(raw, received, "prometheus")


def _pushed(raw: Any, place: str, received: float) -> Raw:
    """One alert of Prometheus, which repeats all that fires each minute, with a later end that says only: it still does.

    What is remembered is a function of the alert alone, as JSON: it costs no more than its bytes. Raises Malformed.
    """
    key = _key(raw)
    known = None if key is None else _memo.get(key)
    if known is None:
        event = posted(raw, place, received)
        if key is not None and event["status"] == "firing" and "id" in event:  # it has the time at which it began
            if len(_memo) == MEMO:
                del _memo[next(iter(_memo))]
            _memo[key] = orjson.dumps(event)
        return event
    event = orjson.loads(known)
    ends = moment(raw.get("endsAt"), f"{place}.endsAt")
    return event if ends is None or (ends > received and ends >= event["at"]) else posted(raw, place, received)


def _key(raw: Any) -> bytes | None:
    """What an alert says but for its end; None where that is not all it takes, or too long to be remembered."""
    if type(raw) is not dict or "status" in raw:
        return None
    try:
        key = orjson.dumps({key: value for key, value in raw.items() if key != "endsAt"})
    except orjson.JSONEncodeError:  # too deep: refused in the usual words
        return None
    return key if len(key) <= MEMO_KEY else None


_memo: dict[bytes, bytes] = {}  # the oldest first


def message(raw: Any, received: float, source: str) -> list[Raw | Malformed]:
    """A webhook message: its alerts, each with what the message says of all of them. Raises Malformed."""
    raw = record(raw, "$", "send an array of alerts, or a webhook message")
    if "alerts" not in raw:
        refuse("$.alerts", "expected an array", None, "send an array of alerts, or a webhook message")
    items = rows(raw["alerts"], "$.alerts")
    # What all alerts have in common stands in each of them anyway.
    shared = rest(raw, "alerts", "commonLabels", "commonAnnotations", "status", "version", "title", "message", "state")
    spread(shared, max(len(items), 1), "$")
    return each(items, "$.alerts", lambda item, place: posted(item, place, received, shared, source))


def posted(
    raw: Any, place: str, received: float, shared: Raw | None = None, source: str = "prometheus"
) -> Raw:  # the parts of both kinds of message are the same
    """One alert of either. Raises Malformed."""
    raw = record(raw, place, 'send {"labels":{...},"annotations":{...}}')
    labels, notes = _pairs(raw, "labels", place), _pairs(raw, "annotations", place)
    if not labels:
        refuse(
            f"{place}.labels", "expected at least one label", raw.get("labels"), "labels are what identifies an alert"
        )
    starts = moment(raw.get("startsAt"), f"{place}.startsAt")
    ends = moment(raw.get("endsAt"), f"{place}.endsAt")
    if starts is not None and ends is not None and ends < starts:
        refuse(f"{place}.endsAt", "expected a time after startsAt", raw["endsAt"], "start time must be before end time")
    said = raw.get("status")
    resolved = said == "resolved" if type(said) is str else ends is not None and ends <= received
    at = ends if resolved else starts
    key = digest(dumped(labels, place))
    level = labels.get("severity")
    bad = severity(level)
    status = "resolved" if resolved else "firing"
    return alert(
        received if at is None else at,
        first(notes, *_SUMMARIES) or _titled(labels),
        {
            **rest(labels, "alertname", "severity", "service"),
            **({"severity": level} if level and level != bad else {}),  # the sender's own word, also one unknown
            **({"annotations": notes} if notes else {}),
            **rest(raw, "labels", "annotations", "status", "startsAt", "endsAt"),
            **(shared or {}),
        },
        f"{place}.labels",
        id=None if at is None else f"{key}/{status}/{at!r}",
        dedup_key=key,
        status=status,
        severity=bad,
        source=source,
        service=first(labels, "service", "app", "job"),
        host=host(first(labels, "instance", "host", "hostname", "node")),
        component=first(labels, "component", "container", "pod", "device"),
        group=first(labels, "namespace", "cluster", "team"),
        class_=labels.get("alertname"),
    )


def _pairs(raw: Raw, key: str, place: str) -> Raw:
    """Labels or annotations: texts by name; an empty one is as good as none."""
    found = within(raw, key, place)
    for label, value in found.items():
        if type(value) is not str:
            refuse(f"{place}.{key}.{label[:80]}", "expected a text", value, "quote it")
    return {label: value for label, value in found.items() if value}


def _titled(labels: Raw) -> str:
    """A summary of labels, for an alert without one."""
    others = ", ".join(
        f"{key}={value}" for key, value in sorted(labels.items()) if key not in ("alertname", "severity")
    )
    called = first(labels, "alertname") or "alert"
    return f"{called}: {others}" if others else called
