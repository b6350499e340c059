"""A door by itself: how often it reads a body on its two ways, and what it keeps between them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from grouping.formats import canonical
from grouping.runtimes.http.doors import AHEAD, Door
from grouping.runtimes.http.limits import Gate, Message, Scope
from grouping.runtimes.http.metrics import Tally
from grouping.runtimes.resent import Resent
from grouping.runtimes.service import Service
from grouping.runtimes.settings import Settings


class Taking:
    """What a door asks of a service, with a list for a disk."""

    running = True

    def __init__(self) -> None:
        self.settings, self.resent = Settings(), Resent()
        self.lines: list[bytes] = []

    def late(self) -> bool:
        """Never."""
        return False

    async def accept(self, lines: Sequence[bytes]) -> int:
        """At once."""
        self.lines += lines
        return len(self.lines) - len(lines) + 1


class Asked:
    """A door for canonical events that counts how often it reads."""

    def __init__(self) -> None:
        self.service, self.reads = Taking(), 0
        service = cast(Service, self.service)
        self.door = Door("events", self._read, service, Gate(self.service.settings), Tally())

    def _read(self, body: bytes, headers: Mapping[str, str], received: float) -> Sequence[Any]:
        self.reads += 1
        return canonical.read(body, headers, received)

    def short(self, body: bytes) -> tuple[Scope, bytes | None]:
        """A request on the short way: what it is, and the answer."""
        scope = {"method": "POST", "path": "/events", "query_string": b"", "headers": [(b"host", b"localhost")]}
        return scope, self.door.short(scope, body)

    def usual(self, scope: Scope, body: bytes) -> int:
        """The same on the usual way: the status."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self.door(scope, receive, send))
        return int(sent[0]["status"])


def body_of(id: str, fill: int = 0) -> bytes:
    """One alert, longer by so many bytes of spaces."""
    return orjson.dumps({"kind": "alert", "id": id, "summary": "disk full"}) + b" " * fill


def test_a_body_is_read_once_on_both_ways() -> None:
    asked = Asked()
    scope, answer = asked.short(body_of("a"))
    assert (answer, asked.usual(scope, body_of("a")), asked.reads) == (None, 202, 1)
    _, known = asked.short(body_of("a"))
    assert known is not None
    assert (known.startswith(b"HTTP/1.1 202 "), asked.reads, len(asked.service.lines)) == (True, 2, 1)


def test_what_is_kept_between_the_ways_is_bounded_and_given_back() -> None:
    """Beyond the bound a body is read twice, and taken all the same; afterwards there is room again."""
    asked = Asked()
    for turn in range(3):
        bodies = [body_of(f"{turn}.{number}", AHEAD // 3) for number in range(4)]
        waiting = [(asked.short(body)[0], body) for body in bodies]
        assert [asked.usual(scope, body) for scope, body in waiting] == [202] * 4
        assert asked.reads == (turn + 1) * (4 + 2)  # two of the four were kept
    assert len(asked.service.lines) == 12
