"""What the records say: each part of a scope as the bytes of a record, and read back from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

import numpy as np
import orjson

from grouping.grounds import Change
from grouping.memory import Lesson, Memory, Saying
from grouping.promotion import Promotion, Trial
from grouping.scope import Before, Incident, Pace, Scope, Sight, Standing, StoredAlert, Usual, Written
from grouping.title import Title
from grouping.tune import Look, Tuning

Profile = tuple[int, bytes]  # how many rows of an incident's profile are not 0, and these as Arena.sparse has them
_MERGED: Final = 5  # place of what was merged into it in an incident's record


def head_bytes(scope: Scope) -> bytes:
    """A scope but for what has records of its own."""
    return orjson.dumps(
        {
            "policy": scope.policy,
            "policies_before": scope.policies_before,
            "events": scope.events,
            "learned": scope.learned,
            "turn": scope.turn,
            "rekeyed": scope.rekeyed,
            "times": scope.times,
            "ticked": scope.ticked,
            "unticked": scope.unticked,
            "pace": _pace(scope.pace),
            "doubts": [[doubt.at, *_pace(doubt.pace)] for doubt in scope.doubts],
            "ids_seen": scope.ids_seen,
            "joinable": [incident.id for incident in scope.joinable.values()],
        }
        | ({"shadow": scope.shadow.figures()} if scope.shadow is not None else {})
        | ({"ended": scope.ended} if scope.ended else {})
    )


def _pace(pace: Pace) -> list[float]:
    return [pace.count, pace.fast, pace.mean, pace.slow, pace.last_at]


def tuning_bytes(tuning: Tuning) -> bytes:
    """What tuning knows but the recent alerts, which are written page by page."""
    look = tuning.look
    going = None
    if look is not None:
        going = [getattr(look, spec.name) for spec in fields(look)]
    families = [
        list(tuning.families),
        list(tuning.families.values()),
        list(tuning.labels),
        list(tuning.labels.values()),
    ]
    head = [tuning.recent.count, tuning.recent.fields, tuning.next_at, tuning.rule, tuning.since, going]
    return orjson.dumps([*head, *families])


def read_tuning(value: bytes) -> tuple[Tuning, int, list[str]]:
    """What tuning knows but the recent alerts, and how many there were, with which fields."""
    count, fields, next_at, rule, since, going, kinds, families, labelled, labels = orjson.loads(value)
    tuning = Tuning(next_at=next_at, look=None if going is None else Look(*going), rule=rule, since=since)
    tuning.families, tuning.labels = dict(zip(kinds, families, strict=True)), dict(zip(labelled, labels, strict=True))
    return tuning, count, fields


def columns(scope: Scope, incidents: list[Incident]) -> Iterator[Profile]:
    """For each, how many rows of its profile are not 0, and these as Arena.sparse has them."""
    columns = iter(scope.arena.sparse([incident.slot for incident in incidents if incident.slot >= 0]))
    for incident in incidents:
        column = b"" if incident.slot < 0 else next(columns)
        yield len(column) // 3, column


def alert_bytes(alert: StoredAlert) -> bytes:
    """An alert as it was decided."""
    head: list[Any] = [alert.incident, alert.at, alert.fields, tuple(alert.decision or ())]
    if alert.raised:
        head.append(alert.raised)
    return b"%b\n%b" % (orjson.dumps(head), alert.features)


def read_alert(value: bytes) -> StoredAlert:
    """The alert of a record."""
    head, _, features = value.partition(b"\n")
    found: list[Any] = orjson.loads(head)
    decision = Written._make(found[3]) if found[3] else None
    return StoredAlert(found[0], found[1], found[2], decision, features, found[4] if len(found) > 4 else 0)


def incident_bytes(incident: Incident, profile: Profile) -> bytes:
    """An incident with its profile, as ``columns`` has it."""
    rows, column = profile
    head = orjson.dumps([*_fields(incident), [incident.slot, rows]])
    return b"%b\n%b" % (head, column)


def read_incident(id: str, value: bytes) -> tuple[Incident, int, Profile]:
    """The incident of a record, out of the arena; the slot that it had there, and its profile."""
    head, _, column = value.partition(b"\n")
    *fields, (slot, rows) = orjson.loads(head)
    return _incident(id, fields), slot, (rows, column)


def before_bytes(event: int, incident: Incident, profile: Profile) -> bytes:
    """An incident as it is before a feedback, the ``event``-th event of its scope, changes it."""
    rows, column = profile
    fields = _fields(incident)
    fields[_MERGED] = []
    head = orjson.dumps([event, *fields, [incident.slot, rows]])
    return b"%b\n%b" % (head, column)


def read_before(id: str, value: bytes) -> Before:
    """What an incident was like before a feedback."""
    head, _, column = value.partition(b"\n")
    event, *fields, (slot, rows) = orjson.loads(head)
    found = _incident(id, fields)
    found.slot = slot
    return Before(event, found, (rows, column))


def _fields(incident: Incident) -> list[Any]:
    """An incident as it is written down, but for its slot."""
    title = incident.title
    return [
        incident.born_at,
        incident.first_at,
        incident.last_at,
        incident.standing,
        incident.into,
        incident.merged,
        incident.latest,
        incident.count,
        incident.keyless,
        incident.firing,
        incident.ranks,
        [title.kinds, title.others],
        incident.pages,
        incident.page,
        incident.keys,
        [[code, *sight] for code, sight in incident.seen.items()],
        incident.touched,
        incident.kind,
        incident.weight,
        incident.placed,
        incident.revised,
    ]


def _incident(id: str, fields: list[Any]) -> Incident:
    """The incident of these fields, out of the arena."""
    born, first, last, standing, into, merged, latest, count, keyless, firing, ranks, (kinds, others), *rest = fields
    pages, page, keys, seen, touched, kind, weight, placed, revised = rest
    return Incident(
        id,
        born,
        first,
        last,
        Standing(standing),
        into,
        merged,
        latest,
        count,
        keyless,
        firing,
        ranks,
        Title({template: (alerts, shared) for template, (alerts, shared) in kinds.items()}, others),
        pages,
        page,
        keys,
        {code: Sight(at, turn) for code, at, turn in seen},
        touched,
        kind,
        weight,
        placed,
        revised,
    )


def last_alert(record: bytes) -> float:
    """When the last alert of an incident's record came."""
    at: float = orjson.loads(record.partition(b"\n")[0])[2]
    return at


def promotion_bytes(promotion: Promotion) -> bytes:
    """What corrections promoted, and a trial that goes on."""
    trial = promotion.trial
    going = None if trial is None else _values(trial)
    given, numbers = list(promotion.corrections), list(promotion.corrections.values())
    watch = [promotion.before, promotion.since, promotion.wait, promotion.demoted, promotion.watched]
    stands = [promotion.actors, [_values(change) for change in promotion.changes]]
    forgotten = [promotion.gone, promotion.gone_then, promotion.known_from]
    head = [promotion.touched, given, promotion.next_at, promotion.rule, going, numbers]
    return orjson.dumps([*head, *watch, *stands, *forgotten])


def _values(record: Trial | Change) -> list[Any]:
    return [getattr(record, spec.name) for spec in fields(record)]


def read_promotion(value: bytes | None) -> Promotion:
    """The promotion of a record; that of the beginning where there is none."""
    if value is None:
        return Promotion()
    touched, given, next_at, rule, going, numbers, before, since, wait, demoted, watched, *rest = orjson.loads(value)
    actors, changes, gone, gone_then, known_from = rest
    return Promotion(
        touched,
        dict(zip(given, numbers, strict=True)),
        next_at,
        rule,
        None if going is None else Trial(*going),
        before,
        since,
        wait,
        demoted,
        watched,
        actors,
        [Change(*change) for change in changes],
        gone,
        gone_then,
        known_from,
    )


def memory_bytes(memory: Memory) -> bytes:
    """All lessons, the oldest first."""
    return orjson.dumps(
        [
            [
                lesson.feedback,
                lesson.actor,
                lesson.where,
                [[*pair, *said] for pair, *said in lesson.sayings],
                lesson.noise,
                lesson.withdrawn,
            ]
            for lesson in memory.lessons.values()
        ]
    )


def read_lessons(value: bytes | None) -> Iterator[Lesson]:
    """The lessons of a record; none where there is none."""
    for feedback, actor, where, sayings, noise, withdrawn in orjson.loads(value or b"[]"):
        said = (Saying((one, other), *said) for one, other, *said in sayings)
        yield Lesson(feedback, actor, where, tuple(said), noise, withdrawn)


def usual_bytes(usual: Usual) -> bytes:
    """The counts of what is usual: a line that says how many, then tables of numbers."""
    counts = [*usual.kind, *usual.together]
    head = orjson.dumps([usual.alerts, usual.total, usual.last_kind, [len(count) for count in counts]])
    tables = np.concatenate((usual.feature.ravel(), usual.seen)).astype("<u2").tobytes()
    pairs = [np.array([*count.keys(), *count.values()], "<u8").tobytes() for count in counts]
    return b"".join((head, b"\n", tables, *pairs))


def read_usual(value: bytes) -> Usual:
    """The counts of a record."""
    head, _, body = value.partition(b"\n")
    usual = Usual()
    usual.alerts, usual.total, usual.last_kind, sizes = orjson.loads(head)
    width = len(usual.seen)
    tables = np.frombuffer(body, "<u2", 3 * width).astype(np.uint16).reshape(3, width)
    usual.feature, usual.seen = tables[:2].copy(), tables[2].copy()
    start = tables.nbytes
    counts: list[dict[int, int]] = []
    for size in sizes:
        numbers = np.frombuffer(body, "<u8", 2 * size, start).tolist()
        counts.append(dict(zip(numbers[:size], numbers[size:], strict=True)))
        start += 16 * size
    usual.kind, usual.together = counts[:2], counts[2:]
    return usual
