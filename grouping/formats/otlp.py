"""OpenTelemetry logs by OTLP, as JSON or protobuf: https://opentelemetry.io/docs/specs/otlp/ and .../semantic_conventions/.

Which logs are alerts is for the collector to say (its filter processor); here every record of severity WARN or above is
one, and so is a record without a severity. Others are passed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from grouping.formats import otlp_protobuf
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

MAX_RECORDS = 100_000  # of one request, also those that are no alerts
WARN = 13  # SeverityNumber: 1 TRACE, 5 DEBUG, 9 INFO, 13 WARN, 17 ERROR, 21 FATAL
_DEPTH = 32  # levels of an attribute's value


class _Group(NamedTuple):
    """Records of one library: their place, what is said of all of them, and how each becomes an object."""

    place: str
    resource: Raw
    library: str | None
    scope: Raw  # what is said of the library beside its name
    records: Sequence[Any]
    read: Callable[[Any, str], Raw]


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:
    """The alerts of an ExportLogsServiceRequest, as JSON or, by its content type, as protobuf. Raises Malformed."""
    packed = headers.get("content-type", "").partition(";")[0].strip().lower() == otlp_protobuf.MEDIA_TYPE
    events: list[Raw | Malformed] = []
    seen = grown = 0
    for place, resource, library, scope, records, read in _packed(payload) if packed else _plain(payload):
        seen += 1 + len(records)
        _few(seen, place)
        grown = spread({"resource": resource, "scope": scope}, max(len(records), 1), place, grown)
        for index, one in enumerate(records):
            if len(events) == MAX_EVENTS:
                raise Malformed(f"{place}: more than {MAX_EVENTS} events; send fewer at once")
            where = f"{place}.logRecords[{index}]"
            try:
                event = _record(read(one, where), resource, library, scope, where, received)
            except Malformed as error:
                events.append(error.with_traceback(None))  # it would keep the record alive
            else:
                events += [] if event is None else [event]
    return events


def _few(count: int, place: str) -> None:
    if count > MAX_RECORDS:
        raise Malformed(f"{place}: more than {MAX_RECORDS} records; send fewer at once")


def _plain(payload: bytes) -> Iterator[_Group]:
    """The groups of a request as JSON."""
    raw = record(loaded(payload), "$", "send an ExportLogsServiceRequest")
    if "resourceLogs" not in raw:
        refuse("$.resourceLogs", "expected an array", None, "send an ExportLogsServiceRequest")
    for at, item in enumerate(rows(raw["resourceLogs"], "$.resourceLogs")):
        place = f"$.resourceLogs[{at}]"
        _few(at, place)
        group = record(item, place, "send a ResourceLogs")
        resource = _attributes(within(group, "resource", place), f"{place}.resource")
        for scope_at, scope_item in enumerate(rows(group.get("scopeLogs"), f"{place}.scopeLogs")):
            inner = f"{place}.scopeLogs[{scope_at}]"
            told = record(scope_item, inner, "send a ScopeLogs")
            records = rows(told.get("logRecords"), f"{inner}.logRecords")
            library, scope = _scope(within(told, "scope", inner), inner)
            yield _Group(inner, resource, library, scope, records, lambda one, at: record(one, at, "send a LogRecord"))


def _packed(payload: bytes) -> Iterator[_Group]:
    """The groups of a request as protobuf. The numbers are those of logs.proto and logs_service.proto."""
    reader = otlp_protobuf.Reader()
    for at, group in enumerate(one for number, one in otlp_protobuf.fields(payload, "$") if number == 1):
        place = f"$.resourceLogs[{at}]"
        _few(at, place)
        parts = _parts(group, place)
        said = b"".join(one for number, one in parts if number == 1)  # a message that is there twice is one, merged
        resource = _attributes(reader.resource(said, f"{place}.resource"), f"{place}.resource")
        for scope_at, message in enumerate(one for number, one in parts if number == 2):
            inner = f"{place}.scopeLogs[{scope_at}]"
            inside = _parts(message, inner)
            told = b"".join(one for number, one in inside if number == 1)
            library, scope = _scope(reader.scope(told, f"{inner}.scope"), inner)
            records = [one for number, one in inside if number == 2]
            yield _Group(inner, resource, library, scope, records, reader.record)


def _parts(message: bytes, place: str) -> list[tuple[int, bytes]]:
    """The fields of a message."""
    parts = list(itertools.islice(otlp_protobuf.fields(message, place), MAX_RECORDS + 1))
    _few(len(parts), place)
    return parts


def _scope(raw: Raw, place: str) -> tuple[str | None, Raw]:
    """The name of a library, and what else is said of it."""
    own = _attributes(raw, f"{place}.scope")
    return first(raw, "name"), {**rest(raw, "name", "attributes"), **({"attributes": own} if own else {})}


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
