"""Payloads of foreign topics to records of `events`: translated, stamped, keyed by scope. Pure.

Whatever cannot be translated is refused with place, value and remedy, and goes to the topic of dead letters.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from grouping.parse import Malformed, parse
from grouping.runtimes.kafka.sources import CANONICAL, Source


def translate(
    source: Source, key: bytes | None, payload: bytes | None, headers: Mapping[str, str], timestamp: int
) -> tuple[list[tuple[bytes, bytes]], list[Malformed]]:
    """Keys and values for `events`, and what was refused; ``timestamp``: ms, the time of events that bring none.

    The same message gives the same events with the same ids, so one that is forwarded twice is a no-op the second time.
    """
    found: list[tuple[bytes, bytes]] = []
    refused: list[Malformed] = []
    if payload is None:
        return found, [Malformed("$: no value; send a payload")]
    try:
        items = source.translate(payload, headers, timestamp / 1000)
    except Malformed as error:
        return found, [error]
    for index, item in enumerate(items):
        if isinstance(item, Malformed) and source.format != CANONICAL:
            refused.append(item)  # which of them it is stands in its place already
            continue
        try:
            if isinstance(item, Malformed):
                raise item
            value = orjson.dumps(source.scoped(item, key))
            found.append((parse(value).scope.encode(), value))
        except orjson.JSONEncodeError as error:
            refused.append(Malformed(f"$[{index}]: {error}; flatten it"))
        except Malformed as error:
            refused.append(Malformed(f"$[{index}]{str(error).removeprefix('$')}", error.scope, error.id))
    return found, refused
