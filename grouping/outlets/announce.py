r"""Notices from what was decided: an incident is announced once, and again when its severity rises or an alert departs.

How often is bounded. Severity can rise three times. The first alert that departs is announced at once; the next ones
no sooner than 1, 2, 4, ... minutes of event time after the one before, those of a while together. One place (a service)
departs once per incident. What is held is announced with the scope's next event after that time; a tick is enough.

Its records stand beside the engine's, and are written with them, so each notice is made once:

    \0x scope id   -> what was announced of an incident
    \0v scope      -> incidents with alerts held, and until when
    \0y seq        -> notices that an event caused
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from grouping.draw import name
from grouping.keyspace import Records
from grouping.layout import NAMED_FIELDS
from grouping.learn import clock
from grouping.lifecycle import root
from grouping.outlets.departs import departs
from grouping.outlets.notice import LOUD, UNKNOWN_RANK, Happening, Notice
from grouping.records import (
    SEVERITY_BY_RANK,
    SEVERITY_RANK,
    Action,
    Alert,
    Change,
    Decision,
    Event,
    Feedback,
    IncidentLine,
    Merged,
    Moved,
    Output,
    Severity,
    Status,
)
from grouping.scope import Incident, Scope
from grouping.state import State

PAUSE = 60.0  # s of event time between the first two announcements of departing alerts; then twice as long each time
LISTED = 16  # departing alerts named in one notice
PLACES = 64  # places that departed, remembered per incident
DEPARTED = (
    64  # departing alerts that were announced, remembered per incident; the oldest is told to be over for another
)
BRIEF = ("id", "at", "class", "service", "host", "component", "group", "severity")  # what is remembered of them
BRIEF_TEXT = 128  # characters of their summary
ACKED = 8  # acknowledgements remembered per incident, so that one sent again does not count
IN_MEMORY = 16_384  # incidents whose entry is kept decoded
NOTICES = b"\0y"
HELD = b"\0v"

Changes = dict[bytes, bytes | None]


@dataclass(slots=True)
class Told:
    """What was announced of an incident."""

    rank: int = 0  # the worst severity announced, unknown counted as critical
    known: int = 0  # the worst known one
    count: int = 0  # notices so far
    number: int = 0  # announcements again
    departures: int = 0  # of these, for departing alerts
    next_at: float = 0.0  # departing alerts are held until then, s
    places: list[str] = field(default_factory=list)  # where alerts departed already
    held: list[dict[str, Any]] = field(default_factory=list)
    more: int = 0  # held, but not listed
    acked: bool = False
    acks: list[str] = field(default_factory=list)  # ids of the last acknowledgements
    since: float | None = None  # when the incident began, as it was first announced, s
    departed: list[dict[str, Any]] = field(
        default_factory=list
    )  # announced departing alerts that are not over, in brief


class Announcer:
    """Makes notices. Takes every event right after the engine, with what the engine put out."""

    def __init__(self, state: State, records: Records, held: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """``held``: the records whose keys begin with HELD."""
        self._state = state
        self._records = records
        self._told: dict[tuple[str, str], Told] = {}  # by scope and incident
        self._changed: set[tuple[str, str]] = set()
        self._changes: Changes = {}
        self._held: dict[str, dict[str, float]] = {
            key[len(HELD) :].decode(): orjson.loads(value) for key, value in held
        }

    def take(self, seq: int, event: Event, outputs: list[Output]) -> list[Notice]:
        """The notices that an event causes."""
        held = self._held.get(event.scope)
        if not outputs and held is None and not (isinstance(event, Alert) and event.status is Status.ACKNOWLEDGED):
            return []
        scope = self._state.scope(event.scope)
        found: list[Notice] = []
        for output in outputs:
            found += self._say(seq, scope, event, output)
        if isinstance(event, Alert) and event.status is Status.ACKNOWLEDGED:
            found += self._acknowledged(seq, scope, event)
        if held is not None or scope.name in self._held:
            found += self._due(seq, scope)
        if found:
            rows = [notice.row() for notice in found]
            self._changes[NOTICES + seq.to_bytes(8, "big")] = orjson.dumps(rows)
        return found

    def drain(self) -> Changes:
        """What is to be written with the engine's records."""
        for key in self._changed:
            self._changes[_key(*key)] = orjson.dumps(asdict(self._told[key]))
        self._changed.clear()
        if len(self._told) > IN_MEMORY:
            self._told.clear()
        drained, self._changes = self._changes, {}
        return drained

    def waiting(self) -> list[tuple[str, float, float]]:
        """Scopes with alerts held: name, until when, and for how long from the scope's present, s; at most 100."""
        found = []
        for name_, held in list(self._held.items())[:100]:
            due = min(held.values())
            found.append((name_, due, max(0.0, due - clock(self._state.scope(name_)))))
        return found

    def forget(self, scope: Scope, id: str) -> None:
        """An incident is gone: nothing is held for it, or known of it, any more."""
        self._let_go(scope, id, Told())
        self._told.pop((scope.name, id), None)
        self._changed.discard((scope.name, id))
        self._changes[_key(scope.name, id)] = None

    # -- what each output says

    def _say(self, seq: int, scope: Scope, event: Event, output: Output) -> list[Notice]:
        if isinstance(output, Decision):
            if output.action is Action.OPEN:
                return []  # its incident line says it
            assert isinstance(event, Alert)
            return self._joined(seq, scope, event, output)
        match output:
            case IncidentLine():
                return self._line(seq, scope, event, output)
            case Merged():
                return self._merged(seq, scope, event, output)
            case Moved():
                return self._risen(seq, scope, event, output.into)
            case _:
                return []

    def _line(self, seq: int, scope: Scope, event: Event, line: IncidentLine) -> list[Notice]:
        told = self._of(scope, line.incident)
        happening = Happening(str(line.event))
        before = told.rank
        rank = _rank(line.severity)
        if isinstance(event, Alert) and line.event is Change.OPENED:
            rank = _rank(event.severity)
        told.rank = max(told.rank, rank) if happening in LOUD else told.rank
        told.known = max(told.known, SEVERITY_RANK[line.severity])
        listed, more = (told.held, told.more) if line.event is Change.RESOLVED else ([], 0)
        over: list[dict[str, Any]] = []
        if line.event is Change.RESOLVED:
            self._let_go(scope, line.incident, told)
            over, told.departed = told.departed, []
        alert = event if line.event is Change.OPENED and isinstance(event, Alert) else None
        return [
            self._notice(
                seq, scope, event, line.incident, happening, before, alert=alert, listed=listed, more=more, over=over
            )
        ]

    def _joined(self, seq: int, scope: Scope, alert: Alert, decision: Decision) -> list[Notice]:
        """An alert joined, or was one more report of what is open."""
        new = departs(decision, alert)
        rank = SEVERITY_RANK[alert.severity]
        if new is None and rank <= SEVERITY_RANK[Severity.INFO]:
            return []
        incident = decision.incident
        told = self._of(scope, incident)
        if new is None:
            return self._risen(seq, scope, alert, incident) if rank > told.known else []
        where, because = new
        if where not in told.places:
            told.places = [*told.places, where][-PLACES:]
            if len(told.held) < LISTED:
                told.held.append(
                    _named(alert) | {"at": clock(scope) if alert.at is None else alert.at, "because": because}
                )
            else:
                told.more += 1
            self._held.setdefault(scope.name, {})[incident] = told.next_at
            self._note_held(scope)
            self._changed.add((scope.name, incident))
        if clock(scope) >= told.next_at and told.held:
            return [self._departing(seq, scope, incident, alert)]
        return self._risen(seq, scope, alert, incident) if rank > told.known else []

    def _departing(self, seq: int, scope: Scope, incident: str, event: Event) -> Notice:
        told = self._of(scope, incident)
        before, was = told.rank, told.known
        held, more = told.held, told.more
        told.rank = max(told.rank, *(_rank(one.get("severity")) for one in held))
        told.known = max(told.known, self._incident(scope, incident).severity)
        told.number += 1
        told.departures += 1
        told.next_at = clock(scope) + PAUSE * 2 ** (told.departures - 1)
        self._let_go(scope, incident, told)
        told.departed += [_brief(one) for one in held]
        over, told.departed = told.departed[:-DEPARTED], told.departed[-DEPARTED:]
        return self._notice(
            seq, scope, event, incident, Happening.DEPARTS, before, over=over,
            alert=event if isinstance(event, Alert) else None,
            was=was if _rises(was, told.known) else None, listed=held, more=more,
        )  # fmt: skip

    def _risen(self, seq: int, scope: Scope, event: Event, id: str) -> list[Notice]:
        """A notice if the severity of an incident is above what was announced."""
        incident = root(self._state, scope, id)
        told = self._of(scope, incident.id)
        was, before = told.known, told.rank
        if incident.severity <= was:
            return []
        told.known = incident.severity
        self._changed.add((scope.name, incident.id))
        if not _rises(was, incident.severity):
            return []
        told.rank = max(told.rank, incident.severity)
        told.number += 1
        alert = event if isinstance(event, Alert) else None
        return [self._notice(seq, scope, event, incident.id, Happening.WORSE, before, alert=alert, was=was)]

    def _merged(self, seq: int, scope: Scope, event: Event, line: Merged) -> list[Notice]:
        """The merged incident ends; what it had held, and how bad it was, goes on in the other."""
        source, target = self._of(scope, line.incident), self._of(scope, line.into)
        if source.held:
            room = LISTED - len(target.held)
            target.held += source.held[:room]
            target.more += source.more + len(source.held[room:])
            self._held.setdefault(scope.name, {})[line.into] = target.next_at
            self._changed.add((scope.name, line.into))
            self._let_go(scope, line.incident, source)
        before = source.rank
        over, source.departed = source.departed, []
        said = self._notice(seq, scope, event, line.incident, Happening.MERGED, before, into=line.into, over=over)
        return [said, *self._risen(seq, scope, event, line.into)]

    def _acknowledged(self, seq: int, scope: Scope, alert: Alert) -> list[Notice]:
        latest = None if alert.dedup_key is None else self._state.latest(scope, alert.dedup_key)
        if latest is None or not latest.live or not latest.acknowledged:
            return []
        incident = root(self._state, scope, latest.incident).id
        told = self._of(scope, incident)
        if alert.id in told.acks:
            return []
        told.acks = [*told.acks, alert.id][-ACKED:]
        self._changed.add((scope.name, incident))
        if told.acked:
            return []
        told.acked = True
        return [self._notice(seq, scope, alert, incident, Happening.ACKNOWLEDGED, told.rank, alert=alert)]

    def _due(self, seq: int, scope: Scope) -> list[Notice]:
        """Notices of what was held until now."""
        held = self._held.get(scope.name)
        if held is None:
            return []
        now = clock(scope)
        due = [incident for incident, until in held.items() if until <= now]
        return [self._departing(seq, scope, incident, event=_NOBODY) for incident in due]

    # -- parts

    def _notice(  # noqa: PLR0913 — one per field of a notice
        self,
        seq: int,
        scope: Scope,
        event: Event | None,
        id: str,
        happening: Happening,
        before: int,
        *,
        alert: Alert | None = None,
        was: int | None = None,
        listed: Iterable[dict[str, Any]] = (),
        more: int = 0,
        into: str | None = None,
        over: Iterable[dict[str, Any]] = (),
    ) -> Notice:
        incident, told = self._incident(scope, id), self._of(scope, id)
        if happening in LOUD:
            told.acked = False
        told.count += 1
        if told.since is None:
            told.since = incident.first_at
        own = getattr(event, "at", None)
        self._changed.add((scope.name, id))
        return Notice(
            name("n", scope.name, f"{id}/{told.count}"),
            seq,
            scope.name,
            id,
            happening,
            clock(scope) if own is None else own,
            incident.title.text(),
            SEVERITY_BY_RANK[incident.severity],
            incident.count,
            told.rank,
            before,
            told.number,
            None if was is None else SEVERITY_BY_RANK[was],
            None if alert is None else _named(alert),
            tuple(listed),
            more,
            into,
            event.id if isinstance(event, Feedback) else None,
            told.since,
            tuple(over),
        )

    def _incident(self, scope: Scope, id: str) -> Incident:
        return self._state.known_incident(scope, id)

    def _let_go(self, scope: Scope, id: str, told: Told) -> None:
        """Nothing is held for the incident any more."""
        told.held, told.more = [], 0
        held = self._held.get(scope.name)
        if held is not None and held.pop(id, None) is not None:
            self._note_held(scope)

    def _note_held(self, scope: Scope) -> None:
        held = self._held.get(scope.name)
        self._changes[HELD + scope.name.encode()] = orjson.dumps(held) if held else None
        if not held:
            self._held.pop(scope.name, None)

    def _of(self, scope: Scope, id: str) -> Told:
        told = self._told.get((scope.name, id))
        if told is None:
            value = self._records.get(_key(scope.name, id))
            told = self._told[scope.name, id] = Told() if value is None else Told(**orjson.loads(value))
        return told


def _key(scope: str, id: str) -> bytes:
    within = scope.encode()
    return b"\0x" + len(within).to_bytes(2, "big") + within + id.encode()


_NOBODY: Any = None


def _rank(severity: Severity | None) -> int:
    """How bad an alert may be: unknown is as bad as it gets."""
    return UNKNOWN_RANK if severity is None else SEVERITY_RANK[severity]


def _rises(was: int, now: int) -> bool:
    """Whether a severity above the one before is worth a word: what is first known is, from error on."""
    return now > was and (was > 0 or now >= SEVERITY_RANK[Severity.ERROR])


def _brief(one: dict[str, Any]) -> dict[str, Any]:
    """A departing alert as it is remembered: what tells it apart, and a few words."""
    return {key: one[key] for key in BRIEF if key in one} | {"summary": one["summary"][:BRIEF_TEXT]}


def _named(alert: Alert) -> dict[str, Any]:
    """An alert as a notice shows it: its named fields, not its details."""
    fields = {"id": alert.id, "summary": alert.summary, "dedup_key": alert.dedup_key}
    for field_ in NAMED_FIELDS:
        fields[field_] = getattr(alert, "class_" if field_ == "class" else field_)
    return {key: value for key, value in fields.items() if value is not None}
