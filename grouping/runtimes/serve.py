"""The live service as a process: what `grouping serve` does, without the command line."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from grouping.config import BadConfig, Config
from grouping.runtimes.http.app import application
from grouping.runtimes.logs import to_stderr
from grouping.runtimes.service import Service
from grouping.runtimes.settings import Settings

WAITING = 2048  # connections that the system holds until we take them

logger = logging.getLogger("grouping.serve")


class Failed(Exception):
    """The service had to end; the message names place and remedy."""


class _Server(uvicorn.Server):
    """Leaves signals to us: the library would raise them again before the log and the decisions are down."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(directory: Path, config: Config, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises BadConfig, Failed, LogError."""
    to_stderr(settings.log_level)
    listening = _listen(settings)
    with listening:
        service = Service(directory, config, settings)
        server = _Server(
            uvicorn.Config(
                application(service),
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=settings.connections_max,
                timeout_graceful_shutdown=5,
            )
        )
        gc.freeze()  # what is loaded now stays: it need not be looked through again and again
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_live(service, server, listening))
    if service.why:
        raise Failed(service.why)


async def _live(service: Service, server: uvicorn.Server, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    await service.start()
    serving = asyncio.create_task(server.serve([listening]))
    waits = [asyncio.create_task(event.wait()) for event in (ending, service.broken)]
    host, port = listening.getsockname()[:2]
    logger.info("listening", extra={"host": host, "port": port, "accepted": service.log.end})
    await asyncio.wait([serving, *waits], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    service.hush()
    await serving
    for wait in waits:
        wait.cancel()
    await service.stop()
    logger.info("stopped", extra={"accepted": service.log.end, "decided": service.decided})


def _listen(settings: Settings) -> socket.socket:
    """The socket to take connections from. Raises BadConfig."""
    host, port = settings.address()
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=WAITING)
    except OSError as error:
        raise BadConfig(f"service.listen: {settings.listen}: {error.strerror}; choose another address") from None
    listening.setblocking(False)
    return listening
