"""What a scope holds in memory. Data only; state.py reads and writes it, the steps change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.arena import Arena
from grouping.layout import USUAL_BITS
from grouping.memory import Memory
from grouping.policy import Limit
from grouping.promotion import Promotion
from grouping.records import SEVERITY_RANK
from grouping.shadow import Shadow
from grouping.title import Title
from grouping.tune import Tuning

ID_GENERATION: Final = 32_768  # ids of repeats and status changes remembered: this many to twice as many
ID_PAGE: Final = 1024
MEMBER_PAGE: Final = 64
CLOCK: Final = 5  # event times whose median is a scope's present: one wrong clock, or two, cannot move it
SEEN: Final = 32  # codes an incident remembers having seen
COUNT_GENERATION: Final = 8192  # alerts after which counts of what is usual become the past, which weighs half


NO_LIMIT: Final = Limit(0.0, 1.0, 1.0)


class Standing(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    MERGED = "merged"


class Sight(NamedTuple):
    """When a code was seen last, s, and the number of the turn."""

    at: float
    turn: int


@dataclass(slots=True)
class Incident:
    """A group of alerts. Counts include the alerts of incidents merged into this one.

    ``slot`` is its column in the arena while it is joinable, else -1. ``keys`` are the policy's keys of its alerts,
    each with the number of the turn when it was last seen.
    """

    id: str
    born_at: float  # time of the first alert that is its own, s
    first_at: float  # of all its alerts
    last_at: float
    standing: Standing = Standing.OPEN
    into: str | None = None  # the incident it was merged into
    merged: list[str] = field(default_factory=list)  # those merged into it
    latest: list[str] = field(default_factory=list)  # of these, as many as matter with the latest alerts
    count: int = 0
    keyless: int = 0  # alerts without a dedup key: nothing can resolve them but a responder
    firing: int = 0  # alerts with a dedup key that are not resolved
    ranks: list[int] = field(default_factory=lambda: [0] * len(SEVERITY_RANK))  # alerts by their worst severity
    title: Title = field(default_factory=Title)
    pages: int = 0  # full pages of member ids, in the records
    page: list[str] = field(default_factory=list)  # the last, unfilled one
    keys: dict[str, int] = field(default_factory=dict)
    seen: dict[int, Sight] = field(default_factory=dict)  # code of what it saw -> when, the latest last
    touched: int = 0  # event number of the scope when an alert last came to it
    kind: int = 1  # of its latest alert
    weight: float = 0.0  # alerts counted in its profile
    placed: int = 0  # turn when it became the last of the joinable ones
    revised: int = 0  # event number of the scope when a correction last changed it
    slot: int = -1

    @property
    def severity(self) -> int:
        """Rank of the worst of its alerts, repeats included; 0 where none is known."""
        rank = len(self.ranks) - 1
        while rank and not self.ranks[rank]:
            rank -= 1
        return rank


@dataclass(slots=True)
class Before:
    """What an incident was like before a correction: all but what was merged into it, and its profile.

    ``event`` is the number of the correction. ``profile``: how many rows of it are not 0, and these with their counts, as
    they are in the records.
    """

    event: int
    incident: Incident
    profile: tuple[int, bytes]


@dataclass(slots=True)
class OpenAlert:
    """The latest alert of a dedup key."""

    alert: str
    incident: str  # the one it is a direct member of
    live: bool = True  # not resolved by its sender
    acknowledged: bool = False
    severity: int = 0
    repeats: int = 0


class Written(NamedTuple):
    """A decision as it is written down; most of it is of records.Decision and records.Choice."""

    id: str
    reason: str
    propensity: float
    model: int
    actions: list[str]
    scores: list[float]
    columns: list[int]
    told: list[str] | None
    policy: str
    chosen: int  # which of the actions
    number: int  # of the alert among the recent ones that tuning looks at, -1 if it is not one
    left_out: list[Any] | None  # the fields of records.LeftOut
    # Where the kinds of the alert and of the incident's last one are usually seen together: how often next to each other,
    # and how often the rarer of them was seen.
    together: list[int] | None


@dataclass(slots=True)
class StoredAlert:
    """An alert as it was decided. ``fields`` are those of records.Alert after ``status``; ``features`` as in Choice.

    ``raised``: the rank of the severity that a repeat raised it to, 0 if none did.
    """

    incident: str
    at: float
    fields: list[Any]
    decision: Written | None
    features: bytes
    raised: int = 0

    @property
    def worst(self) -> int:
        """Rank of the worst severity that was told of it."""
        return max(SEVERITY_RANK[self.fields[1]], self.raised)


@dataclass(slots=True)
class Pace:
    """Inter-arrival times of a scope, s: exponentially weighted over about 16, 64 and 1,024 alerts."""

    count: int = 0
    fast: float = 0.0
    mean: float = 0.0
    slow: float = 0.0
    last_at: float = 0.0


@dataclass(slots=True)
class Doubt:
    """A time far ahead of the scope's present, with which others have to agree; and the pace before it counted."""

    at: float
    pace: Pace


@dataclass(slots=True)
class Usual:
    """Counts of what is usual in a scope: (2, n), this generation and the one before.

    ``seen`` is how often each feature was seen as of the last refresh, when ``total`` alerts had been seen: what is
    rare changes slowly, and between two refreshes it need not be worked out again.
    """

    alerts: list[int] = field(default_factory=lambda: [0, 0])
    feature: NDArray[np.uint16] = field(default_factory=lambda: np.zeros((2, 1 << USUAL_BITS), np.uint16))
    seen: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(1 << USUAL_BITS, np.uint16))
    total: int = 0
    uncounted: list[NDArray[np.intp]] = field(default_factory=list)  # not yet in ``feature``
    together: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    kind: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    last_kind: int = 0

    bits: NDArray[np.float32] | None = None  # worked out since the last refresh; not part of the state


@dataclass(slots=True)
class Scope:
    """One wall that grouping never crosses. Scopes share nothing that changes."""

    name: str
    called: str = ""  # the name of the scope that it plays along with; not part of the state
    given: str = "default"  # what the configuration says; not part of the state
    policy: str = "default"  # what a person says, "default" for what is given
    policies_before: list[str] = field(default_factory=list)
    limit: Limit = NO_LIMIT  # of the policy
    events: int = 0
    learned: int = 0
    shadow: Shadow | None = None  # a policy that plays along
    ended: list[str] = field(default_factory=list)  # events that set others, of which there are records still
    times: list[float] = field(default_factory=list)  # the last CLOCK event times
    ticked: float = 0.0
    unticked: int = 0  # event times since the last tick, at most CLOCK
    pace: Pace = field(default_factory=Pace)
    doubts: list[Doubt] = field(default_factory=list)  # times far ahead, oldest first
    usual: Usual = field(default_factory=Usual)
    tuning: Tuning = field(default_factory=Tuning)
    pages_written: int = 0  # full pages of the recent alerts that are in the records
    ids_seen: int = 0
    id_page: list[str] = field(default_factory=list)
    ids: dict[str, None] = field(default_factory=dict)  # this generation
    ids_before: dict[str, None] = field(default_factory=dict)
    arena: Arena = field(default_factory=Arena)
    joinable: dict[int, Incident] = field(default_factory=dict)  # by slot, the one touched last at the end
    turn: int = 0  # how often a key or a code was seen, or an incident came to the end of the joinable ones
    rekeyed: int = 0  # event number when the joinable incidents were last keyed anew
    turns: dict[str, dict[int, None]] = field(default_factory=dict)  # key -> slots that took alerts with it, last last

    marks: dict[int, dict[int, None]] = field(default_factory=dict)  # code -> slots that saw it, last last
    memory: Memory = field(default_factory=Memory)  # what responders told
    promotion: Promotion = field(default_factory=Promotion)

    # Decoded records; whatever is here is as good as in the store.
    incidents: dict[str, Incident] = field(default_factory=dict)
    keys: dict[str, OpenAlert] = field(default_factory=dict)

    # Changed since the records were last written.
    changed: bool = False
    usual_changed: bool = False
    memory_changed: bool = False
    promotion_changed: bool = False
    changed_incidents: set[str] = field(default_factory=set)
    changed_keys: set[str] = field(default_factory=set)

    @property
    def named(self) -> str:
        """What its incidents and decisions are named by: where it plays along, as those it plays along with."""
        return self.called or self.name
