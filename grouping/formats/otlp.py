"""OpenTelemetry logs as OTLP/JSON: https://opentelemetry.io/docs/specs/otlp/ and .../semantic_conventions/.

Which logs are alerts is for the collector to say (its filter processor); here every record of severity WARN or above is
one, and so is a record without a severity. Others are passed over.
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
    text,
    within,
)
from grouping.parse import Malformed

WARN = 13  # SeverityNumber: 1 TRACE, 5 DEBUG, 9 INFO, 13 WARN, 17 ERROR, 21 FATAL
_DEPTH = 32  # levels of an attribute's value


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """The alerts of an ExportLogsServiceRequest. Raises Malformed."""
    raw = record(loaded(payload), "$", "send an ExportLogsServiceRequest")
    if "resourceLogs" not in raw:
        refuse("$.resourceLogs", "expected an array", None, "send an ExportLogsServiceRequest")
    events: list[Raw | Malformed] = []
    for at, item in enumerate(rows(raw["resourceLogs"], "$.resourceLogs")):
        place = f"$.resourceLogs[{at}]"
        group = record(item, place, "send a ResourceLogs")
        resource = _attributes(within(group, "resource", place), f"{place}.resource")
        for scope_at, scope_item in enumerate(rows(group.get("scopeLogs"), f"{place}.scopeLogs")):
            inner = f"{place}.scopeLogs[{scope_at}]"
            scope = record(scope_item, inner, "send a ScopeLogs")
            told = within(scope, "scope", inner)
            library, own = first(told, "name"), _attributes(told, f"{inner}.scope")
            records = rows(scope.get("logRecords"), f"{inner}.logRecords")
            shared = {**rest(told, "name", "attributes"), **({"attributes": own} if own else {})}
            spread({"resource": resource, "scope": shared}, max(len(records), 1), f"{place}.resource")
            for index, one in enumerate(records):
                if len(events) == MAX_EVENTS:
                    raise Malformed(f"{inner}.logRecords: more than {MAX_EVENTS} events; send fewer at once")
                where = f"{inner}.logRecords[{index}]"
                try:
                    event = _record(record(one, where, "send a LogRecord"), resource, library, shared, where, received)
                except Malformed as error:
                    events.append(error)
                else:
                    events += [] if event is None else [event]
    return events


def _record(raw: Raw, resource: Raw, library: str | None, scope: Raw, place: str, received: float) -> Raw | None:
    """The alert of a record; None where it is below a warning. ``scope``: what is said of the library beside its name."""
    level = _level(raw, place)
    if level in ("info", "debug"):
        return None
    at = moment(_time(raw, "timeUnixNano"), f"{place}.timeUnixNano")
    if not at:
        at = moment(_time(raw, "observedTimeUnixNano"), f"{place}.observedTimeUnixNano")
    own = _attributes(raw, place)
    body = _value(raw.get("body"), f"{place}.body", _DEPTH)
    known = {**resource, **own}
    title = body if type(body) is str else first(body, "message", "msg", "summary") if type(body) is dict else None
    details = rest(raw, "attributes", "body", "timeUnixNano", "observedTimeUnixNano", "severityText")
    details |= {"attributes": own} if own else {}
    details |= {"resource": resource} if resource else {}
    details |= {"scope": scope} if scope else {}
    details |= {} if type(body) is str or body is None else {"body": body}
    return alert(
        at or received,
        title or first(own, "exception.message") or first(raw, "eventName") or dumped(body, place).decode(),
        details,
        f"{place}.body",
        id=f"otlp/{digest(dumped([raw, resource], place))}" if at else None,
        severity=level,
        source=library or "opentelemetry",
        service=first(resource, "service.name"),
        host=host(first(resource, "host.name", "k8s.node.name", "service.instance.id")),
        component=first(resource, "k8s.deployment.name", "container.name", "process.executable.name"),
        group=first(resource, "service.namespace", "k8s.namespace.name", "deployment.environment.name"),
        class_=first(raw, "eventName") or first(known, "event.name", "exception.type"),
    )


def _level(raw: Raw, place: str) -> str | None:
    """Severity by SeverityNumber, else by its text; "debug" for what is below INFO."""
    number = raw.get("severityNumber")
    if number is None or number == 0 or type(number) is str:  # enums may be names: SEVERITY_NUMBER_ERROR2
        word = number if type(number) is str and not number.isdigit() else raw.get("severityText")
        word = word.removeprefix("SEVERITY_NUMBER_").rstrip("1234").lower() if type(word) is str else ""
        if type(number) is not str or not number.isdigit():
            return "debug" if word in ("trace", "debug") else "critical" if word == "fatal" else severity(word)
        number = int(number[:3])
    if type(number) is not int or number < 0:
        refuse(f"{place}.severityNumber", "expected a number from 0 to 24", number, "send the SeverityNumber")
    for from_, word in ((21, "critical"), (17, "error"), (WARN, "warning"), (9, "info"), (1, "debug")):
        if number >= from_:
            return word
    return None


def _time(raw: Raw, key: str) -> object:
    """A time in ns, as the text that protobuf's JSON wants or as the number many write; 0 means none."""
    value = raw.get(key)
    if type(value) is str and len(value) <= 20 and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int:
        return value
    seconds, part = divmod(value, 10**9)
    return None if value == 0 else seconds + part / 1e9


def _attributes(raw: Raw, place: str) -> Raw:
    """Attributes by name."""
    found: Raw = {}
    for index, item in enumerate(rows(raw.get("attributes"), f"{place}.attributes")):
        where = f"{place}.attributes[{index}]"
        one = record(item, where, 'send {"key":"...","value":{...}}')
        key = text(one.get("key"))
        if key is None:
            refuse(f"{where}.key", "expected a text", one.get("key"), "name the attribute")
        found[key] = _value(one.get("value"), f"{where}.value", _DEPTH)
    return found


def _value(raw: Any, place: str, depth: int) -> Any:
    """An AnyValue as plain JSON. Whole numbers beyond 64 bits stay texts."""
    if raw is None:
        return None
    raw = record(raw, place, 'send an AnyValue, e.g. {"stringValue":"..."}')
    if depth == 0:
        refuse(place, f"expected at most {_DEPTH} levels", raw, "flatten it")
    if "intValue" in raw:
        value = raw["intValue"]
        small = type(value) is str and len(value) <= 18 and value.isascii() and value.removeprefix("-").isdigit()
        return int(value) if small else value
    if "arrayValue" in raw:
        items = rows(within(raw, "arrayValue", place).get("values"), f"{place}.arrayValue.values")
        return [_value(item, f"{place}.arrayValue.values[{at}]", depth - 1) for at, item in enumerate(items)]
    if "kvlistValue" in raw:
        listed = raw["kvlistValue"]  # the protocol's own example has the pairs themselves there
        inner = within(raw, "kvlistValue", place).get("values") if type(listed) is not list else listed
        pairs = rows(inner, f"{place}.kvlistValue.values")
        found: Raw = {}
        for at, item in enumerate(pairs):
            where = f"{place}.kvlistValue.values[{at}]"
            one = record(item, where, 'send {"key":"...","value":{...}}')
            found[text(one.get("key")) or ""] = _value(one.get("value"), f"{where}.value", depth - 1)
        return found
    return next(iter(raw.values()), None)  # stringValue, boolValue, doubleValue, bytesValue
