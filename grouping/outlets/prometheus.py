"""What Prometheus posts to Alertmanager: an incident is one alert there, and each alert that departs is one more.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, `POST /api/v2/alerts`. Alertmanager knows an alert by all
of its labels, so the severity among them is the one that was announced last, and when that rises the alert with the
lower one ends. What has no end would be taken for resolved after a few minutes, since nobody sends it again: it ends in
a time that does not come.
"""

from __future__ import annotations

from typing import Any

import orjson

from grouping.outlets.alertmanager import departing_alerts, labels_of, whole_alert
from grouping.outlets.message import Target, reasons, sentence
from grouping.outlets.notice import CLOSING, Happening, Notice
from grouping.records import SEVERITY_BY_RANK

DOOR = "/api/v2/alerts"  # how its address ends
LAST = "9999-12-31T00:00:00Z"
_AGAIN = (Happening.DEPARTS, Happening.WORSE)
# What somebody who hears of an incident at all must hear, or an alert would never end.
NEEDED = frozenset(Happening) - {Happening.ACKNOWLEDGED, Happening.DEPARTS}


def render(notice: Notice, target: Target) -> list[bytes]:
    """All alerts that the notice changes. An acknowledgement has no word in this format."""
    if notice.event is Happening.ACKNOWLEDGED:
        return []
    link = target.link_to(notice)
    labels = labels_of(notice, SEVERITY_BY_RANK[notice.rank])
    whole = whole_alert(notice, labels, link, over=notice.event in CLOSING)
    whole["annotations"]["description"] = "\n".join([sentence(notice), *reasons(notice)])
    alerts = [whole, *departing_alerts(notice, link)]
    if notice.event in _AGAIN and notice.rank > notice.rank_before:
        alerts.append(whole_alert(notice, labels_of(notice, SEVERITY_BY_RANK[notice.rank_before]), link, over=True))
    return [orjson.dumps(list(map(_posted, alerts)))]


def _posted(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert of a webhook as it is posted to Alertmanager."""
    found = {key: alert[key] for key in ("labels", "annotations", "startsAt", "endsAt")}
    if alert["status"] == "firing":
        found["endsAt"] = LAST
    return found | ({"generatorURL": alert["generatorURL"]} if alert["generatorURL"] else {})
