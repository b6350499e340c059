"""The engine's state as records: small values under keys, one per thing that can change.

What is in memory is a decoded copy. ``flush`` writes what changed back into the records; ``drain`` hands the changed
records to a store; whatever is in no memory is read back from the store when an event asks for it. So a snapshot is
all records, and a restored engine goes on with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import numpy as np
import orjson

from grouping.codec import (
    alert_bytes,
    before_bytes,
    columns,
    head_bytes,
    incident_bytes,
    memory_bytes,
    promotion_bytes,
    read_alert,
    read_before,
    read_incident,
    read_lessons,
    read_promotion,
    read_tuning,
    read_usual,
    tuning_bytes,
    usual_bytes,
)
from grouping.config import Config
from grouping.draw import within
from grouping.keyspace import KINDS, BadState, Records, record_key, under
from grouping.layout import SHARE
from grouping.learn import count_up
from grouping.memory import Memory
from grouping.policy import Policy, learned, policy
from grouping.promotion import Promotion
from grouping.recent import PAGE, PAGES, Recent
from grouping.scope import (
    ID_GENERATION,
    ID_PAGE,
    MEMBER_PAGE,
    Before,
    Doubt,
    Incident,
    OpenAlert,
    Pace,
    Scope,
    StoredAlert,
)
from grouping.shadow import Shadow
from grouping.tune import Tuning

KEYS_KEPT: Final = 65_536  # decoded dedup keys held in memory per scope
INCIDENTS_KEPT: Final = 1024  # decoded incidents held beyond the joinable ones


class State:
    """All scopes: in memory those in use, the others as records."""

    def __init__(self, config: Config, below: Records | None = None) -> None:
        self._config = config
        self._below: Records = {} if below is None else below
        self._pending: dict[bytes, bytes | None] = {}
        self._scopes: dict[str, Scope] = {}  # the one used last at the end
        self._last: Scope | None = None

    # -- reading

    def get(self, key: bytes) -> bytes | None:
        """The record under a key, whether handed out already or not."""
        if key in self._pending:
            return self._pending[key]
        return self._below.get(key)

    def scope(self, name: str) -> Scope:
        """The scope of that name; a new one where none was known."""
        last = self._last
        if last is not None and last.name == name:
            return last
        scope = self._scopes.get(name)
        if scope is None:
            scope = self._load(name)
            self._scopes[name] = scope
            if len(self._scopes) > self._config.hot_scopes:
                oldest = next(iter(self._scopes))
                self.flush(self._scopes[oldest])
                del self._scopes[oldest]
        elif len(self._scopes) > 1:  # keep the order of use
            del self._scopes[name]
            self._scopes[name] = scope
        self._last = scope
        return scope

    def incident(self, scope: Scope, id: str) -> Incident | None:
        """The incident of that id, wherever it is kept."""
        found = scope.incidents.get(id)
        if found is None:
            value = self.get(record_key(b"i", scope.name, id))
            if value is None:
                return None
            found, _, _ = read_incident(id, value)
            scope.incidents[id] = found
        return found

    def known_incident(self, scope: Scope, id: str) -> Incident:
        """The same for an id that the engine itself wrote down."""
        found = self.incident(scope, id)
        if found is None:
            raise BadState(f"incident {id} of scope {scope.name!r} is missing from the records; restore a backup")
        return found

    def latest(self, scope: Scope, dedup_key: str) -> OpenAlert | None:
        """The latest alert of a dedup key."""
        found = scope.keys.get(dedup_key)
        if found is None:
            value = self.get(record_key(b"k", scope.name, dedup_key))
            if value is None:
                return None
            found = scope.keys[dedup_key] = OpenAlert(*orjson.loads(value))
        return found

    def alert(self, scope: Scope, id: str) -> StoredAlert | None:
        """An alert as it was decided."""
        value = self.get(record_key(b"a", scope.name, id))
        return None if value is None else read_alert(value)

    def alert_in(self, scope: Scope, id: str, incident: str) -> StoredAlert | None:
        """The same if the alert is a direct member of that incident; one that is not is not read in full."""
        value = self.get(record_key(b"a", scope.name, id))
        if value is None or not value.startswith(b'["%b"' % incident.encode()):
            return None
        return read_alert(value)

    def has_alert(self, scope: Scope, id: str) -> bool:
        """Whether an alert of that id was decided."""
        return self.get(record_key(b"a", scope.name, id)) is not None

    def feedback(self, scope: Scope, id: str) -> dict[str, Any] | None:
        """A feedback that was carried out, and how to undo it."""
        value = self.get(record_key(b"f", scope.name, id))
        return None if value is None else orjson.loads(value)

    def before(self, scope: Scope, feedback: str, incident: str) -> Before | None:
        """What an incident was like before a feedback changed it."""
        value = self.get(_before_key(scope.name, feedback, incident))
        return None if value is None else read_before(incident, value)

    def members(self, scope: Scope, incident: Incident, newest_first: bool = False) -> Iterator[str]:
        """Ids of the alerts that ever became direct members, each once, in order; some may have moved on."""
        pages = range(incident.pages)
        if newest_first:
            yield from reversed(incident.page)
        for number in reversed(pages) if newest_first else pages:
            ids = orjson.loads(self.get(_page_key(scope, incident, number)) or b"[]")
            yield from reversed(ids) if newest_first else ids
        if not newest_first:
            yield from incident.page

    def joinable(self) -> int:
        """How many incidents take alerts, in the scopes held in memory."""
        return sum(len(scope.joinable) for scope in self._scopes.values())

    # -- writing

    def put_alert(self, scope: Scope, id: str, alert: StoredAlert) -> None:
        """Write an alert down."""
        self._pending[record_key(b"a", scope.name, id)] = alert_bytes(alert)

    def carry_alert(self, scope: Scope, id: str, alert: StoredAlert, incident: str) -> None:
        """Write down that an alert is a direct member of another incident; what else is known of it stays as it is."""
        key = record_key(b"a", scope.name, id)
        value = self.get(key)
        if value is None:
            raise BadState(f"alert {id} of scope {scope.name!r} is missing from the records; restore a backup")
        self._pending[key] = b'["%b"%b' % (incident.encode(), value[len(alert.incident.encode()) + 3 :])
        alert.incident = incident

    def put_feedback(self, scope: Scope, id: str, undo: dict[str, Any]) -> None:
        """Write a feedback down."""
        self._pending[record_key(b"f", scope.name, id)] = orjson.dumps(undo)

    def put_before(self, scope: Scope, feedback: str, incident: Incident) -> None:
        """Write down what an incident is like before a feedback changes it."""
        (profile,) = columns(scope, [incident])
        self._pending[_before_key(scope.name, feedback, incident.id)] = before_bytes(scope.events, incident, profile)

    def drop_before(self, scope: str, feedback: str, incidents: Iterable[str]) -> None:
        """Delete what these incidents were like before a feedback."""
        for id in incidents:
            self._pending[_before_key(scope, feedback, id)] = None

    def drop_alert(self, scope: Scope, id: str, alert: StoredAlert) -> None:
        """Delete an alert, and its dedup key where it is the latest of it."""
        self._pending[record_key(b"a", scope.name, id)] = None
        key = alert.fields[0]
        known = None if key is None else self.latest(scope, key)
        if key is not None and known is not None and known.alert == id:
            del scope.keys[key]
            scope.changed_keys.discard(key)
            self._pending[record_key(b"k", scope.name, key)] = None

    def drop_incident(self, scope: Scope, incident: Incident) -> None:
        """Delete an incident that takes no alerts, and the list of its members."""
        for number in range(incident.pages):
            self._pending[_page_key(scope, incident, number)] = None
        self._pending[record_key(b"i", scope.name, incident.id)] = None
        del scope.incidents[incident.id]
        scope.changed_incidents.discard(incident.id)

    def drop_feedback(self, scope: str, id: str) -> None:
        """Delete a feedback: it can no longer be undone; what it taught stays."""
        key = record_key(b"f", scope, id)
        value = self.get(key)
        if value is not None:
            self.drop_before(scope, id, orjson.loads(value).get("before", ()))
        self._pending[key] = None

    def drop_feedbacks(self, scope: Scope) -> None:
        """Delete all feedback of a scope: none of it can be undone any more; what it taught stays."""
        prefix = record_key(b"f", scope.name)
        keys = [key for key, value in self._pending.items() if value is not None and key.startswith(prefix)]
        keys += [key for key, _ in under(self._below, prefix) if key not in self._pending]
        for key in sorted(keys):
            self.drop_feedback(scope.name, key[len(prefix) :].decode())

    def add_member(self, scope: Scope, incident: Incident, alert: str) -> None:
        """Add a direct member to an incident's list, in which it must not be yet."""
        incident.page.append(alert)
        if len(incident.page) == MEMBER_PAGE:
            self._pending[_page_key(scope, incident, incident.pages)] = orjson.dumps(incident.page)
            incident.pages += 1
            incident.page = []

    def remember_id(self, scope: Scope, id: str) -> None:
        """Remember the id of an event for a while, whether or not it leaves a record of its own."""
        scope.ids[id] = None
        scope.id_page.append(id)
        scope.ids_seen += 1
        if scope.ids_seen % ID_PAGE == 0:
            self._write_ids(scope)
            scope.id_page = []
            if scope.ids_seen % ID_GENERATION == 0:
                scope.ids_before, scope.ids = scope.ids, {}
                for number in _id_pages(scope.ids_seen - 2 * ID_GENERATION):
                    self._pending[_id_key(scope, number)] = None

    def drop_ids(self, scope: Scope, ids: Iterable[str]) -> None:
        """Let the ids of events that were remembered count as new again."""
        gone = {id: None for id in ids if id in scope.ids or id in scope.ids_before}
        if not gone:
            return
        for id in gone:
            scope.ids.pop(id, None)
            scope.ids_before.pop(id, None)
        begun = scope.ids_seen // ID_GENERATION * ID_GENERATION
        for first in (begun - ID_GENERATION, begun):
            for number in _id_pages(first):
                page = orjson.loads(self.get(_id_key(scope, number)) or b"[]")
                kept = [id for id in page if id not in gone]
                if len(kept) < len(page):
                    self._pending[_id_key(scope, number)] = orjson.dumps(kept)
        scope.id_page = [id for id in scope.id_page if id not in gone]
        scope.changed = True

    def _write_ids(self, scope: Scope) -> None:
        if scope.id_page:
            self._pending[_id_key(scope, (scope.ids_seen - 1) // ID_PAGE)] = orjson.dumps(scope.id_page)

    def _write_tuning(self, scope: Scope) -> None:
        tuning, recent = scope.tuning, scope.tuning.recent
        self._pending[record_key(b"t", scope.name)] = tuning_bytes(tuning)
        kept = recent.pages()
        for number in range(scope.pages_written, kept.stop):
            if number in kept:
                self._pending[_recent_key(scope, number)] = recent.page(number)
            gone = number - PAGES
            if gone >= 0:
                self._pending[_recent_key(scope, gone)] = None
        scope.pages_written = recent.count // PAGE

    def flush(self, scope: Scope) -> None:
        """Write what changed in a scope into the records and forget what need not stay in memory."""
        if not scope.changed:
            return
        self._pending[record_key(b"s", scope.name)] = head_bytes(scope)
        self._write_ids(scope)
        if scope.usual_changed:
            count_up(scope.usual)
            self._pending[record_key(b"u", scope.name)] = usual_bytes(scope.usual)
            self._write_tuning(scope)
        if scope.promotion_changed:
            self._pending[record_key(b"p", scope.name)] = promotion_bytes(scope.promotion)
        if scope.memory_changed:
            self._pending[record_key(b"l", scope.name)] = memory_bytes(scope.memory)
        changed = [scope.incidents[id] for id in scope.changed_incidents]
        for incident, column in zip(changed, columns(scope, changed), strict=True):
            self._pending[record_key(b"i", scope.name, incident.id)] = incident_bytes(incident, column)
        for key in scope.changed_keys:
            known = scope.keys[key]
            self._pending[record_key(b"k", scope.name, key)] = orjson.dumps(
                [known.alert, known.incident, known.live, known.acknowledged, known.severity, known.repeats]
            )
        scope.changed = scope.usual_changed = scope.memory_changed = scope.promotion_changed = False
        scope.changed_incidents.clear()
        scope.changed_keys.clear()
        if len(scope.keys) > KEYS_KEPT:
            scope.keys.clear()
        if len(scope.incidents) > len(scope.joinable) + INCIDENTS_KEPT:
            scope.incidents = {incident.id: incident for incident in scope.joinable.values()}

    def drop_scope(self, name: str, most: int) -> bool:
        """Delete up to ``most`` records of a scope that is used no more, in order of key. Whether these were all."""
        scope = self._scopes.pop(name, None)
        if scope is not None:
            self.flush(scope)
            self._last = None
        for kind in KINDS:
            prefix = record_key(kind, name)
            mine = sorted(key for key, value in self._pending.items() if value is not None and key.startswith(prefix))
            stored = (key for key, _ in under(self._below, prefix) if key not in self._pending)
            for key in sorted([*mine, *islice(stored, most + 1)]):
                if not most:
                    return False
                self._pending[key] = None
                most -= 1
        return True

    def forget(self, scope: Scope) -> None:
        """Forget what a scope has learned, and which policy was set in it; what its stream is like stays."""
        recent = scope.tuning.recent
        if scope.shadow is not None:
            scope.ended.append(scope.shadow.by)
        scope.policy, scope.policies_before, scope.shadow = "default", [], None
        scope.tuning, scope.promotion, scope.memory = Tuning(recent, recent.count), Promotion(), Memory()
        scope.changed = scope.usual_changed = scope.promotion_changed = scope.memory_changed = True

    def trim(self, scope: Scope) -> None:
        """Flush a scope that holds far more decoded records than it needs."""
        spare = len(scope.incidents) - len(scope.joinable)
        if spare > 2 * INCIDENTS_KEPT or len(scope.keys) > 2 * KEYS_KEPT:
            self.flush(scope)

    def drain(self) -> dict[bytes, bytes | None]:
        """The records changed since the last call; None stands for a record to delete. They must go to ``below``."""
        for scope in self._scopes.values():
            self.flush(scope)
        drained, self._pending = self._pending, {}
        return drained

    # -- all at once

    def records(self) -> dict[bytes, bytes]:
        """All records there are now, in memory and below."""
        for scope in self._scopes.values():
            self.flush(scope)
        records: dict[bytes, bytes | None] = dict(self._below.items())
        records |= self._pending
        return {key: value for key, value in records.items() if value is not None}

    def _load(self, name: str) -> Scope:
        scope = Scope(name, given=_given(self._config, name))
        value = self.get(record_key(b"s", name))
        if value is None:
            scope.limit = self.policy(scope).limit
            return scope
        head = orjson.loads(value)
        scope.policy, scope.policies_before = head["policy"], head["policies_before"]
        scope.events, scope.learned, scope.turn = head["events"], head["learned"], head["turn"]
        scope.rekeyed = head["rekeyed"]
        scope.times, scope.ticked = head["times"], head["ticked"]
        scope.unticked = head["unticked"]
        scope.pace = Pace(*head["pace"])
        scope.doubts = [Doubt(at, Pace(*pace)) for at, *pace in head["doubts"]]
        if "shadow" in head:
            scope.shadow = Shadow(**head["shadow"])
        scope.ended = head.get("ended", [])
        value = self.get(record_key(b"u", name))
        if value is not None:
            scope.usual = read_usual(value)
        self._load_tuning(scope)
        scope.promotion = read_promotion(self.get(record_key(b"p", name)))
        scope.memory.restore(read_lessons(self.get(record_key(b"l", name))))
        scope.promotion.restored(scope.memory.quarantined)
        scope.limit = self.policy(scope).limit
        self._load_ids(scope, head["ids_seen"])
        self._load_joinable(scope, head["joinable"])
        _restore_turns(scope)
        return scope

    def policy(self, scope: Scope) -> Policy:
        """What decides in a scope."""
        return self.named(scope, self.policy_name(scope))

    @staticmethod
    def named(scope: Scope, name: str) -> Policy:
        """The policy of a name that was written down; "default" is what the configuration gives the scope."""
        return policy(scope.given if name == "default" else name)

    def policy_name(self, scope: Scope) -> str:
        """The name of what decides: set by a person, else promoted, else what the scope found by itself, else "default"."""
        if self.tuned(scope) and scope.promotion.rule:
            return scope.promotion.rule
        return self.found_name(scope)

    def found_name(self, scope: Scope) -> str:
        """The same without what responders' corrections promoted."""
        if self.tuned(scope) and scope.tuning.rule:
            return learned(scope.tuning.rule)
        return scope.policy

    @staticmethod
    def tuned(scope: Scope) -> bool:
        """Whether a scope finds its policy by itself."""
        return scope.policy == scope.given == "default"

    def _load_tuning(self, scope: Scope) -> None:
        value = self.get(record_key(b"t", scope.name))
        if value is not None:
            scope.tuning, count, fields = read_tuning(value)
            scope.pages_written = count // PAGE
            recent = Recent()
            recent.restore(
                count,
                fields,
                [(number, self.get(_recent_key(scope, number)) or b"") for number in recent.pages_of(count)],
            )
            scope.tuning.recent = recent

    def _load_ids(self, scope: Scope, seen: int) -> None:
        scope.ids_seen = seen
        whole = seen // ID_GENERATION * ID_GENERATION
        for first, ids in ((whole - ID_GENERATION, scope.ids_before), (whole, scope.ids)):
            for number in _id_pages(first):
                page = orjson.loads(self.get(_id_key(scope, number)) or b"[]")
                ids.update(dict.fromkeys(page))
        if seen % ID_PAGE:
            scope.id_page = orjson.loads(self.get(_id_key(scope, seen // ID_PAGE)) or b"[]")

    def _load_joinable(self, scope: Scope, ids: list[str]) -> None:
        arena = scope.arena
        profiles: dict[int, tuple[int, bytes]] = {}
        for id in ids:
            value = self.get(record_key(b"i", scope.name, id))
            if value is None:
                raise BadState(f"incident {id} of scope {scope.name!r} is missing from the records; restore a backup")
            incident, slot, profiles[slot] = read_incident(id, value)
            incident.slot = slot
            scope.incidents[id] = scope.joinable[slot] = incident
        arena.claim(list(profiles))  # all at once: one by one, each would look through all that are free
        for slot, (rows, column) in profiles.items():
            incident = scope.joinable[slot]
            fill(scope, slot, rows, column)
            last, first, count = incident.last_at, incident.first_at, incident.count
            arena.describe(slot, last, first, count, scope.limit.after(last - first, count))
            arena.stats[SHARE, slot] = 1.0 / incident.weight


def fill(scope: Scope, slot: int, rows: int, column: bytes) -> None:
    """Write the profile of a record into an empty slot."""
    places = np.frombuffer(column, "<u2", rows)
    scope.arena.profile[places, slot] = np.frombuffer(column, np.uint8, rows, 2 * rows)


def _given(config: Config, scope: str) -> str:
    """The policy that the configuration gives a scope: the same for good, and still the same when the share grows."""
    return config.policy if within(config.policy_share, scope) else "default"


def _restore_turns(scope: Scope) -> None:
    """For each key, and for each code, the slots that took alerts with it, in the order in which they last did."""
    seen = [(number, key, slot) for slot, one in scope.joinable.items() for key, number in one.keys.items()]
    for _, key, slot in sorted(seen):
        scope.turns.setdefault(key, {})[slot] = None
    told = [(sight.turn, code, slot) for slot, one in scope.joinable.items() for code, sight in one.seen.items()]
    for _, code, slot in sorted(told):
        scope.marks.setdefault(code, {})[slot] = None


def _before_key(scope: str, feedback: str, incident: str) -> bytes:
    return record_key(b"b", scope, f"{incident}\0{feedback}")


def _page_key(scope: Scope, incident: Incident, number: int) -> bytes:
    return record_key(b"m", scope.name, f"{incident.id}\0{number:08x}")


def _id_key(scope: Scope, number: int) -> bytes:
    return record_key(b"e", scope.name, f"{number:012x}")


def _recent_key(scope: Scope, number: int) -> bytes:
    return record_key(b"r", scope.name, f"{number:012x}")


def _id_pages(first: int) -> range:
    """Numbers of the pages of the generation that begins with the ``first`` id ever seen."""
    return range(first // ID_PAGE, (first + ID_GENERATION) // ID_PAGE) if first >= 0 else range(0)
