"""One line of bytes to one event, or one refusal that names place, value and remedy.

This is the door: what passes here is trusted inside. Size, depth, number of keys, length of texts and range of
numbers are bounded before anything is kept. The bytes are read by orjson, which refuses NaN, infinities, numbers
beyond a double, bad UTF-8 and lone surrogates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeGuard, TypeVar

import orjson

from grouping.draw import content_id
from grouping.records import Alert, Bypass, Event, Feedback, Mode, PolicyEvent, Severity, Status, Tick, Verb
from grouping.unread import unread

MAX_LINE: Final = 512 * 1024  # bytes; what PagerDuty's Events API takes
MAX_NAME: Final = 255  # characters of an id, a scope, a dedup key, an actor, a policy
MAX_TEXT: Final = 1024  # characters of a named field
MAX_SUMMARY: Final = 1024  # characters kept of the summary
MAX_DEPTH: Final = 16  # of objects and arrays under details
MAX_KEYS: Final = 512  # keys and array items under details, all levels together
MAX_LIST: Final = 10_000  # alerts or incidents named in one feedback
LAST_SECOND: Final = 32_503_680_000.0  # the year 3000
MAX_SHOWN: Final = 80  # characters of a value told in a message

_Word = TypeVar("_Word", bound=StrEnum)
_STATUS: Final = {str(word): word for word in Status}
_SEVERITY: Final = {str(word): word for word in Severity}
_VERB: Final = {str(word): word for word in Verb}
_BYPASS: Final = {str(word): word for word in Bypass}
_MODE: Final = {str(word): word for word in Mode}


class Malformed(ValueError):
    """A line that is not an event. ``scope`` and ``id`` are those of the event where they could be read."""

    def __init__(self, message: str, scope: str = "default", id: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope
        self.id = id


def parse(line: bytes | bytearray | memoryview) -> Event:
    """The event that ``line`` holds. Raises Malformed."""
    if len(line) > MAX_LINE and len(bytes(line).rstrip(b"\r\n")) > MAX_LINE:  # its end is no part of it
        raise Malformed(f"$: more than {MAX_LINE} bytes in one event; shorten details")
    try:
        raw = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(unread(bytes(line), error, "send one JSON object a line, in UTF-8")) from None
    if type(raw) is not dict:
        raise Malformed(f"$: expected an object, got {shown(raw)}; send one JSON object a line")
    return event_of(raw)


def event_of(raw: dict[str, Any]) -> Event:
    """The event that a JSON object decoded by orjson holds. Raises Malformed."""
    try:
        kind = raw.get("kind")
        if kind == "alert":
            return _alert(raw)
        read = _READERS.get(kind) if type(kind) is str else None
        if read is None:
            _refuse("$.kind", f"expected one of {', '.join(_READERS)}", kind, 'add "kind":"alert"')
        if raw.get("bypass") is not None:  # an alert is opened ungrouped, but nothing can stand in for these
            _refuse("$.bypass", "expected nothing", raw["bypass"], "the engine failed on this event: send another")
        return read(raw)
    except _Wrong as wrong:
        scope, id_ = raw.get("scope"), raw.get("id")
        raise Malformed(str(wrong), scope if _is_name(scope) else "default", id_ if _is_name(id_) else None) from None


class _Wrong(Exception):
    """A field that is not as it must be; becomes Malformed once scope and id are known."""


def _refuse(path: str, expected: str, value: object, remedy: str) -> NoReturn:
    raise _Wrong(f"{path}: {expected}, got {shown(value)}; {remedy}")


def shown(value: object) -> str:
    """A value in a message: short, and never as deep as it came."""
    if type(value) is str:
        return repr(value) if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]!r}..."
    if value is None or type(value) is bool:
        return {None: "nothing", True: "true", False: "false"}[value]
    return "an object" if type(value) is dict else "an array" if type(value) is list else repr(value)


def _alert(raw: dict[str, Any]) -> Alert:
    """The alert of an object. What is as it mostly is passes a short check; all else goes to the careful readers."""
    get = raw.get
    at, scope, summary, details = get("at"), get("scope"), get("summary"), get("details")
    status, severity, dedup_key = get("status"), get("severity"), get("dedup_key")
    source, service, host = get("source"), get("service"), get("host")
    component, group, class_ = get("component"), get("group"), get("class")
    if type(at) is not float or not 0.0 < at <= LAST_SECOND:
        at = _time(raw)
    if type(scope) is not str or not scope or len(scope) > MAX_NAME or scope.isspace():
        scope = _scope(raw)
    if status != "firing":
        status = _word(raw, "status", _STATUS, "map your states to these") or Status.FIRING
    if severity is not None:
        severity = _word(raw, "severity", _SEVERITY, "map your levels to these, or leave it out")
    if dedup_key is not None:
        dedup_key = _text(raw, "dedup_key", MAX_NAME)
    for text in (source, service, host, component, group, class_):
        if text is not None and (type(text) is not str or not text or len(text) > MAX_TEXT or text.isspace()):
            source, service, host, component, group, class_ = [_text(raw, key) for key in _TEXTS]
            break
    if type(summary) is not str or not summary or summary.isspace():
        _refuse("$.summary", "expected a text", summary, "say in one line what is wrong")
    if details is None:
        details = {}
    elif type(details) is not dict:
        _refuse("$.details", "expected an object", details, 'wrap it: "details":{"value":...}')
    if not _ALERT_KEYS.issuperset(raw):
        details = _adopt(raw, details)
    if len(details) > MAX_KEYS or not _NESTED.isdisjoint(map(type, details.values())):
        _bounded(details)
    bypass = get("bypass")
    if bypass is not None:
        bypass = _word(raw, "bypass", _BYPASS, "leave it out: the service sets it")
    id_ = get("id")
    if type(id_) is not str or not id_ or len(id_) > MAX_NAME or id_.isspace():
        id_ = _id(raw)
    fields = (
        id_,
        at,
        scope,
        _STATUS[status],
        dedup_key,
        severity,
        source,
        service,
        host,
        component,
        group,
        class_,
        summary if len(summary) <= MAX_SUMMARY else summary[:MAX_SUMMARY],
        details,
        bypass,
    )
    return tuple.__new__(Alert, fields)  # Alert(*fields) in half the time


def _feedback(raw: dict[str, Any]) -> Feedback:
    verb = _word(raw, "action", _VERB, "name what the responder did")
    if verb is None:
        _refuse("$.action", f"expected one of {', '.join(_VERB)}", None, "name what the responder did")
    at, id_, scope, actor = _time(raw), _id(raw), _scope(raw), _text(raw, "actor", MAX_NAME)
    match verb:
        case Verb.MERGE:
            return Feedback(
                id_, at, scope, actor, verb, incidents=_names(raw, "incidents"), into=_named(raw, "into", verb)
            )
        case Verb.MOVE:
            if "into" not in raw:
                _refuse("$.into", "expected an incident id or null", None, "null moves the alerts to a new incident")
            into = None if raw["into"] is None else _named(raw, "into", verb)
            return Feedback(id_, at, scope, actor, verb, alerts=_names(raw, "alerts"), into=into)
        case Verb.UNDO:
            return Feedback(id_, at, scope, actor, verb, feedback=_named(raw, "feedback", verb))
        case _:
            return Feedback(id_, at, scope, actor, verb, incident=_named(raw, "incident", verb))


def _policy(raw: dict[str, Any]) -> PolicyEvent:
    mode = _word(raw, "mode", _MODE, "say how the policy is put to work")
    if mode is None:
        _refuse("$.mode", f"expected one of {', '.join(_MODE)}", None, "say how the policy is put to work")
    if mode is Mode.ROLLBACK and _text(raw, "policy", MAX_NAME) is not None:
        _refuse("$.policy", "expected none with mode rollback", raw["policy"], "leave it out, or set it with mode auto")
    policy = None if mode is Mode.ROLLBACK else _named(raw, "policy", mode)
    return PolicyEvent(_id(raw), _time(raw), _scope(raw), mode, policy)


def _tick(raw: dict[str, Any]) -> Tick:
    at = _time(raw)
    if at is None:
        _refuse("$.at", "expected a time", None, "a tick says what time it is")
    return Tick(at, _scope(raw))


_READERS: Final[dict[str, Callable[[dict[str, Any]], Event]]] = {
    "alert": _alert,
    "feedback": _feedback,
    "policy": _policy,
    "tick": _tick,
}
_ALERT_KEYS: Final = frozenset(
    "kind id at scope status dedup_key severity source service host component group class summary details bypass".split()
)
_TEXTS: Final = ("source", "service", "host", "component", "group", "class")
_NESTED: Final = frozenset((dict, list))


def _is_name(value: object) -> TypeGuard[str]:
    """Whether a value can be an id or a scope; blank means absent."""
    return type(value) is str and 0 < len(value) <= MAX_NAME and not value.isspace()


def _text(raw: dict[str, Any], key: str, limit: int = MAX_TEXT) -> str | None:
    """An optional text; empty and blank mean absent, so that they never look equal to each other."""
    value = raw.get(key)
    if value is None:
        return None
    if type(value) is not str:
        _refuse(f"$.{key}", "expected a text", value, "quote it")
    if len(value) > limit:
        _refuse(f"$.{key}", f"expected at most {limit} characters", value, f"it has {len(value)}: shorten it")
    return value if value and not value.isspace() else None


def _named(raw: dict[str, Any], key: str, verb: str) -> str:
    value = _text(raw, key, MAX_NAME)
    if value is None:
        _refuse(f"$.{key}", "expected an id", raw.get(key), f"{verb} needs it")
    return value


def _names(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    values = raw.get(key)
    if type(values) is not list or not values or len(values) > MAX_LIST:
        _refuse(f"$.{key}", f"expected an array of 1 to {MAX_LIST} ids", values, "name at least one")
    for index, value in enumerate(values):
        if not _is_name(value):
            _refuse(f"$.{key}[{index}]", f"expected an id of at most {MAX_NAME} characters", value, "quote it")
    return tuple(dict.fromkeys(values))


def _scope(raw: dict[str, Any]) -> str:
    return _text(raw, "scope", MAX_NAME) or "default"


def _id(raw: dict[str, Any]) -> str:
    given = raw.get("id")
    if _is_name(given):
        return given
    if given is not None and (type(given) is not str or len(given) > MAX_NAME):
        expected = f"expected a text of at most {MAX_NAME} characters"
        _refuse("$.id", expected, given, "quote and shorten it, or leave it out to have it derived")
    try:
        return content_id(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # deeper than orjson writes
        raise _Wrong("$: too many levels for an id to be derived; flatten it, or give it an id") from None


def _word(raw: dict[str, Any], key: str, words: dict[str, _Word], remedy: str) -> _Word | None:
    """One of a few words; empty and blank mean absent here too."""
    value = raw.get(key)
    if value is None:
        return None
    word = words.get(value) if type(value) is str else None
    if word is None and not (type(value) is str and (not value or value.isspace())):
        _refuse(f"$.{key}", f"expected one of {', '.join(words)}", value, remedy)
    return word


def _time(raw: dict[str, Any]) -> float | None:
    value = raw.get("at")
    if type(value) is str:
        return _clock(value)
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        _refuse("$.at", "expected seconds since the epoch or an RFC 3339 time", value, "give one of them")
    if not 0 <= value <= LAST_SECOND:
        remedy = "it looks like milliseconds or finer: divide it" if value > LAST_SECOND else "give the event's time"
        _refuse("$.at", "expected seconds between 1970 and the year 3000", value, remedy)
    return float(value) + 0.0  # no negative zero


# RFC 3339 and nothing else: what fromisoformat takes beyond it depends on the version of Python.
_RFC_3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:)([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-][0-9]{2}:[0-9]{2}))"
)


def _clock(value: str) -> float | None:
    if not value or value.isspace():
        return None
    match = _RFC_3339.fullmatch(value)
    day, minute, second, fraction, offset = match.groups() if match else ("", "", "", "", "")
    leap = second == "60"  # RFC 3339 writes a leap second so; as seconds since the epoch it is the next one
    try:
        time = datetime.fromisoformat(f"{day}T{minute}{'59' if leap else second}{offset or '+00:00'}")
    except ValueError:
        expected = "expected seconds since the epoch or an RFC 3339 time with an offset"
        _refuse("$.at", expected, value, "write it like 2025-11-01T12:00:00.25Z")
    seconds = time.timestamp() + leap + float(f"0.{fraction or 0}")
    if not 0 <= seconds <= LAST_SECOND:
        _refuse("$.at", "expected a time between 1970 and the year 3000", value, "give the event's time")
    return seconds


def _adopt(raw: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    """``details`` with the keys that the format does not list: kept, never dropped, whatever they are called."""
    strange = sorted(raw.keys() - _ALERT_KEYS)  # sorted: which of two gets a name must not depend on the hash seed
    _few(len(details) + len(strange))
    kept = dict(details)
    for key in strange:
        name = key
        while name in kept:
            name = f"$.{name}"
        kept[name] = raw[key]
    return dict(sorted(kept.items()))


def _few(count: int) -> None:
    if count > MAX_KEYS:
        _refuse("$.details", f"expected at most {MAX_KEYS} keys and items", count, "send what tells alerts apart")


def _bounded(details: dict[str, Any]) -> None:
    """Refuse what is too deep or has too many keys. Iterative: depth is what is being checked."""
    count = len(details)
    _few(count)
    level: list[Any] = [value for value in details.values() if type(value) is dict or type(value) is list]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        below: list[Any] = []
        for node in level:
            count += len(node)
            children = node.values() if type(node) is dict else node
            below += [child for child in children if type(child) is dict or type(child) is list]
        _few(count)
        level = below
    raise _Wrong(f"$.details: expected at most {MAX_DEPTH} levels, got more; flatten it")
