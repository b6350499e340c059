"""Datadog's webhook, whose payload each team writes from variables: https://docs.datadoghq.com/integrations/webhooks/.

The names here are those of the payload in docs/sources.md and of Datadog's own default; others stay in details. A
variable that Datadog does not know arrives as it was written, `$SO`, and counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping

from grouping.formats.base import Raw, alert, dumped, first, host, loaded, moment, name, record, rest, severity
from grouping.formats.base import digest as content
from grouping.parse import Malformed

_LEVELS = {"error": "error", "warning": "warning", "success": "info", "info": "info", "user_update": "info"}
_PRIORITIES = {"P1": "critical", "P2": "error", "P3": "warning", "P4": "info", "P5": "info"}
_TAGS = ("service", "host", "env", "team")
_KNOWN = ("title", "hostname", "host", "aggreg_key", "severity", "service", "source", "component", "scope")


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """The alert of one notification. Raises Malformed."""
    whole = record(loaded(payload), "$", "use the payload in docs/sources.md")
    raw = {key: value for key, value in whole.items() if not (type(value) is str and _unfilled(value))}
    inner = raw.get("alert") if type(raw.get("alert")) is dict else {}
    told = {**raw, **{f"alert_{key}": value for key, value in inner.items()}} if type(inner) is dict else raw
    transition = first(told, "alert_transition", "transition") or ""
    tags = _tags(told.get("tags"))
    when = "last_updated" if "last_updated" in told else "date"
    at = moment(told.get(when), f"$.{when}")
    key = first(told, "alert_cycle_key", "aggreg_key", "alert_id")
    event = alert(
        received if at is None else at,
        first(told, "title", "alert_title", "event_title", "event_msg", "text_msg", "body"),
        rest(raw, *_KNOWN),
        "$.title",
        id=_identity(told, transition),
        dedup_key=f"datadog/{key}" if key else None,
        status="resolved" if transition.lower() in ("recovered", "ok", "resolved") else "firing",
        severity=_severity(told, transition),
        source="datadog",
        service=first(told, "service") or tags.get("service"),
        host=host(first(told, "hostname", "host") or tags.get("host")),
        component=first(told, "component", "alert_metric"),
        group=tags.get("env") or tags.get("team"),
        class_=first(told, "alert_id", "event_type"),
    )
    return [event]


def _unfilled(value: str) -> bool:
    """Whether a text is a variable that Datadog left as it was."""
    return value.startswith("$") and value[1:].replace("_", "").isalnum() and value.isupper()


def _identity(told: Raw, transition: str) -> str | None:
    """The event's id where it has one and its time tells repeats of it apart."""
    event, when = name(told.get("id")), name(told.get("last_updated"))
    if not event or not when:
        return None
    return f"datadog/{content(dumped([event, when, transition], '$.id'))}"


def _severity(told: Raw, transition: str) -> str | None:
    kind, priority = told.get("alert_type"), told.get("alert_priority", told.get("priority"))
    found = severity(told.get("severity"))
    if found is None and type(priority) is str:
        found = _PRIORITIES.get(priority.upper())
    if found is None and transition.lower() in ("warn", "re-warn", "warning"):
        found = "warning"
    return found or (_LEVELS.get(kind) if type(kind) is str else None)


def _tags(value: object) -> dict[str, str]:
    """Tags that name something: `a:b, c:d`, or an array of them."""
    items = value.split(",") if type(value) is str else value if type(value) is list else []
    found: dict[str, str] = {}
    for item in items:
        key, colon, rest_ = item.strip().partition(":") if type(item) is str else ("", "", "")
        if colon and key in _TAGS:
            found.setdefault(key, rest_)
    return found
