"""Zabbix: the parameters of a webhook media type as one JSON object (docs/sources.md has the script).

https://www.zabbix.com/documentation/current/en/manual/appendix/macros/supported_by_location. Names are taken with and
without underscores and dots: `eventid`, `event_id`, `EVENT.ID`. A macro that Zabbix does not know arrives as it was
written, `{EVENT.TAGS}`, or as `*UNKNOWN*`, and counts as absent. Zabbix's own PagerDuty media type sends Events v2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from grouping.formats.base import Raw, alert, each, first, loaded, moment, record, refuse, severity, text
from grouping.parse import Malformed

_LEVELS = ("info", "info", "warning", "warning", "error", "critical")  # as Zabbix maps them in its PagerDuty media type
_WORDS = {
    "not classified": "info",
    "information": "info",
    "average": "warning",
    "high": "error",
    "disaster": "critical",
}
_MACRO = re.compile(r"\{[A-Z0-9_.$#:\"<>]+\}")
_NO_NAME = re.compile(r"[^a-z0-9]")


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """The alert of one notification, or of an array of them. Raises Malformed."""
    raw = loaded(payload)
    if type(raw) is list:
        return each(raw, "$", lambda item, place: _event(item, place, received))
    return [_event(raw, "$", received)]


def _event(raw: Any, place: str, received: float) -> Raw:
    raw = record(raw, place, "use the media type in docs/sources.md")
    given = {
        key: value
        for key, value in raw.items()
        if type(value) is not str or (value != "*UNKNOWN*" and not _MACRO.fullmatch(value))
    }
    told = {_NO_NAME.sub("", key.lower()): value for key, value in given.items()}
    event = first(told, "eventid", "problemid")
    if event is None:
        refuse(
            f"{place}.eventid", "expected an id", raw.get("eventid"), "send {EVENT.ID}: it tells which problem is over"
        )
    value, update = first(told, "eventvalue", "value"), first(told, "eventupdatestatus", "eventupdate")
    resolved = value in ("0", "OK", "RESOLVED") or first(told, "eventstatus") in ("OK", "RESOLVED")
    acked = not resolved and update == "1" and first(told, "eventack", "eventackstatus") in ("1", "Yes")
    tags = _tags(told.get("eventtags", told.get("tags")))
    status = "resolved" if resolved else "acknowledged" if acked else "firing"
    at = moment(_when(told, resolved), f"{place}.timestamp")
    return alert(
        received if at is None else at,
        first(told, "eventname", "triggername", "alertsubject", "subject", "triggerdescription", "triggerdesc"),
        given,
        f"{place}.eventname",
        dedup_key=f"zabbix/{event}",
        status=status,
        severity=_severity(told),
        source="zabbix",
        service=tags.get("service") or tags.get("application"),
        host=first(told, "hostname", "hosthost", "host", "hostip"),
        component=tags.get("component") or first(told, "itemname"),
        group=first(told, "hostgroup", "hostgroups", "triggerhostgroupname"),
        class_=tags.get("class") or first(told, "triggerid"),
    )


def _severity(told: Raw) -> str | None:
    """By {EVENT.NSEVERITY}, 0 to 5, or by the word of {EVENT.SEVERITY}."""
    said = first(told, "eventnseverity", "nseverity", "severity", "eventseverity")
    if said in ("0", "1", "2", "3", "4", "5"):
        return _LEVELS[int(said)]
    word = first(told, "eventseverity", "severity", "triggerseverity") or ""
    return _WORDS.get(word.lower()) or severity(word)


def _when(told: Raw, resolved: bool) -> object:
    """Seconds since the epoch, if told. {EVENT.DATE} and {EVENT.TIME} have no time zone, so they do not say when it was."""
    if resolved:
        return told.get("eventrecoverytimestamp")
    return told.get("eventtimestamp", told.get("timestamp"))


def _tags(value: Any) -> dict[str, str]:
    """Event tags: `a:b, c:d` of {EVENT.TAGS}, or the array of {EVENT.TAGSJSON}, as JSON or as a text."""
    if type(value) is str and value.startswith("["):
        try:
            value = loaded(value.encode())
        except Malformed:
            return {}
    found: dict[str, str] = {}
    for item in value.split(",") if type(value) is str else value if type(value) is list else []:
        if type(item) is str:
            key, _, said = item.strip().partition(":")
        elif type(item) is dict:
            key, said = text(item.get("tag")) or "", text(item.get("value")) or ""
        else:
            continue
        found.setdefault(key.lower(), said)
    return found
