"""Any JSON, by a mapping in the configuration: for each field an expression that finds it (https://jmespath.org).

    [formats.ticker]                         # POST /v1/webhooks/ticker
    each = "items"                           # the array of alerts; without it the payload is one alert
    when = "kind == 'alarm'"                 # others are passed over
    summary = "join(': ', [app, text])"
    severity = "prio"
    severities = { P1 = "critical", P2 = "error" }
    status = "state"
    statuses = { CLOSED = "resolved" }
    at = "raised"
    dedup_key = "ticket"

What is mapped and what is not stays in details, in the item's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from grouping.config import BadConfig
from grouping.formats.base import FIELDS, Raw, Translate, alert, each, loaded, moment, record, refuse, severity, text
from grouping.parse import Malformed
from grouping.records import Severity, Status

MAX_EXPRESSION = 4096  # characters
_PATHS = ("each", "when", "summary", "status", "severity", "at", "id", "scope", "dedup_key", *FIELDS)
_TABLES = {"statuses": tuple(map(str, Status)), "severities": tuple(map(str, Severity))}
_STATUS = {
    **dict.fromkeys(("firing", "open", "triggered", "alerting", "active", "problem"), "firing"),
    **dict.fromkeys(("acknowledged", "acked", "ack"), "acknowledged"),
    **dict.fromkeys(("resolved", "closed", "ok", "recovered", "inactive", "cleared"), "resolved"),
}


def compiled(name: str, table: Any) -> Translate:
    """The translator of one table ``[formats.NAME]``. Raises BadConfig."""
    return _Mapping(f"formats.{name}", table).translate


class _Mapping:
    """One mapping, its expressions compiled."""

    def __init__(self, place: str, table: Any) -> None:
        if type(table) is not dict:
            raise BadConfig(f"{place}: expected a table, got {table!r}; write [{place}]")
        unknown = [key for key in table if key not in _PATHS and key not in _TABLES]
        if unknown:
            raise BadConfig(f"{place}.{unknown[0]}: no such field; there are: {', '.join([*_PATHS, *_TABLES])}")
        if "summary" not in table:
            raise BadConfig(f"{place}.summary: expected an expression, got nothing; say where the title is")
        self._find = {key: _expression(f"{place}.{key}", table[key]) for key in _PATHS if key in table}
        self._words = {key: _words(f"{place}.{key}", table.get(key, {}), to) for key, to in _TABLES.items()}

    def translate(self, payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG002 — the shape of all
        """The alerts of a payload. Raises Malformed."""
        raw = loaded(payload)
        found = self._search("each", raw, "$") if "each" in self._find else raw
        items = found if type(found) is list else [found]
        if "when" in self._find:
            kept = [(at, item) for at, item in enumerate(items) if self._search("when", item, f"$[{at}]") is True]
        else:
            kept = list(enumerate(items))
        # A place is told as it is in the payload, with those that were passed over.
        return each(kept, "$", lambda pair, _: self._event(pair[1], f"$[{pair[0]}]", received))

    def _event(self, item: Any, place: str, received: float) -> Raw:
        item = record(item, place, "map an array of objects with `each`")
        told = {key: self._search(key, item, place) for key in self._find if key not in ("each", "when")}
        at = moment(told.get("at"), f"{place}: at")
        return alert(
            received if at is None else at,
            told["summary"],
            item,
            f"{place}: summary",
            id=told.get("id"),
            scope=told.get("scope"),
            dedup_key=told.get("dedup_key"),
            status=self._status(told.get("status"), place),
            severity=self._severity(told.get("severity"), place),
            source=told.get("source"),
            service=told.get("service"),
            host=told.get("host"),
            component=told.get("component"),
            group=told.get("group"),
            class_=told.get("class"),
        )

    def _search(self, key: str, item: Any, place: str) -> Any:
        try:
            return self._find[key].search(item)
        except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
            told = str(error).splitlines()
            raise Malformed(
                f"{place}: {key}: {told[0][:200] if told else type(error).__name__}; look at the expression"
            ) from None

    def _status(self, value: Any, place: str) -> str:
        """A status by the mapping's own words, then by the usual ones. A wrong guess would hide an outage."""
        word = text(value)
        if word is None:
            return "firing"
        found = self._words["statuses"].get(word) or _STATUS.get(word.lower())
        if found is None:
            refuse(f"{place}: status", "expected a word of `statuses`", value, "add it there")
        return found

    def _severity(self, value: Any, place: str) -> str | None:
        word = text(value)
        if word is None:
            return None
        found = self._words["severities"].get(word) or severity(word)
        if found is None:
            refuse(f"{place}: severity", "expected a word of `severities`", value, "add it there")
        return found


def _expression(place: str, value: Any) -> jmespath.parser.ParsedResult:
    if type(value) is not str or not value.strip() or len(value) > MAX_EXPRESSION:
        raise BadConfig(
            f'{place}: expected a JMESPath expression, got {value!r}; e.g. {place.rpartition(".")[2]} = "a.b"'
        )
    try:
        return jmespath.compile(value)
    except (JMESPathError, RecursionError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadConfig(f"{place}: {value!r} is not JMESPath: {told}; see https://jmespath.org/tutorial.html") from None


def _words(place: str, table: Any, to: tuple[str, ...]) -> dict[str, str]:
    if type(table) is not dict:
        raise BadConfig(f'{place}: expected a table, got {table!r}; e.g. {{ WORD = "{to[0]}" }}')
    for key, value in table.items():
        if value not in to:
            raise BadConfig(f"{place}.{key}: expected one of {', '.join(to)}, got {value!r}")
    return dict(table)
