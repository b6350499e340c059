"""What a scope knows of its responders' corrections: which incidents they touched, which rules these promoted, on what grounds.

Every bit of it can be taken back: feedback that is undone, or whose author is believed no longer, counts no more, and a change
that does not stand without it falls. What is kept is bounded, and nobody's feedback crowds out that of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.grounds import FIRST, WATCHED, Change, stands
from grouping.regroup import Ints, Sorted

INCIDENTS = 256  # touched last, that are the truth
DEMOTED = 16  # rules remembered as demoted
CORRECTIONS = 4096  # remembered one by one; the oldest of whoever gave most are only counted then
CHANGES = 8  # of what decides, remembered with what they stand on


@dataclass(slots=True)
class Trial:
    """One trial of the portfolio on the alerts before the ``end``-th, while it goes on."""

    end: int
    corrections: int
    todo: list[str]  # incidents not looked at yet
    asked: list[list[str]]  # the feedback about each of them
    actors: dict[str, str | None]  # who gave it
    roots: list[str] = field(default_factory=list)  # those looked at
    numbers: list[int] = field(default_factory=list)  # of the alerts with a known group
    groups: list[int] = field(default_factory=list)  # place of the root + 1; 0 for noise
    decided: list[int] = field(default_factory=list)  # code of the incident that each was decided into
    about: list[list[str]] = field(default_factory=list)  # feedback, per root
    tried: int = 0  # rules
    now: list[float] = field(default_factory=list)  # the Jaccard index of each group, the way it goes now
    best: list[float] = field(default_factory=list)
    rule: str = ""


class Ground(NamedTuple):
    """What a trial plays its rules on: N alerts in the order in which they came, M of which have a known group."""

    of: Trial
    asked: tuple[str, str]  # names of the policy that decides, and of the one the scope found
    at: NDArray[np.float64]  # (N,) s
    codes: NDArray[np.uint32]  # (ROWS, N)
    names: list[str]  # of the policies to try
    places: NDArray[np.intp]  # (M,)
    groups: Ints  # (M,)
    true: list[int]  # groups of two or more alerts
    weights: list[float]  # theirs
    known: dict[tuple[str, ...], Sorted]  # see play


@dataclass(slots=True)
class Promotion:
    """``touched``: incident -> the feedback about it. ``rule``: the one promoted last, "" for none."""

    touched: dict[str, list[str]] = field(default_factory=dict)
    corrections: dict[str, int] = field(default_factory=dict)  # merges and moves that stand -> number of the alert
    next_at: int = FIRST
    rule: str = ""
    trial: Trial | None = None
    before: str = ""  # the rule promoted before
    since: int = 0  # number of the first alert that the rule decided
    wait: int = WATCHED  # corrections that count until it is judged next ...
    demoted: list[str] = field(default_factory=list)
    watched: int = 0  # ... after that many were given in all
    actors: dict[str, str | None] = field(default_factory=dict)  # who gave the feedback above
    changes: list[Change] = field(default_factory=list)  # oldest first
    gone: int = 0  # corrections that counted and are only counted by now ...
    gone_then: int = 0  # ... of those given when it was judged last
    known_from: int = 0  # number of the alert from which on all corrections are remembered
    # Follow from the rest, and from whom the scope believes; not part of the state:
    doubted: frozenset[str | None] = frozenset()  # actors whose feedback does not count
    counted: int = 0  # corrections that count
    counted_then: int = 0  # of those given when it was judged last
    ground: Ground | None = field(default=None, compare=False)  # of the trial

    def promote(self, rule: str, number: int, stands_on: Change | None = None) -> None:
        """Let a rule decide from that alert on, "" for what the scope found."""
        self._note(stands_on)
        self.before, self.rule, self.since = self.rule, rule, number
        self.watch()

    def demote(self, number: int, stands_on: Change | None = None) -> None:
        """Go back to what decided before, from that alert on."""
        self._note(stands_on)
        self.demoted = [*self.demoted, self.rule][-DEMOTED:]
        self.rule, self.before, self.since = "" if self.before in self.demoted else self.before, "", number
        self.watch()

    def drop(self, rule: str, families: Mapping[int, int], since: int, stands_on: Change) -> None:
        """Note that the rule which the scope had found goes, and what that stands on."""
        stands_on.found, stands_on.found_since = rule, since
        stands_on.families = [list(pair) for pair in families.items()]
        self._note(stands_on)

    def _note(self, change: Change | None) -> None:
        if change is None:
            return
        change.rule, change.before, change.since, change.demoted = self.rule, self.before, self.since, self.demoted
        change.given = len(change.actors)
        self.changes = [*self.changes, change][-CHANGES:]

    def fallen(self) -> Change | None:
        """The first change that what still stands would not have brought: it and all after it are taken back."""
        place = next((place for place, one in enumerate(self.changes) if not stands(one, self.doubted)), None)
        if place is None:
            return None
        change = self.changes[place]
        del self.changes[place:]
        self.rule, self.before, self.since, self.demoted = change.rule, change.before, change.since, change.demoted
        self.watch()
        self.trial = self.ground = None
        self.next_at = FIRST  # what is left may speak for another rule: it is tried at once
        while 2 * self.next_at <= self.counted:
            self.next_at *= 2
        return change

    def watch(self) -> None:
        """What decides has changed: it is judged after some corrections more."""
        self.watch_on(WATCHED)

    def watch_on(self, wait: int) -> None:
        """It is judged after so many corrections more."""
        self.wait, self.watched, self.counted_then = wait, len(self.corrections), self.counted
        self.gone_then = self.gone

    def touch(
        self, feedback: str, incidents: Sequence[str], corrects: bool, number: int = -1, actor: str | None = None
    ) -> None:
        """A responder looked at these incidents, and may have corrected what became of the ``number``-th alert."""
        self.actors[feedback] = actor
        for id in incidents:
            self.touched[id] = [*self.touched.pop(id, []), feedback]
        while len(self.touched) > INCIDENTS:
            self._drop(self._oldest())
        if corrects:
            self.corrections[feedback] = number
            self.counted += actor not in self.doubted
            if len(self.corrections) > CORRECTIONS:
                self._only_count()
        self._tidy([feedback])

    def _only_count(self) -> None:
        """Forget the oldest correction of whoever gave most, but for that there was one."""
        actors = [self.actors[feedback] for feedback in self.corrections]
        count = Counter(actors)
        most = max(count.values())
        place = next(place for place, actor in enumerate(actors) if count[actor] == most)
        feedback = list(self.corrections)[place]
        self.known_from = max(self.known_from, self.corrections.pop(feedback) + 1)
        early = place < self.watched
        self.watched -= early
        if actors[place] not in self.doubted:
            self.gone += 1
            self.gone_then += early
        self._tidy([feedback])

    def _oldest(self) -> str:
        """The incident touched longest ago by whoever touched most of them last: nobody is crowded out."""
        last = {id: self.actors[given[-1]] for id, given in self.touched.items()}
        count: dict[str | None, int] = {}
        for actor in last.values():
            count[actor] = count.get(actor, 0) + 1
        most = max(count.values())
        return next(id for id, actor in last.items() if count[actor] == most)

    def _drop(self, incident: str) -> None:
        self._tidy(self.touched.pop(incident))

    def _tidy(self, feedback: Sequence[str]) -> None:
        """Forget who gave feedback that nothing rests on any more."""
        for one in feedback:
            if one not in self.corrections and not any(one in given for given in self.touched.values()):
                self.actors.pop(one, None)

    def untouch(self, feedback: str) -> bool:
        """As if that feedback had never been given. Whether a change of what decides stood on it."""
        stood = False
        for change in self.changes:
            if feedback in change.actors:
                del change.actors[feedback]
                stood = True
        if feedback not in self.actors:
            return stood
        if feedback in self.corrections:
            self.watched -= feedback in islice(self.corrections, self.watched)
            del self.corrections[feedback]
            self._recount()
        for id, given in list(self.touched.items()):
            if feedback in given:
                given.remove(feedback)
                if not given:
                    del self.touched[id]
        del self.actors[feedback]
        self._in_order()
        if self.trial is None or feedback in self.trial.actors or self.next_at // 2 > self.counted:
            self._begin_again()
        return stood

    def _in_order(self) -> None:
        """Put the incidents in the order in which the feedback was given that touched each last."""
        place = {feedback: number for number, feedback in enumerate(self.actors)}
        self.touched = dict(sorted(self.touched.items(), key=lambda item: place[item[1][-1]]))

    def believe(self, doubted: frozenset[str | None]) -> bool:
        """Leave the feedback of these out from now on, and that of nobody else. Whether that changes anything."""
        if doubted == self.doubted:
            return False
        self.restored(doubted)
        self._begin_again()
        return True

    def restored(self, doubted: frozenset[str | None]) -> None:
        """What follows from the rest and from whom the scope believes, after it was read or has changed."""
        self.doubted = doubted
        self._recount()

    def _recount(self) -> None:
        counts = [self.actors[feedback] not in self.doubted for feedback in self.corrections]
        self.counted, self.counted_then = self.gone + sum(counts), self.gone_then + sum(counts[: self.watched])

    def _begin_again(self) -> None:
        """What counts has changed: a trial that goes on is begun anew, and one for which too little is left is to come."""
        half = self.next_at // 2
        if self.trial is not None and FIRST <= half <= self.counted:
            self.next_at = half
        self.trial = self.ground = None
        while self.next_at > FIRST and self.next_at // 2 > self.counted:
            self.next_at //= 2

    def knows(self, feedback: str) -> bool:
        """Whether something still rests on that feedback."""
        return feedback in self.actors or any(feedback in change.actors for change in self.changes)

    def lose(self, incidents: Sequence[str]) -> bool:
        """These incidents are gone, and nothing can be said of them any more. Whether that changes anything."""
        known = [id for id in incidents if id in self.touched]
        for id in known:
            self._drop(id)
        todo = self.trial.todo if self.trial is not None else []
        asked = [id for id in incidents if id in todo]
        for id in asked:
            place = todo.index(id)
            del todo[place]
            if self.trial is not None:
                del self.trial.asked[place]
        return bool(known or asked)
