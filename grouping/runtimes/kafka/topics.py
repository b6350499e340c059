"""The topics: made where that is asked for, and looked at before any work begins."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    BrokerResponseError,
    GroupAuthorizationFailedError,
    TopicAlreadyExistsError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
    for_code,
)

from grouping.runtimes.kafka.settings import (
    DEAD_LETTERS,
    DECISIONS,
    EVENTS,
    INBOX,
    INCIDENTS,
    MAX_RECORD,
    STATE,
    BadSettings,
    Settings,
)

logger = logging.getLogger(__name__)

_COMPACTED = {"cleanup.policy": "compact"}
_MADE: dict[str, dict[str, str]] = {
    EVENTS: {},
    DECISIONS: {},
    INCIDENTS: _COMPACTED,
    STATE: {**_COMPACTED, "max.message.bytes": str(MAX_RECORD), "segment.bytes": str(64 * 1024 * 1024)},
    INBOX: {},
    DEAD_LETTERS: {},
}
WAIT_S, AGAIN_S = 10.0, 0.1  # for topics that were just made, and between two looks
ALIGNED = (EVENTS, DECISIONS, INCIDENTS, STATE)  # partition n of one belongs to partition n of the others


class NotThere(BadSettings):
    """A topic that the brokers do not know, or not yet."""


_GROUP, _IDS = 0, 1  # what coordinators are for, as the protocol has it


@dataclass(frozen=True, slots=True)
class Topics:
    """What the brokers say of our topics."""

    partitions: int
    largest: dict[str, int]  # by full name, bytes of a record that a topic takes
    tombstones_s: float  # how long the state topic remembers that a record was deleted
    counts: dict[str, int]  # partitions of each topic that was looked at, by full name


async def create(settings: Settings, partitions: int, replicas: int | None = None) -> list[str]:
    """Make the topics that are missing; returns their names. ``replicas``: None for the brokers' default.

    Of three replicas or more, two must have what is written before it counts.
    """
    admin = AIOKafkaAdminClient(**settings.connection())
    await admin.start()
    try:
        known = set(await admin.list_topics())
        missing = [name for name in _MADE if settings.topic(name) not in known]
        safe = {"min.insync.replicas": "2"} if replicas is not None and replicas >= 3 else {}
        # The client takes a number of replicas or an assignment of them: an empty one and -1 are the brokers' default.
        where: dict[int, list[int]] | None = {} if replicas is None else None
        count = -1 if replicas is None else replicas
        topics = [NewTopic(settings.topic(name), partitions, count, where, _MADE[name] | safe) for name in missing]
        if topics:
            reply = await admin.create_topics(topics)
            for name, code, *message in reply.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:  # another worker was faster
                    raise BadSettings(f"topic {name}: {for_code(code).__name__}: {' '.join(map(str, message))}")
        return [topic.name for topic in topics]
    finally:
        await admin.close()


async def look(settings: Settings, further: Iterable[str] = (), wait_s: float = WAIT_S) -> Topics:
    """Read what the topics are like. ``further``: full names of others that must be there.

    ``wait_s``: how long a topic may be missing, as each broker hears by itself of one that was just made. Raises
    BadSettings where they cannot be worked with, KafkaError.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            return await _looked(settings, list(further))
        except NotThere:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(AGAIN_S)


async def _looked(settings: Settings, further: list[str]) -> Topics:
    for name in (settings.topic(name) for name in _MADE if name != INBOX):
        if name in further:
            raise BadSettings(
                f"ingress of {name}: the worker writes to it, and would feed itself for ever; read another"
            )
    admin = AIOKafkaAdminClient(**settings.connection())
    await admin.start()
    try:
        names = {settings.topic(name): name for name in _MADE}
        described = await admin.describe_topics([*names, *further])
        _check_there(described, set(names))
        counts = {one["topic"]: len(one["partitions"]) for one in described}
        aligned = {settings.topic(name): counts[settings.topic(name)] for name in ALIGNED}
        if len(set(aligned.values())) > 1:
            shown = ", ".join(f"{name} {count}" for name, count in aligned.items())
            raise BadSettings(
                f"topics must have the same number of partitions, and have: {shown}; make anew those that hold nothing,"
                " or start anew with another --topic-prefix"
            )
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        configs = _configs(await admin.describe_configs(resources))
        for kind, name in ((_GROUP, settings.group), (_GROUP, settings.ingress_group), (_IDS, f"{settings.group}-0")):
            await _check_allowed(admin, kind, name)
    finally:
        await admin.close()
    for name in (INCIDENTS, STATE):
        policy = configs[settings.topic(name)]["cleanup.policy"]
        if policy != "compact":
            raise BadSettings(
                f"topic {settings.topic(name)}: cleanup.policy is {policy!r}: what is not touched for long would be"
                " deleted; set it to compact"
            )
    return Topics(
        next(iter(aligned.values())),
        {name: int(config["max.message.bytes"]) for name, config in configs.items()},
        int(configs[settings.topic(STATE)]["delete.retention.ms"]) / 1000,
        counts,
    )


def _check_there(described: Iterable[Mapping[str, Any]], ours: Container[str]) -> None:
    """Raises BadSettings where a topic cannot be had: one whose name is a typo would be waited for in silence."""
    refused: dict[int, list[str]] = {}
    for one in described:
        if one["error_code"]:
            refused.setdefault(one["error_code"], []).append(one["topic"])
    for code, topics in refused.items():
        error, names = for_code(code), ", ".join(topics)
        if error is UnknownTopicOrPartitionError:
            make = ", or start with --create-topics N" if any(name in ours for name in topics) else ""
            raise NotThere(f"topic {names}: not there; make it{make}")
        raise BadSettings(f"topic {names}: {error.__name__}: {error.description}")


async def _check_allowed(admin: AIOKafkaAdminClient, kind: int, name: str) -> None:
    """Raises BadSettings where the worker may not use a group or a transactional id."""
    try:
        await admin.find_coordinator(name, kind)
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed) as error:
        what = "group" if kind == _GROUP else "transactional id"
        raise BadSettings(f"{what} {name}: {type(error).__name__}; see the table of rights in docs/kafka.md") from None
    except BrokerResponseError:  # brokers that were never asked before have none yet
        return


def _configs(replies: list[Any]) -> dict[str, dict[str, str]]:
    found = {}
    for reply in replies:
        for code, message, _, name, entries in reply.resources:
            if code:
                error = NotThere if for_code(code) is UnknownTopicOrPartitionError else BadSettings
                raise error(f"topic {name}: {for_code(code).__name__}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
