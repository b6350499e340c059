"""When an alert that joins an incident departs from it: it may be a different failure, which the group would hide.

It departs when it is new to the incident in two ways at once, as the features of its decision say:

- *where*: its service (or, if that is unknown, its component, else its group, else its host) is one that hardly an alert
  of the incident has;
- *what*: its class (or, if that is unknown, the template of its title) is one that hardly an alert of the incident has.

A storm of one service brings new hosts and titles, but the same service; a fault that climbs from service to service
brings new services, but soon known classes. Neither departs. What a responder said to belong there does not either.
"""

from __future__ import annotations

from struct import unpack_from

from grouping.layout import MATCH, NAMED_FIELDS, TEMPLATE
from grouping.records import Action, Alert, Decision, Reason

NEW = -0.9  # a match below it: of the incident's alerts that have the field at all, fewer than one in 20 agree
_WHERE = ("service", "component", "group", "host")
_ROW = {name: MATCH + place for place, name in enumerate(NAMED_FIELDS)}


def departs(decision: Decision, alert: Alert) -> tuple[str, str] | None:
    """Where an alert departs from the incident that it joined, and why in words; None if it does not."""
    choice = decision.choice
    if decision.action is not Action.JOIN or decision.reason is Reason.TOLD or choice is None:
        return None
    width, place = len(choice.columns), choice.columns.index(choice.actions.index(decision.incident))

    def match(row: int) -> float:
        found: float = unpack_from("<f", choice.features, 4 * (row * width + place))[0]
        return found

    known = {name: value for name in _WHERE if (value := getattr(alert, name)) is not None}
    if not known:
        return None
    where = next(iter(known))
    if match(_ROW[where]) > NEW or match(TEMPLATE if alert.class_ is None else _ROW["class"]) > NEW:
        return None
    kind = "the kind of its title" if alert.class_ is None else f"class {alert.class_}"
    return f"{where} {known[where]}", f"{where} {known[where]} and {kind} are new to the incident"
