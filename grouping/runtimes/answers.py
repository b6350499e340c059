"""What the process that decides is asked in between, and how it answers: from what is committed.

A question must not end the process: an answer that fails is said to have failed, and the next one is as good as ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from grouping.config import Config
from grouping.outlets.announce import NOTICES
from grouping.runtimes.forgetting import Forgetting
from grouping.runtimes.index import LOOKED_AT, Index
from grouping.runtimes.link import Gone
from grouping.runtimes.store import Store, StoreError
from grouping.views import Views

PAGE_BYTES = 1 << 20  # of output lines in one answer
SEEN = 10_000  # decoded incidents that are kept for the next question, while nothing changes
STANDS_BY = 1000  # alerts by which an incident is told to be acknowledged
FAULTS = (ArithmeticError, LookupError, RecursionError, StoreError, TypeError, ValueError)  # of a question
_SEQ = re.compile(rb'"seq":([0-9]+)')


class Unanswered(Exception):
    """A question after which the process cannot go on: it may have changed half of what it was to change."""


class Answers:
    """Answers by name. What only looks is guarded; what changes something is done whole, or ends the process."""

    def __init__(self, config: Config, store: Store, index: Index, forgetting: Forgetting) -> None:
        self._config = config
        self._store = store
        self._index = index
        self._at = 0  # number of the last event that is committed
        self._views: Views | None = None  # of what was committed then
        self._looks: Mapping[str, Callable[..., Any]] = {
            "incidents": self.incidents,
            "incident": self.incident,
            "standing": self.standing,
            "listed": self.listed,
            "alerts": self.alerts,
            "astray": self.astray,
            "alert": self.alert,
            "decisions": self.decisions,
            "scopes": self.scopes,
            "scope": self.scope,
            "model": self.model,
            "outputs": self.outputs,
            "notices": self.notices,
        }
        self._changes: Mapping[str, Callable[..., Any]] = {"forget": forgetting.forget, "base": forgetting.base}

    def committed(self, seq: int) -> None:
        """What events up to number ``seq`` changed is in the store now."""
        self._at, self._views = seq, None

    def answer(self, what: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The ``value`` that was asked for, or why it ``failed``. Raises Unanswered; StoreError and Gone by a change."""
        change = self._changes.get(what)
        try:
            if change is not None:
                return {"value": change(**arguments)}
            try:
                return {"value": self._looks[what](**arguments)}
            except FAULTS as error:
                return {"failed": f"{what}: {error!r}"}
        except (StoreError, Gone):
            raise
        except Exception as error:
            raise Unanswered(f"{what}: {error!r}") from error

    def _seen(self) -> Views:
        """What is committed, as it was read for the questions before; anew where that has grown large."""
        if self._views is None or self._views.decoded() > SEEN:
            self._views = Views(self._config, self._store)
        return self._views

    def incidents(
        self,
        scope: str | None,
        status: str | None,
        severity: str | None,
        text: str | None,
        before: str | None,
        most: int,
    ) -> dict[str, Any]:
        """A page of incidents, newest first, and where the next page begins."""
        views, key = self._seen(), None
        found: list[dict[str, Any]] = []
        start = None if before is None else bytes.fromhex(before)
        for looked, entry in enumerate(self._index.newest(scope, opened=status == "open", before=start)):
            if len(found) == most or looked == LOOKED_AT:
                return {"incidents": found, "next": key.hex() if key else None}
            key = entry.key
            one = views.incident(entry.scope, entry.id)
            if one is None or (status not in (None, one["status"])) or (severity not in (None, one["severity"])):
                continue
            if text is None or text.casefold() in one["title"].casefold():
                found.append(one)
        return {"incidents": found, "next": None}

    def incident(self, id: str) -> dict[str, Any] | None:
        """One incident."""
        scope = self._index.scope_of(id)
        return None if scope is None else self._seen().incident(scope, id)

    def standing(self, id: str) -> dict[str, Any] | None:
        """One incident, and how it stands as PagerDuty has it."""
        scope = self._index.scope_of(id)
        return None if scope is None else self._standing(scope, id)

    def _standing(self, scope: str, id: str) -> dict[str, Any] | None:
        found = self._seen().incident(scope, id)
        return None if found is None else found | {"standing": self._seen().standing(scope, id, STANDS_BY)}

    def listed(
        self,
        statuses: list[str],
        skip: int,
        most: int,
        within: int,
        *,
        count: bool,
        since: float | None = None,
        until: float | None = None,
    ) -> dict[str, Any]:
        """``most`` incidents that stand so, all without ``statuses``, newest first after ``skip`` of them; if there are more.

        That began from ``since`` on and before ``until``, s. Of the newest ``within``; of fewer where it takes reading each
        to know. ``count``: how many there are, where that can be told.
        """
        timed = since is not None or until is not None
        whole: tuple[set[str], ...] = (set(), {"acknowledged", "triggered"}, {"acknowledged", "resolved", "triggered"})
        by_list = not timed and set(statuses) in whole
        opened = bool(statuses) and "resolved" not in statuses
        found: list[dict[str, Any]] = []
        reached = 0
        for looked, entry in enumerate(self._index.newest(None, opened=opened, before=None)):
            if looked == (within if by_list else LOOKED_AT):
                return {"incidents": found, "more": reached > skip + most, "total": None}
            shown = skip <= reached < skip + most
            if shown or not by_list:
                one = self._standing(entry.scope, entry.id)
                if one is None or (statuses and one["standing"] not in statuses):
                    continue
                if (since is not None and one["first_at"] < since) or (until is not None and one["first_at"] >= until):
                    continue
                found += [one] if shown else []
            reached += 1
            if reached > skip + most and not count:
                break
        return {"incidents": found, "more": reached > skip + most, "total": reached if count else None}

    def alerts(self, id: str, skip: int, most: int) -> list[dict[str, Any]] | None:
        """Alerts of an incident."""
        scope = self._index.scope_of(id)
        return None if scope is None else self._seen().alerts(scope, id, skip, most)

    def astray(self, id: str, alerts: list[str]) -> dict[str, Any] | None:
        """The scope of an incident, and which of these alerts are not in it, with where they are."""
        scope = self._index.scope_of(id)
        return None if scope is None else {"scope": scope, "astray": self._seen().astray(scope, id, alerts)}

    def decisions(self, id: str, skip: int, most: int) -> list[dict[str, Any]] | None:
        """Decisions about the alerts of an incident."""
        scope = self._index.scope_of(id)
        return None if scope is None else self._seen().decisions(scope, id, skip, most)

    def alert(self, scope: str, id: str) -> dict[str, Any] | None:
        """One alert with its decision."""
        return self._seen().alert(scope, id)

    def scopes(self, after: str | None, most: int) -> list[str]:
        """Names of scopes, those with short names first."""
        start = None if after is None else b"s" + len(after.encode()).to_bytes(2, "big") + after.encode()
        found: list[str] = []
        for key, _ in self._store.under(b"s", start):
            if key != start:
                found.append(key[3:].decode())
            if len(found) == most:
                break
        return found

    def scope(self, name: str) -> dict[str, Any] | None:
        """What decides in a scope, and ``because`` of what: the `policy` line since which it does."""
        views = self._seen()
        if not views.knows(name):
            return None
        line = self._index.because(name)
        because = None if line is None else orjson.loads(line)
        return views.scope(name) | {"because": because}

    def model(self, name: str) -> dict[str, Any] | None:
        """What a scope has learned."""
        views = self._seen()
        return views.model(name) if views.knows(name) else None

    def outputs(self, after: int, upto: int | None) -> dict[str, Any]:
        """Output lines of events after number ``after``, about a page of them, and the number they reach to."""
        found: list[str] = []
        size, reached = 0, after
        for chunk in self._store.outputs(after):
            for line in chunk.splitlines():
                seq = _seq(line)
                if upto is not None and seq > upto:
                    return {"lines": found, "to": upto}
                if seq != reached and size > PAGE_BYTES:
                    return {"lines": found, "to": reached}
                if seq > after:
                    found.append(line.decode())
                    size, reached = size + len(line), seq
        return {"lines": found, "to": min(self._at, upto or self._at)}

    def notices(self, after: int, most: int) -> dict[str, Any]:
        """Notices caused by events after number ``after``, about ``most`` of them, and the number they reach to."""
        found: list[dict[str, Any]] = []
        for _, value in self._store.under(NOTICES, NOTICES + (after + 1).to_bytes(8, "big")):
            if len(found) >= most:
                return {"rows": found, "to": found[-1]["seq"]}
            found += orjson.loads(value)
        return {"rows": found, "to": max(after, self._at)}


def _seq(line: bytes) -> int:
    found = _SEQ.search(line)  # emit writes it right after the kind, before anything a sender could choose
    assert found is not None
    return int(found[1])
