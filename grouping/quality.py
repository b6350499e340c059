"""How good decisions are by what responders do: the same counts live, in a replay, and from stored output lines.

A correction is an event that merged incidents or moved alerts; undoing one counts too. What it overrides are decisions:
a merged incident says that opening it was wrong, a moved alert that it was put wrongly.

Two rates are watched for drift (adwin.py): the share of decisions that open, and of decisions that are corrected. An
alarm says that the alerts, or what people think of the grouping, are not what they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from grouping import calibration
from grouping.adwin import Adwin
from grouping.calibration import Calibration
from grouping.records import Action, Change, Decision, IncidentLine, Merged, Moved, Output


class Quality:
    """Counts under the words of ``COUNTED``, and rates of them."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts: Counter[str] = Counter(counts or {})
        self._corrected = -1  # number of the event last counted as a correction
        self._calibration = Calibration()
        self._watched = {what: Adwin() for what in DRIFTS}

    def take(self, seq: int, outputs: Iterable[Output]) -> None:
        """Take in what the engine put out for one event."""
        for output in outputs:
            match output:
                case Decision():
                    self._decided(output.action)
                    if output.runner_up is not None and output.score is not None:
                        margin = output.score - output.runner_up[1]
                        self._weighed(output.scope, output.alert, output.incident, output.action, margin)
                case IncidentLine(event=Change.OPENED):
                    self.counts["incidents"] += 1
                case Merged():
                    self._override(seq, 1)
                    self._calibration.merged(self.counts, output.scope, output.incident)
                case Moved():
                    self._override(seq, len(output.alerts))
                    self._calibration.moved(self.counts, output.scope, output.alerts)
                case _:
                    pass

    def read(self, line: Mapping[str, Any]) -> None:
        """Take in an output line, decoded."""
        match line["kind"]:
            case "decision":
                self._decided(line["action"])
                if "runner_up" in line:
                    margin = line["score"] - line["runner_up"]["score"]
                    self._weighed(line["scope"], line["alert"], line["incident"], line["action"], margin)
            case "incident" if line["event"] == Change.OPENED:
                self.counts["incidents"] += 1
            case "merged":
                self._override(line["seq"], 1)
                self._calibration.merged(self.counts, line["scope"], line["incident"])
            case "moved":
                self._override(line["seq"], len(line["alerts"]))
                self._calibration.moved(self.counts, line["scope"], line["alerts"])
            case _:
                pass

    def _weighed(self, scope: str, alert: str, incident: str, action: str, margin: float) -> None:
        opened = incident if action == Action.OPEN else None
        self._calibration.decided(self.counts, scope, alert, opened, margin)

    def _decided(self, action: str) -> None:
        self.counts[str(action)] += 1
        if action != Action.DUPLICATE:
            self._watch("opening_drifts", float(action == Action.OPEN))
            self._watch("correction_drifts", 0.0)

    def _override(self, seq: int, decisions: int) -> None:
        self.counts["overridden"] += decisions
        if seq != self._corrected:
            self.counts["corrections"] += 1
            self._watch("correction_drifts", 1.0)
        self._corrected = seq

    def _watch(self, what: str, value: float) -> None:
        if self._watched[what].add(value):
            self.counts[what] += 1

    def corrections_per_100(self) -> float:
        """Corrections per 100 incidents opened."""
        return 100 * _share(self.counts["corrections"], self.counts["incidents"])

    def override_rate(self) -> float:
        """Decisions changed by responders, per decision to open or join; one that is changed and put back counts twice."""
        return _share(self.counts["overridden"], self.counts[Action.OPEN] + self.counts[Action.JOIN])

    def opening_rate(self) -> float:
        """Of the decisions to open or join, the share that opened an incident."""
        return _share(self.counts[Action.OPEN], self.counts[Action.OPEN] + self.counts[Action.JOIN])

    def calibration_error(self) -> float:
        """How far the chances that the scores promise are from what responders left standing, 0 to 1."""
        return calibration.error(self.counts)


DRIFTS = ("opening_drifts", "correction_drifts")  # alarms
COUNTED = ("open", "join", "duplicate", "incidents", "corrections", "overridden", *DRIFTS, *calibration.COUNTED)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
