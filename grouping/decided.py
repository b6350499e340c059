"""Each decision as it was made: the (incident, alert) pairs by which a grouping is judged, read from the outputs.

An alert counts, for good, under the incident that its decision named. A correction later on does not make that
decision better: what went wrong stays wrong in the figures, and only decisions after the correction can be right.

A correction may change under which name later decisions count. Merging the many into the few must not cost more than
merging the few into the many, and the same with splits: so when a line carries alerts over from one incident to
another, the two exchange names if more of the decisions behind the alerts that they now hold then bear the name of
the incident they are in. Decisions after that count under the new names. Where nobody corrects, names are incident ids.

    a1..a9 decided into A, a10 into B (wrongly: one group)
    A merged into B: B holds nine alerts named A and one named B, so it goes by A from here on
    a11 decided into B: counts under A, as the right decision it is; a10 stays alone under B

The same is read from a stored log, line by line: ``read`` takes the objects of `grouping outputs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from grouping.records import Action, Decision, Merged, Moved, Output


class Decided:
    """What was decided, in order: ``alerts`` and, for each, the ``names`` it counts under. One for any number of scopes.

    ``incidents`` holds what the decision lines say.
    """

    def __init__(self) -> None:
        self.alerts: list[str] = []
        self.names: list[str] = []
        self.incidents: list[str] = []
        self._scopes: list[str] = []
        self._goes_by: dict[str, str] = {}  # incident to name, where they differ
        self._name: dict[tuple[str, str], str] = {}  # of (scope, alert), as decided
        self._held: dict[str, Counter[str]] = {}  # incident to names of the alerts in it now
        self._into: dict[str, str] = {}  # where an incident was merged to
        self._moved: dict[tuple[str, str], str] = {}  # (scope, alert) to the incident it was last carried to

    def take(self, outputs: Iterable[Output]) -> None:
        """Take in what the engine put out."""
        for output in outputs:
            match output:
                case Decision():
                    self._decision(output.scope, output.alert, output.incident, output.action)
                case Merged():
                    self._merged(output.incident, output.into)
                case Moved():
                    self._carried(output.scope, output.alerts, output.source, output.into)
                case _:
                    pass

    def read(self, line: Mapping[str, Any]) -> None:
        """Take in an output line, decoded."""
        match line["kind"]:
            case "decision":
                self._decision(line["scope"], line["alert"], line["incident"], line["action"])
            case "merged":
                self._merged(line["incident"], line["into"])
            case "moved":
                self._carried(line["scope"], line["alerts"], line["from"], line["into"])
            case _:
                pass

    def corrected(self) -> list[str]:
        """The incident of each alert as it stands after all corrections."""
        ends = []
        for scope, alert, incident in zip(self._scopes, self.alerts, self.incidents, strict=True):
            end = self._moved.get((scope, alert), incident)
            while end in self._into:
                end = self._into[end]
            ends.append(end)
        return ends

    def _decision(self, scope: str, alert: str, incident: str, action: str) -> None:
        name = self._goes_by.get(incident, incident)
        self.alerts.append(alert)
        self.names.append(name)
        self.incidents.append(incident)
        self._scopes.append(scope)
        if action != Action.DUPLICATE:  # a repeat is no alert of its own that could be moved
            self._name[scope, alert] = name
            held = self._held.get(incident)
            if held is None:
                held = self._held[incident] = Counter()
            held[name] += 1

    def _merged(self, incident: str, into: str) -> None:
        self._into[incident] = into
        self._held.setdefault(into, Counter()).update(self._held.pop(incident, Counter()))
        self._settle(incident, into)

    def _carried(self, scope: str, alerts: Iterable[str], source: str, into: str) -> None:
        self._into.pop(into, None)  # it lives, whatever it was before: this may undo a merge
        away, here = self._held.setdefault(source, Counter()), self._held.setdefault(into, Counter())
        for alert in alerts:
            name = self._name.get((scope, alert))
            if name is None:
                continue  # its decision is of before the first line there is: it was deleted (keep_days)
            away[name] -= 1
            here[name] += 1
            self._moved[scope, alert] = into
        self._settle(source, into)

    def _settle(self, source: str, into: str) -> None:
        """Exchange the names of two incidents if they then fit what both hold better."""
        first, second = self._goes_by.get(source, source), self._goes_by.get(into, into)
        away, here = self._held.get(source, Counter()), self._held.get(into, Counter())
        if away[first] + here[second] < away[second] + here[first]:
            self._goes_by[source], self._goes_by[into] = second, first
