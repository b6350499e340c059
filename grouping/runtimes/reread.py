"""Output lines back into what they were made of, as far as a count of them needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from grouping.records import (
    Action,
    Change,
    Decision,
    IncidentLine,
    Merged,
    Moved,
    Output,
    PolicyLine,
    Reason,
    Refused,
    Severity,
    Suggestion,
    Undone,
)


class Reread:
    """Stored output lines, given out again by the number of the input event that caused them, in order."""

    def __init__(self, stored: Iterable[bytes]) -> None:
        """``stored``: lines in the order in which they were written, any number of them at a time."""
        self._lines = _lines(stored)
        self._next = next(self._lines, None)

    def of(self, number: int) -> list[Output]:
        """What the event of that number caused; numbers must be asked for in order."""
        found: list[Output] = []
        while self._next is not None and self._next["seq"] <= number:
            if self._next["seq"] == number:
                found.append(_output(self._next))
            self._next = next(self._lines, None)
        return found


def _lines(stored: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for lines in stored:
        for line in lines.splitlines():
            yield orjson.loads(line)


def _output(line: dict[str, Any]) -> Output:
    scope: str = line["scope"]
    match line["kind"]:
        case "decision":
            action, reason, model = Action(line["action"]), Reason(line["reason"]), int(line["model"][1:])
            score, chance, decision = line.get("score"), line["propensity"], line["decision"]
            return Decision(
                scope, line["alert"], line["incident"], action, reason, score, chance, None, model, decision
            )
        case "incident":
            severity = line["severity"] and Severity(line["severity"])
            return IncidentLine(scope, line["incident"], Change(line["event"]), line["title"], severity, line["alerts"])
        case "merged":
            return Merged(scope, line["incident"], line["into"], line["by"])
        case "moved":
            return Moved(scope, tuple(line["alerts"]), line["from"], line["into"], line["by"])
        case "undone":
            return Undone(scope, line["feedback"], line["by"], tuple(line["stayed"]), line["why"])
        case "suggestion":
            incidents, alerts = tuple(line["incidents"]), tuple(line.get("alerts", ()))
            return Suggestion(scope, line["action"], incidents, alerts, line["score"], line["reason"])
        case "policy":
            return PolicyLine(scope, line["policy"], line["was"], line["why"], line["evidence"])
        case _:
            return Refused(scope, line["id"], line["error"])
