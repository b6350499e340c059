"""How good decisions are by what responders do: the same counts live, in a replay, and from stored output lines.

A correction is an event that merged incidents or moved alerts; undoing one counts too. What it overrides are decisions:
a merged incident says that opening it was wrong, a moved alert that it was put wrongly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from grouping.records import Action, Change, Decision, IncidentLine, Merged, Moved, Output


class Quality:
    """Counts under the words of ``COUNTED``, and rates of them."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts: Counter[str] = Counter(counts or {})
        self._corrected = -1  # number of the event last counted as a correction

    def take(self, seq: int, outputs: Iterable[Output]) -> None:
        """Take in what the engine put out for one event."""
        for output in outputs:
            match output:
                case Decision():
                    self.counts[str(output.action)] += 1
                case IncidentLine(event=Change.OPENED):
                    self.counts["incidents"] += 1
                case Merged():
                    self._override(seq, 1)
                case Moved():
                    self._override(seq, len(output.alerts))
                case _:
                    pass

    def read(self, line: Mapping[str, Any]) -> None:
        """Take in an output line, decoded."""
        match line["kind"]:
            case "decision":
                self.counts[line["action"]] += 1
            case "incident" if line["event"] == Change.OPENED:
                self.counts["incidents"] += 1
            case "merged":
                self._override(line["seq"], 1)
            case "moved":
                self._override(line["seq"], len(line["alerts"]))
            case _:
                pass

    def _override(self, seq: int, decisions: int) -> None:
        self.counts["overridden"] += decisions
        self.counts["corrections"] += seq != self._corrected
        self._corrected = seq

    def corrections_per_100(self) -> float:
        """Corrections per 100 incidents opened."""
        return 100 * _share(self.counts["corrections"], self.counts["incidents"])

    def override_rate(self) -> float:
        """Of the decisions to open or join, the share that a responder changed."""
        return _share(self.counts["overridden"], self.counts[Action.OPEN] + self.counts[Action.JOIN])

    def opening_rate(self) -> float:
        """Of the decisions to open or join, the share that opened an incident."""
        return _share(self.counts[Action.OPEN], self.counts[Action.OPEN] + self.counts[Action.JOIN])


COUNTED = ("open", "join", "duplicate", "incidents", "corrections", "overridden")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
