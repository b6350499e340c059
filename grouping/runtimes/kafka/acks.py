"""What has been read of each partition and is on its way, acknowledged in the order in which it was read. Pure.

Faust commits what is acknowledged as if nothing before it were missing where a partition has no commit yet, and one
message beyond what is missing elsewhere. Brokers confirm in any order, so a kill between the two would lose messages.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Waiting:
    """A message on its way. ``place``: its partition; ``ack``: called once, when it and all before it are done."""

    place: Hashable
    offset: int
    ack: Callable[[], object]
    done: bool = False


class InOrder:
    """The messages of each partition that wait for their acknowledgement."""

    def __init__(self) -> None:
        self._lines: defaultdict[Hashable, deque[Waiting]] = defaultdict(deque)

    def begin(self, place: Hashable, offset: int, ack: Callable[[], object]) -> Waiting:
        """A message has been read.

        One that is not behind the last of its partition is read again, and all that follows will be: what was on its
        way from there is not waited for any more, and acknowledges nothing.
        """
        line = self._lines[place]
        if line and offset <= line[-1].offset:
            line.clear()
        one = Waiting(place, offset, ack)
        line.append(one)
        return one

    def done(self, one: Waiting) -> None:
        """A message has arrived: acknowledge it, and what waited for it, unless it waits itself."""
        one.done = True
        line = self._lines[one.place]
        while line and line[0].done:
            line.popleft().ack()
