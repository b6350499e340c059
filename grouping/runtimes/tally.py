"""What a replay came to, counted while it runs: the numbers behind the summary and the report.

It knows only the events and the lines that went out. 22 bytes are kept per alert or repeat, in arrays; what is asked
once, at the end, is worked out then.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.records import (
    SEVERITY_BY_RANK,
    SEVERITY_RANK,
    Action,
    Alert,
    Change,
    Decision,
    Event,
    IncidentLine,
    Merged,
    Moved,
    Output,
    PolicyLine,
    Refused,
    Severity,
    Status,
)

KEPT = 50  # refusals and policy changes kept with their text; further ones are only counted
NEVER = float("nan")  # the time of an event before any time was known


class Incident(NamedTuple):
    """An incident as it stands. Times in seconds since the epoch, repeats included in them."""

    number: int  # its place in the order of appearance; what ``Reports.incident`` holds
    id: str
    scope: str
    title: str
    severity: Severity | None
    first: float
    last: float
    alerts: int
    repeats: int
    resolved: bool


class Reports(NamedTuple):
    """Every alert and repeat, in the order they came: four arrays of the same length."""

    at: NDArray[np.float64]
    incident: NDArray[np.int32]
    rank: NDArray[np.int8]  # of its severity
    repeat: NDArray[np.bool_]


class Refusal(NamedTuple):
    """An input that was not taken; ``event`` counts the inputs from 1."""

    event: int
    scope: str
    id: str | None
    error: str


class PolicyChange(NamedTuple):
    """What decides in a scope has changed."""

    at: float
    scope: str
    was: str
    policy: str
    why: str
    evidence: Mapping[str, Any] = {}


class Tally:
    """Counts what goes in and what comes out, and remembers which alert is in which incident."""

    def __init__(self) -> None:
        self.events = 0
        self.resends = 0  # firing alerts whose id was taken before
        self.refused = 0
        self.merges = 0
        self.moves = 0
        self.policy_changes = 0
        self.alerts = 0  # put into an incident, repeats not counted
        self.repeats = 0  # further reports of alerts that were open
        self.decisions: Counter[tuple[Action, str]] = Counter()  # by action and reason
        self.changes: Counter[Change] = Counter()
        self.pages = array("d")  # when an incident was opened
        self.refusals: list[Refusal] = []
        self.policies: list[PolicyChange] = []
        self.tuned: dict[str, PolicyChange] = {}  # what each scope found by itself last, with its evidence
        self._present: dict[str, float] = {}  # the last time seen in each scope
        self._now = NEVER
        # Of each alert and repeat:
        self._at = array("d")
        self._incident = array("i")
        self._rank = array("b")
        self._repeat = array("b")
        self._name = array("q")  # the hash of scope and id
        # Of each incident:
        self._numbers: dict[tuple[str, str], int] = {}
        self._titles: list[str] = []
        self._severities: list[Severity | None] = []
        self._resolved = bytearray()
        self._absorbed: dict[int, NDArray[np.int64]] = {}  # merged away: where its repeats stand

    # -- while it runs

    def take(self, event: Event | None, outputs: Sequence[Output]) -> None:
        """Count one input line, ``None`` if it could not be read, and what came out of it."""
        self.events += 1
        if event is not None:
            self._tell_time(event)
            if not outputs and type(event) is Alert and event.status is Status.FIRING:
                self.resends += 1
        for output in outputs:
            if type(output) is Decision:
                self._decided(event, output)
            else:
                self._happened(output)

    def _tell_time(self, event: Event) -> None:
        at = event.at
        if at is not None:
            self._now = self._present[event.scope] = at
        else:
            self._now = self._present.get(event.scope, self._now)

    def _decided(self, event: Event | None, decision: Decision) -> None:
        repeat = decision.action is Action.DUPLICATE
        if repeat:
            self.repeats += 1
        else:
            self.alerts += 1
        self.decisions[decision.action, decision.reason] += 1
        self._at.append(self._now)
        self._incident.append(self._number(decision.scope, decision.incident))
        self._rank.append(SEVERITY_RANK[event.severity] if type(event) is Alert else 0)
        self._repeat.append(repeat)
        self._name.append(hash((decision.scope, decision.alert)))

    def _happened(self, output: Output) -> None:
        match output:
            case IncidentLine():
                self._changed(output)
            case Merged():
                self.merges += 1
                self._merge(self._number(output.scope, output.incident), self._number(output.scope, output.into))
            case Moved():
                self.moves += 1
                self._move(output)
            case Refused():
                self.refused += 1
                if len(self.refusals) < KEPT:
                    self.refusals.append(Refusal(self.events, output.scope, output.id, output.error))
            case PolicyLine() if output.policy != output.was:
                self.policy_changes += 1
                if len(self.policies) < KEPT:
                    change = PolicyChange(self._now, output.scope, output.was, output.policy, output.why)
                    self.policies.append(change)
                if output.why == "tuned" and (output.scope in self.tuned or len(self.tuned) < KEPT):
                    parts = self._now, output.scope, output.was, output.policy, output.why, output.evidence
                    self.tuned[output.scope] = PolicyChange(*parts)

    def _number(self, scope: str, incident: str) -> int:
        """The number of an incident. One opened before the tally began has no title yet."""
        number = self._numbers.get((scope, incident))
        if number is None:
            number = self._numbers[scope, incident] = len(self._titles)
            self._titles.append("")
            self._severities.append(None)
            self._resolved.append(False)
        return number

    def _changed(self, line: IncidentLine) -> None:
        number = self._number(line.scope, line.incident)
        self.changes[line.event] += 1
        self._titles[number] = line.title
        self._severities[number] = line.severity
        self._resolved[number] = line.event is Change.RESOLVED
        if line.event is Change.OPENED:
            self.pages.append(self._now)

    def _merge(self, source: int, target: int) -> None:
        incident = np.frombuffer(self._incident, np.int32)
        mine = (incident == source).nonzero()[0]
        self._absorbed[source] = mine[np.frombuffer(self._repeat, np.bool_)[mine]]
        incident[mine] = target

    def _move(self, line: Moved) -> None:
        """Carry alerts over. Where a merge is undone, the repeats that came with it go back too."""
        source, target = self._number(line.scope, line.source), self._number(line.scope, line.into)
        incident = np.frombuffer(self._incident, np.int32)
        names = np.fromiter((hash((line.scope, alert)) for alert in line.alerts), np.int64, len(line.alerts))
        mine = (incident == source).nonzero()[0]
        alert = ~np.frombuffer(self._repeat, np.bool_)[mine]
        incident[mine[alert & np.isin(np.frombuffer(self._name, np.int64)[mine], names)]] = target
        back = self._absorbed.pop(target, None)
        if back is not None:
            incident[back[incident[back] == source]] = target

    # -- when it is over

    @property
    def scopes(self) -> int:
        """Scopes that alerts came from."""
        return len({scope for scope, _ in self._numbers})

    def reports(self) -> Reports:
        """Every alert and repeat with the incident it is in now."""
        at = np.array(self._at, np.float64)
        return Reports(
            _known(at, at),
            np.array(self._incident, np.int32),
            np.array(self._rank, np.int8),
            np.array(self._repeat, np.bool_),
        )

    def paged(self) -> NDArray[np.float64]:
        """When each incident was opened."""
        return _known(np.array(self.pages, np.float64), np.array(self._at, np.float64))

    def incidents(self) -> list[Incident]:
        """The incidents that hold alerts now, the largest first."""
        at, incident, rank, repeat = self.reports()
        count = len(self._titles)
        first, last = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(first, incident, at)
        np.maximum.at(last, incident, at)
        worst = np.zeros(count, np.int8)
        np.maximum.at(worst, incident, rank)
        alerts = np.bincount(incident[~repeat], minlength=count).tolist()
        repeats = np.bincount(incident[repeat], minlength=count).tolist()
        found = [
            Incident(
                number,
                id,
                scope,
                self._titles[number] or "(opened before)",
                SEVERITY_BY_RANK[int(worst[number])] or self._severities[number],
                float(first[number]),
                float(last[number]),
                alerts[number],
                repeats[number],
                bool(self._resolved[number]),
            )
            for (scope, id), number in self._numbers.items()
            if alerts[number] or repeats[number]
        ]
        found.sort(key=lambda one: (-one.alerts, -one.repeats, -SEVERITY_RANK[one.severity], one.first, one.number))
        return found


def _known(times: NDArray[np.float64], all_times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times, with the first known one in place of those from before any was known."""
    known = all_times[~np.isnan(all_times)]
    return np.where(np.isnan(times), known[0] if len(known) else 0.0, times)
