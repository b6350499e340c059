"""A log of events played twice, once as configured and once under another policy, for `grouping backtest`.

The first play is what happened: the same log and settings give the same decisions and propensities again. In the
second one the other policy decides from the first event on, and what responders did is carried over (carry.py). A
third play does what the first did, and only asks the other policy at every alert what it would have done there: these
are the probabilities that the off-policy value is made of.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from grouping.backtest import NOISE, UNKNOWN, Held, Known, Play, Traffic, hold, stood
from grouping.carry import Carried, Intent, carry, intent
from grouping.config import Config
from grouping.engine import Engine
from grouping.ledger import Ids, Ledger
from grouping.offpolicy import Value
from grouping.parse import Malformed, parse
from grouping.records import (
    Action,
    Alert,
    Decision,
    Event,
    Feedback,
    Mode,
    Output,
    PolicyEvent,
    Refused,
    Severity,
    Verb,
)
from grouping.runtimes.asked import Asked, Odds, explored, odds, worth
from grouping.runtimes.replay import CHUNK, COMMIT_LINES, Ticker, calm_collector, lines_of, open_sources
from grouping.runtimes.scratch import Scratch

UNTOLD = "(without title)"


class Correction(NamedTuple):
    """A merge or move that stands, and how much of it would have been needed under the other policy.

    ``before`` and ``after`` count incidents to be merged into another, or alerts to be moved.
    """

    at: float
    scope: str
    id: str
    verb: Verb
    alert: str  # the first one it is about
    before: int
    after: int
    carried: bool  # whether it, or what is left of it, was carried over


class Row(NamedTuple):
    """Who an alert is: its scope, id and title."""

    scope: str
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Result:
    """All that a backtest came to. Incidents are named by number, in the lists of their ids and titles."""

    was: str  # the policy of the settings
    policy: str
    lines: int
    refused: int
    refusal: str  # the first: its line and what was wrong; empty without any
    feedback: int  # carried out in the log
    policies: int  # policy events in the log
    rows: list[Row]
    repeats: int
    traffic: Traffic
    before: list[Ids]
    after: list[Ids]
    titles_before: list[str]
    titles_after: list[str]
    corrections: list[Correction]
    known: Known
    held: Held
    groups: list[str]  # titles
    truth: tuple[Held, Known] | None
    truth_groups: list[str]
    decisions: int  # of which it is known whether they were right
    explored: int  # of them: drawn, with more than one action possible
    value: Value


def backtest(
    paths: Sequence[str],
    policy: str,
    *,
    config: Config,
    truth: Mapping[str, str | None] | None = None,
    tick: Ticker | None = None,
) -> Result:
    """Play the log in ``paths`` as configured and under ``policy``. ``truth``: alert id to group, None for noise.

    Raises BadInput, StoreError, OSError.
    """
    with ExitStack() as stack:
        player = _Player(config, policy, stack)
        calm_collector(stack)
        lines = 0
        for source in open_sources(paths, stack):
            for line in lines_of(source):
                lines += 1
                player.take(line)
                if tick is not None and lines % CHUNK == 0:
                    tick(lines, source.file.tell() if source.file.seekable() else 0, player.open_incidents())
                if lines % COMMIT_LINES == 0:
                    player.commit()
        return player.result(lines, truth)


# -- the plays


class _Side:
    """One play: an engine, its records, and where each alert is."""

    def __init__(self, engine: Engine, store: Scratch) -> None:
        self.engine, self._store = engine, store
        self.ledger = Ledger()
        self.incidents: dict[Ids, int] = {}  # in order of appearance
        self.titles: list[str] = []
        self._commits = 0

    def step(self, event: Event) -> list[Output]:
        outputs = self.engine.step(event)
        self.ledger.take(event, outputs)
        return outputs

    def number(self, decision: Decision) -> int:
        place = decision.scope, decision.incident
        number = self.incidents.get(place)
        if number is None:
            number = self.incidents[place] = len(self.titles)
            self.titles.append(self.ledger.incidents[place].title or UNTOLD)
        return number

    def commit(self) -> None:
        self._commits += 1
        self._store.commit(self.engine.drain(), b"", self._commits, {})


class _Player:
    """Takes the lines of a log."""

    def __init__(self, config: Config, policy: str, stack: ExitStack) -> None:
        self._config, self._policy = config, policy
        other = replace(config, policy=policy)
        stores = {name: Scratch() for name in ("log", "new", "asked")}
        for store in stores.values():
            stack.callback(store.close)
        self._asked = Asked(other, stores["asked"])
        self._log = _Side(Engine(config, stores["log"]), stores["log"])
        self._new = _Side(Engine(other, stores["new"]), stores["new"])
        self._asked_side = _Side(self._asked.engine, stores["asked"])
        self._refused = self._feedback = self._policies = self._repeats = 0
        self._lines, self._refusal = 0, ""
        self._present: dict[str, float] = {}
        self._rows: list[Row] = []
        self._texts: dict[str, str] = {}  # each title once
        self._at, self._critical = array("d"), array("b")
        self._incidents = array("q"), array("q")
        self._opened = array("b"), array("b")
        self._odds: list[Odds] = []
        self._meant: dict[Ids, tuple[Intent, Correction | None]] = {}  # feedback that stands
        self._carried: dict[Ids, list[str]] = {}  # ids under which a feedback was carried over

    def open_incidents(self) -> int:
        return self._log.engine.open_incidents()

    def commit(self) -> None:
        for side in (self._log, self._new, self._asked_side):
            side.commit()

    def take(self, line: bytes) -> None:
        self._lines += 1
        try:
            event = parse(line)
        except Malformed as error:
            if line.strip():
                self._refuse(str(error))
            return
        at = event.at
        if at is not None:
            self._present[event.scope] = at
        if isinstance(event, Feedback):
            self._judged(event)
            return
        done = self._log.step(event)
        if done and isinstance(done[0], Refused):
            self._refuse(done[0].error)
        if isinstance(event, PolicyEvent):  # whoever set a policy there, here the other one stays
            self._policies += 1
            event = replace(event, mode=Mode.AUTO, policy=self._policy)
        found = self._new.step(event)
        self._ask(event, done, found)

    def _refuse(self, why: str) -> None:
        self._refused += 1
        self._refusal = self._refusal or f"line {self._lines}: {why}"

    # -- alerts

    def _ask(self, event: Event, done: list[Output], found: list[Output]) -> None:
        decision, other = _decision(done), _decision(found)
        wish = self._asked.ask(event, decision)
        if not isinstance(event, Alert) or decision is None or other is None:
            return
        if decision.action is Action.DUPLICATE and other.action is Action.DUPLICATE:
            self._repeats += 1
            return
        row = len(self._rows)
        title = self._texts.setdefault(event.summary, event.summary)
        self._rows.append(Row(event.scope, event.id, title))
        self._at.append(self._present.get(event.scope, 0.0))
        self._critical.append(event.severity is Severity.CRITICAL)
        for number, (side, one) in enumerate(((self._log, decision), (self._new, other))):
            self._incidents[number].append(side.number(one))
            self._opened[number].append(one.action is Action.OPEN)
        if decision.choice is not None and wish is not None:
            self._odds.append(odds(row, decision, wish, explored(self._config, event)))

    # -- feedback

    def _judged(self, event: Feedback) -> None:
        place = event.scope, event.id
        meant = intent(event, self._log.ledger)
        seen = place in self._carried
        done = self._log.step(event)
        self._asked.engine.step(event)
        if seen:
            return
        if done and isinstance(done[0], Refused):
            self._refuse(done[0].error)
            return
        self._feedback += 1
        carried = self._undo(event) if event.action is Verb.UNDO else carry(meant, self._log.ledger, self._new.ledger)
        taken = [one.id for one in carried.events if not _refused(self._new.step(one))]
        self._carried[place] = taken
        if event.action is not Verb.UNDO:
            self._meant[place] = meant, self._correction(meant, carried, bool(taken))

    def _undo(self, event: Feedback) -> Carried:
        place = event.scope, event.feedback or ""
        self._meant.pop(place, None)
        names = [event.id, *(f"{event.id}#{number}" for number in range(2, 1 + len(self._carried.get(place, []))))]
        undone = zip(names, self._carried.get(place, []), strict=False)
        return Carried([replace(event, id=name, feedback=id) for name, id in undone], 0)

    def _correction(self, meant: Intent, carried: Carried, taken: bool) -> Correction | None:
        event = meant.feedback
        if event.action not in (Verb.MERGE, Verb.MOVE) or not meant.alerts:
            return None
        at = self._present.get(event.scope, 0.0)
        return Correction(at, event.scope, event.id, event.action, meant.alerts[0], meant.work, carried.work, taken)

    # -- when it is over

    def result(self, lines: int, truth: Mapping[str, str | None] | None) -> Result:
        """Everything, worked out."""
        traffic = Traffic(
            np.array(self._at, np.float64),
            np.array(self._critical, np.bool_),
            *(
                Play(np.array(incident, np.int64), np.array(opened, np.bool_))
                for incident, opened in zip(self._incidents, self._opened, strict=True)
            ),
        )
        known, groups = self._known()
        held = hold(traffic, known)
        told, truth_groups = _told(self._rows, truth) if truth is not None else (None, [])
        best = told or known  # who knows all need not rely on who was asked
        judged = [one for one in self._odds if best.group[one.row] != UNKNOWN]
        return Result(
            was=self._config.policy,
            policy=self._policy,
            lines=lines,
            refused=self._refused,
            refusal=self._refusal,
            feedback=self._feedback,
            policies=self._policies,
            rows=self._rows,
            repeats=self._repeats,
            traffic=traffic,
            before=list(self._log.incidents),
            after=list(self._new.incidents),
            titles_before=self._log.titles,
            titles_after=self._new.titles,
            corrections=[correction for _, correction in self._meant.values() if correction is not None],
            known=known,
            held=held,
            groups=groups,
            truth=(hold(traffic, told), told) if told is not None else None,
            truth_groups=truth_groups,
            decisions=len(judged),
            explored=sum(one.possible > 1 for one in judged),
            value=worth(judged, stood(traffic.before, best)),
        )

    def _known(self) -> tuple[Known, list[str]]:
        """What responders told of the alerts, by what of it stands, and the titles of the groups."""
        word: dict[Ids, Verb] = {}
        for meant, _ in self._meant.values():
            scope, verb = meant.feedback.scope, meant.feedback.action
            for id in _about(meant):
                if verb is not Verb.RESOLVE:
                    word[scope, id] = verb
                else:
                    word.setdefault((scope, id), verb)
        ledger, numbers = self._log.ledger, dict[Ids, int]()
        group, firm = array("q"), array("b")
        for scope, id, _ in self._rows:
            verb_said = word.get((scope, ledger.original(scope, id)))
            incident = ledger.incident(scope, id)
            if verb_said is None or incident is None:
                group.append(UNKNOWN)
            elif verb_said is Verb.DISMISS:
                group.append(NOISE)
            else:
                group.append(numbers.setdefault((scope, incident), len(numbers)))
            firm.append(verb_said is not None and verb_said is not Verb.RESOLVE)
        titles = [ledger.incidents[place].title or UNTOLD for place in numbers]
        return Known(np.array(group, np.int64), np.array(firm, np.bool_)), titles


def _about(meant: Intent) -> tuple[str, ...]:
    """All alerts that a feedback is about."""
    return (*meant.alerts, *meant.among, *meant.rest)


def _decision(outputs: list[Output]) -> Decision | None:
    return next((output for output in outputs if isinstance(output, Decision)), None)


def _refused(outputs: list[Output]) -> bool:
    return bool(outputs) and isinstance(outputs[0], Refused)


def _told(rows: list[Row], truth: Mapping[str, str | None]) -> tuple[Known, list[str]]:
    numbers, group = dict[str, int](), array("q")
    for _, id, _ in rows:
        name = truth.get(id)
        if name is None:
            group.append(NOISE if id in truth else UNKNOWN)
        else:
            group.append(numbers.setdefault(name, len(numbers)))
    found = np.array(group, np.int64)
    return Known(found, found != UNKNOWN), list(numbers)
