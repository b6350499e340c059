"""What every shape takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from grouping.outlets.notice import Notice


class Target(NamedTuple):
    """What a shape needs to know of a subscription."""

    name: str
    routing_key: str = ""  # PagerDuty's
    link: str = ""  # address of an incident for people, with {incident} and {scope} in it

    def link_to(self, notice: Notice) -> str:
        """Where a person finds the incident; empty where nobody said."""
        incident, scope = _quoted(notice.incident), _quoted(notice.scope)
        return self.link.replace("{incident}", incident).replace("{scope}", scope)


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, unreserved


def _quoted(text: str) -> str:
    """A text as a part of an address."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


# The bodies to be posted, one after the other. None at all: the shape has no word for such a notice.
Render = Callable[[Notice, Target], list[bytes]]


def sentence(notice: Notice) -> str:
    """What happened, in a line for people."""
    match notice.event:
        case "departs":
            first = notice.departing[0]
            others = len(notice.departing) - 1 + notice.more
            also = f" (and {others} more)" if others else ""
            return f"Perhaps another failure in this incident: {first['summary']}{also}"
        case "worse":
            return f"Now {notice.severity}, was {notice.was or 'unknown'}: {notice.title}"
        case "merged":
            return f"Merged into {notice.into}: {notice.title}"
        case _:
            return notice.title


def reasons(notice: Notice) -> list[str]:
    """Why alerts depart, a line each."""
    lines = [f"{one['summary']}: {one['because']}" for one in notice.departing]
    return [*lines, f"and {notice.more} more"] if notice.more else lines
