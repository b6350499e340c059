"""A simulated responder who knows the true groups: watches what the engine puts out and gives feedback.

An incident falls due for a review once it has been quiet for ten minutes, or an hour after it was opened or last
reviewed, if an alert has come to it since. At a review the responder, in this order,

- dismisses an incident of noise alone;
- merges the known incidents that are mainly of the same group, in one correction;
- moves out each group that is not the main one, to the open incident where it belongs or to a new one, one correction
  each, and all noise in one more, into a new incident that is dismissed;
- confirms the incident if nothing is wrong with it any more.

Known are the incidents that are looked at (a share, drawn by incident) and those made by a correction. Nobody can
merge into a closed incident or dismiss it: then nothing is said. When the budget is spent, nothing is said any more.

Some corrections are given wrongly: what should move, or the incident that should be merged, goes to a random other
open incident; or a half of what is right is split off. The matter is then settled until the next review. Where neither
can be done the correction is right after all.

A deterministic state machine: chance is drawn from the seed and the ids of incidents and corrections. Scopes share
nothing but the budget.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grouping.board import Board, Seen
from grouping.draw import draw, name
from grouping.parse import MAX_LIST
from grouping.records import Event, Feedback, Output, Refused, Verb

ACTOR = "responder"
DUE, VISIT = 0, 1  # what a time in the heap means: look whether it is due, review it


@dataclass(frozen=True, slots=True)
class Habits:
    """What a responder is like. Times in seconds."""

    budget: int | None = None  # moves and merges in all; None: as many as it takes
    look: float = 1.0  # share of incidents looked at
    wrong: float = 0.0  # share of corrections given wrongly
    delay: float = 0.0  # from the moment a review falls due to the feedback
    quiet: float = 600.0
    old: float = 3600.0
    seed: int = 0


class Responder:
    """Feedback for any number of scopes.

    After each event ``watch`` its outputs, then step what ``next`` gives, and ``watch`` that too, until it is None.
    ``counts``: reviews, moves, merges, confirms, dismisses given; wrong ones among them; refused ones not among them.
    """

    def __init__(self, truth: Mapping[str, str | None], habits: Habits) -> None:
        self.habits = habits
        self.spent = 0
        self.counts: Counter[str] = Counter()
        self._truth = truth
        self._scopes: dict[str, _Scope] = {}
        self._refused = False  # the last feedback

    def watch(self, event: Event, outputs: Sequence[Output], now: float) -> None:
        """Take in what came of an event that arrived at ``now``, one's own feedback included."""
        scope = self._scopes.get(event.scope)
        if scope is None:
            scope = self._scopes[event.scope] = _Scope(event.scope, Board(self._truth, self._looks_at))
        joined = scope.board.take(outputs, now, by_hand=isinstance(event, Feedback))
        if joined is not None and joined.known and not joined.waiting and self._left():
            joined.waiting = True
            self._push(scope, self._due(joined), DUE, joined)
        if isinstance(event, Feedback) and event.actor == ACTOR:
            self._refused = any(isinstance(output, Refused) for output in outputs)
            self._count(event)

    def next(self, scope: str, now: float) -> Feedback | None:
        """The next feedback in a scope until ``now``; its outputs must be watched before the next call."""
        here = self._scopes.get(scope)
        if here is None:
            return None
        while self._left():
            if here.review is not None:
                feedback = next(here.review, None)
                if feedback is not None:
                    return feedback
                here.review = None
            if not here.heap or here.heap[0][0] > now:
                return None
            self._pop(here)
        here.review = None
        return None

    def scopes(self) -> list[str]:
        """The scopes watched so far."""
        return list(self._scopes)

    # -- when

    def _left(self) -> bool:
        return self.habits.budget is None or self.spent < self.habits.budget

    def _looks_at(self, incident: str) -> bool:
        return draw(self.habits.seed, f"look {incident}") < self.habits.look

    def _due(self, one: Seen) -> float:
        return min(one.last + self.habits.quiet, one.since + self.habits.old)

    @staticmethod
    def _push(scope: _Scope, at: float, what: int, one: Seen) -> None:
        scope.pushed += 1
        heapq.heappush(scope.heap, (at, scope.pushed, what, one))

    def _pop(self, scope: _Scope) -> None:
        at, _, what, one = heapq.heappop(scope.heap)
        if one.id not in scope.board.incidents or not one.changed:
            one.waiting = False
        elif what == VISIT:
            one.waiting = False
            self.counts["reviews"] += 1
            scope.review = self._review(scope, one, at)
        elif self._due(one) > at:  # alerts have come since
            self._push(scope, self._due(one), DUE, one)
        else:
            self._push(scope, at + self.habits.delay, VISIT, one)

    # -- what

    def _review(self, scope: _Scope, one: Seen, at: float) -> Iterator[Feedback]:
        one.since, one.changed = at, False
        if one.main is None:
            if one.open and one.groups:
                yield self._say(scope, at, Verb.DISMISS, incident=one.id)
            return
        group = one.main
        kept = yield from self._gather(scope, one, group, at)
        if kept is None:
            return
        for foreign in [foreign for foreign in kept.groups if foreign not in (group, None)] + [None]:
            yield from self._take_out(scope, kept, foreign, at)
        if set(kept.groups) == {group} and scope.board.pieces(group) == [kept]:
            yield self._say(scope, at, Verb.CONFIRM, incident=kept.id)

    def _gather(self, scope: _Scope, one: Seen, group: str, at: float) -> Generator[Feedback, None, Seen | None]:
        """Merge what is known to be mainly of the same group into the largest open one: the incident that this gives."""
        pieces = scope.board.pieces(group)
        able = [piece for piece in pieces if piece.open]
        if len(pieces) < 2 or not able:
            return one
        into = max(able, key=Seen.size)
        sources = tuple(piece.id for piece in pieces if piece is not into)[:MAX_LIST]
        feedback = self._say(scope, at, Verb.MERGE, incidents=sources, into=into.id)
        wrong = self._wrongly(scope, feedback, one, ())
        yield wrong or feedback
        if wrong is None and not self._refused:
            into.since, into.changed = at, False
            return into
        return scope.board.incidents.get(one.id)  # None: merged into a wrong one

    def _take_out(self, scope: _Scope, one: Seen, group: str | None, at: float) -> Iterator[Feedback]:
        """Move a group that does not belong to an incident out of it."""
        while one.count(group):
            alerts = tuple(one.groups[group])[:MAX_LIST]
            homes = [piece for piece in scope.board.pieces(group) if piece.open] if group is not None else []
            into = max(homes, key=Seen.size).id if homes else None
            feedback = self._say(scope, at, Verb.MOVE, alerts=alerts, into=into)
            wrong = self._wrongly(scope, feedback, one, alerts)
            yield wrong or feedback
            if wrong is not None or self._refused:
                return
            if group is None and scope.board.incidents[scope.board.carried_to].open:
                yield self._say(scope, at, Verb.DISMISS, incident=scope.board.carried_to)

    def _say(self, scope: _Scope, at: float, action: Verb, **what: Any) -> Feedback:
        scope.said += 1
        id = name("f", scope.name, f"{self.habits.seed}/{scope.said}")
        return Feedback(id, at, scope.name, ACTOR, action, **what)

    # -- wrongly

    def _wrongly(self, scope: _Scope, right: Feedback, one: Seen, alerts: tuple[str, ...]) -> Feedback | None:
        """What is done instead of a correction, for the share of them that is given wrongly; else None."""
        if draw(self.habits.seed, f"wrong {right.id}") >= self.habits.wrong:
            return None
        ways = [self._astray(scope, right, one, alerts), self._halved(scope, right, one)]
        if draw(self.habits.seed, f"how {right.id}") < 0.5:
            ways.reverse()
        found = next((way for way in ways if way is not None), None)
        scope.wrong |= {found.id} if found is not None else set()
        return found

    def _astray(self, scope: _Scope, right: Feedback, one: Seen, alerts: tuple[str, ...]) -> Feedback | None:
        """To a random other open incident, one of which neither the alerts nor the incident are a part."""
        group = self._truth[alerts[0]] if alerts else one.main
        others = [other for other in scope.board.recent() if other is not one and other.main not in (group, None)]
        if not others:
            return None
        into = others[int(draw(self.habits.seed, f"where {right.id}") * len(others))].id
        if alerts:
            return Feedback(right.id, right.at, scope.name, ACTOR, Verb.MOVE, alerts=alerts, into=into)
        return Feedback(right.id, right.at, scope.name, ACTOR, Verb.MERGE, incidents=(one.id,), into=into)

    @staticmethod
    def _halved(scope: _Scope, right: Feedback, one: Seen) -> Feedback | None:
        """The second half of what is right is split off."""
        mine: Iterable[str] = one.groups.get(one.main, {})
        half = list(mine)[one.count(one.main) - one.count(one.main) // 2 :][:MAX_LIST]
        return Feedback(right.id, right.at, scope.name, ACTOR, Verb.MOVE, alerts=tuple(half)) if half else None

    def _count(self, feedback: Feedback) -> None:
        wrong = self._scopes[feedback.scope].wrong
        if self._refused:
            self.counts["refused"] += 1
        else:
            self.counts[f"{feedback.action}s" if feedback.action != Verb.DISMISS else "dismisses"] += 1
            self.counts["wrong"] += feedback.id in wrong
            self.spent += feedback.action in (Verb.MOVE, Verb.MERGE)
        wrong.discard(feedback.id)


class _Scope:
    """What the responder knows of one scope, and does there."""

    def __init__(self, name: str, board: Board) -> None:
        self.name = name
        self.board = board
        self.heap: list[tuple[float, int, int, Seen]] = []
        self.pushed = 0
        self.said = 0
        self.review: Iterator[Feedback] | None = None
        self.wrong: set[str] = set()  # ids of feedback on its way


def arrivals(events: Iterable[Event]) -> list[float]:
    """When each event came, as far as a stream tells: the median of five of its scope's times, never going back.

    So a wrong clock does not make years pass. An event without a time came with the one before it.
    """
    events = list(events)
    times: dict[str, list[float]] = {}
    for event in events:
        mine = times.setdefault(event.scope, [])
        mine.append(event.at if event.at is not None else mine[-1] if mine else 0.0)
    smooth = {scope: _smooth(mine) for scope, mine in times.items()}
    return [next(smooth[event.scope]) for event in events]


def _smooth(times: Sequence[float]) -> Iterator[float]:
    latest = 0.0
    for number, at in enumerate(times):
        reach = min(2, number, len(times) - 1 - number)
        near = sorted(times[number - reach : number + reach + 1])
        # The first has none before it: a clock that is ahead there must not hold all others up.
        latest = max(latest, near[reach] if number else min(at, sorted(times[:3])[len(times[:3]) // 2]))
        yield latest
