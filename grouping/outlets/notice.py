"""A notice: one thing that happened to an incident and that somebody wants to know. And who wants to know what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from grouping.records import SEVERITY_RANK, Severity


class Happening(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    DEPARTS = "departs"  # an alert joined that is unlike those before: perhaps a different failure
    WORSE = "worse"  # its severity rose
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    MERGED = "merged"  # into another incident


LOUD = frozenset({Happening.OPENED, Happening.DEPARTS, Happening.WORSE, Happening.REOPENED})  # somebody is to look
CLOSING = frozenset({Happening.RESOLVED, Happening.MERGED})
UNKNOWN_RANK = SEVERITY_RANK[Severity.CRITICAL]  # nobody is kept from hearing what may be as bad as this


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice. ``id`` is the same each time it is sent, ``seq`` the number of the event that caused it.

    ``rank`` is the severity that has been announced of the incident, with this notice, ``rank_before`` without it; an
    alert of unknown severity counts as the worst.
    """

    id: str
    seq: int
    scope: str
    incident: str
    event: Happening
    at: float
    title: str
    severity: Severity | None
    alerts: int
    rank: int
    rank_before: int
    number: int = 0  # how often the incident was announced again: departs and worse
    was: Severity | None = None  # severity before, where it rose
    alert: dict[str, Any] | None = None  # the alert that caused it
    departing: tuple[dict[str, Any], ...] = ()  # alerts that depart, each with ``because``
    more: int = 0  # departing ones that are not listed
    into: str | None = None
    by: str | None = None  # the feedback that caused it
    since: float | None = None  # when the incident began, as it was first announced; the same in all its notices
    over: tuple[dict[str, Any], ...] = ()  # alerts that were told to depart before, and are no longer to stand out

    def row(self) -> dict[str, Any]:
        """As it is kept."""
        return {key: value for key, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def of(cls, row: dict[str, Any]) -> Notice:
        """As it was kept."""
        words = {key: None if row.get(key) is None else Severity(row[key]) for key in ("severity", "was")}
        lists = {key: tuple(row.get(key, ())) for key in ("departing", "over")}
        return cls(**{**row, **words, **lists, "event": Happening(row["event"])})


@dataclass(frozen=True, slots=True)
class Filter:
    """What a subscription wants to hear. Scopes are names, or beginnings of names with a ``*`` behind; none: all."""

    scopes: tuple[str, ...] = ()
    severity: Severity | None = None  # at least; an alert whose severity is unknown is always heard of
    events: frozenset[Happening] = frozenset(Happening)

    def heard(self, notice: Notice) -> Notice | None:
        """The notice as the subscription hears it, None if it does not.

        Who hears of an incident hears all of it from there on. What made an incident bad enough to be heard of opens
        it, for this subscription.
        """
        least = SEVERITY_RANK[self.severity]
        if notice.rank < least or not _named(notice.scope, self.scopes):
            return None
        if notice.event in (Happening.WORSE, Happening.DEPARTS) and notice.rank_before < least:
            notice = replace(notice, event=Happening.OPENED)
        return notice if notice.event in self.events else None


def _named(scope: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(
        scope.startswith(pattern[:-1]) if pattern.endswith("*") else scope == pattern for pattern in patterns
    )
