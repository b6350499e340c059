"""Sentry's webhooks of its integration platform: issue alerts, metric alerts, issues.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/. An issue is Sentry's unit of "the same
problem", so its id is the dedup key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from grouping.formats.base import Raw, alert, digest, first, host, loaded, moment, record, refuse, rest, text, within
from grouping.parse import Malformed

_KINDS = {"event_alert": "event", "metric_alert": "metric_alert", "issue": "issue"}
_LEVELS = {"fatal": "critical", "error": "error", "warning": "warning", "info": "info", "debug": "info"}
_ISSUE = {
    "created": "firing",
    "unresolved": "firing",
    "resolved": "resolved",
    "ignored": "resolved",
    "archived": "resolved",
}
_METRIC = {"critical": ("firing", "critical"), "warning": ("firing", "warning"), "resolved": ("resolved", None)}


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:
    """The alert of one webhook; none for what is no alert (an assignment, a comment, an installation). Raises Malformed."""
    raw = record(loaded(payload), "$", "send what Sentry posts")
    data = within(raw, "data", "$")
    resource = headers.get("sentry-hook-resource")
    kind = _KINDS.get(resource) if resource is not None else next((k for k in _KINDS.values() if k in data), None)
    if kind is None:
        if resource is not None:
            return []
        refuse(
            "$.data", f"expected one of {', '.join(_KINDS.values())} in it", raw.get("data"), "send what Sentry posts"
        )
    told = record(data.get(kind), f"$.data.{kind}", "send what Sentry posts")
    action = first(raw, "action") or ""
    request = text(headers.get("request-id"))
    id = f"sentry/{digest(request.encode())}" if request else None
    context = {"action": action, **rest(data, kind)}
    match kind:
        case "event":
            return [_event(told, context, id, received)]
        case "issue":
            status = _ISSUE.get(action)
            return [] if status is None else [_issue(told, context, id, status, received)]
        case _:
            if action not in _METRIC:
                refuse("$.action", f"expected one of {', '.join(_METRIC)}", raw.get("action"), "send what Sentry posts")
            return [_metric(told, data, context, id, received)]


def _event(raw: Raw, context: Raw, id: str | None, received: float) -> Raw:
    """An issue alert: a rule saw this event."""
    at, tags = moment(raw.get("datetime"), "$.data.event.datetime"), _tags(raw.get("tags"))
    issue = first(raw, "issue_id", "group_id") or "?"
    level = first(raw, "level") or tags.get("level") or ""
    event_id = first(raw, "event_id")
    return alert(
        received if at is None else at,
        first(raw, "title", "message", "culprit"),
        {**context, "event": rest(raw, "title", "datetime", "_ref", "_ref_version", "_metrics", "_dsc", "_meta")},
        "$.data.event.title",
        id=id
        or (f"sentry/{event_id}/{digest((first(context, 'triggered_rule') or '').encode())}" if event_id else None),
        dedup_key=f"sentry/issue/{issue}" if issue != "?" else None,
        status="firing",
        severity=_LEVELS.get(level),
        source="sentry",
        service=_project(raw),
        host=host(tags.get("server_name")),
        component=first(raw, "culprit", "transaction", "location"),
        group=first(raw, "environment") or tags.get("environment"),
        class_=_kind(raw),
    )


def _issue(raw: Raw, context: Raw, id: str | None, status: str, received: float) -> Raw:
    """An issue has come, gone, or come back."""
    project = raw.get("project") if type(raw.get("project")) is dict else {}
    seen = "lastSeen" if status == "firing" else "statusChangedAt"
    at, key = moment(raw.get(seen), f"$.data.issue.{seen}"), first(raw, "id")
    return alert(
        received if at is None else at,
        first(raw, "title", "culprit", "shortId"),
        {**context, "issue": rest(raw, "title", "lastSeen")},
        "$.data.issue.title",
        id=id,
        dedup_key=f"sentry/issue/{key}" if key else None,
        status=status,
        severity=_LEVELS.get(first(raw, "level") or ""),
        source="sentry",
        service=first(project, "slug", "name") if type(project) is dict else None,
        component=first(raw, "culprit"),
        class_=_kind(raw),
    )


def _metric(raw: Raw, data: Raw, context: Raw, id: str | None, received: float) -> Raw:
    """A metric alert has crossed a threshold, or is back."""
    status, severity = _METRIC[context["action"]]
    rule = within(raw, "alert_rule", "$.data.metric_alert")
    when = "date_closed" if status == "resolved" else "date_started"
    at = moment(raw.get(when), f"$.data.metric_alert.{when}")
    projects = raw.get("projects")
    key = first(raw, "id", "identifier") or first(rule, "id")
    return alert(
        received if at is None else at,
        first(data, "description_title") or first(raw, "title") or first(rule, "name"),
        {**context, "metric_alert": raw},
        "$.data.description_title",
        id=id,
        dedup_key=f"sentry/metric/{key}" if key else None,
        status=status,
        severity=severity,
        source="sentry",
        service=text(projects[0]) if type(projects) is list and projects else None,
        group=first(rule, "environment"),
        class_=first(rule, "name"),
    )


_PROJECT = re.compile(r"/projects/[^/]+/([^/]+)/")


def _project(raw: Raw) -> str | None:
    """The name of an event's project: it stands in the event's address, beside it only as a number."""
    found = _PROJECT.search(first(raw, "url") or "")
    return found[1] if found else first(raw, "project_name", "project_slug")


def _kind(raw: Raw) -> str | None:
    """The type of the exception, where there is one."""
    metadata = raw.get("metadata")
    return first(metadata, "type") if type(metadata) is dict else None


def _tags(value: Any) -> dict[str, str]:
    """Tags, which come as pairs or as objects."""
    found: dict[str, str] = {}
    for item in value if type(value) is list else []:
        pair = [item.get("key"), item.get("value")] if type(item) is dict else item
        if type(pair) is list and len(pair) == 2 and type(pair[0]) is str and type(pair[1]) is str:
            found.setdefault(pair[0], pair[1])
    return found
