"""CloudWatch alarms as Amazon SNS posts them.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. SNS asks once to confirm a subscription by
fetching an address. That address is somebody's payload: it is shown in an alert, as a command that a person runs; nothing
here does. Other messages of a topic are alerts with their text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from grouping.formats.base import (
    Raw,
    alert,
    digest,
    dumped,
    each,
    first,
    host,
    loaded,
    moment,
    name,
    record,
    refuse,
    rest,
    rows,
)
from grouping.parse import MAX_TEXT, Malformed

_TYPES = ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")
_STATES = {"ALARM": "firing", "OK": "resolved", "INSUFFICIENT_DATA": "firing"}
_ENVELOPE = ("Type", "MessageId", "Message", "Timestamp", "Signature", "SignatureVersion", "SigningCertURL", "Subject")
_HOSTS = ("InstanceId", "DBInstanceIdentifier", "CacheClusterId", "NodeName", "HostName")
_METRIC = ("Namespace", "MetricName")
_SERVICES = ("ServiceName", "FunctionName", "LoadBalancer", "QueueName", "TableName", "ApiName", "ClusterName")


def translate(payload: bytes, headers: Mapping[str, str], received: float) -> list[Raw | Malformed]:  # noqa: ARG001 — the shape of all
    """One message, or the records that SNS hands to a Lambda function. Raises Malformed."""
    raw = record(loaded(payload), "$", "send what SNS posts")
    if "Records" in raw:
        return each(rows(raw["Records"], "$.Records"), "$.Records", lambda one, at: _handed(one, at, received))
    if "AlarmName" in raw:  # raw message delivery: the alarm without its envelope
        return [_alarm(raw, "$", received, None)]
    return [_message(raw, "$", received)]


def _handed(raw: Any, place: str, received: float) -> Raw:
    raw = record(raw, place, "send what SNS hands to a function")
    return _message(
        record(raw.get("Sns"), f"{place}.Sns", "send what SNS hands to a function"), f"{place}.Sns", received
    )


def _message(raw: Raw, place: str, received: float) -> Raw:
    kind, said = raw.get("Type"), raw.get("Message")
    if type(kind) is not str or kind not in _TYPES:
        refuse(f"{place}.Type", f"expected one of {', '.join(_TYPES)}", kind, "send what SNS posts")
    if type(said) is not str:
        refuse(f"{place}.Message", "expected a text", said, "send what SNS posts")
    if kind != "Notification":
        return _asked(raw, kind, place, received)
    try:
        inner = orjson.loads(said)
    except orjson.JSONDecodeError:
        inner = None
    envelope = rest(raw, *_ENVELOPE)
    if type(inner) is dict and "AlarmName" in inner:
        return _alarm(inner | {"sns": envelope}, f"{place}.Message", received, name(raw.get("MessageId")))
    at = moment(raw.get("Timestamp"), f"{place}.Timestamp")
    return alert(
        received if at is None else at,
        first(raw, "Subject", "Message"),
        {**envelope, "message": inner if type(inner) is dict else said},
        f"{place}.Message",
        id=name(raw.get("MessageId")),
        source="sns",
        group=_topic(raw),
    )


def _asked(raw: Raw, kind: str, place: str, received: float) -> Raw:
    """SNS asks for a confirmation: shown, with the command that gives it, so that a person decides."""
    at, topic = moment(raw.get("Timestamp"), f"{place}.Timestamp"), _topic(raw) or "a topic"
    confirm, address = kind == "SubscriptionConfirmation", first(raw, "SubscribeURL") or ""
    amazons = len(address) <= MAX_TEXT - 8 and _CONFIRM.fullmatch(address) is not None
    if amazons:
        do = "run details.confirm if it is yours" if confirm else "run details.confirm to take it up again"
    else:
        do = "its address is not Amazon's: leave it"
    asks = "SNS asks to confirm the subscription to" if confirm else "SNS has ended the subscription to"
    kept = rest(raw, "Type", "MessageId", "Timestamp", "Signature", "SignatureVersion", "SigningCertURL", "Token")
    return alert(
        received if at is None else at,
        f"{asks} {topic[:256]}: {do}",
        kept | ({"confirm": f"curl -fsS '{address}'"} if amazons else {}),
        place,
        id=name(raw.get("MessageId")),
        severity="info" if confirm else "warning",
        source="sns",
        group=_topic(raw),
        class_=kind,
    )


# What a shell takes between quotes as it stands; hosts as SNS has them, also in China.
_CONFIRM = re.compile(r"https://sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/\?[A-Za-z0-9&=:%._~+/-]+", re.ASCII)


def _topic(raw: Raw) -> str | None:
    """The name of a topic: the last part of its ARN."""
    arn = first(raw, "TopicArn")
    return arn if arn is None else arn.rpartition(":")[2]


def _alarm(raw: Raw, place: str, received: float, id: str | None) -> Raw:
    """One change of an alarm's state. Nothing says how bad it is; missing data is a warning."""
    state, title = raw.get("NewStateValue"), first(raw, "AlarmName")
    if type(state) is not str or state not in _STATES:
        refuse(f"{place}.NewStateValue", f"expected one of {', '.join(_STATES)}", state, "send what CloudWatch sends")
    at = moment(raw.get("StateChangeTime"), f"{place}.StateChangeTime")
    trigger = raw.get("Trigger") if type(raw.get("Trigger")) is dict else {}
    stats = _stats(trigger)
    about = _dimensions(stats)
    namespace, metric = (next((found for stat in stats if (found := first(stat, key))), None) for key in _METRIC)
    reason = first(raw, "AlarmDescription", "NewStateReason")
    identity = [raw.get("AWSAccountId"), raw.get("Region"), raw.get("AlarmName")]
    return alert(
        received if at is None else at,
        title and (f"{title}: {reason}" if reason else title),
        rest(raw, "AlarmName", "StateChangeTime"),
        f"{place}.AlarmName",
        id=id,
        dedup_key=first(raw, "AlarmArn") or f"cloudwatch/{digest(dumped(identity, place))}",
        status=_STATES[state],
        severity="warning" if state == "INSUFFICIENT_DATA" else None,
        source="cloudwatch",
        service=first(about, *_SERVICES) or namespace,
        host=host(first(about, *_HOSTS)),
        component=namespace,
        group=first(raw, "AWSAccountId"),
        class_=metric,
    )


def _stats(trigger: Any) -> list[Raw]:
    """The metrics an alarm looks at: its own, or those its expression is made of."""
    metrics = trigger.get("Metrics") if type(trigger.get("Metrics")) is list else []
    inner = [one.get("MetricStat") for one in metrics[:16] if type(one) is dict]
    stats = [trigger, *(one.get("Metric") for one in inner if type(one) is dict)]
    return [stat for stat in stats if type(stat) is dict]


def _dimensions(stats: list[Raw]) -> dict[str, str]:
    """What an alarm looks at; of those of several metrics, the first one's."""
    found: dict[str, str] = {}
    for stat in stats:
        listed = stat.get("Dimensions")
        for one in listed if type(listed) is list else []:
            if type(one) is dict and type(one.get("name")) is str and type(one.get("value")) is str:
                found.setdefault(one["name"], one["value"])
    return found
