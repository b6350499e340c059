"""The short way: a post that holds nothing but what is on disk already is answered as soon as it has arrived.

Prometheus resends all that fires, all day. Such a post needs no task, no waiting and nothing from the disk; all others
take the usual way, as if nothing had been here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

Short = Callable[[Any, bytes], bytes | None]  # scope and body of a request to its whole answer, if there is one


def protocol(short: Short) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with the short way before it. Holds a request back until the data at hand is read."""

    class Protocol(HttpToolsProtocol):
        _held: tuple[RequestResponseCycle, Any] | None = None

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            if app is self.app and cycle.more_body and cycle.scope["method"] == "POST" and cycle.keep_alive:
                self._held = (cycle, app)
            else:
                super()._start_asgi_task(cycle, app)

        def on_message_complete(self) -> None:
            super().on_message_complete()
            if self._held is None:
                return
            cycle, app = self._held
            if cycle is not self.cycle:
                return
            self._held = None
            answer = None if self.transport.is_closing() else short(cycle.scope, bytes(cycle.body))
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

    return Protocol
