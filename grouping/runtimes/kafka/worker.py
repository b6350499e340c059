"""The worker as a Faust app: signals, logs, agents that bring foreign topics into `events`, and the loop as a service.

`grouping worker` builds it from options; `faust -A grouping.runtimes.kafka.worker worker --without-web` from the
environment. The engine does not run in an agent: those are at-least-once, which is right for what they do here (an
event forwarded twice is a no-op the second time) and wrong for decisions.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, NoReturn, cast

import click
import faust
from faust.transport.drivers import aiokafka
from faust.types import TP
from faust.worker import Worker
from mode import Service

from grouping.commands.worker import from_environment, listening
from grouping.runtimes.kafka.forward import Ingress
from grouping.runtimes.kafka.home import claim
from grouping.runtimes.kafka.logs import calm
from grouping.runtimes.kafka.loop import Loop
from grouping.runtimes.kafka.metrics import Metrics
from grouping.runtimes.kafka.partition import Watch
from grouping.runtimes.kafka.settings import INBOX, BadSettings, Settings
from grouping.runtimes.kafka.sources import CANONICAL, Source, source
from grouping.runtimes.kafka.topics import look

logger = logging.getLogger(__name__)
STOP_S = 15  # for the goodbyes to the brokers; whoever kills us then does no harm


class Engine(Service):
    """The loop, started and stopped with the app."""

    def __init__(self, settings: Settings, metrics: Metrics | None, **kwargs: Any) -> None:
        self._settings = settings
        self._metrics = metrics
        self._loop: Loop | None = None
        self._over = asyncio.Event()
        super().__init__(**kwargs)

    @Service.task
    async def _run(self) -> None:
        calm(asyncio.get_running_loop())
        watch: Watch | None = None if self._metrics is None else self._metrics.watch
        try:
            loop = self._loop = Loop(self._settings, await look(self._settings), watch)
            if self._metrics is not None:
                self._metrics.lag_of(lambda: loop.lag)
            await loop.run()
        finally:
            self._over.set()

    async def on_stop(self) -> None:
        """Write everything down before the app goes."""
        if self._loop is not None:
            self._loop.stop()
            await self._over.wait()


class Again(aiokafka.AIOKafkaConsumerThread):
    """Faust's consumer, which after a change in its group goes back also where it has never committed.

    The client looks for a commit and, where there is none, stays where it has read to: what had been fetched and was
    thrown away at the change would never be forwarded.
    """

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go back to what is committed, or to the beginning; gives what is committed."""
        return cast("Mapping[TP, int]", await self.call_thread(self._seek_back))

    async def _seek_back(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        committed: Mapping[TP, int] = await consumer.seek_to_committed()
        for tp, offset in committed.items():
            if not offset:
                consumer.seek(tp, 0)  # where that is deleted, `auto_offset_reset` says to take what comes after
        return committed


class Consumer(aiokafka.Consumer):
    """Faust's consumer with a thread of that kind."""

    def _new_consumer_thread(self) -> Again:
        return Again(self, loop=self.loop, beacon=self.beacon)


class Transport(aiokafka.Transport):
    """Faust's connection to Kafka with a consumer of that kind."""

    Consumer = Consumer


class App(faust.App):
    """Faust's app with our services started before its own consumer waits for its group."""

    ours: tuple[Service, ...] = ()

    def on_init_dependencies(self) -> Iterable[Any]:
        """Faust's services, and ours."""
        return [*self.ours, *super().on_init_dependencies()]

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)


def _known_as(who: str, reads: Mapping[str, int]) -> str:
    """The name of a static member, which is back after a restart without waiting for the session to end.

    Brokers give it what it had before and look no further, so one that reads other topics has another name. ``reads``:
    topics and how many partitions they have.
    """
    return blake2b(repr((who, sorted(reads.items()))).encode(), digest_size=8).hexdigest()


class Ending(Worker):
    """Faust's worker, which waits for ever where no broker answers its goodbyes, and draws a spinner into the log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spinner = None

    def on_worker_shutdown(self) -> None:
        """Called when the stop has begun."""
        self.loop.call_later(STOP_S, _end)


def _end() -> None:
    logger.error("not stopped within %d s, as no broker answers: ended; nothing committed is lost", STOP_S)
    logging.shutdown()
    os._exit(1)


def build(settings: Settings, ingress: Iterable[Source] = (), metrics: Metrics | None = None) -> App:
    """The app, with its directory claimed. ``ingress``: further topics to read.

    Raises BadSettings, OSError.
    """
    connection, who = settings.connection(), claim(settings.state)
    app = App(
        settings.ingress_group,
        broker=[f"kafka://{address.strip()}" for address in settings.brokers.split(",")],
        broker_credentials=_credentials(connection),
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.session_s / 10,
        broker_commit_every=sys.maxsize,  # on time only: Faust reads nothing meanwhile, and forgets what changed then
        consumer_auto_offset_reset="earliest",
        datadir=settings.state / "faust",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_bind="127.0.0.1",
        key_serializer="raw",
        value_serializer="raw",
        Worker=Ending,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )
    inbox = source(settings.topic(INBOX), {"format": CANONICAL}, INBOX)
    sources = {each.topic: each for each in (inbox, *ingress)}

    def known(reads: Mapping[str, int]) -> None:
        app.conf.consumer_group_instance_id = _known_as(who, reads)

    forwarder = Ingress(settings, sources, known)
    app.ours = (Engine(settings, metrics), forwarder)
    for one in sources.values():
        _agent(app, forwarder, one)
    return app


def _agent(app: App, forwarder: Ingress, source: Source) -> None:
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await forwarder.forward(source, event)

    topic = app.topic(source.topic, value_serializer="raw", key_serializer="raw")
    app.agent(topic, name=f"ingress.{source.topic}")(agent)


def _credentials(connection: Mapping[str, Any]) -> Any:
    protocol, context = connection["security_protocol"], connection.get("ssl_context")
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=connection["sasl_plain_username"],
            password=connection["sasl_plain_password"],
            mechanism=connection["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def run(app: App, loglevel: str) -> NoReturn:
    """Work until a signal says stop; ends the process."""
    app.finalize()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as in a replay: millions of records without cycles
    for name in ("faust", "mode", "aiokafka"):  # what they tell at INFO is of use to their own developers
        logging.getLogger(name).setLevel(loglevel if loglevel == "DEBUG" else "WARNING")
    Ending(app, loglevel=loglevel, redirect_stdouts=False).execute_from_commandline()
    sys.exit(0)


def _from_environment() -> App:
    settings, ingress, metrics = from_environment()
    try:
        return build(settings, ingress, listening(metrics))
    except BadSettings as error:
        raise click.UsageError(str(error)) from None


def __getattr__(name: str) -> Any:
    """``app``, built when the faust command asks for it; it asks twice."""
    if name == "app":
        return globals().setdefault("app", _from_environment())
    raise AttributeError(name)
