"""PagerDuty's Events API v2: an incident is one alert there, with the incident's id as its dedup_key.

https://developer.pagerduty.com/docs/events-api-v2-overview. PagerDuty adds a second trigger under the key of an open
alert to that alert's log and notifies nobody. So what is announced again (departs, worse) is an alert of its own, under
``INCIDENT/NUMBER``, acknowledged and resolved together with the first one.
"""

from __future__ import annotations

from typing import Any

import orjson

from grouping.outlets.message import Target, reasons, sentence
from grouping.outlets.notice import LOUD, Happening, Notice

ADDRESS = "https://events.pagerduty.com/v2/enqueue"
SUMMARY = 1024  # characters that PagerDuty takes
UNKNOWN = "error"  # PagerDuty wants a severity
AGAIN = 32  # alerts of one incident that are acknowledged and resolved with it, the latest


def render(notice: Notice, target: Target) -> list[bytes]:
    """A trigger, or an acknowledge or resolve for each alert that the incident is there."""
    if notice.event in LOUD:
        again = notice.event in (Happening.DEPARTS, Happening.WORSE)
        key = f"{notice.incident}/{notice.number}" if again else notice.incident
        return [orjson.dumps(_trigger(notice, target, key))]
    action = "acknowledge" if notice.event is Happening.ACKNOWLEDGED else "resolve"
    numbers = range(max(1, notice.number - AGAIN + 1), notice.number + 1)
    keys = [notice.incident, *(f"{notice.incident}/{number}" for number in numbers)]
    return [orjson.dumps({"routing_key": target.routing_key, "event_action": action, "dedup_key": key}) for key in keys]


def _trigger(notice: Notice, target: Target, key: str) -> dict[str, Any]:
    about = notice.departing[0] if notice.departing else notice.alert or {}
    payload: dict[str, Any] = {
        "summary": sentence(notice)[:SUMMARY] or notice.incident,
        "severity": str(notice.severity or UNKNOWN),
        "source": about.get("host") or about.get("service") or about.get("source") or notice.scope,
        "custom_details": {
            "scope": notice.scope,
            "incident": notice.incident,
            "event": str(notice.event),
            "alerts": notice.alerts,
            **({"alert": notice.alert} if notice.alert else {}),
            **({"departing": reasons(notice)} if notice.departing else {}),
        },
    }
    payload |= {name: about[name] for name in ("component", "group", "class") if name in about}
    event = {
        "routing_key": target.routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "grouping",
        "payload": payload,
    }
    link = target.link_to(notice)
    return event | ({"client_url": link, "links": [{"href": link, "text": "incident"}]} if link else {})
