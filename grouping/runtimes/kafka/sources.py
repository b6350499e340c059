"""The topics of foreign payloads that a worker reads, and which scope their events get. Pure.

An event that names its scope keeps it. All others get the one that the topic's entry finds: by ``scope_from`` in the
record's key or in a field of the event, else ``scope``, else the default. It is what ``?scope=NAME`` says over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grouping.config import BadConfig
from grouping.formats import FORMATS, formats_of
from grouping.formats.base import FIELDS, Raw, Translate, name
from grouping.runtimes.kafka.settings import BadSettings

CANONICAL = "canonical"  # the format that is this repository's own
KEY = "key"  # as ``scope_from``: the record's key
_ROOTS = (*FIELDS, "dedup_key", "details")
_SHAPE = "TOPIC=FORMAT, or TOPIC=FORMAT,scope=NAME,scope-from=key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One topic."""

    topic: str  # its full name
    format: str
    translate: Translate
    scope: str | None = None
    scope_from: str | None = None

    def scoped(self, event: Raw, key: bytes | None) -> Raw:
        """The event, with a scope where the entry gives it one."""
        if name(event.get("scope")) is not None:
            return event
        found = None
        if self.scope_from == KEY:
            found = None if key is None else name(key.decode("utf-8", "replace"))
        elif self.scope_from is not None:
            found = name(_at(event, self.scope_from))
        scope = self.scope if found is None else found
        return event if scope is None else event | {"scope": scope}


def source(topic: str, told: Mapping[str, Any], place: str, formats: Mapping[str, Translate] = FORMATS) -> Source:
    """One topic's entry, as a table of the configuration has it. Raises BadSettings."""
    unknown = [key for key in told if key not in {"format", "scope", "scope_from"}]
    if unknown:
        raise BadSettings(
            f"{place}.{unknown[0]}: no such setting; there are: format, scope, scope_from; quote a topic with dots"
        )
    format, scope, scope_from = told.get("format"), told.get("scope"), told.get("scope_from")
    if type(format) is not str or format not in formats:
        raise BadSettings(f"{place}: expected a format of {', '.join(formats)}, got {format!r}")
    if scope is not None and (type(scope) is not str or name(scope) != scope):
        raise BadSettings(f"{place}: scope: expected a text of at most 255 characters, got {scope!r}")
    if scope_from is not None and (type(scope_from) is not str or scope_from.partition(".")[0] not in (KEY, *_ROOTS)):
        raise BadSettings(
            f"{place}: scope-from: expected key, or a field of the event ({', '.join(_ROOTS)}), got {scope_from!r};"
            " a label is details.NAME"
        )
    return Source(topic=topic, format=format, translate=formats[format], scope=scope, scope_from=scope_from)


def read_source(text: str, formats: Mapping[str, Translate] = FORMATS) -> Source:
    """One topic's entry, as the command line has it. Raises BadSettings."""
    place, (first, *more) = f"--ingress {text}", text.split(",")
    topic, _, format = first.partition("=")
    told: dict[str, Any] = {"format": format}
    for pair in more:
        key, equals, value = pair.partition("=")
        if not equals or key not in {"scope", "scope-from"}:
            raise BadSettings(f"{place}: expected {_SHAPE}, got {pair!r}")
        told[key.replace("-", "_")] = value
    if not topic:
        raise BadSettings(f"{place}: expected {_SHAPE}")
    return source(topic, told, place, formats)


def read_sources(whole: Mapping[str, Any], texts: Iterable[str] = ()) -> list[Source]:
    """Those of the table ``[worker.ingress]`` and of the command line, which counts where both name a topic.

    ``whole``: the configuration, whose ``[formats]`` are known here as they are to the service. Raises BadSettings.
    """
    try:
        formats = formats_of(whole.get("formats", {}))
    except BadConfig as error:
        raise BadSettings(str(error)) from None
    table = whole.get("worker", {})
    if type(table) is not dict or set(table) - {"ingress"}:
        raise BadSettings(
            f"worker: expected a table with nothing but ingress, got {table!r}; write [worker.ingress.TOPIC]"
        )
    entries = table.get("ingress", {})
    if type(entries) is not dict:
        raise BadSettings(f"worker.ingress: expected a table, got {entries!r}; write [worker.ingress.TOPIC]")
    found: dict[str, Source] = {}
    for topic, told in entries.items():
        place = f"worker.ingress.{topic}"
        if type(told) is not dict:
            raise BadSettings(f"{place}: expected a table, got {told!r}; write [{place}]")
        found[topic] = source(topic, told, place, formats)
    given = [read_source(text, formats) for text in texts]
    return list((found | {one.topic: one for one in given}).values())


def _at(node: Any, path: str) -> Any:
    """The value at a path; names may have dots in them."""
    if type(node) is not dict:
        return None
    if path in node:
        return node[path]
    head, dot, rest = path.partition(".")
    return _at(node.get(head), rest) if dot else None
