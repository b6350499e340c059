"""The live service as a process: what `grouping serve` does, without the command line."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from grouping.config import BadConfig, Config
from grouping.runtimes.files import allow
from grouping.runtimes.http.app import application
from grouping.runtimes.http.limits import Gate
from grouping.runtimes.http.short import SPARE, look_after, protocol
from grouping.runtimes.logs import to_stderr
from grouping.runtimes.outbox.outbox import Outbox
from grouping.runtimes.retention import Retention
from grouping.runtimes.service import Service
from grouping.runtimes.settings import Settings

Again = Callable[[], tuple[Config, Settings]]  # raises BadConfig

FIXED = ("listen", "open_to_all", "formats")  # settings that stay until the process ends
WAITING = 2048  # connections that the system holds until we take them

logger = logging.getLogger("grouping.serve")


class Failed(Exception):
    """The service had to end; the message names place and remedy."""


class _Reload:
    """Reads the settings anew and goes by them, if they can be used."""

    def __init__(self, service: Service, outbox: Outbox, gate: Gate, again: Again) -> None:
        self._service = service
        self._outbox = outbox
        self._gate = gate
        self._again = again

    def __call__(self) -> None:
        try:
            config, settings = self._again()
        except BadConfig as error:
            logger.error("not reloaded: the settings stay as they were", extra={"why": str(error)})  # noqa: TRY400 — no fault of ours
            return
        before = self._service.settings
        kept = [name for name in FIXED if getattr(settings, name) != getattr(before, name)]
        kept += ["the settings of the engine"] if config != self._service.config else []
        settings = replace(settings, **{name: getattr(before, name) for name in FIXED})
        self._gate.settings = settings
        self._service.reload(settings)
        self._outbox.reload(settings.subscriptions)
        logging.getLogger().setLevel(settings.log_level.upper())
        _allow_files(settings)
        logger.warning("reloaded", extra={"need_a_restart": kept} if kept else {})


class _Server(uvicorn.Server):
    """Leaves signals to us: the library would raise them again before the log and the decisions are down."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(directory: Path, config: Config, settings: Settings, again: Again) -> None:
    """Serve until SIGTERM or SIGINT; ``again`` reads the settings anew on SIGHUP. Raises BadConfig, Failed, LogError."""
    to_stderr(settings.log_level)
    _allow_files(settings)
    if (directory / "CURRENT").exists():
        raise BadConfig(f"{directory}: the state of a replay or a worker; give the service a directory of its own")
    listening = _listen(settings)
    with listening:
        service = Service(directory, config, settings)
        outbox = Outbox(directory, service)
        front = application(service, outbox)
        server = _Server(
            uvicorn.Config(
                front,
                loop="uvloop",
                http=protocol(front),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=5,
            )
        )
        gc.freeze()  # what is loaded now stays: it need not be looked through again and again
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_live(service, outbox, server, listening, _Reload(service, outbox, front.gate, again)))
    if service.why:
        raise Failed(service.why)


async def _live(
    service: Service, outbox: Outbox, server: uvicorn.Server, listening: socket.socket, reload: _Reload
) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await outbox.start(service.settings.subscriptions)
    await service.start()
    retention = asyncio.create_task(Retention(service, outbox.told).run())
    looking = asyncio.create_task(look_after(server.server_state.connections))
    serving = asyncio.create_task(server.serve([listening]))
    waits = [asyncio.create_task(event.wait()) for event in (ending, service.broken)]
    host, port = listening.getsockname()[:2]
    logger.info("listening", extra={"host": host, "port": port, "accepted": service.log.end})
    await asyncio.wait([serving, *waits], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await service.hush()
    await serving
    for wait in waits:
        wait.cancel()
    for task in (retention, looking):
        task.cancel()
    await asyncio.gather(retention, looking, return_exceptions=True)
    await outbox.stop()
    await service.stop()
    logger.info("stopped", extra={"accepted": service.log.end, "decided": service.decided})


def _allow_files(settings: Settings) -> None:
    """Make room for as many connections as are set, and say so where the system does not give it."""
    lacking = allow(settings.connections_max + SPARE)
    if lacking:
        fitting = max(1, settings.connections_max - lacking)
        remedy = f"raise the hard limit (ulimit -Hn, LimitNOFILE) by {lacking}, or set connections_max = {fitting}"
        logger.warning("too few open files are allowed for connections_max", extra={"lacking": lacking, "do": remedy})


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
