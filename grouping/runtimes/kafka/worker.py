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
from typing import Any, NoReturn

import click
import faust
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.worker import Worker
from mode import Service

from grouping.commands.worker import from_environment, listening
from grouping.parse import Malformed
from grouping.runtimes.kafka.home import claim
from grouping.runtimes.kafka.ingress import translate
from grouping.runtimes.kafka.logs import calm
from grouping.runtimes.kafka.loop import Loop
from grouping.runtimes.kafka.metrics import Metrics
from grouping.runtimes.kafka.outbox import OVERHEAD
from grouping.runtimes.kafka.partition import Watch
from grouping.runtimes.kafka.settings import DEAD_LETTERS, EVENTS, INBOX, MAX_RECORD, BadSettings, Settings
from grouping.runtimes.kafka.sources import CANONICAL, Source, source
from grouping.runtimes.kafka.topics import look

logger = logging.getLogger(__name__)
AGAIN_S = 1.0  # until what could not be sent is sent again
STOP_S = 15  # for the goodbyes to the brokers; whoever kills us then does no harm
REASONS = 20  # of one message that are told
Sent = tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]  # topic, key, value, headers


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


class Ingress(Service):
    """Forwards what agents read, and acknowledges it once the brokers have it."""

    def __init__(self, settings: Settings, topics: Iterable[str], app: faust.App, who: str, **kwargs: Any) -> None:
        """``topics``: full names of those that agents read; ``who``: what this worker is known by after a restart."""
        self._settings = settings
        self._topics = list(topics)
        self._app, self._who = app, who
        self._producer: AIOKafkaProducer | None = None
        self._largest: dict[str, int] = {}
        self._stuck = False
        super().__init__(**kwargs)

    async def on_start(self) -> None:
        """Connect."""
        found = await look(self._settings, self._topics)
        self._largest = found.largest
        reads = {topic: found.counts[topic] for topic in self._topics}
        self._app.conf.consumer_group_instance_id = _known_as(self._who, reads)
        self._producer = AIOKafkaProducer(
            **self._settings.connection(),
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
            max_request_size=MAX_RECORD,
        )
        await self._producer.start()

    async def on_stop(self) -> None:
        """Send what is waiting, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def forward(self, source: Source, event: Any) -> None:
        """Translate one message and send what it holds.

        Where some of it cannot be translated, the whole message also becomes a dead letter, with every reason.
        """
        message = event.message
        events, letters = self._settings.topic(EVENTS), self._settings.topic(DEAD_LETTERS)
        headers = {key.lower(): value.decode("utf-8", "replace") for key, value in _headers(message)}
        good, refused = translate(source, message.key, message.value, headers, _ms(message))
        found: list[Sent] = []
        for key, value in good:
            if len(key) + len(value) + OVERHEAD > self._largest[events]:
                refused.append(Malformed(f"$: an event of {len(value)} bytes; raise max.message.bytes of {events}"))
            else:
                found.append((events, key, value, []))
        if refused:
            place = f"{message.topic}/{message.partition}/{message.offset}"
            reasons = "\n".join(str(error) for error in refused[:REASONS])
            told = [("error", reasons.encode("utf-8", "replace")), ("from", place.encode())]
            letter = (message.key or b"", message.value)
            if sum(map(len, filter(None, letter))) + len(told[0][1]) + OVERHEAD > self._largest[letters]:
                letter = (b"", None)  # the reasons and the place are what can be kept of it
            found.append((letters, *letter, told))
        if not found:
            event.ack()
            return
        assert self._producer is not None
        sends = [await self._producer.send(topic, value, key, headers=more) for topic, key, value, more in found]
        done = asyncio.gather(*sends)
        done.add_done_callback(lambda future: self._sent(source, event, future))

    def _sent(self, source: Source, event: Any, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self._stuck = False
            event.ack()
        elif isinstance(error, KafkaError):  # mostly brokers that are away: until it is acknowledged, nothing is lost
            if not self._stuck:
                logger.warning("ingress of %s: %s: %s; sent again", event.message.topic, type(error).__name__, error)
            self._stuck = True  # said once, and again after it has worked
            self.add_future(self._again(source, event))
        else:
            self.add_future(self.crash(error))

    async def _again(self, source: Source, event: Any) -> None:
        await self.sleep(AGAIN_S)
        await self.forward(source, event)


def _known_as(who: str, reads: Mapping[str, int]) -> str:
    """The name of a static member, which is back after a restart without waiting for the session to end.

    Brokers give it what it had before and look no further, so one that reads other topics has another name. ``reads``:
    topics and how many partitions they have.
    """
    return blake2b(repr((who, sorted(reads.items()))).encode(), digest_size=8).hexdigest()


def _headers(message: Any) -> Iterable[tuple[str, bytes]]:
    """The message's headers; Faust gives a list, a mapping or nothing."""
    found = message.headers or ()
    return found.items() if isinstance(found, Mapping) else found


def _ms(message: Any) -> int:
    """The message's time, in ms since the epoch; Faust gives seconds."""
    seconds: float = message.timestamp
    return round(seconds * 1000)


class App(faust.App):
    """Faust's app with our services started before its own consumer waits for its group."""

    ours: tuple[Service, ...] = ()

    def on_init_dependencies(self) -> Iterable[Any]:
        """Faust's services, and ours."""
        return [*self.ours, *super().on_init_dependencies()]


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
    forwarder = Ingress(settings, sources, app, who)
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
