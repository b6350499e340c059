"""grouping worker: the engine on Kafka."""

from __future__ import annotations

import asyncio
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from grouping.commands.common import CONFIG, DIRECTORY, settings, unusable
from grouping.runtimes.kafka.settings import BadSettings, Settings, read_security
from grouping.runtimes.kafka.sources import Source, read_sources


@click.command()
@click.option("--brokers", required=True, envvar="GROUPING_BROKERS", help="HOST:PORT, several with commas.")
@click.option("--state", required=True, type=DIRECTORY, envvar="GROUPING_STATE", help="Of this worker alone.")
@click.option("--topic-prefix", default="", envvar="GROUPING_TOPIC_PREFIX", help="Before all names.")
@click.option("--create-topics", type=click.IntRange(1, 1024), metavar="N", help="Make what is missing, N partitions.")
@click.option(
    "--replication",
    type=click.IntRange(1, 32),
    metavar="R",
    help="Make topics with so many replicas; the brokers' default if nothing else is said.",
)
@click.option(
    "--ingress",
    multiple=True,
    envvar="GROUPING_INGRESS",
    metavar="TOPIC=FORMAT[,scope=NAME][,scope-from=key|FIELD]",
    help="Read a further topic of foreign payloads, and say which scope its events get.",
)
@click.option("--config", "config_file", type=CONFIG, envvar="GROUPING_CONFIG", help="TOML.")
@click.option("--security", type=CONFIG, envvar="GROUPING_SECURITY", help="TOML: protocol, ca_file, username ...")
@click.option(
    "--metrics", envvar="GROUPING_METRICS", metavar="HOST:PORT", help="Serve Prometheus metrics, e.g. 127.0.0.1:9464."
)
@click.option(
    "--session",
    type=click.FloatRange(1, 1800),
    default=10.0,
    show_default=True,
    envvar="GROUPING_SESSION",
    help="Seconds of silence after which others get a worker's partitions; the same for all.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    envvar="GROUPING_ACCEPT_LOSS",
    help="Go on where events were deleted before they were worked off.",
)
@click.option(
    "--keep-days",
    type=click.FloatRange(0, 36_500),
    default=0.0,
    envvar="GROUPING_KEEP_DAYS",
    help="Delete incidents that nothing was said of for so long, by the time of events; 0: never. The same for all.",
)
@click.option(
    "--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), show_default=True
)
def command(
    create_topics: int | None, replication: int | None, metrics: str | None, log_level: str, **given: Any
) -> None:
    """Work on Kafka: topic `events` in, `decisions` and `incidents` out.

    Any number of workers share the partitions; whatever is killed, and when, the committed outputs are those of a
    replay of the topic. Records of the topic `inbox` need no key: they are checked, keyed by scope and put into
    `events`, or into `dead_letters` with the reason.
    """
    if not __debug__:
        raise click.UsageError("the Kafka client relies on assertions; run Python without -O")
    if find_spec("aiokafka") is None or find_spec("faust") is None:
        raise click.UsageError("the Kafka client is not installed: pip install '.[kafka]' in the source tree")
    from aiokafka.errors import KafkaError  # noqa: PLC0415 — an optional dependency

    from grouping.runtimes.kafka import topics, worker  # noqa: PLC0415 — the same

    if replication is not None and create_topics is None:
        raise click.UsageError("--replication: of no use without --create-topics")
    told, further = _settings(**given)
    try:
        if create_topics is not None:
            for name in asyncio.run(topics.create(told, create_topics, replication)):
                click.echo(f"made the topic {name}", err=True)
        wait_s = 0.0 if create_topics is None else topics.WAIT_S
        asyncio.run(topics.look(told, [source.topic for source in further], wait_s))
        app = worker.build(told, further, listening(metrics))
    except BadSettings as error:
        raise click.UsageError(str(error)) from None
    except KafkaError as error:
        raise click.UsageError(f"--brokers {told.brokers}: {error}; is one of them up?") from None
    except OSError as error:
        raise click.UsageError(unusable(error)) from None
    worker.run(app, log_level)


def from_environment() -> tuple[Settings, list[Source], str | None]:
    """What the variables of the options say, for whoever starts the worker without them; and where metrics are served.

    Raises click.UsageError.
    """
    usual = {"brokers": "127.0.0.1:9092", "state": "state"}
    given = command.make_context("worker", [], default_map=usual).params
    metrics = given.pop("metrics")
    for name in ("create_topics", "replication", "log_level"):  # options of the command alone
        given.pop(name)
    return *_settings(**given), metrics


def _settings(  # noqa: PLR0913 — one per option
    *,
    brokers: str,
    state: Path,
    topic_prefix: str,
    ingress: tuple[str, ...],
    config_file: Path | None,
    security: Path | None,
    session: float,
    accept_loss: bool,
    keep_days: float,
) -> tuple[Settings, list[Source]]:
    config = settings(config_file, {})
    try:
        whole = {} if config_file is None else tomllib.loads(config_file.read_text())
        told = Settings(
            brokers=brokers,
            state=state,
            prefix=topic_prefix,
            config=config,
            security=read_security(security) if security else {},
            session_s=session,
            accept_loss=accept_loss,
            keep_days=keep_days,
        )
        return told, read_sources(whole, ingress)
    except BadSettings as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(unusable(error)) from None


def listening(address: str | None) -> Any:
    """The metrics, served; None where no address is given. Raises click.UsageError."""
    if address is None:
        return None
    from grouping.runtimes.kafka.metrics import Metrics  # noqa: PLC0415 — not all commands need it

    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError(f"--metrics {address}: expected HOST:PORT, e.g. 127.0.0.1:9464")
    metrics = Metrics()
    try:
        metrics.listen(host, int(port))
    except OSError as error:
        raise click.UsageError(f"--metrics {address}: {error.strerror}") from None
    return metrics
