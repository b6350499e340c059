"""What Alertmanager posts to a webhook, version 4: an incident is a group, and each announcement of it an alert.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. The first alert is the incident itself; what is
announced again is one more, so that a receiver which compares fingerprints sees that something is new; it is resolved
with the incident, or when that is merged into another one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from grouping.outlets.message import Target, reasons, sentence
from grouping.outlets.notice import CLOSING, Happening, Notice
from grouping.records import Severity

_LABELS = ("service", "host", "component", "group", "severity")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: what has not ended


def render(notice: Notice, target: Target) -> list[bytes]:
    """One group. An acknowledgement has no word in this format."""
    if notice.event is Happening.ACKNOWLEDGED:
        return []
    link = target.link_to(notice)
    whole = labels_of(notice, notice.severity)
    alerts = [whole_alert(notice, whole, link, over=notice.event in CLOSING), *departing_alerts(notice, link)]
    shared = {key: value for key, value in whole.items() if all(one["labels"].get(key) == value for one in alerts)}
    body = {
        "version": "4",
        "groupKey": f'{{}}:{{incident="{notice.incident}"}}',
        "truncatedAlerts": notice.more,
        "status": alerts[0]["status"],
        "receiver": target.name,
        "groupLabels": {"incident": notice.incident},
        "commonLabels": shared,
        "commonAnnotations": {"event": str(notice.event), "text": "\n".join([sentence(notice), *reasons(notice)])},
        "externalURL": link,
        "alerts": alerts,
    }
    return [orjson.dumps(body)]


def labels_of(notice: Notice, severity: Severity | None) -> dict[str, str]:
    """What the alert that stands for the incident is known by."""
    common = {"alertname": "Incident", "incident": notice.incident, "scope": notice.scope}
    return common | ({"severity": str(severity)} if severity else {})


def whole_alert(notice: Notice, labels: dict[str, str], link: str, *, over: bool) -> dict[str, Any]:
    """The alert that stands for the incident."""
    since = notice.at if notice.since is None else notice.since
    return _alert(notice, labels, {"summary": notice.title}, since, link, over=over)


def departing_alerts(notice: Notice, link: str) -> list[dict[str, Any]]:
    """One for each alert that departs, or did and is over."""
    found = []
    for one in (*notice.departing, *notice.over):
        named: dict[str, str] = {key: str(one[key]) for key in _LABELS if key in one}
        own = {"alertname": str(one.get("class", "Departs")), "alert": str(one["id"])}
        notes = {"summary": one["summary"]} | ({"description": one["because"]} if "because" in one else {})
        over = notice.event in CLOSING or "because" not in one
        labels = labels_of(notice, None) | named | own
        found.append(_alert(notice, labels, notes, one.get("at", notice.at), link, over=over))
    return found


def _alert(
    notice: Notice, labels: dict[str, str], annotations: dict[str, str], since: float, link: str, *, over: bool
) -> dict[str, Any]:
    """``since``: the same in every message about it."""
    return {
        "status": "resolved" if over else "firing",
        "labels": labels,
        "annotations": annotations | {"event": str(notice.event)},
        "startsAt": _time(since),
        "endsAt": _time(max(since, notice.at)) if over else NEVER,
        "generatorURL": link,
        "fingerprint": _fingerprint(labels),
    }


def _time(at: float) -> str:
    return (_EPOCH + timedelta(seconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fingerprint(labels: dict[str, str]) -> str:
    """Sixteen hexadecimal digits that tell label sets apart; severity may change without a new one."""
    kept = {key: value for key, value in labels.items() if key != "severity"}
    return blake2b(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
