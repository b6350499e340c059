"""A responder's correction, carried over from the log to a play in which other incidents stand.

Incident ids of the log mean nothing there. What a responder meant can be said in alerts: these belong together, these
do not belong with those. So a correction is read as alerts from the log's ledger, before it is carried out there, and
carried over to the incidents that hold these alerts in the other play:

merge    the incidents that hold the alerts, each mostly these, become one
move     the alerts that stand with those they were taken from go where most of their new company is, or to a new one
resolve, dismiss   every incident all of whose alerts are in closed incidents of the log is closed
confirm  the incident that holds the same alerts, if there is one
undo     what was carried over is undone

What a correction would have had to do there says whether it would have been needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from grouping.ledger import Ledger
from grouping.records import Feedback, Verb


class Intent(NamedTuple):
    """What a responder meant: ``alerts`` belong with ``among`` and not with ``rest``."""

    feedback: Feedback
    alerts: tuple[str, ...]  # that were acted on
    among: tuple[str, ...] = ()  # of the incident they were put into
    rest: tuple[str, ...] = ()  # left behind where they were taken from
    work: int = 0  # incidents merged or alerts moved in the log


class Carried(NamedTuple):
    """What it comes to in the other play: the same correction there, and how much of it would have been needed."""

    events: list[Feedback]
    work: int


def intent(feedback: Feedback, log: Ledger) -> Intent:
    """What a feedback that the log's ledger has not taken yet means."""
    scope = feedback.scope
    match feedback.action:
        case Verb.MERGE:
            into = feedback.into or ""
            parts = [log.alerts(scope, id) for id in dict.fromkeys(feedback.incidents) if id != into]
            among = log.alerts(scope, into)
            return Intent(feedback, tuple(id for part in parts for id in part), among, (), sum(map(bool, parts)))
        case Verb.MOVE:
            among = log.alerts(scope, feedback.into) if feedback.into is not None else ()
            there = set(among)
            alerts = tuple(dict.fromkeys(log.original(scope, id) for id in feedback.alerts if id not in there))
            leaving, sources = set(alerts), dict.fromkeys(log.incident(scope, id) for id in alerts)
            rest = [id for source in sources for id in log.alerts(scope, source or "") if id not in leaving]
            return Intent(feedback, alerts, among, tuple(rest), len(alerts))
        case Verb.CONFIRM | Verb.RESOLVE | Verb.DISMISS:
            return Intent(feedback, log.alerts(scope, feedback.incident or ""))
        case Verb.UNDO:
            return Intent(feedback, ())


def carry(meant: Intent, log: Ledger, play: Ledger) -> Carried:
    """The same correction in the other play. The log's ledger has taken it by now."""
    match meant.feedback.action:
        case Verb.MERGE:
            return _merge(meant, play)
        case Verb.MOVE:
            return _move(meant, play)
        case Verb.RESOLVE | Verb.DISMISS:
            return _close(meant, log, play)
        case Verb.CONFIRM:
            found = _held(meant, meant.alerts, play)
            same = len(found) == 1 and set(play.alerts(meant.feedback.scope, next(iter(found)))) == set(meant.alerts)
            return Carried([replace(meant.feedback, incident=next(iter(found)))] if same else [], 0)
        case Verb.UNDO:
            return Carried([], 0)  # whoever carried the feedback over knows what to undo


def _held(meant: Intent, alerts: Iterable[str], play: Ledger) -> Counter[str]:
    """How many of the alerts each incident of the other play holds, in order of appearance."""
    found = (play.incident(meant.feedback.scope, id) for id in alerts)
    return Counter(incident for incident in found if incident is not None)


def _merge(meant: Intent, play: Ledger) -> Carried:
    scope, held = meant.feedback.scope, _held(meant, (*meant.among, *meant.alerts), play)
    # What a responder would merge: not an incident that is mostly about something else.
    mostly = [id for id, count in held.items() if 2 * count > len(play.alerts(scope, id))]
    into = next((id for id in mostly if play.is_open(scope, id)), None)
    others = tuple(id for id in mostly if id != into)
    events = [replace(meant.feedback, incidents=others, into=into)] if into is not None and others else []
    return Carried(events, max(len(held) - 1, 0))


def _move(meant: Intent, play: Ledger) -> Carried:
    scope = meant.feedback.scope
    away = set(_held(meant, meant.rest, play))
    own = _held(meant, meant.alerts, play)
    company = _held(meant, meant.among, play) or Counter({id: n for id, n in own.items() if id not in away})
    home = max(company, key=company.__getitem__, default=None)
    wrong = [id for id in meant.alerts if play.incident(scope, id) != home or home in away]
    # A repeat cannot be moved; an incident that holds both sides is not where anybody would move them.
    loose = tuple(id for id in wrong if play.original(scope, id) == id and play.incident(scope, id) is not None)
    possible = loose and home not in away and (home is None or play.is_open(scope, home))
    return Carried([replace(meant.feedback, alerts=loose, into=home)] if possible else [], len(wrong))


def _close(meant: Intent, log: Ledger, play: Ledger) -> Carried:
    feedback, scope = meant.feedback, meant.feedback.scope
    done = [
        id
        for id in _held(meant, meant.alerts, play)
        if play.is_open(scope, id)
        and not any(log.is_open(scope, log.incident(scope, alert) or "") for alert in play.alerts(scope, id))
    ]
    names = [feedback.id, *(f"{feedback.id}#{number}" for number in range(2, len(done) + 1))]
    return Carried([replace(feedback, id=name, incident=id) for name, id in zip(names, done, strict=False)], 0)
