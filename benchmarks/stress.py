"""What life does to a stream: damages that a grouping has to stand, each a pure function of a labelled stream and a seed.

A stream is a list of (event, truth) in the order of arrival: events as dicts in the project's format with a numeric
``at``; truth is the group of a firing alert, None for noise and for events that are not firing. The events given are
never changed. A damage keeps what the truth means: resolves are never lost, and the events of one dedup key keep their
order, so that a repeat still belongs to the alert it repeats.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import log2
from random import Random
from typing import Any, NamedTuple

Event = dict[str, Any]
Labelled = tuple[Event, str | None]
Stream = Sequence[Labelled]

THINGS = ("service", "host", "component", "group")  # fields that name the thing that fails; so does all under details


class Damage(NamedTuple):
    """One way to spoil a stream."""

    what: str
    apply: Callable[[Stream, Random], Iterable[Labelled]]
    by_chance: bool = True  # whether another seed makes another stream


def damaged(name: str, stream: Stream, seed: int = 1) -> list[Labelled]:
    """The stream after the damage of that name; the same seed gives the same stream."""
    return list(DAMAGES[name].apply(stream, Random(f"{seed}/{name}")))


# -- time


def _scaled(stream: Stream, _: Random, *, factor: float) -> Iterator[Labelled]:
    """All times after the first one stretched by a factor."""
    start = stream[0][0]["at"]
    for event, group in stream:
        yield _with(event, at=round(start + factor * (event["at"] - start), 6)), group


def _jittered(stream: Stream, chance: Random, *, by: float) -> list[Labelled]:
    """Each event moved by up to ``by`` s either way, and the whole in the order of its new times."""
    moved: list[Labelled] = []
    last: dict[tuple[str | None, str], float] = {}
    for event, group in stream:
        at = event["at"] + by * (2 * chance.random() - 1)
        if key := event.get("dedup_key"):
            own = (event.get("scope"), key)
            at = last[own] = max(at, last.get(own, at))
        moved.append((_with(event, at=round(at, 6)), group))
    return sorted(moved, key=lambda one: one[0]["at"])


def _coarse(stream: Stream, _: Random, *, step: int) -> Iterator[Labelled]:
    """Clocks that show whole multiples of ``step`` s, rounded down."""
    for event, group in stream:
        yield _with(event, at=float(event["at"] // step * step)), group


# -- alerts that go missing, and alerts that have nothing to do with it


def _thinned(stream: Stream, chance: Random, *, share: float) -> Iterator[Labelled]:
    """Each firing alert kept with probability ``share``; resolves are all kept."""
    for event, group in stream:
        kept = chance.random() < share
        if kept or event.get("status", "firing") != "firing":
            yield event, group


def _noisy(stream: Stream, chance: Random, *, every: float) -> Iterator[Labelled]:
    """In each scope one lone alert somewhere in every stretch of ``every`` s, from its first event to its last."""
    due: dict[str | None, tuple[int, float]] = {}  # scope -> number and time of its next lone alert
    start: dict[str | None, float] = {}
    for event, group in stream:
        scope, at = event.get("scope"), event["at"]
        if scope not in due:
            start[scope], due[scope] = at, (0, at + every * chance.random())
        number, when = due[scope]
        while when <= at:
            yield _lone(event, chance, f"lone/{scope}/{number}", round(when, 3)), None
            number += 1
            when = start[scope] + every * (number + chance.random())
        due[scope] = number, when
        yield event, group


WORDS = (
    "amber birch cedar delta ember fjord grove heron islet joule karst linden maple north ochre pearl quartz ridge "
    "slate tundra umber vale willow xenon yarrow zephyr"
).split()
KINDS = ("Backup", "Batch", "Cache", "Cert", "Cron", "Export", "Index", "Lease", "Login", "Mail", "Quota", "Sync")
FAILS = (
    "Delayed",
    "Expired",
    "Failed",
    "Late",
    "Missing",
    "Rejected",
    "Retried",
    "Skipped",
    "Slow",
    "Stuck",
    "Unusual",
)


def _lone(like: Event, chance: Random, id: str, at: float) -> Event:
    """An alert with the fields of another one and a name of its own in each.

    Names are made of so many words that hundreds of alerts come between two equal ones: a value that only lone alerts
    had, or that they shared with an incident, would make a field look better or worse as a key than it is. Severity
    and source are those of the alert it looks like.
    """
    thing = f"{chance.choice(WORDS)}-{chance.choice(WORDS)}"
    kind = chance.choice(KINDS) + chance.choice(FAILS)
    names = {
        "service": thing,
        "host": f"{thing}-{chance.randrange(40)}",
        "component": f"{chance.choice(WORDS)}-{chance.choice(WORDS)}",
        "group": f"{chance.choice(WORDS)}-{chance.choice(WORDS)}",
        "class": f"{kind}{chance.randrange(10)}",
    }
    lone = {key: like[key] for key in ("kind", "scope", "severity", "source") if like.get(key) is not None}
    lone |= {"id": id, "at": at, "status": "firing"}
    lone |= {key: name for key, name in names.items() if like.get(key) is not None}
    lone["summary"] = f"{kind} on {names['host']}: {chance.randrange(10_000)}"
    if like.get("details"):
        lone["details"] = {key: _made_up(value, chance) for key, value in like["details"].items()}
    return lone


def _made_up(value: Any, chance: Random) -> Any:
    """A value of the same type: another number of that size, another name, or what it was."""
    if type(value) in {int, float}:
        return type(value)(value * 2 * chance.random())
    if type(value) is str:
        return f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{chance.randrange(100)}"
    return value


# -- fields


def key_field(stream: Stream) -> str:
    """The field that tells groups apart best: the one whose removal hurts.

    Of the fields that name things, the one with the highest kappa; one under details, which may as well say what kind
    of alert it is, must be better by 0.3. kappa = (own - all) / (1 - all): own, the chance that two alerts of one group
    agree in it, groups weighted by log2(1 + alerts); all, the chance that any two alerts of a scope do. Unknown agrees
    with nothing. Empty: no field tells any.
    """
    firing = [(event, group) for event, group in stream if event.get("status", "firing") == "firing"]
    fields = dict.fromkeys(field for event, _ in firing for field in _things(event))
    kappas = {field: _kappa(firing, field) for field in fields}
    told = {field: kappa for field, kappa in kappas.items() if kappa > 0}
    return max(told, key=lambda field: told[field] + (0.3 if field in THINGS else 0.0), default="")


def _things(event: Event) -> Iterator[str]:
    yield from (field for field in THINGS if event.get(field) is not None)
    yield from (f"details.{name}" for name, value in (event.get("details") or {}).items() if type(value) is str)


def _kappa(firing: Stream, field: str) -> float:
    groups: dict[str, Counter[Any]] = defaultdict(Counter)
    scopes: dict[str | None, Counter[Any]] = defaultdict(Counter)
    for event, group in firing:
        value = _value(event, field)
        scopes[event.get("scope")][value] += 1
        if group is not None:
            groups[group][value] += 1
    own = _agreement(groups.values(), weigh=lambda size: log2(1 + size))
    everywhere = _agreement(scopes.values(), weigh=lambda size: size * (size - 1))
    return (own - everywhere) / (1 - everywhere) if everywhere < 1 else 0.0


def _agreement(counts: Iterable[Counter[Any]], weigh: Callable[[int], float]) -> float:
    """The chance that two of the same counter have the same known value; the mean over counters by weight."""
    total = weight = 0.0
    for counter in counts:
        size = counter.total()
        if size > 1:
            agree = sum(count * (count - 1) for value, count in counter.items() if value is not None)
            total += weigh(size) * agree / (size * (size - 1))
            weight += weigh(size)
    return total / weight if weight else 0.0


def _decoys(stream: Stream, chance: Random) -> Iterator[Labelled]:
    """Under details: one of eight values at random, the hour of the day, and the key field under another name."""
    field = key_field(stream)
    for event, group in stream:
        more = {"shard": f"s{chance.randrange(8)}", "hour": f"{int(event['at'] // 3600 % 24):02}h"}
        if (value := _value(event, field)) is not None:
            more["object"] = value
        yield _with(event, details={**more, **(event.get("details") or {})}), group


def copies(stream: Stream, field: str) -> list[str]:
    """The field and those that say the same in other words: their values go together, both ways, in 90 % of alerts."""
    pairs: dict[str, Counter[tuple[Any, Any]]] = defaultdict(Counter)
    known = 0
    for event, _ in stream:
        value = _value(event, field)
        known += value is not None
        for other in _things(event) if value is not None else ():
            pairs[other][value, _value(event, other)] += 1
    return [other for other, counter in pairs.items() if _one_to_one(counter) >= 0.9 * known]


def _one_to_one(pairs: Counter[tuple[Any, Any]]) -> int:
    """How many pairs are made of each other's most frequent partners."""
    there: dict[Any, Any] = {}
    back: dict[Any, Any] = {}
    for left, right in sorted(pairs, key=pairs.__getitem__):  # the last one stays
        there[left], back[right] = right, left
    return sum(count for (left, right), count in pairs.items() if there[left] == right and back[right] == left)


def _unnamed(stream: Stream, chance: Random, *, share: float) -> Iterator[Labelled]:
    """The key field and its copies removed from that share of the events."""
    fields = copies(stream, key_field(stream))
    for event, group in stream:
        yield (_without(event, fields) if chance.random() < share else event), group


def _one_scope(stream: Stream, _: Random) -> Iterator[Labelled]:
    """All scopes thrown into one; dedup keys stay apart."""
    for event, group in stream:
        keys = {"dedup_key": f"{event.get('scope')}/{event['dedup_key']}"} if event.get("dedup_key") else {}
        yield _with(event, scope="all", **keys), group


def _value(event: Event, field: str) -> Any:
    if field.startswith("details."):
        return (event.get("details") or {}).get(field.removeprefix("details."))
    return event.get(field)


def _with(event: Event, **changes: Any) -> Event:
    return {**event, **changes}


def _without(event: Event, fields: Iterable[str]) -> Event:
    details = {key: value for key, value in (event.get("details") or {}).items() if f"details.{key}" not in fields}
    return {key: value for key, value in _with(event, details=details).items() if key not in fields}


DAMAGES: dict[str, Damage] = {
    "time x 0.1": Damage("everything ten times faster", partial(_scaled, factor=0.1), by_chance=False),
    "time x 0.3": Damage("everything three times faster", partial(_scaled, factor=0.3), by_chance=False),
    "time x 3": Damage("everything three times slower", partial(_scaled, factor=3.0), by_chance=False),
    "time x 10": Damage("everything ten times slower", partial(_scaled, factor=10.0), by_chance=False),
    "half lost": Damage("each alert is lost with probability 1/2", partial(_thinned, share=0.5)),
    "jitter 3 s": Damage("each event up to 3 s early or late, in their new order", partial(_jittered, by=3.0)),
    "jitter 30 s": Damage("each event up to 30 s early or late, in their new order", partial(_jittered, by=30.0)),
    "clock 5 s": Damage("times rounded down to 5 s", partial(_coarse, step=5), by_chance=False),
    "clock 60 s": Damage("times rounded down to 60 s", partial(_coarse, step=60), by_chance=False),
    "noise 120 s": Damage("a lone unrelated alert every 120 s in each scope", partial(_noisy, every=120.0)),
    "noise 30 s": Damage("a lone unrelated alert every 30 s in each scope", partial(_noisy, every=30.0)),
    "decoys": Damage("a random field, the hour of the day, a copy of the key field", _decoys),
    "no key field": Damage(
        "the field that tells groups apart best removed, its copies too", partial(_unnamed, share=1.0), by_chance=False
    ),
    "key field 70 %": Damage("the same, in 30 % of the alerts", partial(_unnamed, share=0.3)),
    "one scope": Damage("all scopes thrown into one", _one_scope, by_chance=False),
}
