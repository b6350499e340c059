"""The connections: what each may cost before anything is taken from it, and the short way.

The short way: a post that holds nothing but what is on disk already is answered as soon as it has arrived. Prometheus
resends all that fires, all day. Such a post needs no task, no waiting and nothing from the disk; all others take the
usual way, as if nothing had been here.

Bounds on time are kept by looking at all connections twice a second, so that a request costs nothing for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from grouping.runtimes.http.limits import Receive, Scope, Send
from grouping.runtimes.settings import Settings

HEAD_MAX = 64 << 10  # bytes of a request's address and headers, and what one read from the socket has beyond them
SPARE = 16  # connections beyond connections_max, for those who ask how it is
LOOK = 0.5  # s between two looks at the connections
LINGER = 2.0  # s for which the rest of a body is passed over that nobody wants: who is sending still sees the answer
UNREAD = 60.0  # s for which an answer may wait to be read

_HEAD, _BODY, _IDLE, _UNREAD = range(4)  # what a connection waits for


class Front(Protocol):
    """What is behind the connections."""

    def short(self, scope: Any, body: bytes) -> bytes | None:
        """The whole answer to a request, if it can be given at once."""

    async def busy(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on a connection that is one too many."""

    def turned_away(self, status: int) -> None:
        """Count a request that was answered before it was one."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""


def protocol(front: Front) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with bounds, and with the short way before it, which holds a request until its data is read."""

    class Connection(HttpToolsProtocol):
        _held: tuple[RequestResponseCycle, Any] | None = None
        _extra = False  # beyond connections_max
        _scope: Any = None  # the request that came in parts last
        _came = 0  # bytes of it, but for those of the first part
        _since: tuple[Any, float] = (None, 0.0)  # what it waits for, of which request, and from when on

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            extra = len(self.connections) - front.settings.connections_max
            if extra > 0:
                self._extra, self.app = True, front.busy
                if extra > SPARE:
                    front.turned_away(503)
                    transport.abort()

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            if not self._extra and cycle.more_body and cycle.scope["method"] == "POST" and cycle.keep_alive:
                self._held = (cycle, app)
            else:
                super()._start_asgi_task(cycle, app)

        def on_message_complete(self) -> None:
            super().on_message_complete()
            if self._held is None:
                self.cycle.more_body = False  # also of a body that was passed over
                return
            cycle, app = self._held
            if cycle is not self.cycle:
                return
            self._held = None
            answer = None if self.transport.is_closing() else front.short(cycle.scope, bytes(cycle.body))
            if answer is None:
                super()._start_asgi_task(cycle, app)
                return
            self.transport.write(answer)
            cycle.response_complete = True
            self.on_response_complete()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._held is not None:  # the rest of its body has yet to come: it is waited for as ever
                cycle, app = self._held
                self._held = None
                super()._start_asgi_task(cycle, app)
            cycle = self.cycle
            if cycle is None or cycle.more_body or cycle.scope is not self.scope:
                self._in_parts(len(data))

        def _in_parts(self, size: int) -> None:
            """Some of a request has come, and not all of it."""
            if self._scope is not self.scope:
                self._scope, self._came = self.scope, 0  # of the first part it is not known where it began
                return
            self._came += size
            if self.transport.is_closing():
                return
            if self._heading():
                if self._came > HEAD_MAX:
                    self._end(431, f"more than {HEAD_MAX} bytes of headers; send fewer")
            elif self._came > 2 * front.settings.body_max + HEAD_MAX and not self.cycle.response_complete:
                self.transport.close()  # what counts as no body: the lengths of its parts, headers after it

        def _heading(self) -> bool:
            """Whether the headers of a request are waited for."""
            return self.cycle is None or self.cycle.scope is not self.scope

        def look(self, now: float) -> None:
            """End the connection if what it waits for has not come for too long."""
            limit = front.settings.read_s
            if self.flow.write_paused:
                waits, limit = _UNREAD, UNREAD
            elif self._heading():
                waits = _HEAD
            elif self.cycle.more_body:
                waits, limit = _BODY, LINGER if self.cycle.response_complete else 2 * limit
            elif self.cycle.response_complete and not self.pipeline:
                waits = _IDLE
            else:
                return
            what = (waits, self.cycle)
            if self._since[0] != what:
                self._since = (what, now)
            elif now - self._since[1] >= limit:
                if waits == _HEAD and self.scope is not None and not self._answering():
                    self._end(408, f"the headers did not arrive within {limit:g} s; send them in one go")
                elif waits == _UNREAD:
                    self.transport.abort()
                else:
                    self.transport.close()

        def _answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _end(self, status: int, why: str) -> None:
            front.turned_away(status)
            if not self._answering():
                self.transport.write(plain(status, why))
            self.transport.close()

    return Connection


def plain(status: int, why: str) -> bytes:
    """A whole refusal, after which the connection is closed."""
    body = orjson.dumps({"error": why})
    return b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status,
        HTTPStatus(status).phrase.encode(),
        len(body),
        body,
    )


async def look_after(connections: Iterable[Any]) -> None:
    """End the connections that wait for too long, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK)
        now = loop.time()
        for one in list(connections):
            one.look(now)
