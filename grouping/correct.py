"""What a responder changes. Everything is checked before anything is changed; each change can be undone.

And what it says is kept as a lesson, by which later alerts are judged (memory.py).

Incidents merged into another stay as parts of it: they keep their own members, and their alerts belong to the end of
the chain. So a merge costs the same for ten alerts and ten thousand, and undoing it gives back exactly what was there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from grouping import lessons
from grouping.before import note, put_back
from grouping.config import Config
from grouping.featurise import Featuriser
from grouping.lifecycle import (
    back_in_turn,
    begin_again,
    chain,
    close,
    direct_members,
    join,
    leave,
    line,
    members,
    opened,
    rebuild,
    root,
    settle,
    split,
    tree,
)
from grouping.memory import Lesson, Saying
from grouping.policy import Policy
from grouping.records import Change, Feedback, Merged, Moved, Output, Undone, Verb
from grouping.scope import Incident, Scope, Standing, StoredAlert
from grouping.state import State

MOVED = 1_000  # alerts of one line: brokers take a message up to about a megabyte
ORIGINS = 4  # incidents that alerts were moved out of, and that a lesson speaks of


class Impossible(ValueError):
    """A correction that cannot be carried out; the message names place, reason and remedy."""


class Desk(NamedTuple):
    """What a correction needs at hand."""

    config: Config
    state: State
    scope: Scope
    policy: Policy
    featurise: Featuriser
    since: float  # an incident without an alert since then takes no more

    def refresh(self, incident: Incident) -> None:
        """After alerts came or went: joinable with a fresh profile while it is recent enough, else not."""
        if incident.standing is not Standing.OPEN:
            return
        rebuild(self.state, self.scope, incident, self.policy, self.featurise)
        if incident.last_at < self.since:
            leave(self.scope, incident)

    def seen_in(self, incident: Incident) -> list[lessons.Seen]:
        """The first and last alerts of an incident as lessons see them."""
        return lessons.seen_in(self.state, self.scope, self.featurise, incident)

    def learn(self, lesson: Lesson) -> None:
        """Remember what a feedback said."""
        self.scope.memory.learn(lesson)
        self.scope.memory_changed = True
        self.scope.learned += 1

    def touch(self, feedback: Feedback, *incidents: Incident, of: Iterable[StoredAlert] = ()) -> None:
        """Somebody looked at these incidents: what stands in them now is what belongs together.

        ``of``: the alerts of which a correction says that they were decided wrongly.
        """
        corrects = feedback.action in (Verb.MERGE, Verb.MOVE)
        ids = [root(self.state, self.scope, incident.id).id for incident in incidents]
        number = max((kept.decision.number for kept in of if kept.decision), default=-1)
        self.scope.promotion.touch(feedback.id, list(dict.fromkeys(ids)), corrects, number, feedback.actor)
        self.scope.promotion_changed = True

    def unlearn(self, feedback: str, by: str | None) -> None:
        """Forget what a feedback said, as if it had never been given; whoever gave it is trusted less if another did."""
        self.scope.promotion.untouch(feedback)
        self.scope.promotion_changed = True
        if self.scope.memory.withdraw(feedback, by):
            self.scope.memory_changed = True
            self.scope.learned += 1

    def note(self, feedback: Feedback, incidents: Iterable[Incident]) -> list[str]:
        """Write down what incidents are like before a correction. Their ids."""
        return note(self.state, self.scope, feedback.id, incidents)

    def put_back(self, feedback: str, incident: Incident) -> bool:
        """Make an incident what it was before a correction; whether it could be, and was not built anew."""
        was = self.state.before(self.scope, feedback, incident.id)
        if put_back(self.state, self.scope, self.policy, self.featurise, incident, was):
            return True
        self.refresh(incident)
        incident.revised = self.scope.events
        self.scope.changed_incidents.add(incident.id)
        return False

    def reopen(self, feedback: str, incident: Incident) -> list[Output]:
        """Open an incident again that a correction closed."""
        placed, incident.standing = incident.placed, Standing.OPEN
        if not self.put_back(feedback, incident) and incident.slot >= 0:
            back_in_turn(self.scope, incident, placed)
        return [line(self.scope, incident, Change.REOPENED)]


def correct(desk: Desk, feedback: Feedback) -> list[Output]:
    """Carry a feedback out. Raises Impossible, and then nothing has changed."""
    match feedback.action:
        case Verb.MERGE:
            return _merge(desk, feedback)
        case Verb.MOVE:
            return _move(desk, feedback)
        case Verb.CONFIRM:
            desk.touch(feedback, _whole(desk, feedback.incident, "$.incident"))
            _remember(desk, feedback)
            return []
        case Verb.RESOLVE | Verb.DISMISS:
            incident = _open(desk, feedback.incident, "$.incident")
            before = desk.note(feedback, [incident])
            close(desk.scope, incident)
            if feedback.action is Verb.DISMISS:
                said = lessons.lesson(lessons.noise(desk.seen_in(incident)))
                desk.learn(Lesson(feedback.id, feedback.actor, incident.id, said, noise=True))
                desk.touch(feedback, incident)
            _remember(desk, feedback, incident=incident.id, before=before)
            return [line(desk.scope, incident, Change.RESOLVED)]
        case Verb.UNDO:
            return _undo(desk, feedback)


def _remember(desk: Desk, feedback: Feedback, **undo: Any) -> None:
    record = {"verb": feedback.action, "actor": feedback.actor, "at": feedback.at, "undone": False, **undo}
    desk.state.put_feedback(desk.scope, feedback.id, record)


def _whole(desk: Desk, id: str | None, place: str) -> Incident:
    """The incident of that id, open or resolved, but not merged away."""
    incident = desk.state.incident(desk.scope, id or "")
    if incident is None:
        raise Impossible(f"{place}: no incident {id} in scope {desk.scope.name!r}; look up its id and scope")
    if incident.standing is Standing.MERGED:
        end = root(desk.state, desk.scope, incident.id)
        raise Impossible(f"{place}: incident {id} was merged into {end.id}; name that one")
    return incident


def _open(desk: Desk, id: str | None, place: str) -> Incident:
    incident = _whole(desk, id, place)
    if incident.standing is not Standing.OPEN:
        raise Impossible(f"{place}: incident {id} is resolved; name an open one, or undo what resolved it")
    return incident


def _roomy(desk: Desk, target: int, coming: int, place: str) -> None:
    if target + coming > desk.config.size_max:
        raise Impossible(f"{place}: {target} + {coming} alerts in one incident, at most {desk.config.size_max}; split")


# -- merge


def _merge(desk: Desk, feedback: Feedback) -> list[Output]:
    target = _open(desk, feedback.into, "$.into")
    sources = [
        _whole(desk, id, f"$.incidents[{index}]") for index, id in enumerate(feedback.incidents) if id != target.id
    ]
    if not sources:
        raise Impossible(f"$.incidents: nothing to merge into {target.id} but itself; name another incident")
    _roomy(desk, target.count, sum(source.count for source in sources), "$.incidents")
    were = [[source.id, source.standing] for source in sources]
    theirs = [seen for source in sources for seen in desk.seen_in(source)]
    said = lessons.lesson(lessons.together(desk.scope.tuning.recent, theirs, desk.seen_in(target)))
    desk.learn(Lesson(feedback.id, feedback.actor, target.id, said))
    desk.touch(feedback, target, of=_first_of(desk, sources))
    before = desk.note(feedback, [target, *sources])
    for source in sources:
        close(desk.scope, source, Standing.MERGED)
        source.into = target.id
        _shift(target, source, 1)
    join(desk.state, desk.scope, target, sources)
    desk.refresh(target)
    desk.scope.changed_incidents.add(target.id)
    _remember(desk, feedback, into=target.id, sources=were, before=before)
    return [Merged(desk.scope.name, source.id, target.id, feedback.id) for source in sources]


def _first_of(desk: Desk, incidents: Iterable[Incident]) -> Iterator[StoredAlert]:
    """The alerts that opened incidents, as far as they are still in them."""
    for incident in incidents:
        for _, kept in islice(direct_members(desk.state, desk.scope, incident, newest_first=False), 1):
            yield kept


def _shift(incident: Incident, part: Incident, sign: int) -> None:
    """Count a merged incident's alerts in, or out again."""
    incident.count += sign * part.count
    incident.keyless += sign * part.keyless
    incident.firing += sign * part.firing
    for rank, alerts in enumerate(part.ranks):
        incident.ranks[rank] += sign * alerts


def _unmerge(desk: Desk, done: dict[str, Any], feedback: Feedback) -> list[Output]:
    of = feedback.feedback or ""
    outputs: list[Output] = []
    whole = root(desk.state, desk.scope, done["into"])
    parts = [(desk.state.known_incident(desk.scope, id), standing) for id, standing in done["sources"]]
    target = desk.state.known_incident(desk.scope, done["into"])
    for part, standing in parts:
        split(desk.state, desk.scope, target, part)
        for incident in chain(desk.state, desk.scope, target.id):
            _shift(incident, part, -1)
            begin_again(desk.state, desk.scope, incident, part)
            desk.scope.changed_incidents.add(incident.id)
        part.into, part.standing = None, Standing(standing)
        desk.scope.changed_incidents.add(part.id)
    desk.put_back(of, whole)
    for part, _ in parts:
        if part.standing is Standing.OPEN:
            outputs += desk.reopen(of, part)
        else:
            desk.put_back(of, part)
        alerts = tuple(reversed([id for id, _ in members(desk.state, desk.scope, part)]))
        outputs += _moved(desk, alerts, whole.id, part.id, feedback.id)
    for incident in [whole, *(part for part, _ in parts)]:
        outputs += settle(desk.scope, incident)
    return outputs


# -- move


def _move(desk: Desk, feedback: Feedback) -> list[Output]:
    target = None if feedback.into is None else _open(desk, feedback.into, "$.into")
    moving: list[tuple[str, StoredAlert]] = []
    for index, id in enumerate(feedback.alerts):
        kept = desk.state.alert(desk.scope, id)
        if kept is None:
            raise Impossible(f"$.alerts[{index}]: no alert {id} in scope {desk.scope.name!r}; look up its id and scope")
        if target is None or root(desk.state, desk.scope, kept.incident) is not target:
            moving.append((id, kept))
    if not moving:
        raise Impossible(f"$.alerts: all of them are in {feedback.into} already; name others")
    _roomy(desk, target.count if target else 0, len(moving), "$.alerts")
    created = target is None
    roots = [root(desk.state, desk.scope, kept.incident) for _, kept in moving] + ([] if target is None else [target])
    before = desk.note(feedback, {one.id: one for one in roots}.values())
    there = [] if target is None else desk.seen_in(target)
    if target is None:
        target = opened(desk.scope, feedback.id, min(kept.at for _, kept in moving))
        target.revised = desk.scope.events
    origins = [[id, kept.incident] for id, kept in moving]
    outputs, touched = _carry(desk, [(id, kept, target) for id, kept in moving], feedback.id)
    listed = set(desk.state.members(desk.scope, target))  # those that were there before stand where they stood
    for id, _ in moving:
        if id not in listed:
            desk.state.add_member(desk.scope, target, id)
    for incident in touched:
        desk.refresh(incident)
    said = _said_by_move(desk, moving, [origin for _, origin in origins], there)
    desk.learn(Lesson(feedback.id, feedback.actor, target.id, lessons.lesson(said)))
    sources = dict.fromkeys(origin for _, origin in origins)
    left = (desk.state.known_incident(desk.scope, origin) for origin in sources)
    desk.touch(feedback, target, *left, of=[kept for _, kept in moving])
    if created:
        outputs.insert(0, line(desk.scope, target, Change.OPENED))
    closed: list[str] = []
    for origin in dict.fromkeys(origin for _, origin in origins):
        source = root(desk.state, desk.scope, origin)
        lines = settle(desk.scope, source)
        closed += [source.id] if lines else []
        outputs += lines
    _remember(desk, feedback, into=target.id, origins=origins, closed=closed, event=desk.scope.events, before=before)
    return outputs + settle(desk.scope, target)


def _said_by_move(
    desk: Desk, moving: list[tuple[str, StoredAlert]], origins: list[str], there: list[lessons.Seen]
) -> list[Saying]:
    """They do not belong to what they were taken from, but to what is there and to each other; the first matters most.

    Of each other only these very ones: of their kinds, a correction that is about something else says too little.
    """
    recent = desk.scope.tuning.recent
    some = dict(moving[: lessons.LOOKED_AT] + moving[-lessons.LOOKED_AT :])
    moved = lessons.seen(desk.scope, desk.featurise, some.items())
    revoked: list[Saying] = []
    apart: list[Saying] = []
    for origin in list(dict.fromkeys(origins))[:ORIGINS]:
        whole = root(desk.state, desk.scope, origin)
        left = desk.seen_in(whole)
        for part in islice(tree(desk.state, desk.scope, whole), lessons.PARTS):
            revoked += lessons.revoked(desk.scope.memory.joined(part.id), moved, left)
        apart += lessons.apart(moved, left)
    own = [one for one in lessons.together(recent, moved, moved) if one.pair[0] != one.pair[1] and not one.pair[0] & 1]
    return revoked + lessons.in_turn(apart, lessons.together(recent, moved, there)) + own


def _carry(desk: Desk, moving: list[tuple[str, StoredAlert, Incident]], by: str) -> tuple[list[Output], list[Incident]]:
    """Carry alerts over to the incidents given, as direct members. Lines per pair of incidents, and these incidents."""
    lines: dict[tuple[str, str], list[str]] = {}
    touched: dict[str, Incident] = {}
    chains: dict[str, list[Incident]] = {}  # incident -> itself and all it was merged into
    for id, kept, target in moving:
        for one in (kept.incident, target.id):
            if one not in chains:
                chains[one] = list(chain(desk.state, desk.scope, one))
                desk.scope.changed_incidents.update(incident.id for incident in chains[one])
        left, come = chains[kept.incident], chains[target.id]
        lines.setdefault((left[-1].id, come[-1].id), []).append(id)
        touched |= {left[-1].id: left[-1], come[-1].id: come[-1]}
        keyless, firing = _live(desk, id, kept, target)
        for incidents, sign in ((left, -1), (come, 1)):
            for incident in incidents:
                incident.count += sign
                incident.keyless += sign * keyless
                incident.firing += sign * firing
                incident.ranks[kept.worst] += sign
        for incident in come:
            incident.first_at, incident.last_at = min(incident.first_at, kept.at), max(incident.last_at, kept.at)
        target.born_at = min(target.born_at, kept.at)
        desk.state.carry_alert(desk.scope, id, kept, target.id)
    outputs = [line for (source, end), alerts in lines.items() for line in _moved(desk, alerts, source, end, by)]
    return outputs, list(touched.values())


def _moved(desk: Desk, alerts: Sequence[str], source: str, end: str, by: str) -> list[Output]:
    """The lines that say which alerts went where, at most MOVED in each."""
    scope = desk.scope.name
    starts = range(0, max(len(alerts), 1), MOVED)
    return [Moved(scope, tuple(alerts[start : start + MOVED]), source, end, by) for start in starts]


def _live(desk: Desk, id: str, kept: StoredAlert, target: Incident) -> tuple[int, int]:
    """How an alert counts, as keyless and as firing; the latest alert of its key is told where it goes."""
    key = kept.fields[0]
    if key is None:
        return 1, 0
    known = desk.state.latest(desk.scope, key)
    if known is None or known.alert != id:
        return 0, 0
    known.incident = target.id
    desk.scope.changed_keys.add(key)
    return 0, int(known.live)


def _unmove(desk: Desk, done: dict[str, Any], feedback: Feedback) -> list[Output]:
    """Carry back what is still where it was moved to; say what is not, and is not where it came from either."""
    moving: list[tuple[str, StoredAlert, Incident]] = []
    stayed: list[str] = []
    for id, origin in done["origins"]:
        kept = desk.state.alert(desk.scope, id)
        if kept is not None and kept.incident == done["into"]:
            moving.append((id, kept, desk.state.known_incident(desk.scope, origin)))
        elif kept is None or root(desk.state, desk.scope, kept.incident) is not root(desk.state, desk.scope, origin):
            stayed.append(id)
    homes = {root(desk.state, desk.scope, target.id).id for _, _, target in moving}
    closed = [root(desk.state, desk.scope, id) for id in done["closed"]]
    reopened = [source for source in closed if source.standing is Standing.RESOLVED and source.id in homes]
    for source in reopened:
        source.standing = Standing.OPEN
    lines, touched = _carry(desk, moving, feedback.id)
    _merged_since(desk, [target for _, _, target in moving], done["event"])
    of = (
        feedback.feedback or "" if len(moving) == len(done["origins"]) else ""
    )  # of a part of it nothing is written down
    for incident in touched:
        if incident not in reopened:
            desk.put_back(of, incident)
    outputs = [line for source in reopened for line in desk.reopen(of, source)] + lines
    ends = [done["into"], *(target.id for _, _, target in moving)]
    for id in dict.fromkeys(ends):
        outputs += settle(desk.scope, root(desk.state, desk.scope, id))
    return outputs + _stayed(desk, feedback, stayed, "moved again since")


def _merged_since(desk: Desk, homes: Iterable[Incident], event: int) -> None:
    """Note that incidents which were merged after the move got alerts back: what they were like then lacks these."""
    for home in homes:
        for incident in chain(desk.state, desk.scope, home.id):
            if incident.into is not None and incident.revised > event:
                incident.revised = desk.scope.events
                desk.scope.changed_incidents.add(incident.id)


# -- undo


def _undo(desk: Desk, feedback: Feedback) -> list[Output]:
    """What was learned goes in any case; incidents go back to what they were, as far as nobody changed them since."""
    id = feedback.feedback or ""
    done = desk.state.feedback(desk.scope, id)
    lesson = desk.scope.memory.lessons.get(id)
    if (done is None and lesson and lesson.withdrawn) or (done and done["undone"]):
        raise Impossible(f"$.feedback: {id} is undone already")
    if done is None and (lesson or desk.scope.promotion.knows(id)):
        desk.unlearn(id, feedback.actor)  # it came with a model, or is of long ago: there is nothing else to take back
        _remember(desk, feedback, undid=id)
        return []
    if done is None:
        raise Impossible(f"$.feedback: no feedback {id} in scope {desk.scope.name!r}; look up its id and scope")
    match done["verb"]:
        case Verb.MERGE:
            outputs = _unmerge(desk, done, feedback)
        case Verb.MOVE:
            outputs = _unmove(desk, done, feedback)
        case Verb.RESOLVE | Verb.DISMISS:
            closed = desk.state.incident(desk.scope, done["incident"])
            if closed is None:  # retention resolved it, and deleted it then
                raise Impossible(f"$.feedback: {id} closed {done['incident']}, which was deleted since; leave it be")
            outputs = _unclose(desk, closed, feedback)
        case Verb.CONFIRM:
            outputs = []
        case _:
            raise Impossible(f"$.feedback: {id} is an undo itself; send the correction again instead")
    done["undone"] = True
    desk.state.drop_before(desk.scope.name, id, done.pop("before", ()))
    desk.unlearn(id, feedback.actor)
    desk.state.put_feedback(desk.scope, id, done)
    _remember(desk, feedback, undid=id)
    return outputs


def _unclose(desk: Desk, incident: Incident, feedback: Feedback) -> list[Output]:
    """Open an incident again that is closed still; one that was merged away since stays a part of what it is in."""
    if incident.standing is Standing.MERGED:
        end = root(desk.state, desk.scope, incident.id)
        return _stayed(desk, feedback, [incident.id], f"merged into {end.id} since")
    return desk.reopen(feedback.feedback or "", incident) + settle(desk.scope, incident)


def _stayed(desk: Desk, feedback: Feedback, ids: list[str], why: str) -> list[Output]:
    return [Undone(desk.scope.name, feedback.feedback or "", feedback.id, tuple(ids), why)] if ids else []
