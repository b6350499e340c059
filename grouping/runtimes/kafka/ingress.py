"""Payloads of foreign topics to records of `events`: translated, stamped, keyed by scope. Pure.

Whatever cannot be translated is refused with place, value and remedy, and goes to the topic of dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from grouping.parse import Malformed, parse

# Payload, headers by lower-case name, seconds since the epoch of events that bring no time; in the place of an item that
# cannot be translated its refusal. Raises Malformed where the payload cannot be read at all.
Translate = Callable[[bytes, Mapping[str, str], float], list[dict[str, Any] | Malformed]]


def canonical(payload: bytes, headers: Mapping[str, str], received: float) -> list[dict[str, Any] | Malformed]:  # noqa: ARG001 — the shape of all
    """Our own format: one event, or an array of them; alerts and feedback alike. Raises Malformed."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"$: not JSON: {error.msg}, at character {error.pos + 1}; send JSON in UTF-8") from None
    items = found if type(found) is list else [found]
    return [item | {"at": received} if type(item) is dict and item.get("at") is None else item for item in items]


FORMATS: dict[str, Translate] = {"canonical": canonical}


def translate(
    name: str, payload: bytes | None, headers: Mapping[str, str], timestamp: int
) -> tuple[list[tuple[bytes, bytes]], list[Malformed]]:
    """Keys and values for `events`, and what was refused; ``timestamp``: ms, the time of events that bring none.

    The same message gives the same events with the same ids, so one that is forwarded twice is a no-op the second time.
    """
    found: list[tuple[bytes, bytes]] = []
    refused: list[Malformed] = []
    if payload is None:
        return found, [Malformed("$: no value; send a payload")]
    try:
        items = FORMATS[name](payload, headers, timestamp / 1000)
    except Malformed as error:
        return found, [error]
    for index, item in enumerate(items):
        try:
            if isinstance(item, Malformed):
                raise item
            value = orjson.dumps(item)
            found.append((parse(value).scope.encode(), value))
        except orjson.JSONEncodeError as error:
            refused.append(Malformed(f"$[{index}]: {error}; flatten it"))
        except Malformed as error:
            refused.append(Malformed(f"$[{index}]{str(error).removeprefix('$')}", error.scope, error.id))
    return found, refused
