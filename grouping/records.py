"""What goes in and what comes out, as frozen records. Nothing here computes.

Field names follow PagerDuty's common event format (PD-CEF). A field that is absent is ``None``: unknown,
evidence neither for nor against.

Records made for every alert are NamedTuples, the others frozen dataclasses: both cannot be changed, and a frozen
dataclass takes five times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple


class Status(StrEnum):
    """Where an alert stands, as its sender sees it."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How bad it is. ``None`` in an alert means unknown."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


SEVERITY_RANK: Final = {None: 0, Severity.INFO: 1, Severity.WARNING: 2, Severity.ERROR: 3, Severity.CRITICAL: 4}
SEVERITY_BY_RANK: Final = {rank: severity for severity, rank in SEVERITY_RANK.items()}


class Verb(StrEnum):
    """What a responder did."""

    MERGE = "merge"
    MOVE = "move"
    CONFIRM = "confirm"
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    UNDO = "undo"


class Mode(StrEnum):
    """How a policy is put to work in a scope."""

    SHADOW = "shadow"
    SUGGEST = "suggest"
    AUTO = "auto"
    ROLLBACK = "rollback"


class Action(StrEnum):
    """What the engine did with an alert."""

    OPEN = "open"
    JOIN = "join"
    DUPLICATE = "duplicate"


class Reason(StrEnum):
    """Why the engine did it."""

    DUPLICATE = "duplicate"  # the dedup key is already on an open alert
    ONLY_CHOICE = "only_choice"  # no open incident was near enough to be a candidate
    BEST_SCORE = "best_score"  # the highest score among the actions
    TOLD = "told"  # the highest score, and only because responders said so of such alerts
    BYPASSED = "bypassed"  # opened ungrouped: decisions were late, or the engine failed on this alert
    EXPLORED = "explored"  # drawn although another action scored (nearly) the same or a little better


class Change(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    RESOLVED = "resolved"
    REOPENED = "reopened"


class Bypass(StrEnum):
    """Why an alert is opened without the engine's judgement: somebody must see it, grouped or not."""

    LATE = "late"  # decisions are behind, and were when it came
    FAULT = "fault"  # the engine failed on it


class Bound(StrEnum):
    """Why an open incident takes no more alerts, whatever they look like."""

    FULL = "full"  # it has `size_max` alerts
    OLD = "old"  # it began more than `age_max_s` ago
    SILENT = "silent"  # its last alert is further back than the scope's window reaches
    LATER = "later"  # it begins further ahead than that: a late alert, or a wrong clock


class Alert(NamedTuple):
    """One alert event. ``at`` is event time in seconds since the epoch; None means the scope's present."""

    id: str
    at: float | None
    scope: str
    status: Status
    dedup_key: str | None
    severity: Severity | None
    source: str | None
    service: str | None
    host: str | None
    component: str | None
    group: str | None
    class_: str | None
    summary: str
    details: Mapping[str, Any]
    bypass: Bypass | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """One correction or confirmation by a responder. Which fields are set depends on ``action``."""

    id: str
    at: float | None
    scope: str
    actor: str | None
    action: Verb
    incidents: tuple[str, ...] = ()  # merge
    alerts: tuple[str, ...] = ()  # move
    into: str | None = None  # merge, move (None: a new incident)
    incident: str | None = None  # confirm, resolve, dismiss
    feedback: str | None = None  # undo


@dataclass(frozen=True, slots=True)
class PolicyEvent:
    """A person sets which policy decides in this scope, from here on."""

    id: str
    at: float | None
    scope: str
    mode: Mode
    policy: str | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed in this scope."""

    at: float
    scope: str


Event = Alert | Feedback | PolicyEvent | Tick


class LeftOut(NamedTuple):
    """The incident whose turn it was, the key's last one, where it could not be joined; ``limit`` is the rule's."""

    incident: str
    why: Bound
    silence: float  # s between the alert and the incident
    limit: float  # s of silence that the policy allows it


class Choice(NamedTuple):
    """The whole of one decision: what could be done, how each option looked, and how likely each was.

    ``actions[0]`` is ``"open"``; the others are incident ids. ``features`` holds the columns of the actions named by
    ``columns`` (opening, the one chosen, the next best, what would have been chosen had responders said nothing, and
    where an incident was opened the key's last one): (FEATURES, len(columns)) float32, little-endian, exactly
    what was scored, under ``policy``. ``told`` names for each of these the feedback that spoke for or against it, if one did.
    """

    actions: list[str]
    scores: list[float]
    columns: list[int]
    features: bytes
    policy: str
    told: list[str] | None = None
    left_out: LeftOut | None = None


ALONE: Final = Choice(["open"], [0.0], [], b"", "")  # nothing else was looked at


class Decision(NamedTuple):
    """One answer to one alert, with everything needed to learn from it later."""

    scope: str
    alert: str
    incident: str
    action: Action
    reason: Reason
    score: float | None
    propensity: float
    runner_up: tuple[str | None, float] | None  # the next best action: an incident, or None for opening
    model: int
    decision: str
    choice: Choice | None = None
    repeats: str | None = None  # the alert that a duplicate repeats


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident was opened, resolved or reopened."""

    scope: str
    incident: str
    event: Change
    title: str
    severity: Severity | None
    alerts: int


@dataclass(frozen=True, slots=True)
class Merged:
    """All alerts of ``incident`` now belong to ``into``."""

    scope: str
    incident: str
    into: str
    by: str


@dataclass(frozen=True, slots=True)
class Moved:
    """These alerts left ``source`` for ``into``."""

    scope: str
    alerts: tuple[str, ...]
    source: str
    into: str
    by: str


@dataclass(frozen=True, slots=True)
class Undone:
    """A feedback was taken back, but not all of what it did: ``stayed`` are alerts or an incident that have moved on."""

    scope: str
    feedback: str
    by: str
    stayed: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a policy that only suggests would have done otherwise. ``action``: merge or move; proposed, not applied.

    A merge names the incident to merge into and the one to merge; a move where the alerts are and where they would be,
    None for an incident of their own.
    """

    scope: str
    action: str
    incidents: tuple[str | None, ...]
    alerts: tuple[str, ...]
    score: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """What decides in this scope has changed, and why."""

    scope: str
    policy: str
    was: str
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that was not taken: bad bytes, or feedback that cannot be carried out."""

    scope: str
    id: str | None
    error: str


Output = Decision | IncidentLine | Merged | Moved | Undone | Suggestion | PolicyLine | Refused


def incidents_of(output: Output) -> tuple[str, ...]:
    """The incidents that an output tells of."""
    match output:
        case Decision() | IncidentLine():
            return (output.incident,)
        case Merged():
            return (output.incident, output.into)
        case Moved():
            return (output.source, output.into)
        case _:
            return ()
