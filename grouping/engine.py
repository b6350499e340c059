"""The road on one page: an event in, outputs out.

A deterministic state machine without IO. Time, chance and identity are inputs: ``at`` comes from the event, draws
from a hash of the decision's id, ids from event ids. The same events in the same order, with the same configuration
and start state, give the same bytes, on any machine, in any batching, with a restore after any event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from grouping import apply, learn, steer, tune
from grouping.beside import Side, compared, heard
from grouping.candidates import Candidates, candidates, left_out, window
from grouping.config import Config
from grouping.correct import Desk, Impossible, correct
from grouping.decide import distribution, pick
from grouping.draw import draw, name
from grouping.featurise import Features, Featuriser
from grouping.forget import forget, forget_beside
from grouping.keyspace import Records, Sorted, Under, pack, unpack
from grouping.layout import IN_TIME, RULED, TOLD, TURN
from grouping.lifecycle import policy_key
from grouping.policy import BadPolicy, Policy, policy
from grouping.records import (
    ALONE,
    Action,
    Alert,
    Choice,
    Decision,
    Event,
    Feedback,
    LeftOut,
    Mode,
    Output,
    PolicyEvent,
    PolicyLine,
    Reason,
    Refused,
    Severity,
    Status,
    Tick,
    Verb,
)
from grouping.scope import Incident, OpenAlert, Scope
from grouping.score import Evidence, pair_features
from grouping.shadow import Shadow
from grouping.state import State

USUALLY: Final = 0.5  # from here on two kinds of alert are seen together often enough to be told
CLEARED: Final = 256  # records of a policy that plays along no more, deleted with each event
SHADOWS: Final = b"S"  # before the keys of records of policies that play along

Met = tuple[int, int] | None  # how often two kinds met, and how often the rarer one was seen
Decide = Callable[
    [Config, Scope, Alert, Policy, Candidates, NDArray[np.float32]], tuple[Decision, Incident | None]
]  # which of the options is taken, see decided()


class Engine:
    """Groups alerts into incidents. One engine serves any number of scopes; they share nothing that changes."""

    def __init__(
        self, config: Config | None = None, records: Records | None = None, decide: Decide | None = None
    ) -> None:
        """``records``: where the state is read from, if there is one; what ``drain`` returns must be written there.

        ``decide``: chooses in the place of ``decided``, for comparisons.
        """
        self.config = config or Config()
        policy(self.config.policy)  # a name that cannot be read is told now, not at the first alert
        self.state = State(self.config, records)
        self._featurise = Featuriser()
        self._decide: Decide = decide or decided
        self._records: Records = {} if records is None else records
        self._shadows: Engine | None = None  # decides for the policies that play along; made when there is one

    # -- the state as bytes

    def snapshot(self) -> bytes:
        """The whole state as bytes; the same state gives the same bytes."""
        records = self.state.records()
        if self._shadows is not None:
            records = {key: value for key, value in records.items() if key[:1] != SHADOWS}
            records |= {SHADOWS + key: value for key, value in self._shadows.state.records().items()}
        return pack(records)

    @classmethod
    def restore(cls, snapshot: bytes, config: Config | None = None) -> Engine:
        """An engine that goes on from a snapshot. Raises state.BadState."""
        return cls(config, Sorted(unpack(snapshot)))

    def drain(self) -> Mapping[bytes, bytes | None]:
        """The records that changed since the last call, to be written to the store; None: delete."""
        drained = self.state.drain()
        if self._shadows is not None:
            drained |= {SHADOWS + key: value for key, value in self._shadows.state.drain().items()}
        return drained

    def forget(self, name: str, ids: Iterable[str]) -> list[str]:
        """Delete incidents of a scope for good; those that were, by id, with all that was merged into them.

        What a policy that plays along made of their alerts goes too, incident by incident.
        """
        scope = self.state.scope(name)
        gone = forget(self.state, scope, ids)
        if scope.shadow is not None:
            side = self._side(scope, scope.shadow.by)
            forget_beside(self.state, scope, self._other().state, side, gone.alerts)
        return gone.incidents

    def open_incidents(self) -> int:
        """How many incidents take alerts, in the scopes held in memory."""
        return self.state.joinable()

    # -- the road

    def step(self, event: Event) -> list[Output]:
        """Take one event down the road. The same events in the same order give the same outputs."""
        scope = self.state.scope(event.scope)
        events, playing = scope.events, scope.shadow
        outputs: list[Output] = []
        match event:
            case Alert():
                outputs = self._alert(scope, event)
            case Feedback():
                outputs = self._judge(scope, event)
            case PolicyEvent():
                outputs = self._set_policy(scope, event)
            case Tick():
                learn.tick(scope, event.at)
        if scope.shadow is not None and not isinstance(event, PolicyEvent):
            outputs += self._play_along(scope, scope.shadow, event, outputs)
        if playing is not None and scope.shadow is not playing:
            scope.ended.append(playing.by)
        if scope.ended and scope.events != events:
            self._clear(scope)
        # Only now: sweeping may drop decoded records that a step still holds.
        if scope.events % apply.SWEEP == 0 or isinstance(event, Tick):
            apply.sweep(self.config, scope, window(self.config, scope), learn.clock(scope))
            self.state.trim(scope)
        return outputs

    def _reach(self, scope: Scope) -> float:
        """How far from a scope's present, s, a time is believed without others: as far as it could join or come late."""
        return window(self.config, scope) + self.config.late_s

    @staticmethod
    def _begin(scope: Scope) -> None:
        """An event that was not seen before is about to change the scope."""
        scope.changed = True
        scope.events += 1

    def _alert(self, scope: Scope, alert: Alert) -> list[Output]:
        id, key = alert.id, alert.dedup_key
        if self._known(scope, id):
            return []
        if alert.status is Status.FIRING:
            found = apply.open_alert(self.state, scope, key) if key is not None else None
            if found is None or key is None:
                return self._group(scope, alert)
            known, incident = found
            if known.alert == id or self.state.has_alert(scope, id):  # decided already, maybe long ago
                return []
            return self._repeat(scope, alert, key, known, incident)
        if self.state.has_alert(scope, id):
            return []
        self._begin(scope)
        learn.tell_time(scope, alert.at, self._reach(scope))
        self.state.remember_id(scope, id)
        if key is None:
            return []  # the alert is its own: there is nothing else this could resolve or acknowledge
        if alert.status is Status.RESOLVED:
            return apply.resolve(self.state, scope, key)
        apply.acknowledge(self.state, scope, key)
        return []

    def _repeat(self, scope: Scope, alert: Alert, key: str, known: OpenAlert, incident: Incident) -> list[Output]:
        """One more report of an alert that is open: counted, nothing else."""
        self._begin(scope)
        learn.tell_time(scope, alert.at, self._reach(scope))
        self.state.remember_id(scope, alert.id)
        apply.repeat(self.state, scope, alert, key, known)
        id, why = name("d", scope.named, alert.id), Reason.DUPLICATE
        model = scope.learned
        of = known.alert
        return [
            Decision(scope.name, alert.id, incident.id, Action.DUPLICATE, why, None, 1.0, None, model, id, None, of)
        ]

    def _group(self, scope: Scope, alert: Alert) -> list[Output]:
        """Featurise, score, decide, apply, learn."""
        if self.state.has_alert(scope, alert.id):
            return []
        self._begin(scope)
        self.state.remember_id(scope, alert.id)
        at = learn.tell_time(scope, alert.at, self._reach(scope))
        if alert.bypass is not None:
            return self._bypass(scope, alert, at)
        features = self._featurise(alert)
        now = self.state.policy(scope)
        key = policy_key(now, alert, features.same, scope.tuning.families)
        bits = learn.bits(scope.usual)
        near = candidates(self.config, scope, at, features, bits, key, now.open_minded)
        evidence = _evidence(scope, at, features, near)
        decision, joined = self._decide(self.config, scope, alert, now, near, pair_features(evidence))
        if near.left_out >= 0:
            decision = _noted(decision, left_out(self.config, scope, at, near.left_out))
        met = _met(scope, features, near, evidence, joined)
        outputs = apply.group(self.state, scope, alert, at, features, key, joined)
        outputs.append(decision)
        counted_at = learn.observe(scope, at, features, self._reach(scope))
        if self.state.tuned(scope):
            outputs += self._tune(scope, alert, at, counted_at, features, decision, met)
        else:
            apply.keep(self.state, scope, alert, at, decision, -1, met)
        return outputs

    def _tune(
        self,
        scope: Scope,
        alert: Alert,
        at: float,
        counted_at: float,
        features: Features,
        decision: Decision,
        met: Met,
    ) -> list[Output]:
        """Write the decision down, and go on looking for the scope's shape; what changes by it."""
        was, families, number = self.state.policy_name(scope), scope.tuning.families, scope.tuning.recent.count
        found = tune.observe(scope.tuning, counted_at, features.same, features.codes, features.label)
        recorded = scope.tuning.recent.count > number
        apply.keep(self.state, scope, alert, at, decision, number if recorded else -1, met)
        if found is not None:
            return steer.tuned(self.state, scope, was, families, found)
        return steer.promoted(self.state, scope, was) if recorded else []

    def _bypass(self, scope: Scope, alert: Alert, at: float) -> list[Output]:
        """Open an incident that takes no more alerts, without looking at anything: fail open, not silent."""
        id = name("d", scope.named, alert.id)
        outputs, incident = apply.alone(self.state, scope, alert, at)
        model = scope.learned
        decision = Decision(
            scope.name, alert.id, incident, Action.OPEN, Reason.BYPASSED, None, 1.0, None, model, id, ALONE
        )
        apply.keep(self.state, scope, alert, at, decision)
        return [*outputs, decision]

    def _judge(self, scope: Scope, feedback: Feedback) -> list[Output]:
        if self._known(scope, feedback.id) or self.state.feedback(scope, feedback.id) is not None:
            return []
        self._begin(scope)
        since = learn.clock(scope) - self._reach(scope)
        desk = Desk(self.config, self.state, scope, self.state.policy(scope), self._featurise, since)
        believed = scope.memory.quarantined
        try:
            outputs = correct(desk, feedback) + steer.trusted(self.state, scope, believed, feedback.id)
        except Impossible as error:
            self.state.remember_id(scope, feedback.id)
            return [Refused(scope.name, feedback.id, str(error))]
        if feedback.action is Verb.UNDO or scope.memory.quarantined != believed:
            outputs += steer.revised(self.state, scope, feedback.id)
        return outputs

    def _set_policy(self, scope: Scope, event: PolicyEvent) -> list[Output]:
        if self._known(scope, event.id):
            return []
        self._begin(scope)
        self.state.remember_id(scope, event.id)
        if event.mode in (Mode.SHADOW, Mode.SUGGEST):
            return self._set_shadow(scope, event, event.policy or "default")
        return steer.given(self.state, scope, event)

    def _set_shadow(self, scope: Scope, event: PolicyEvent, name: str) -> list[Output]:
        """Let a policy play along; the one that decides ends it."""
        try:
            policy(name)
        except BadPolicy as error:
            return [Refused(scope.name, event.id, f"$.policy: {error}")]
        ended, now = scope.shadow, self.state.policy_name(scope)
        scope.shadow = None
        evidence: dict[str, Any] = {"by": event.id, "mode": event.mode, "policy": name}
        if name != now:
            side = self._side(scope, event.id)
            self._other().step(replace(event, scope=side.name, mode=Mode.AUTO, policy=name))
            scope.shadow = Shadow(name, event.mode is Mode.SUGGEST, event.id)
        if ended is not None:
            evidence["ended"] = ended.figures()
        return [PolicyLine(scope.name, now, now, "set", evidence)]

    def _other(self) -> Engine:
        """The engine of the policies that play along: the same records, under a prefix of their own."""
        if self._shadows is None:
            config = replace(self.config, policy="default", explore=0.0)
            self._shadows = Engine(config, Under(SHADOWS, self._records))
        return self._shadows

    def _play_along(self, scope: Scope, shadow: Shadow, event: Event, outputs: list[Output]) -> list[Output]:
        """Let the shadow take the event, and compare."""
        other, side = self._other(), self._side(scope, shadow.by)
        truth, beside = Side(self.state, scope), Side(other.state, side)
        heard(shadow, truth, beside, outputs)
        theirs = event._replace(scope=side.name) if isinstance(event, Alert) else replace(event, scope=side.name)
        said = compared(shadow, truth, beside, outputs, other.step(theirs))
        scope.changed = True
        return [] if said is None else [said]

    def _side(self, scope: Scope, by: str) -> Scope:
        """What a policy knows that plays along in a scope since the event ``by``."""
        side = self._other().state.scope(_beside(scope, by))
        side.called = scope.name
        return side

    def _clear(self, scope: Scope) -> None:
        """Delete some of what is left of policies that played along."""
        if self._other().state.drop_scope(_beside(scope, scope.ended[0]), CLEARED):
            del scope.ended[0]
            scope.changed = True

    @staticmethod
    def _known(scope: Scope, id: str) -> bool:
        return id in scope.ids or id in scope.ids_before


def _beside(scope: Scope, by: str) -> str:
    """The scope of a policy that plays along since the event ``by``, in the engine of those: none is used twice."""
    return f"{len(scope.name)} {scope.name} {by}"


def decided(
    config: Config, scope: Scope, alert: Alert, now: Policy, near: Candidates, features: NDArray[np.float32]
) -> tuple[Decision, Incident | None]:
    """The decision and the incident it joins, None for opening."""
    id = name("d", scope.named, alert.id)
    count = 1 + len(near.incidents)
    scores: list[float] = now.learner.score(features).tolist()[:count]
    explore = 0.0 if alert.severity is Severity.CRITICAL else config.explore
    pmf, best, second = distribution(scores, explore)
    chosen = best if pmf is None else pick(pmf, draw(config.seed, id))
    actions = ["open", *[one.id for one in near.incidents]]
    columns = [0, chosen] if chosen else [0]
    reason, runner_up = Reason.ONLY_CHOICE, None
    if count > 1:
        reason = Reason.BEST_SCORE
        if chosen != best:
            reason, second = Reason.EXPLORED, best
        runner_up = (actions[second] if second else None, scores[second])
        if second:
            columns.append(second)
        untold = chosen if near.told is None else _untold(now, near, features)
        if chosen == best != untold:
            reason = Reason.TOLD
            if untold not in columns:
                columns.append(untold)
        if not chosen and near.turn >= 0 and 1 + near.turn not in columns:
            columns.append(1 + near.turn)
    joined = near.incidents[chosen - 1] if chosen else None
    decision = Decision(
        scope.name,
        alert.id,
        joined.id if joined else name("i", scope.named, alert.id),
        Action.JOIN if joined else Action.OPEN,
        reason,
        scores[chosen],
        1.0 if pmf is None else pmf[chosen],
        runner_up,
        scope.learned,
        id,
        Choice(actions, scores, columns, features.take(columns, 1).tobytes(), now.name, _told(near, columns)),
    )
    return decision, joined


def _evidence(scope: Scope, at: float, features: Features, near: Candidates) -> Evidence:
    pace, arena = scope.pace, scope.arena
    both = pace.slow + pace.fast
    return Evidence(
        at,
        at < pace.last_at,
        pace.mean if pace.mean > 1e-3 else 1e-3,
        pace.slow / both if both > 0 else 0.5,
        near.turn,
        near.slots,
        arena.stats,
        arena.profile,
        features.rows,
        features.usual,
        learn.bits(scope.usual),
        features.details,
        learn.together(scope.usual, features.kind, [one.kind for one in near.incidents]),
        None if near.told is None else [said for said, _ in near.told],
    )


def _met(scope: Scope, features: Features, near: Candidates, seen: Evidence, joined: Incident | None) -> Met:
    """How often the kinds of the alert and of the incident were seen together, if they usually are."""
    if joined is None or joined.slot not in near.slots:  # a choice of another engine (asked.py) may not be near here
        return None
    if seen.together[near.slots.index(joined.slot)] < USUALLY:
        return None
    return learn.meetings(scope.usual, features.kind, joined.kind)


def _noted(decision: Decision, left: LeftOut) -> Decision:
    """The decision with what could not be chosen."""
    choice = decision.choice
    return decision if choice is None else decision._replace(choice=choice._replace(left_out=left))


def _untold(now: Policy, near: Candidates, features: NDArray[np.float32]) -> int:
    """Which of the options would be the best if responders had said nothing."""
    silent, turn = features.copy(), 1 + near.turn_untold
    silent[[TOLD, TURN, RULED]] = 0.0
    if turn:
        silent[TURN, turn] = 1.0
        silent[RULED, turn] = silent[IN_TIME, turn]
    scores: list[float] = now.learner.score(silent).tolist()[: 1 + len(near.incidents)]
    return scores.index(max(scores))


def _told(near: Candidates, columns: list[int]) -> list[str] | None:
    """The feedback that spoke for or against each of these options, "" where none did."""
    told = near.told
    return None if told is None else [told[column - 1][1] if column else "" for column in columns]
