"""Events that were accepted lately, by id: one that is sent again is on disk already and need not go there twice.

Senders resend what they are not sure of, and Prometheus resends what fires, all day. By the contract an id given twice
is a no-op, so leaving the second out of the log changes nothing that is decided.
"""

from __future__ import annotations

from typing import Any

REMEMBERED = 65_536  # ids: this many to twice as many


class Resent:
    """Scope and id of what is on disk, with the number it has there."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], int] = {}
        self._before: dict[tuple[str, str], int] = {}

    def seq(self, raw: Any) -> int | None:
        """The number of an event that is on disk under its id; None: not known, or it has no id of its own."""
        if type(raw) is not dict:
            return None
        id, scope = raw.get("id"), raw.get("scope", "default")
        if type(id) is not str or type(scope) is not str:
            return None
        key = (scope, id)
        return self._now.get(key) or self._before.get(key)

    def clear(self) -> None:
        """Know nothing: each of them is put on disk once more where it is sent again."""
        self._now, self._before = {}, {}

    def note(self, scope: str, id: str, seq: int) -> None:
        """The event is on disk."""
        if len(self._now) >= REMEMBERED:
            self._now, self._before = {}, self._now
        self._now[scope, id] = seq
