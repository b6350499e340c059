"""CloudEvents 1.0 as JSON: structured, batched, and over HTTP or Kafka with the attributes in headers (binary).

https://github.com/cloudevents/spec. Which data means an alert is not in that format. Data that is an object gives what
has a canonical name or a common one (`summary`, `severity`, `status`, ...); all of it stays in details.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import orjson

from grouping.formats.base import (
    Raw,
    alert,
    digest,
    each,
    first,
    host,
    loaded,
    moment,
    record,
    refuse,
    rest,
    severity,
    text,
)
from grouping.parse import Malformed

_REQUIRED = ("id", "source", "type")
_TITLES = ("summary", "title", "message", "description", "name")
_STATUS = {
    **dict.fromkeys(("resolved", "ok", "closed", "recovered", "inactive"), "resolved"),
    **dict.fromkeys(("acknowledged", "acked"), "acknowledged"),
}


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:
    """The alerts of one request or message, in any of the three modes. Raises Malformed."""
    prefix = "ce-" if "ce-specversion" in headers else "ce_" if "ce_specversion" in headers else None
    if prefix is not None:  # HTTP writes ce-id, Kafka ce_id
        return [_event(_binary(payload, headers, prefix), "$", received)]
    raw = loaded(payload)
    if type(raw) is list:
        return each(raw, "$", lambda item, place: _event(item, place, received))
    return [_event(raw, "$", received)]


def _binary(payload: bytes, headers: Mapping[str, str], prefix: str) -> Raw:
    """The event whose attributes stand in the headers."""
    raw: Raw = {key[len(prefix) :]: _unquoted(value) for key, value in headers.items() if key.startswith(prefix)}
    kind = headers.get("content-type", "")
    raw["datacontenttype"] = kind
    if "json" in kind:
        return raw | {"data": loaded(payload)} if payload else raw
    return raw | {"data": payload.decode("utf-8", "replace")}


_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unquoted(value: str) -> str:
    """A header's value without its percent-encoding."""
    plain = _PERCENT.sub(lambda found: bytes.fromhex(found[1].decode()), value.encode("utf-8", "replace"))
    return plain.decode("utf-8", "replace")


def _event(raw: Any, place: str, received: float) -> Raw:
    raw = record(raw, place, "send a CloudEvent as a JSON object, or its attributes in ce- headers")
    version = raw.get("specversion")
    if version != "1.0":
        refuse(f"{place}.specversion", "expected '1.0'", version, "send CloudEvents 1.0")
    for key in _REQUIRED:
        if text(raw.get(key)) is None or type(raw[key]) is not str:
            refuse(f"{place}.{key}", "expected a text", raw.get(key), "CloudEvents require it")
    at = moment(raw.get("time"), f"{place}.time")
    data = _data(raw, place)
    told: Raw = data if type(data) is dict else {}
    status = told.get("status", told.get("state"))
    said = _STATUS.get(status.lower()) if type(status) is str else None
    if said is None and "resolved" in raw["type"].split("."):
        said = "resolved"
    subject = first(raw, "subject")
    return alert(
        received if at is None else at,
        first(told, *_TITLES) or (text(data) if type(data) is str else None) or _titled(raw, subject),
        {**rest(raw, "data", "data_base64", "specversion", "time"), **({} if data is None else {"data": data})},
        place,
        id=f"ce/{digest(raw['source'].encode(), raw['id'].encode())}",  # the two together identify an event
        scope=told.get("scope") if type(told.get("scope")) is str else None,
        dedup_key=told.get("dedup_key"),
        status=said or "firing",
        severity=severity(told.get("severity", told.get("level", told.get("priority", raw.get("severity"))))),
        source=raw["source"],
        service=first(told, "service", "app", "application"),
        host=host(first(told, "host", "hostname", "instance", "node")),
        component=first(told, "component") or subject,
        group=first(told, "group", "namespace", "cluster"),
        class_=first(told, "class") or raw["type"],
    )


def _data(raw: Raw, place: str) -> Any:
    """The data: JSON, or a text; base64 that holds neither stays as it came."""
    if "data" in raw:
        return raw["data"]
    packed = raw.get("data_base64")
    if packed is None:
        return None
    try:
        plain = b64decode(packed, validate=True) if type(packed) is str else None
    except (binascii.Error, ValueError):
        plain = None
    if plain is None:
        refuse(f"{place}.data_base64", "expected base64", packed, "encode it, or send it as data")
    try:
        return orjson.loads(plain)
    except orjson.JSONDecodeError:
        return plain.decode("utf-8", "replace")


def _titled(raw: Raw, subject: str | None) -> str:
    about = subject or raw["source"]
    return f"{raw['type']}: {about}"
