"""What the records say of incidents, alerts and decisions, as plain objects for people to read. Changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from grouping.config import Config
from grouping.decide import runner
from grouping.draw import name
from grouping.explain import Case, contributions, in_words, limit, nearest, ruled, said_by, silence
from grouping.featurise import value_of
from grouping.keyspace import Records, record_key
from grouping.layout import FEATURE_NAMES, FEATURES, TOLD
from grouping.lifecycle import members, restored, root
from grouping.model import distrusted, exported
from grouping.policy import KIN, policy
from grouping.promotion import Promotion
from grouping.records import SEVERITY_BY_RANK, Action, Alert, Bound, LeftOut, Reason, Status, Verb
from grouping.scope import Incident, Scope, Standing, StoredAlert, Written
from grouping.state import State
from grouping.tune import Tuning

_FIELDS = ("dedup_key", "severity", "source", "service", "host", "component", "group", "class", "summary", "details")


class Views:
    """Reads one state of the records; make a new one when they have changed."""

    def __init__(self, config: Config, records: Records) -> None:
        self._records = records
        self._state = State(config, records)
        self._scopes: dict[str, Scope] = {}

    def knows(self, scope: str) -> bool:
        """Whether the scope ever had an event."""
        return self._records.get(record_key(b"s", scope)) is not None

    def decoded(self) -> int:
        """How many incidents it holds decoded: what was asked for before."""
        return sum(len(scope.incidents) for scope in self._scopes.values()) + self._state.joinable()

    def incident(self, scope: str, id: str) -> dict[str, Any] | None:
        """An incident."""
        found = self._state.incident(self._scope(scope), id)
        return None if found is None else _incident(scope, found)

    def standing(self, scope: str, id: str, most: int) -> str:
        """How an incident stands as PagerDuty has it: resolved; acknowledged when its firing alerts are; else triggered.

        By ``most`` of its newest alerts, and no more of them than settle it.
        """
        within = self._scope(scope)
        found, some = self._state.incident(within, id), False
        if found is None or found.standing is not Standing.OPEN:
            return "resolved"
        for alert, kept in itertools.islice(members(self._state, within, found), most):
            status = self._status(within, alert, kept.fields[0], root(self._state, within, kept.incident))
            if status is Status.FIRING:
                return "triggered"
            some = some or status is Status.ACKNOWLEDGED
        return "acknowledged" if some else "triggered"

    def alerts(self, scope: str, id: str, skip: int, most: int) -> list[dict[str, Any]] | None:
        """``most`` alerts that belong to an incident now, newest first per incident merged into it."""
        within = self._scope(scope)
        found = self._state.incident(within, id)
        if found is None:
            return None
        rows = itertools.islice(members(self._state, within, found), skip, skip + most)
        return [self._alert(within, alert, kept) for alert, kept in rows]

    def astray(self, scope: str, id: str, alerts: list[str]) -> list[tuple[str, str | None]]:
        """Those of some alerts that do not belong to an incident now, each with the incident that it is in, if any."""
        within = self._scope(scope)
        here = root(self._state, within, id).id
        found: list[tuple[str, str | None]] = []
        for alert in alerts:
            kept = self._state.alert(within, alert)
            there = None if kept is None else root(self._state, within, kept.incident).id
            if there != here:
                found.append((alert, there))
        return found

    def alert(self, scope: str, id: str) -> dict[str, Any] | None:
        """An alert, where it belongs now, the decision with all that was logged of it, and in words why it was so decided."""
        within = self._scope(scope)
        kept = self._state.alert(within, id)
        if kept is None:
            return None
        why = self.explanation(scope, id)
        said = {"decision": _decision(kept), "words": None if why is None else why["words"]}
        return self._alert(within, id, kept) | said

    def explanation(self, scope: str, id: str) -> dict[str, Any] | None:
        """Why an alert was decided as it was: what settled it, what each feature added, the runner-up, and in words."""
        within = self._scope(scope)
        kept = self._state.alert(within, id)
        if kept is None or not kept.decision:
            return None
        written = kept.decision
        reason, actions, scores, columns = Reason(written.reason), written.actions, written.scores, written.columns
        chosen, action = written.chosen, Action.JOIN if written.chosen else Action.OPEN
        table = np.frombuffer(kept.features, "<f4").reshape(FEATURES, len(columns))
        second = runner(scores, chosen) if len(scores) > 1 else None
        margin = None if second is None else scores[chosen] - scores[second]
        next_best = None if second is None else _action(actions[second], scores[second])
        told = [
            said_by(feedback, self._state.feedback(within, feedback), bool(table[TOLD, place] > 0))
            for place, feedback in enumerate(written.told or ())
            if feedback
        ]
        case = Case(
            action,
            reason,
            written.policy,
            nearest(table, action, reason),
            _known(kept),
            _unknown(written.policy, restored(within, id, kept)),
            scores[0],
            None if next_best is None or margin is None else (next_best["incident"], margin),
            told,
            bool((table[TOLD, 1:] < 0).any()),
            _left_out(written),
            None if written.together is None else (written.together[0], written.together[1]),
        )
        return {
            "alert": id,
            "scope": scope,
            "decision": written.id,
            "action": str(action),
            "incident": actions[chosen] if chosen else name("i", scope, id),
            "reason": written.reason,
            "ruled": ruled(case),
            "policy": written.policy,
            "score": scores[chosen],
            "why": contributions(written.policy, table[:, columns.index(chosen)]) if columns else {},
            "runner_up": next_best,
            "margin": margin,
            "silence": None if case.near is None else silence(case.near),
            "limit": limit(case),
            "left_out": None if case.left_out is None else case.left_out._asdict(),
            "together": written.together,
            "told": told,
            "words": in_words(case),
        }

    def alert_of(self, scope: str, decision: str) -> str | None:
        """The alert that a decision was about: looked for among all, as its id does not tell."""
        prefix = record_key(b"a", scope)
        ids = (key[len(prefix) :].decode() for key, _ in self._records.items() if key.startswith(prefix))
        return next((id for id in ids if name("d", scope, id) == decision), None)

    def decisions(self, scope: str, id: str, skip: int, most: int) -> list[dict[str, Any]] | None:
        """The decisions about the alerts that belong to an incident now, in the order of ``alerts``."""
        within = self._scope(scope)
        found = self._state.incident(within, id)
        if found is None:
            return None
        rows = itertools.islice(members(self._state, within, found), skip, skip + most)
        return [{"alert": alert} | _decision(kept) for alert, kept in rows]

    def feedback_of(self, actor: str) -> list[tuple[str, str]]:
        """Scope and id of all feedback that somebody gave and that stands, the latest first; of models, too."""
        found: list[tuple[str, float, int, str]] = []
        for key, value in self._records.items():
            if key[:1] != b"f":
                continue
            record = orjson.loads(value)
            if record["actor"] != actor or record["undone"] or record["verb"] == Verb.UNDO:
                continue
            end = 3 + int.from_bytes(key[1:3], "big")
            scope, id = key[3:end].decode(), key[end:].decode()
            taught = list(self._state.scope(scope).memory.lessons)
            found.append((scope, record["at"] or 0.0, taught.index(id) if id in taught else -1, id))
        given = [(scope, id) for scope, _, _, id in sorted(found, reverse=True)]
        names = [key[3:].decode() for key, _ in self._records.items() if key[:1] == b"s"]
        lessons = [(name, lesson) for name in names for lesson in self._state.scope(name).memory.lessons.values()]
        came = [(name, one.feedback) for name, one in lessons if one.actor == actor and not one.withdrawn]
        return given + [one for one in reversed(came) if one not in given]

    def model(self, scope: str) -> dict[str, Any]:
        """What a scope has learned, as model.py has it."""
        return exported(self._state, scope)

    def scope(self, name: str) -> dict[str, Any]:
        """What decides in a scope, and how much it has seen."""
        scope = self._state.scope(name)
        return {
            "scope": name,
            "policy": self._state.policy_name(scope),
            "set": scope.policy,
            "given": scope.given,
            "tuned": self._state.tuned(scope),
            "policies_before": list(scope.policies_before),
            "quarantined": distrusted(self._state, name),
            "events": scope.events,
            "joinable": len(scope.joinable),
            "looks": _looks(scope.tuning),
            "trials": _trials(scope.promotion),
            "shadow": None if scope.shadow is None else scope.shadow.figures(),
        }

    def _scope(self, name: str) -> Scope:
        return self._scopes.setdefault(name, Scope(name))

    def _alert(self, scope: Scope, id: str, kept: StoredAlert) -> dict[str, Any]:
        fields = {name: value for name, value in zip(_FIELDS, kept.fields, strict=True) if value not in (None, {})}
        incident = root(self._state, scope, kept.incident)
        status = str(self._status(scope, id, kept.fields[0], incident))
        return {"id": id, "scope": scope.name, "at": kept.at, "status": status, "incident": incident.id, **fields}

    def _status(self, scope: Scope, id: str, key: str | None, incident: Incident) -> Status:
        """Without a key an alert is over when its incident is; with one, too when a later alert took the key over."""
        if key is None:
            return Status.FIRING if incident.standing is Standing.OPEN else Status.RESOLVED
        latest = self._state.latest(scope, key)
        if latest is None or latest.alert != id or not latest.live:
            return Status.RESOLVED
        return Status.ACKNOWLEDGED if latest.acknowledged else Status.FIRING


def _looks(tuning: Tuning) -> dict[str, Any]:
    """How far a scope is in finding a rule by itself; what the look that goes on has refused so far."""
    refused = [] if tuning.look is None else tuning.look.refused
    return {
        "found": tuning.rule or None,
        "alerts": tuning.recent.count,
        "next_at": tuning.next_at,
        "goes_on": tuning.look is not None,
        "refused": [{"key": key, "silence_s": scale, "why": why} for key, scale, why in refused],
    }


def _trials(promotion: Promotion) -> dict[str, Any]:
    """How far a scope is in learning a rule from corrections; which were promoted, and are not tried again."""
    return {
        "promoted": promotion.rule or None,
        "corrections": promotion.counted,
        "next_at": promotion.next_at,
        "goes_on": promotion.trial is not None,
        "refused": list(promotion.demoted),
    }


def _incident(scope: str, incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "scope": scope,
        "status": str(incident.standing),
        "into": incident.into,
        "merged": list(incident.merged),
        "title": incident.title.text(),
        "severity": SEVERITY_BY_RANK[incident.severity],
        "alerts": incident.count,
        "firing": incident.firing + (incident.keyless if incident.standing is Standing.OPEN else 0),
        "first_at": incident.first_at,
        "last_at": incident.last_at,
    }


def _decision(kept: StoredAlert) -> dict[str, Any]:
    """A decision as it was logged: every option with its score, and the features of those that were compared."""
    written = kept.decision
    if written is None:
        return {}
    actions, columns, by = written.actions, written.columns, written.told
    table = np.frombuffer(kept.features, "<f4").reshape(FEATURES, len(columns))
    return {
        "decision": written.id,
        "reason": written.reason,
        "propensity": written.propensity,
        "model": f"m{written.model}",
        "policy": written.policy,
        "actions": [_action(action, score) for action, score in _pairs(actions, written.scores)],
        "told": [
            {"incident": actions[column], "by": feedback}
            for column, feedback in zip(columns, by or (), strict=bool(by))
            if feedback
        ],
        "features": [
            {
                "incident": None if actions[column] == "open" else actions[column],
                **_named(table[:, index].tolist()),
                **({"told_by": by[index]} if by is not None and by[index] else {}),
            }
            for index, column in enumerate(columns)
        ],
    }


def _action(action: str, score: float) -> dict[str, Any]:
    return {"incident": None if action == "open" else action, "score": score}


def _known(kept: StoredAlert) -> dict[str, str]:
    return {field: value for field, value in zip(_FIELDS, kept.fields, strict=True) if isinstance(value, str)}


def _unknown(policy_name: str, alert: Alert) -> list[str]:
    """The fields of a policy's key that an alert does not have."""
    key = policy(policy_name).key if policy_name else ()
    return [field for field in key if field != KIN and value_of(alert, field) is None]


def _left_out(written: Written) -> LeftOut | None:
    if written.left_out is None:
        return None
    incident, why, away, allowed = written.left_out
    return LeftOut(incident, Bound(why), away, allowed)


def _pairs(actions: list[str], scores: list[float]) -> Iterator[tuple[str, float]]:
    return zip(actions, scores, strict=True)


def _named(values: list[float]) -> dict[str, float]:
    """The features that are not zero, by name."""
    return {name: value for name, value in zip(FEATURE_NAMES, values, strict=True) if value}
