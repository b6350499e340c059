"""The latest state of an incident as one record of the compacted topic `incidents`. Pure."""

from __future__ import annotations

import orjson

from grouping.engine import Engine
from grouping.records import SEVERITY_BY_RANK


def incident(engine: Engine, scope_name: str, id: str) -> bytes:
    """What the engine now knows of an incident."""
    scope = engine.state.scope(scope_name)
    known = engine.state.known_incident(scope, id)
    return orjson.dumps(
        {
            "incident": id,
            "scope": scope_name,
            "status": known.standing,
            "into": known.into,
            "title": known.title.text(),
            "severity": SEVERITY_BY_RANK[known.severity],
            "alerts": known.count,
            "first_at": known.first_at,
            "last_at": known.last_at,
        }
    )
