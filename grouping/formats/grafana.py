"""Grafana: the webhook of its alerting, and that of the alerting before version 9.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
The first is Alertmanager's message and more; the second tells one rule's state.
"""

from __future__ import annotations

from collections.abc import Mapping

from grouping.formats.alertmanager import message
from grouping.formats.base import Raw, alert, digest, first, loaded, name, record, refuse, rest
from grouping.parse import Malformed

_STATES = {"alerting": "firing", "no_data": "firing", "pending": None, "paused": None, "ok": "resolved"}


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """The alerts of a message. Raises Malformed."""
    raw = record(loaded(payload), "$", "send what Grafana's webhook contact point sends")
    if "alerts" in raw:
        return message(raw, received, "grafana")
    if "ruleId" not in raw and "ruleName" not in raw:
        refuse("$.alerts", "expected an array", None, "send what Grafana's webhook contact point sends")
    return _legacy(raw, received)


def _legacy(raw: Raw, received: float) -> list[Raw | Malformed]:
    state = raw.get("state")
    if type(state) is not str or state not in _STATES:
        refuse("$.state", f"expected one of {', '.join(_STATES)}", state, "send what Grafana sends")
    status = _STATES[state]
    if status is None:  # waiting, or switched off: nothing has happened
        return []
    rule = first(raw, "ruleId", "ruleName") or "?"
    event = alert(
        received,
        first(raw, "title", "message", "ruleName"),
        rest(raw, "title", "ruleName"),
        "$.title",
        dedup_key=f"grafana/{digest((name(raw.get('ruleUrl')) or '').encode())[:8]}/{rule}",
        status=status,
        source="grafana",
        class_=first(raw, "ruleName"),
    )
    return [event]
