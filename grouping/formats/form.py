"""Payloads as an HTML form sends them (application/x-www-form-urlencoded), made the JSON that a format reads.

Datadog's webhook sends so on request, tools with an output for Slack send `payload=JSON`. curl calls everything that it
sends a form: what begins like JSON is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from grouping.formats.base import Raw, Translate
from grouping.parse import MAX_KEYS, Malformed

MEDIA_TYPE = "application/x-www-form-urlencoded"


def formed(translate: Translate) -> Translate:
    """A translator that takes forms too."""

    def translated(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == MEDIA_TYPE and payload.lstrip()[:1] not in (b"{", b"["):
            payload = unpacked(payload)
        return translate(payload, headers, received)

    return translated


def unpacked(form: bytes) -> bytes:
    """The one field `payload` as it is, or all fields as an object of texts; of one that is repeated, an array.

    Raises Malformed.
    """
    try:
        text = form.strip().decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_KEYS)
    except ValueError as error:
        raise Malformed(
            f"$: not a form of at most {MAX_KEYS} fields: {str(error)[:200]}; encode it, or send JSON"
        ) from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif type(fields[name]) is list:
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    alone = fields.get("payload") if len(fields) == 1 else None
    return alone.encode("utf-8", "replace") if type(alone) is str else orjson.dumps(fields)
