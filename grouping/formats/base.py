"""What the formats share: reading a payload, texts, times, severities, and an alert that parse.py accepts.

A foreign sender cannot be told to shorten its texts, so they are cut here and its payload is taken; what has no
meaning that could be guessed safely is refused, with place, value and remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NoReturn

import orjson

from grouping.parse import LAST_SECOND, MAX_DEPTH, MAX_KEYS, MAX_NAME, MAX_SUMMARY, MAX_TEXT, Malformed, shown
from grouping.unread import unread

MAX_EVENTS = 10_000  # of one payload
MAX_SPREAD = 32 << 20  # bytes that what all events of a payload share may grow to, when each of them holds it

Raw = dict[str, Any]
Translate = Callable[[bytes, Mapping[str, str], float], list[Raw | Malformed]]


def refuse(place: str, expected: str, value: object, remedy: str) -> NoReturn:
    """Raises Malformed, worded as everywhere."""
    raise Malformed(f"{place}: {expected}, got {shown(value)}; {remedy}")


def loaded(payload: bytes) -> Any:
    """The JSON of a payload. Raises Malformed."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed(unread(payload, error, "send JSON in UTF-8")) from None


def record(value: Any, place: str, remedy: str) -> Raw:
    """A value that must be an object. Raises Malformed."""
    if type(value) is not dict:
        refuse(place, "expected an object", value, remedy)
    return value


def within(raw: Raw, key: str, place: str) -> Raw:
    """An object in an object; empty where it is absent. Raises Malformed."""
    value = raw.get(key)
    return {} if value is None else record(value, f"{place}.{key}", "send an object, or leave it out")


def rows(value: Any, place: str) -> list[Any]:
    """An array; empty where it is absent. Raises Malformed."""
    if value is None:
        return []
    if type(value) is not list:
        refuse(place, "expected an array", value, "send an array, or leave it out")
    return value


def each(items: Iterable[Any], place: str, make: Callable[[Any, str], Raw]) -> list[Raw | Malformed]:
    """Every item made an event, or its refusal in its place. Raises Malformed when there are too many."""
    events: list[Raw | Malformed] = []
    for index, item in enumerate(items):
        if index == MAX_EVENTS:
            raise Malformed(f"{place}: more than {MAX_EVENTS} items; send fewer at once")
        try:
            events.append(make(item, f"{place}[{index}]"))
        except Malformed as error:
            events.append(error.with_traceback(None))  # it would keep alive what was looked at
    return events


def spread(shared: Raw, times: int, place: str, before: int = 0) -> int:
    """Bytes that what several events of a payload share grows to, when each of them holds it. Raises Malformed.

    ``before``: what else of the payload grows to. So what a small payload becomes is bounded.
    """
    size = len(dumped(shared, place))
    grown = before + size * times
    if grown > MAX_SPREAD:
        raise Malformed(
            f"{place}: {size} bytes shared by {times} events make {grown} bytes of this request, "
            f"at most {MAX_SPREAD} are taken; send fewer at once"
        )
    return grown


def dumped(value: Any, place: str) -> bytes:
    """A value as JSON with sorted keys: equal bytes for equal values. Raises Malformed."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise Malformed(f"{place}: too many levels; flatten it") from None


def digest(*parts: bytes) -> str:
    """A short name for content: 32 hexadecimal digits."""
    return sha256(b"\0".join(parts)).hexdigest()[:32]


# -- fields


def text(value: object, most: int = MAX_TEXT) -> str | None:
    """A text for a named field: cut, and None where it is blank or no text. Numbers are written out."""
    if type(value) is not str:
        return str(value) if type(value) is int or type(value) is float else None
    value = value[:most]
    return value if value and not value.isspace() else None


def first(raw: Mapping[str, Any], *keys: str) -> str | None:
    """The first of several fields that has a text."""
    for key in keys:
        value = raw.get(key)
        if value is not None:
            found = text(value)
            if found is not None:
                return found
    return None


def name(value: object) -> str | None:
    """A text for an id or a key. One that is too long ends in its digest, so that two do not become equal."""
    if type(value) is str and len(value) > MAX_NAME:
        return None if value.isspace() else f"{value[: MAX_NAME - 33]}~{digest(value.encode())}"
    return text(value)


def host(value: object) -> str | None:
    """A host without its port: exporters of one machine differ in it."""
    found = text(value)
    return found if found is None else _PORT.sub("", found) or found


_PORT = re.compile(r"(?<=[^:]):\d{1,5}$(?<!::\d)")

_SEVERITIES = {
    "critical": "critical crit fatal emergency emerg panic page p1 disaster sev1 alert",
    "error": "error err high major p2 sev2 failure",
    "warning": "warning warn minor medium average moderate p3 sev3",
    "info": "info information informational notice debug trace low p4 p5 ok normal success sev4 sev5 none",
}
_SEVERITY = {word: severity for severity, words in _SEVERITIES.items() for word in words.split()}


def severity(value: object) -> str | None:
    """One of the four severities for the words that tools use; None where the word is not known."""
    return _SEVERITY.get(value.strip().lower()) if type(value) is str else None


# Beside RFC 3339 also `+0000`, as AWS and PagerDuty's examples write it, and `+00:00Z`, as PagerDuty's client does.
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,12}))?\s?(?:[Zz]|UTC|([+-]\d{2}):?(\d{2})Z?)", re.ASCII
)
_YEAR_ONE = "0001-01-01T00:00:00"
_LONGEST = 64  # characters of a time


def moment(value: object, place: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time, or of a number of seconds, ms, us or ns. None where there is none.

    Go's zero time means none. Raises Malformed.
    """
    if type(value) is str:
        seconds = _read(value) if len(value) <= _LONGEST else -1.0
        if seconds is None:
            return None
    elif type(value) is int or type(value) is float:
        seconds = _scaled(value)
    elif value is None:
        return None
    else:
        seconds = -1.0
    if not 0.0 <= seconds <= LAST_SECOND:
        refuse(place, "expected a time between 1970 and the year 3000", value, "write it like 2025-11-01T12:00:00.25Z")
    return seconds + 0.0


@lru_cache(4096)  # one end for all alerts of a rule, one start for each resend
def _read(value: str) -> float | None:
    """Seconds of a text, None where it says that there is no time, -1 where it cannot be read."""
    if not value or value.isspace() or value.startswith(_YEAR_ONE):
        return None
    match = _TIME.fullmatch(value.strip())
    if match is not None:
        day, clock, fraction, hours, minutes = match.groups()
        offset = f"{hours}:{minutes}" if hours else "+00:00"
        try:
            return datetime.fromisoformat(f"{day}T{clock}{offset}").timestamp() + float(f"0.{fraction or 0}")
        except ValueError:
            return -1.0
    return _scaled(int(value)) if len(value) <= 32 and value.isascii() and value.isdigit() else -1.0


def _scaled(value: float) -> float:
    """Seconds of a number whose unit its size tells: in seconds it would be after the year 5138."""
    for above, unit in ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3)):
        if above <= value < 2**64:
            whole, part = divmod(int(value), unit)  # in two steps: ns since 1970 are more than a double holds
            return whole + part / unit
    return float(value)


# -- the event

FIELDS = ("source", "service", "host", "component", "group", "class")


def alert(at: float, summary: object, details: Raw, place: str, **fields: object) -> Raw:
    """An alert that parse.py accepts: texts cut, absent fields left out, details within their bounds.

    ``fields``: any of id, scope, dedup_key, status, severity, source, service, host, component, group, class_.
    Raises Malformed: no summary, or details too deep to be written at all.
    """
    said = text(summary, MAX_SUMMARY)
    if said is None:
        refuse(place, "expected a text that says what is wrong", summary, "fill in the title or summary")
    event: Raw = {"kind": "alert", "at": at, "summary": said}
    for key in ("id", "scope", "dedup_key"):
        value = fields.get(key)
        found = None if value is None else name(value)
        if found is not None:
            event[key] = found
    for key in ("status", "severity"):
        if fields.get(key) is not None:
            event[key] = fields[key]
    for key in FIELDS:
        value = fields.get("class_" if key == "class" else key)
        found = None if value is None else text(value)
        if found is not None:
            event[key] = found
    if details:
        event["details"] = details if _fits(details) else {"json": dumped(details, place).decode()}
    return event


def _fits(details: Raw) -> bool:
    """Whether details have few enough keys and levels. Iterative: depth is what is being checked."""
    count, level = 0, [details]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            count += len(node)
            children = node.values() if type(node) is dict else node
            below += [child for child in children if type(child) is dict or type(child) is list]
        if count > MAX_KEYS:
            return False
        if not below:
            return True
        level = below
    return False


def rest(raw: Raw, *used: str) -> Raw:
    """The fields that have no place of their own."""
    return {key: value for key, value in raw.items() if key not in used and value is not None and value != ""}
