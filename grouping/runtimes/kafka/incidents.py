"""The latest state of an incident as one record of the compacted topic `incidents`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from grouping.engine import Engine
from grouping.records import SEVERITY_BY_RANK, Decision, IncidentLine, Merged, Moved, Output


def touched(output: Output) -> Iterator[tuple[str, str]]:
    """Scope and id of every incident that an output tells of."""
    match output:
        case Decision() | IncidentLine():
            yield output.scope, output.incident
        case Merged():
            yield output.scope, output.incident
            yield output.scope, output.into
        case Moved():
            yield output.scope, output.source
            yield output.scope, output.into


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
