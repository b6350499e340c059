"""Labelled streams that look like monitoring: what fails, what alerts, and which alerts belong together.

A workload is a function of a seed: the same seed gives the same events, on every Python. Every firing event has a
truth: the fault behind it, or None for noise. Events come in the order in which they arrive, which with late alerts
and wrong clocks is not the order of their times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

START = 1_760_000_000.0
MINUTE, HOUR = 60.0, 3600.0

Event = dict[str, Any]


class Kind(NamedTuple):
    """A kind of alert: what the monitoring calls it and how its title reads."""

    name: str
    severity: str
    component: str
    title: str


KINDS = {
    "disk": Kind("DiskFull", "critical", "filesystem", "disk {percent}% full on {host}"),
    "cpu": Kind("HighCPU", "warning", "node", "CPU high on {host}"),
    "latency": Kind("HighLatency", "error", "http", "p99 latency of {service} is {ms} ms"),
    "errors": Kind("HighErrorRate", "critical", "http", "{percent}% of requests to {service} fail"),
    "restart": Kind("PodRestarting", "warning", "kubelet", "pod {pod} restarted {few} times"),
    "probe": Kind("ProbeFailed", "error", "blackbox", "health probe of {host} failed: connection refused"),
    "queue": Kind("QueueGrowing", "warning", "broker", "{ms} messages wait in queue {service}.events"),
    "replica": Kind("ReplicaLag", "error", "postgres", "replica {host} is {ms} s behind"),
}

# Who calls whom: an outage climbs from the right to the left.
CALLS = {
    "web": ("cart", "catalog", "login"),
    "mobile": ("cart", "catalog", "login", "push"),
    "cart": ("pricing", "stock", "session"),
    "catalog": ("search", "images", "pricing"),
    "login": ("users", "session", "audit"),
    "push": ("queue", "users"),
    "checkout": ("cart", "payments", "ledger", "mail"),
    "payments": ("ledger", "fraud", "bank"),
    "ledger": ("orders-db", "queue"),
    "pricing": ("pricing-db",),
    "stock": ("stock-db", "queue"),
    "search": ("search-index",),
    "images": ("object-store",),
    "users": ("users-db",),
    "session": ("redis",),
    "fraud": ("features", "users-db"),
    "features": ("redis", "object-store"),
    "mail": ("queue", "smtp"),
    "audit": ("queue",),
}
SERVICES = sorted({*CALLS, *(callee for callees in CALLS.values() for callee in callees)})
REGIONS = ("eu-1", "us-2")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event on its way: when it comes in, what it says, and the fault behind it."""

    when: float
    event: Event
    group: str | None


@dataclass(frozen=True, slots=True)
class World:
    """The chance of one run, and where its alerts belong."""

    chance: Random
    scope: str

    def alert(self, at: float, kind: str, service: str, *, host: str | None = None, region: str | None = None) -> Event:
        """A firing alert; now and then a field is missing, as in life."""
        chance = self.chance
        where = region or chance.choice(REGIONS)
        machine = host or f"{service}-{where}-{1 + chance.randrange(6)}"
        known = KINDS[kind]
        pod = f"{service}-{chance.randrange(16**5):05x}"
        title = known.title.format(
            host=machine,
            service=service,
            pod=pod,
            percent=chance.randrange(80, 100),
            ms=chance.randrange(200, 9000),
            few=chance.randrange(2, 9),
        )
        return {
            "kind": "alert",
            "at": round(at, 3),
            "scope": self.scope,
            "status": "firing",
            "dedup_key": f"{known.name}/{machine}",
            "severity": None if chance.random() < 0.05 else known.severity,
            "source": "blackbox" if kind == "probe" else "prometheus",
            "service": service,
            "host": None if chance.random() < 0.05 else machine,
            "component": known.component,
            "class": known.name,
            "summary": title,
            "details": {"region": where, "pod": pod, "zone": f"{where}{chance.choice('abc')}"},
        }

    def fault(  # noqa: PLR0913 — what, where, when, how much
        self,
        group: str,
        start: float,
        length: float,
        services: tuple[str, ...],
        kinds: tuple[str, ...],
        count: int,
        *,
        region: str | None = None,
        resolves: bool = True,
    ) -> Iterator[Arrival]:
        """Alerts of one fault: dense at first, thinner later; resolved when it is over."""
        keys: dict[str, Event] = {}
        for number in range(count):
            share = self.chance.random() if number else 0.0
            at = start + length * (share * share)  # multiplied: a power may differ in its last bit between machines
            event = self.alert(at, self.chance.choice(kinds), self.chance.choice(services), region=region)
            event["dedup_key"] = f"{event['dedup_key']}/{number}" if self.chance.random() < 0.5 else event["dedup_key"]
            keys[event["dedup_key"]] = event
            yield Arrival(at + self.chance.random(), event, group)
        for event in keys.values() if resolves else ():
            at = start + length + self.chance.random() * 2 * MINUTE
            yield Arrival(at, {**event, "at": round(at, 3), "status": "resolved"}, None)

    def noise(self, start: float, length: float, every: float) -> Iterator[Arrival]:
        """Lone alerts that belong to nothing, one in `every` seconds on average."""
        at = start + every * self.chance.random()
        while at < start + length:
            event = self.alert(at, self.chance.choice(tuple(KINDS)), self.chance.choice(SERVICES))
            event["dedup_key"] = None
            yield Arrival(at, event, None)
            at += every * 2 * self.chance.random()

    def cascade(self, group: str, start: float, root: str, count: int) -> Iterator[Arrival]:
        """A fault in `root` that climbs along the calls, some seconds a hop."""
        levels: list[tuple[str, ...]] = [(root,)]
        while above := tuple(s for s, callees in CALLS.items() if set(callees) & set(levels[-1])):
            seen = {service for level in levels for service in level}
            fresh = tuple(service for service in above if service not in seen)
            if not fresh:
                break
            levels.append(fresh)
        for hop, services in enumerate(levels):
            kinds = ("probe", "restart", "cpu") if hop == 0 else ("latency", "errors")
            share = max(2, count // (hop + 1) // len(levels))
            yield from self.fault(group, start + 25.0 * hop, 4 * MINUTE, services, kinds, share)


def _faults(usual: int, scale: float) -> int:
    """How many faults a stream of this scale has: at least one, however short it shall be."""
    return max(1, round(usual * scale))


def _storm(world: World, scale: float) -> Iterator[Arrival]:
    for number in range(_faults(8, scale)):
        service = world.chance.choice(SERVICES)
        start = START + number * 25 * MINUTE + world.chance.random() * 5 * MINUTE
        count = 30 + world.chance.randrange(150)
        yield from world.fault(f"storm-{number}", start, 3 * MINUTE, (service,), ("probe", "errors", "latency"), count)


def _drip(world: World, scale: float) -> Iterator[Arrival]:
    for number in range(_faults(10, scale)):
        service, start = world.chance.choice(SERVICES), START + number * 7 * HOUR
        yield from world.fault(f"drip-{number}", start, 4 * HOUR, (service,), ("disk", "queue"), 50, resolves=False)


def _flapping(world: World, scale: float) -> Iterator[Arrival]:
    for number in range(_faults(12, scale)):
        start, service = START + number * 40 * MINUTE, world.chance.choice(SERVICES)
        first = world.alert(start, "probe", service)
        at = start
        for _ in range(25):
            event = {**first, "at": round(at, 3)}
            yield Arrival(at, event, f"flap-{number}")
            at += 5 + 40 * world.chance.random()
            yield Arrival(at, {**event, "at": round(at, 3), "status": "resolved"}, None)
            at += 2 + 20 * world.chance.random()


def _two_faults(world: World, scale: float) -> Iterator[Arrival]:
    shared = ("cart", "checkout", "payments")
    for number in range(_faults(6, scale)):
        start = START + number * HOUR
        yield from world.fault(f"eu-{number}", start, 8 * MINUTE, shared, ("disk", "replica"), 60, region="eu-1")
        later = start + 90 * world.chance.random()
        yield from world.fault(f"us-{number}", later, 8 * MINUTE, shared, ("latency", "errors"), 60, region="us-2")


def _hidden_outage(world: World, scale: float) -> Iterator[Arrival]:
    for number in range(_faults(6, scale)):
        start = START + number * HOUR
        loud = ("web", "cart", "catalog")
        yield from world.fault(f"loud-{number}", start, 10 * MINUTE, loud, ("errors", "latency", "cpu"), 150)
        hidden = start + (2 + 4 * world.chance.random()) * MINUTE
        yield from world.fault(f"hidden-{number}", hidden, 5 * MINUTE, ("bank",), ("probe", "queue"), 8)


def _cascade(world: World, scale: float) -> Iterator[Arrival]:
    roots = ("redis", "queue", "users-db", "object-store", "pricing-db", "orders-db")
    for number in range(_faults(8, scale)):
        yield from world.cascade(f"cascade-{number}", START + number * 45 * MINUTE, roots[number % len(roots)], 120)


def _noise(world: World, scale: float) -> Iterator[Arrival]:
    yield from world.noise(START, 12 * HOUR * scale, 60.0)
    for number in range(_faults(8, scale)):
        service = world.chance.choice(SERVICES)
        start = START + (0.5 + 1.4 * number) * HOUR
        yield from world.fault(f"fault-{number}", start, 4 * MINUTE, (service,), ("errors", "restart"), 40)


def _templated(world: World, scale: float) -> Iterator[Arrival]:
    for number in range(_faults(20, scale)):
        service, start = world.chance.choice(SERVICES), START + number * 20 * MINUTE
        for _ in range(30):
            at = start + 90 * world.chance.random()
            host = f"{service}-{world.chance.randrange(400)}"
            yield Arrival(at, world.alert(at, "cpu", service, host=host), f"rollout-{number}")


def _skew(world: World, scale: float) -> Iterator[Arrival]:
    offsets = {service: world.chance.choice((0.0, 0.0, 0.0, -120.0, 90.0)) for service in SERVICES}
    for arrival in (*_storm(world, scale), *_cascade(world, scale)):
        event = arrival.event
        late = 600 * world.chance.random() if world.chance.random() < 0.05 else 2 * world.chance.random()
        at = round(event["at"] + offsets[event["service"]], 3)
        yield Arrival(arrival.when + late, {**event, "at": at}, arrival.group)


def _drift(world: World, scale: float) -> Iterator[Arrival]:
    faults = max(2, round(16 * scale))
    half = START + faults / 2 * HOUR
    for number in range(faults):
        start = START + number * HOUR
        services = ("cart", "checkout") if number % 2 else ("search", "catalog")
        for arrival in world.fault(f"fault-{number}", start, 5 * MINUTE, services, ("errors", "latency"), 50):
            renamed = arrival.event if start < half else _renamed(arrival.event)
            yield Arrival(arrival.when, renamed, arrival.group)
        if start >= half:
            team = ("ml-train", "ml-serve", "vectors")
            yield from world.fault(f"team-{number}", start + 20 * MINUTE, 5 * MINUTE, team, ("cpu", "restart"), 40)


def _renamed(event: Event) -> Event:
    """The same alert after services were renamed."""
    old, new = event["service"], f"shop-{event['service']}-v2"
    texts = {key: value.replace(old, new) for key, value in event.items() if isinstance(value, str)}
    return event | texts | {"kind": "alert", "service": new}


def _demo(world: World, scale: float) -> Iterator[Arrival]:
    for turn in range(_faults(1, scale)):
        yield from _three_hours(world, START + turn * 3 * HOUR, f" ({turn + 1})" if turn else "")


def _three_hours(world: World, start: float, again: str) -> Iterator[Arrival]:
    """What happens in the demo; ``again`` tells a later round's faults from the first one's."""
    yield from world.noise(start, 3 * HOUR, 90.0)
    yield from world.cascade(f"redis is down{again}", start + 20 * MINUTE, "redis", 260)
    disks = ("disk", "replica")
    yield from world.fault(f"disks fill up{again}", start + 55 * MINUTE, 6 * MINUTE, ("orders-db",), disks, 90)
    yield from world.cascade(f"queue is stuck{again}", start + 80 * MINUTE, "queue", 320)
    yield from world.fault(f"bank unreachable{again}", start + 82 * MINUTE, 4 * MINUTE, ("bank",), ("probe",), 12)
    rolled, kinds = ("search", "catalog"), ("restart", "cpu")
    yield from world.fault(f"bad rollout{again}", start + 120 * MINUTE, 5 * MINUTE, rolled, kinds, 240)
    yield from world.cascade(f"users-db failover{again}", start + 150 * MINUTE, "users-db", 300)


# -- streams without end, cheap per event: for measuring speed


NUMBER = "\0"  # stands in a title where the number comes


@dataclass(slots=True)
class _Live:
    """An incident under way in a crowd: what its alerts say, but for the number in the title."""

    group: str
    forms: tuple[tuple[Event, str, str], ...]  # body, title before the number, title after it
    left: int


def _form(chance: Random, service: str, host: str, pod: str, region: str) -> tuple[Event, str, str]:
    """One kind of alert of an incident; a few do not say how severe they are."""
    kind = KINDS[chance.choice(tuple(KINDS))]
    title = kind.title.format(host=host, service=service, pod=pod, percent=NUMBER, ms=NUMBER, few=NUMBER)
    body: Event = {} if chance.random() < 0.05 else {"severity": kind.severity}
    body |= {"source": "prometheus", "service": service, "host": host, "component": kind.component}
    body |= {"class": kind.name, "summary": title, "details": {"region": region, "pod": pod}}
    before, _, after = title.partition(NUMBER)
    return body, before, after


def _begin(chance: Random, name: str, made: int) -> _Live:
    """The next incident of a crowd, on a host of its own, with two kinds of alert."""
    service, region = chance.choice(SERVICES), chance.choice(REGIONS)
    host, pod = f"{service}-{made}", f"{service}-{chance.randrange(16**5):05x}"
    forms = tuple(_form(chance, service, host, pod, region) for _ in range(2))
    return _Live(f"{name}-{made}", forms, 5 + chance.randrange(56))


def _crowd(chance: Random, name: str, alerts: int, incidents: int) -> Iterator[tuple[Event, str | None]]:
    """``incidents`` faults at any time; each has an alert in every 100 s, 5 to 60 in all, then another takes its place.

    In each round the order is new, yet everyone has a turn: no silence lasts 200 s.
    """
    live = [_begin(chance, name, made) for made in range(incidents)]
    made, step, uniform = incidents, 100.0 / incidents, chance.random
    for number in range(alerts):
        turn = number % incidents
        place = turn + int(uniform() * (incidents - turn))
        one = live[place]
        live[place], live[turn] = live[turn], one
        body, before, after = one.forms[uniform() < 0.3]
        at = round(START + number * step, 3)
        event = {"kind": "alert", "id": "", "at": at, "scope": name, "status": "firing", **body}
        if NUMBER in body["summary"]:
            event["summary"] = f"{before}{10 + int(uniform() * 90)}{after}"
        yield event, one.group
        one.left -= 1
        if not one.left:
            live[turn] = _begin(chance, name, made)
            made += 1


def _repeats(chance: Random, name: str, alerts: int, incidents: int) -> Iterator[tuple[Event, str | None]]:
    """What Prometheus sends all day: ``incidents`` open alerts, each every 30 s; one in 200 ends, another begins."""
    world = World(chance, name)
    step = 30.0 / incidents
    known: list[Event] = []
    for number in range(incidents):
        event = world.alert(START, "probe", SERVICES[number % len(SERVICES)], host=f"host-{number}")
        known.append(_known(event))
    for number in range(alerts):
        place, at = number % incidents, round(START + number * step, 3)
        if number >= incidents and chance.random() < 0.005:
            replaced = known[place]
            host = f"host-{incidents + number}"
            known[place] = _known(world.alert(at, "probe", replaced["service"], host=host))
            yield {**replaced, "at": at, "status": "resolved"}, None
        else:
            yield {**known[place], "at": at}, f"{name}-{known[place]['dedup_key']}"


def _known(event: Event) -> Event:
    """What an event says, without what it does not know, with a place for its id."""
    return {"kind": event["kind"], "id": ""} | {key: value for key, value in event.items() if value is not None}


def _labelled(found: list[Arrival]) -> Iterator[tuple[Event, str | None]]:
    """Events with their truth. A repeat of an open alert belongs where that alert belongs, whoever sent it."""
    groups: dict[str, str | None] = {}
    for one in found:
        group, key = one.group, one.event["dedup_key"]
        if key is not None and one.event["status"] == "resolved":
            groups.pop(key, None)
        elif key is not None:
            group = groups.setdefault(key, group)
        yield _known(one.event), group


@dataclass(frozen=True, slots=True)
class Workload:
    """A named stream. Either ``arrivals`` (sorted by arrival) or ``stream`` (endless, as it comes)."""

    description: str
    arrivals: Callable[[World, float], Iterator[Arrival]] | None = None
    stream: Callable[[Random, str, int, int], Iterator[tuple[Event, str | None]]] | None = None
    size: int = 1000  # events at scale 1, about


WORKLOADS = {
    "demo": Workload("three hours of a shop: cascades, a hidden outage, a bad rollout, noise", _demo, size=1600),
    "storm": Workload("one service after the other fails loudly", _storm, size=1400),
    "drip": Workload("slow faults: an alert every few minutes, for hours", _drip, size=500),
    "flapping": Workload("probes that fail and recover, again and again", _flapping, size=600),
    "two_faults": Workload("two faults at once in the same services, in different regions", _two_faults, size=1300),
    "hidden_outage": Workload("a small second outage begins while a loud one rages", _hidden_outage, size=1800),
    "cascade": Workload("a fault climbs along the calls between services", _cascade, size=960),
    "noise": Workload("lone alerts all the time, and a fault now and then", _noise, size=1300),
    "templated": Workload("the same title from host after host: CPU high on <host>", _templated, size=600),
    "skew": Workload("storms and cascades with wrong clocks and late alerts", _skew, size=2100),
    "drift": Workload("half way services are renamed and a new team appears", _drift, size=2100),
    "crowd": Workload("many incidents open at once, for measuring speed", stream=_crowd, size=20_000),
    "repeats": Workload("open alerts resent all day, for measuring speed", stream=_repeats, size=50_000),
}


def simulate(
    name: str, seed: int, *, alerts: int | None = None, incidents: int | None = None
) -> Iterator[tuple[Event, str | None]]:
    """Events of a workload in order of arrival, each with the fault behind it (None: noise, or not firing).

    ``alerts``: about so many events, but one whole fault at least; exactly so many for crowd and repeats.
    ``incidents``: open at once (crowd), or keys resent (repeats); the others have their own. Every firing event has its
    truth under its own id; a repeat of an open key has that of the alert it repeats. Raises KeyError for an unknown name.
    """
    # Random takes a number without its sign; -1 shall not be 1 again.
    workload, chance = WORKLOADS[name], Random(seed if seed >= 0 else 2**64 - seed)
    if workload.stream is not None:
        stream = workload.stream(chance, name, alerts or workload.size, incidents or 1000)
    else:
        assert workload.arrivals is not None
        found = workload.arrivals(World(chance, name), (alerts or workload.size) / workload.size)
        stream = _labelled(sorted(found, key=lambda one: one.when))
    for number, (event, group) in enumerate(stream):
        event["id"] = f"{name}-{seed}-{number:x}"
        yield event, group
