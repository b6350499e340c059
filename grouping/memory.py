"""What responders told a scope, remembered as pairs: these belong together up to a silence, or stay apart.

A correction says of alerts that they belong together, or that they do not. It is kept as a lesson: pairs of what was
seen, with the silence between them. When one of a pair comes again while the other stands in an open incident, the
engine has been told what to do. The latest lesson on a pair holds: the engine does as it was told until it is told
otherwise, and a lesson that is taken away leaves what the others give.

An alert is seen at two levels, as two codes. Its signature (fields and title, an even number) is exact: one lesson is
enough. Its kind (service and class, an odd number) is what many alerts share: there lessons about two incidents have to
agree, and few may differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

LESSONS: Final = 512  # remembered per scope; then the oldest of whoever gave most is forgotten
AGREEING: Final = 2  # incidents whose lessons have to agree on a pair of kinds ...
DOUBT: Final = 2  # ... and be more than so many times those that differ
# Lessons of an actor that somebody else contradicted or took back, from which on, if they are the most, none counts.
DISPUTED: Final = 5
NEVER: Final = float("inf")

NOBODY: Final[frozenset[str | None]] = frozenset()

Pair = tuple[int, int]
Place = tuple[float, str]  # what was said of an incident last: the silence, s, and by which feedback


def pair_of(one: int, other: int) -> Pair:
    """Two codes as a pair: which came first does not matter."""
    return (one, other) if one <= other else (other, one)


class Saying(NamedTuple):
    """Whether what has the codes of a pair belongs together while up to so many seconds lie between, or not from then on.

    With a ``silence`` below 0 nothing holds any more of what was said before. Not ``sure``: the two are so frequent that
    they meet within that time by chance; such a saying needs another one, about another incident, to agree.
    """

    pair: Pair
    together: bool
    silence: float
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one feedback said. ``where`` is the incident it was about.

    ``noise``: that none of its alerts belongs to any incident, so what earlier lessons joined in it does not either.
    ``withdrawn``: somebody else took it back; it says nothing any more, but counts against whoever gave it.
    """

    feedback: str
    actor: str | None
    where: str
    sayings: tuple[Saying, ...] = ()
    noise: bool = False
    withdrawn: bool = False


class Verdict(NamedTuple):
    """What holds for a pair: together up to ``until`` s of silence, apart from ``since`` s on; who said so, and when."""

    until: float = -1.0
    together_by: str = ""
    together_at: int = -1
    since: float = NEVER
    apart_by: str = ""
    apart_at: int = -1


UNSAID: Final = Verdict()


@dataclass(slots=True)
class _Fold:
    """What holds for a pair of signatures after what was said so far; see ``take``."""

    alike: bool
    now: Verdict = UNSAID
    unsure: dict[str, float] = field(default_factory=dict)  # incident -> silence of what still needs another to agree

    def take(self, at: int, lesson: Lesson, saying: Saying) -> None:
        """What was said last holds; what was said before only where that leaves room.

        Two that differ stay apart whatever the silence; two that are ``alike`` from the silence on that was told.
        """
        now, silence = self.now, saying.silence
        if silence < 0:
            self.now, self.unsure = UNSAID, {}
        elif saying.together:
            if not saying.sure:
                self.unsure[lesson.where] = max(silence, self.unsure.get(lesson.where, 0.0))
                if len(self.unsure) < AGREEING:
                    return
                silence = sorted(self.unsure.values())[-AGREEING]
            until = max(now.until, silence)
            since = NEVER if now.since <= until else now.since
            self.now = Verdict(until, lesson.feedback, at, since, now.apart_by, now.apart_at)
        else:
            since = min(now.since, silence) if self.alike else 0.0
            until = -1.0 if now.until >= since else now.until
            self.now = Verdict(until, now.together_by, now.together_at, since, lesson.feedback, at)


@dataclass(slots=True)
class Memory:
    """The lessons of a scope, oldest first. The rest follows from them, whatever was learned and forgotten between."""

    lessons: dict[str, Lesson] = field(default_factory=dict)  # by feedback
    partners: dict[int, dict[int, Verdict]] = field(default_factory=dict)  # code -> other code -> what holds
    quarantined: frozenset[str | None] = frozenset()  # actors whose lessons do not count; None: all who gave no name
    _number: dict[str, int] = field(default_factory=dict)  # feedback -> growing number
    _on: dict[Pair, dict[str, Saying]] = field(default_factory=dict)  # the lessons on a pair
    _doubted: dict[str, set[Pair]] = field(default_factory=dict)  # lesson -> pairs on which somebody else contradicted
    _given: dict[str | None, dict[str, None]] = field(default_factory=dict)  # actor -> lessons, oldest first
    _at: dict[str, dict[str, None]] = field(default_factory=dict)  # incident -> lessons about it
    _noise: dict[str, dict[str, str | None]] = field(default_factory=dict)  # incident -> lessons of noise, by whom
    _unsure: dict[Pair, dict[str, float]] = field(default_factory=dict)  # of folds, where there is any
    _friends: dict[int, list[int]] = field(default_factory=dict)  # code -> what ``friends`` gives, as far as asked for

    def learn(self, lesson: Lesson) -> None:
        """Take in a lesson; where there are too many, whoever gave most of them loses the oldest: nobody is crowded out."""
        while len(self.lessons) >= LESSONS:  # more than one where a state is of a time with another bound
            most = max(len(given) for given in self._given.values())
            self.forget(next(id for id, one in self.lessons.items() if len(self._given[one.actor]) == most))
        self._add(lesson)
        if lesson.noise:
            self._follow(self._pairs(lesson))
            return
        for saying in lesson.sayings:
            self._contradict(lesson, saying)
        judged = self._believe()
        for saying in lesson.sayings:
            if saying.pair not in judged:
                self._judge_last(lesson, saying)

    def restore(self, lessons: Iterable[Lesson]) -> None:
        """Take in what was written down, oldest first, into an empty memory: what follows is worked out once."""
        for lesson in lessons:
            self._add(lesson)
        self._follow(dict.fromkeys(self._on))

    def _add(self, lesson: Lesson) -> None:
        id = lesson.feedback
        self._number[id] = 1 + next(reversed(self._number.values()), 0)
        self.lessons[id] = lesson
        self._given.setdefault(lesson.actor, {})[id] = None
        if lesson.sayings:
            self._doubted[id] = set()
        for saying in lesson.sayings:
            self._on.setdefault(saying.pair, {})[id] = saying
        self._at.setdefault(lesson.where, {})[id] = None
        if lesson.noise:
            self._noise.setdefault(lesson.where, {})[id] = lesson.actor

    def forget(self, feedback: str) -> bool:
        """Take a lesson away, as if it had never been given. Whether there was one."""
        lesson = self.lessons.pop(feedback, None)
        if lesson is None:
            return False
        number, believed = self._number.pop(feedback), self.quarantined
        self._doubted.pop(feedback, None)
        del self._given[lesson.actor][feedback]
        for saying in lesson.sayings:
            lessons = self._on[saying.pair]
            del lessons[feedback]
            if not lessons:
                del self._on[saying.pair]
        del self._at[lesson.where][feedback]
        if lesson.noise:
            del self._noise[lesson.where][feedback]
            if not self._noise[lesson.where]:
                del self._noise[lesson.where]
            self._follow(self._pairs(lesson))
        else:
            for saying in lesson.sayings:
                self._no_more_contradict(number, lesson, saying)
            judged = self._believe()
            for saying in lesson.sayings:
                if saying.pair not in judged and self._hears(lesson, saying, believed):
                    self._judge_without(number, lesson, saying)
        if not self._at[lesson.where]:
            del self._at[lesson.where]
        if not self._given[lesson.actor]:
            del self._given[lesson.actor]
        return True

    def withdraw(self, feedback: str, by: str | None) -> bool:
        """Take a lesson away because ``by`` took it back. Whether there was one.

        What is left of somebody else's is that it was taken back, unless nobody believes the one who did.
        """
        lesson = self.lessons.get(feedback)
        if lesson is None:
            return False
        self.forget(feedback)
        if by != lesson.actor and by not in self.quarantined:
            self.learn(Lesson(feedback, lesson.actor, lesson.where, withdrawn=True))
        return True

    def trust(self, actor: str | None) -> tuple[int, int]:
        """How many lessons somebody gave, and how many of them somebody else contradicted or took back."""
        given = self._given.get(actor, {})
        return len(given), sum(self.lessons[id].withdrawn or bool(self._doubted.get(id)) for id in given)

    def told(self, codes: Pair, at: float, seen: Mapping[int, tuple[float, int]]) -> tuple[int, str]:
        """1: an alert of these codes belongs to an incident that saw ``seen`` (code -> s, turn); -1: not; 0: nothing said.

        And the feedback that said so. Signatures speak before kinds; of several, the latest lesson. Things stay apart
        only where none like it is in the incident already: there, nobody minded.
        """
        for code in codes:
            latest, answer, by = -1, 0, ""
            partners = self.partners.get(code)
            if partners is None:
                continue
            for partner in seen if len(seen) < len(partners) else partners:  # in any order: it comes to the same
                verdict, when = partners.get(partner), seen.get(partner)
                if verdict is None or when is None:
                    continue
                silence = abs(at - when[0])
                if silence <= verdict.until:
                    if verdict.together_at >= latest:  # also where the same lesson parts it from others there
                        latest, answer, by = verdict.together_at, 1, verdict.together_by
                elif silence >= verdict.since and (partner == code or code not in seen) and verdict.apart_at > latest:
                    latest, answer, by = verdict.apart_at, -1, verdict.apart_by
            if answer:
                return answer, by
        return 0, ""

    def dismissed(self, incident: str) -> bool:
        """Whether somebody said that none of its alerts belongs to anything."""
        return self._is_noise(incident, self.quarantined)

    def joined(self, incident: str) -> list[Pair]:
        """The pairs that lessons about an incident said belong together, the oldest first."""
        said = [saying for id in self._at.get(incident, {}) for saying in self.lessons[id].sayings]
        return [saying.pair for saying in said if saying.together]

    def friends(self, code: int) -> list[int]:
        """Codes that what has this code was told to belong to, those of the latest lesson first."""
        known = self._friends.get(code)
        if known is None:
            found = [
                (-verdict.together_at, partner)
                for partner, verdict in self.partners.get(code, {}).items()
                if verdict.until >= 0
            ]
            known = self._friends[code] = [partner for _, partner in sorted(found)]
        return known

    # -- what follows

    def _follow(self, pairs: dict[Pair, None]) -> None:
        """Look anew at all that was said of these pairs."""
        for pair in pairs:
            self._doubt(pair)
        judged = self._believe()
        for pair in pairs:
            if pair not in judged:
                self._judge(pair)

    def _believe(self) -> dict[Pair, None]:
        """Whom to believe by now; the pairs of which that changed what counts, judged anew."""
        quarantined = frozenset(actor for actor in self._given if self._disputed(actor))
        changed, self.quarantined = quarantined ^ self.quarantined, quarantined
        pairs: dict[Pair, None] = {}
        for actor in changed:
            for id in self._given[actor]:
                pairs |= self._pairs(self.lessons[id])
        for pair in pairs:
            self._judge(pair)
        return pairs

    def _pairs(self, lesson: Lesson) -> dict[Pair, None]:
        """What a lesson bears upon; noise on all that was said of its incident."""
        pairs: dict[Pair, None] = dict.fromkeys([saying.pair for saying in lesson.sayings])
        for id in self._at[lesson.where] if lesson.noise else ():
            for saying in self.lessons[id].sayings:
                pairs[saying.pair] = None
        return pairs

    def _hears(self, lesson: Lesson, saying: Saying, but: frozenset[str | None]) -> bool:
        """Whether a saying counts; ``but`` by these none does."""
        return lesson.actor not in but and not (saying.together and self._is_noise(lesson.where, but))

    def _is_noise(self, where: str, but: frozenset[str | None]) -> bool:
        noise = self._noise.get(where)
        return noise is not None and any(actor not in but for actor in noise.values())

    def _doubt(self, pair: Pair) -> None:
        """Note which lessons on a pair are contradicted by a later one of somebody else."""
        later: tuple[list[str | None], list[str | None]] = [], []  # who said apart, together: two are enough
        for id, saying in reversed(self._on.get(pair, {}).items()):
            lesson = self.lessons[id]
            self._doubted[id].discard(pair)
            if not self._hears(lesson, saying, NOBODY):
                continue
            if any(actor != lesson.actor for actor in later[not saying.together]):
                self._doubted[id].add(pair)
            same = later[saying.together]
            if len(same) < 2 and lesson.actor not in same:
                same.append(lesson.actor)

    def _contradict(self, latest: Lesson, said: Saying) -> None:
        """Note which lessons on a pair the latest one contradicts: back to where its actor said the same before."""
        if not self._hears(latest, said, NOBODY):
            return
        for id, saying in reversed(self._on[said.pair].items()):
            lesson = self.lessons[id]
            if lesson is latest or not self._hears(lesson, saying, NOBODY):
                continue
            if saying.together != said.together:
                if lesson.actor != latest.actor:
                    self._doubted[id].add(said.pair)
            elif lesson.actor == latest.actor:
                return

    def _no_more_contradict(self, number: int, gone: Lesson, said: Saying) -> None:
        """The same after a lesson has gone: nothing has changed where its actor said the same later."""
        if not self._hears(gone, said, NOBODY):
            return
        for id, saying in reversed(self._on.get(said.pair, {}).items()):
            if self._number[id] < number:
                break
            lesson = self.lessons[id]
            if saying.together == said.together and lesson.actor == gone.actor and self._hears(lesson, saying, NOBODY):
                return
        self._doubt(said.pair)

    def _disputed(self, actor: str | None) -> bool:
        given, disputed = self.trust(actor)
        return disputed >= DISPUTED and 2 * disputed > given

    def _judge(self, pair: Pair) -> None:
        """Work out what holds for a pair from all that was said of it."""
        if pair[0] & 1:
            self._put(pair, self._agreed(pair))
            return
        fold = _Fold(pair[0] == pair[1])
        for id, saying in self._on.get(pair, {}).items():
            lesson = self.lessons[id]
            if self._hears(lesson, saying, self.quarantined):
                fold.take(self._number[id], lesson, saying)
        self._put_fold(pair, fold)

    def _judge_last(self, lesson: Lesson, saying: Saying) -> None:
        """The same where only this has come, as the last that was said."""
        pair = saying.pair
        if not self._hears(lesson, saying, self.quarantined):
            return
        if pair[0] & 1:
            self._judge(pair)
            return
        known = self.partners.get(pair[0], {}).get(pair[1])
        fold = _Fold(pair[0] == pair[1], known or UNSAID, self._unsure.get(pair, {}))
        fold.take(self._number[lesson.feedback], lesson, saying)
        self._put_fold(pair, fold)

    def _judge_without(self, number: int, gone: Lesson, said: Saying) -> None:
        """The same where this has gone, which counted: with and without it, until that comes to the same."""
        pair = said.pair
        if pair[0] & 1:
            self._judge(pair)
            return
        without = _Fold(pair[0] == pair[1])
        beside: _Fold | None = None
        for id, saying in self._on.get(pair, {}).items():
            at, lesson = self._number[id], self.lessons[id]
            if beside is None and at > number:
                beside = _Fold(without.alike, without.now, dict(without.unsure))
                beside.take(number, gone, said)
            if not self._hears(lesson, saying, self.quarantined):
                continue
            without.take(at, lesson, saying)
            if beside is not None:
                beside.take(at, lesson, saying)
                if beside == without:
                    return
        self._put_fold(pair, without)

    def _put_fold(self, pair: Pair, fold: _Fold) -> None:
        if fold.unsure:
            self._unsure[pair] = fold.unsure
        else:
            self._unsure.pop(pair, None)
        now = fold.now
        self._put(pair, now if now.until >= 0 or now.since < NEVER else None)

    def _put(self, pair: Pair, verdict: Verdict | None) -> None:
        one, other = pair
        for code, partner in ((one, other), (other, one))[: 1 + (one != other)]:
            self._friends.pop(code, None)
            partners = self.partners.setdefault(code, {})
            if verdict is None:
                partners.pop(partner, None)
            else:
                partners[partner] = verdict
            if not partners:
                del self.partners[code]

    def _agreed(self, pair: Pair) -> Verdict | None:
        """Of two kinds: what lessons about two incidents agree on, if few differ."""
        places: tuple[dict[str, Place], dict[str, Place]] = {}, {}
        for id, saying in self._on.get(pair, {}).items():
            lesson = self.lessons[id]
            if self._hears(lesson, saying, self.quarantined):
                places[saying.together][lesson.where] = saying.silence, id
        apart, together = places
        if len(together) >= AGREEING and len(together) > DOUBT * len(apart):
            until = sorted([silence for silence, _ in together.values()])[-AGREEING]
            _, by = next(reversed(together.values()))
            return Verdict(until=until, together_by=by, together_at=self._number[by])
        if len(apart) >= AGREEING and len(apart) > DOUBT * len(together):
            _, by = next(reversed(apart.values()))
            return Verdict(since=0.0, apart_by=by, apart_at=self._number[by])
        return None
