"""One line of bytes to one event, or one refusal that names place, value and remedy.

This is the door: what passes here is trusted inside. Size, depth, number of keys, length of texts and range of
numbers are bounded before anything is kept. The bytes are read by orjson, which refuses NaN, infinities, numbers
beyond a double, bad UTF-8 and lone surrogates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

import orjson

from grouping.draw import content_id
from grouping.records import Alert, Event, Feedback, Mode, PolicyEvent, Severity, Status, Tick, Verb

MAX_LINE = 512 * 1024  # bytes; what PagerDuty's Events API takes
MAX_NAME = 255  # characters of an id, a scope, a dedup key, an actor, a policy
MAX_TEXT = 1024  # characters of a named field
MAX_SUMMARY = 1024  # characters kept of the summary
MAX_DEPTH = 16  # of objects and arrays under details
MAX_KEYS = 512  # keys and array items under details, all levels together
MAX_LIST = 10_000  # alerts or incidents named in one feedback
LAST_SECOND = 32_503_680_000.0  # the year 3000

_Word = TypeVar("_Word", bound=StrEnum)
_STATUS = {str(word): word for word in Status}
_SEVERITY = {str(word): word for word in Severity}
_VERB = {str(word): word for word in Verb}
_MODE = {str(word): word for word in Mode}


class Malformed(ValueError):
    """A line that is not an event. ``scope`` and ``id`` are those of the event where they could be read."""

    def __init__(self, message: str, scope: str = "default", id: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope
        self.id = id


def parse(line: bytes | bytearray | memoryview) -> Event:
    """The event that ``line`` holds. Raises Malformed."""
    if len(line) > MAX_LINE:
        raise Malformed(f"$: {len(line)} bytes in one event, at most {MAX_LINE} are taken; shorten details")
    try:
        raw = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"$: not JSON: {error}; send one JSON object a line, in UTF-8") from None
    if type(raw) is not dict:
        raise Malformed(f"$: expected an object, got {_kind(raw)}; send one JSON object a line")
    return event_of(raw)


def event_of(raw: dict[str, Any]) -> Event:
    """The event that a decoded JSON object holds; ``raw`` is used up. Raises Malformed."""
    try:
        kind = raw.pop("kind", None)
        read = _READERS.get(kind) if type(kind) is str else None
        if read is None:
            _refuse("$.kind", f"expected one of {', '.join(_READERS)}", kind, 'add "kind":"alert"')
        return read(raw)
    except _Wrong as wrong:
        scope, id_ = raw.get("scope"), raw.get("id")
        raise Malformed(
            str(wrong),
            scope if type(scope) is str and 0 < len(scope) <= MAX_NAME else "default",
            id_ if type(id_) is str and len(id_) <= MAX_NAME else None,
        ) from None


class _Wrong(Exception):
    """A field that is not as it must be; becomes Malformed once scope and id are known."""


def _refuse(path: str, expected: str, value: object, remedy: str) -> NoReturn:
    shown = repr(value)
    raise _Wrong(f"{path}: {expected}, got {shown if len(shown) <= 80 else shown[:77] + '...'}; {remedy}")


def _alert(raw: dict[str, Any]) -> Alert:
    at = _time(raw)
    id_ = _id(raw)
    details = raw.get("details")
    if details is None:
        details = {}
    elif type(details) is not dict:
        _refuse("$.details", "expected an object", details, 'wrap it: "details":{"value":...}')
    summary = raw.get("summary")
    if type(summary) is not str or not summary or summary.isspace():
        _refuse("$.summary", "expected a text", summary, "say in one line what is wrong")
    if len(summary) > MAX_SUMMARY:
        summary = summary[:MAX_SUMMARY]
    if not raw.keys() <= _ALERT_KEYS:
        details = _adopt(raw, details)
    if details:
        _bounded(details)
    return Alert(
        id_,
        at,
        _scope(raw),
        _word(raw, "status", _STATUS, "map your states to these") or Status.FIRING,
        _text(raw, "dedup_key", MAX_NAME),
        _word(raw, "severity", _SEVERITY, "map your levels to these, or leave it out"),
        _text(raw, "source"),
        _text(raw, "service"),
        _text(raw, "host"),
        _text(raw, "component"),
        _text(raw, "group"),
        _text(raw, "class"),
        summary,
        details,
    )


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
    policy = None if mode is Mode.ROLLBACK else _named(raw, "policy", mode)
    return PolicyEvent(_id(raw), _time(raw), _scope(raw), mode, policy)


def _tick(raw: dict[str, Any]) -> Tick:
    at = _time(raw)
    if at is None:
        _refuse("$.at", "expected a time", None, "a tick says what time it is")
    return Tick(at, _scope(raw))


_READERS: dict[str, Callable[[dict[str, Any]], Event]] = {
    "alert": _alert,
    "feedback": _feedback,
    "policy": _policy,
    "tick": _tick,
}
_ALERT_KEYS = frozenset(
    "id at scope status dedup_key severity source service host component group class summary details".split()
)


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
        if type(value) is not str or not 0 < len(value) <= MAX_NAME:
            _refuse(f"$.{key}[{index}]", "expected an id", value, "quote it")
    return tuple(dict.fromkeys(values))


def _scope(raw: dict[str, Any]) -> str:
    return _text(raw, "scope", MAX_NAME) or "default"


def _id(raw: dict[str, Any]) -> str:
    given = raw.get("id")
    if type(given) is str and 0 < len(given) <= MAX_NAME:
        return given
    if given is not None and given != "":
        _refuse("$.id", f"expected a text of at most {MAX_NAME} characters", given, "leave it out to have it derived")
    try:
        return content_id(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # deeper than orjson writes: the bound that _bounded names
        _refuse("$.details", f"expected at most {MAX_DEPTH} levels", "more", "flatten it")


def _word(raw: dict[str, Any], key: str, words: dict[str, _Word], remedy: str) -> _Word | None:
    value = raw.get(key)
    if value is None:
        return None
    word = words.get(value) if type(value) is str else None
    if word is None:
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
    return float(value)


def _clock(value: str) -> float:
    remedy = "write it like 2025-11-01T12:00:00.25Z"
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        _refuse("$.at", "expected seconds since the epoch or an RFC 3339 time", value, remedy)
    if time.tzinfo is None or len(value) < 20:  # fromisoformat also reads bare dates and weeks
        _refuse("$.at", "expected a time with an offset (RFC 3339)", value, remedy)
    seconds = time.timestamp()
    if not 0 <= seconds <= LAST_SECOND:
        _refuse("$.at", "expected a time between 1970 and the year 3000", value, remedy)
    return seconds


def _adopt(raw: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    """``details`` with the keys that the format does not list: kept, never dropped."""
    kept = dict(details)
    for key in raw.keys() - _ALERT_KEYS:
        kept[key if key not in details else f"$.{key}"] = raw[key]
    return dict(sorted(kept.items()))


def _bounded(details: dict[str, Any]) -> None:
    """Refuse what is too deep or has too many keys. Iterative: depth is what is being checked."""
    count = len(details)
    level: list[Any] = [value for value in details.values() if type(value) is dict or type(value) is list]
    for _ in range(MAX_DEPTH):
        if count > MAX_KEYS:
            _refuse("$.details", f"expected at most {MAX_KEYS} keys and items", count, "send what tells alerts apart")
        if not level:
            return
        below: list[Any] = []
        for node in level:
            count += len(node)
            children = node.values() if type(node) is dict else node
            below += [child for child in children if type(child) is dict or type(child) is list]
        level = below
    _refuse("$.details", f"expected at most {MAX_DEPTH} levels", "more", "flatten it")


def _kind(value: object) -> str:
    return {list: "an array", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
