"""The title of an incident: what the titles of its alerts share.

Alerts of the same template keep the words they agree on and show a typed mask where they differ; the most common
template speaks for the incident.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

KINDS_KEPT: Final = 8  # templates remembered per incident; further ones are only counted
MAX_TEXT: Final = 1024  # characters of a title, as of a summary: masks are longer than what they stand for
# What breaks a line or a terminal.
_ONE_LINE: Final = dict.fromkeys((*range(32), *range(127, 160), 0x2028, 0x2029), " ")


@dataclass(slots=True)
class Title:
    """Templates of an incident: template -> [alerts, what their titles share]."""

    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)
    others: int = 0  # alerts of templates beyond those kept

    def add(self, template: str, summary: str) -> None:
        """Take one more alert in."""
        known = self.kinds.get(template)
        if known is not None:
            count, shared = known
            if shared not in (summary, template):  # one that is the template already shares no more
                shared = _common(template, shared, summary)
            self.kinds[template] = (count + 1, shared)
        elif len(self.kinds) < KINDS_KEPT:
            self.kinds[template] = (1, summary)
        else:
            self.others += 1

    def text(self) -> str:
        """One line for a person. The earliest of the most common templates speaks."""
        if not self.kinds:
            return "(no alerts)"
        _, shared = max(self.kinds.values(), key=lambda kind: kind[0])
        more = len(self.kinds) - 1
        rest = ""
        if more or self.others:
            rest = f" (+{more}{' or more' if self.others else ''} other kind{'s' if more != 1 else ''})"
        if len(shared) + len(rest) > MAX_TEXT:
            shared = shared[: MAX_TEXT - len(rest) - 1] + "…"
        return (shared if shared.isprintable() else shared.translate(_ONE_LINE)) + rest


def _common(template: str, one: str, other: str) -> str:
    """The words both agree on; where they differ, the template's mask."""
    masks, left, right = template.split(" "), one.split(" "), other.split(" ")
    if not len(masks) == len(left) == len(right):
        return template
    return " ".join(a if a == b else m for m, a, b in zip(masks, left, right, strict=True))
