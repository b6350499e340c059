"""When an alert that joins an incident departs from it: it may be a different failure, which the group would hide.

It departs when it is new to the incident in two ways at once, as the features of its decision say:

- *where*: its service (or, if that is unknown, its component, else its group, else its host) is one that hardly an alert
  of the incident has;
- *what*: its class (or, if that is unknown, the template of its title) is one that hardly an alert of the incident has.

A storm of one service brings new hosts and titles, but the same service; a fault that climbs from service to service
brings new services, but soon known classes. Neither departs. What a responder said to belong there does not either.
"""

from __future__ import annotations

from struct import Struct

from grouping.layout import MATCH, NAMED_FIELDS, TEMPLATE
from grouping.records import Action, Alert, Decision, Reason

NEW = -0.9  # a match below it: of the incident's alerts that have the field at all, fewer than one in 20 agree
_WHERE = [(name, MATCH + NAMED_FIELDS.index(name)) for name in ("service", "component", "group", "host")]
_CLASS = MATCH + NAMED_FIELDS.index("class")
_single = Struct("<f").unpack_from  # (bytes, offset); features are single precision


def departs(decision: Decision, alert: Alert) -> tuple[str, str] | None:
    """Where an alert departs from the incident that it joined, and why in words; None if it does not."""
    choice = decision.choice
    if decision.action is not Action.JOIN or choice is None or decision.reason is Reason.TOLD:
        return None
    features, width = choice.features, len(choice.columns)  # the second column is the incident that it joined
    what = TEMPLATE if alert.class_ is None else _CLASS
    if _single(features, 4 * (what * width + 1))[0] > NEW:  # as a rule; asked first, for that
        return None
    where = next(((name, row, value) for name, row in _WHERE if (value := getattr(alert, name)) is not None), None)
    if where is None or _single(features, 4 * (where[1] * width + 1))[0] > NEW:
        return None
    place = f"{where[0]} {where[2]}"
    kind = "the kind of its title" if alert.class_ is None else f"class {alert.class_}"
    return place, f"{place} and {kind} are new to the incident"
