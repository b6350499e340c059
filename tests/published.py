"""Payloads as the owners of the formats publish them: their fields and nesting, with values of our own.

Each names the address where its shape stands, what must come of it, and the texts that are left out on purpose.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson

PAGERDUTY = "https://developer.pagerduty.com/docs/send-alert-event"
CHANGE = "https://developer.pagerduty.com/docs/send-change-event"
WEBHOOK = "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"
POSTED = "https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml"
GRAFANA = (
    "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/"
    "webhook-notifier/"
)
LEGACY = "https://grafana.com/docs/grafana/v8.0/alerting/old-alerting/notifications/#webhook"
DATADOG = "https://docs.datadoghq.com/integrations/webhooks/"
SNS = "https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"
ALARM = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html"
LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"
CLOUDEVENTS = "https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md#32-examples"
BATCH = "https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md#43-examples"
BINARY = "https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md"
OTLP = "https://github.com/open-telemetry/opentelemetry-proto/tree/main/examples"
SENTRY = "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/"
ZABBIX = "https://git.zabbix.com/projects/ZBX/repos/zabbix/browse/templates/media/pagerduty"


class Published(NamedTuple):
    """One payload. ``becomes``: for each event the fields that must be so. ``without``: texts that are not kept."""

    name: str
    format: str
    address: str
    payload: Any  # bytes, or what is sent as JSON
    becomes: list[dict[str, Any]]
    without: tuple[str, ...] = ()
    headers: dict[str, str] = {}  # noqa: RUF012 — nobody writes into it


def attribute(key: str, **value: Any) -> dict[str, Any]:
    """An attribute of OTLP."""
    return {"key": key, "value": value}


KEY = "0f" * 16
TOPIC = "arn:aws:sns:eu-north-1:210987654321:night-shift"
ENVELOPE = {
    "MessageId": "5a3e7c11-0d2b-5f6e-9a77-4b1c8e2f9d03",
    "TopicArn": TOPIC,
    "Timestamp": "2026-02-11T04:12:09.318Z",
    "SignatureVersion": "1",
    "Signature": "c2lnbmF0dXJl",
    "SigningCertURL": "https://sns.eu-north-1.amazonaws.com/SimpleNotificationService-00.pem",
}
UNSUBSCRIBE = {"UnsubscribeURL": f"https://sns.eu-north-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={TOPIC}:77"}
SIGNED = ("Notification", "1", ENVELOPE["MessageId"], ENVELOPE["Signature"], ENVELOPE["SigningCertURL"])
TOKENED = {
    "Token": "ab12" * 16,
    "Message": f"Somebody wants {TOPIC} to come here.\nOpen the address to agree.",
    "SubscribeURL": f"https://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=ab12",
}
CLOUDWATCH = {
    "AlarmName": "queue-too-long",
    "AlarmDescription": "orders wait for minutes",
    "AWSAccountId": "210987654321",
    "AlarmConfigurationUpdatedTimestamp": "2026-01-05T10:00:00.000+0000",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed: 2 datapoints were greater than the threshold (900.0).",
    "StateChangeTime": "2026-02-11T04:12:08.951+0000",
    "Region": "EU (Stockholm)",
    "AlarmArn": "arn:aws:cloudwatch:eu-north-1:210987654321:alarm:queue-too-long",
    "OldStateValue": "OK",
    "OKActions": [TOPIC],
    "AlarmActions": [TOPIC],
    "InsufficientDataActions": [],
    "Trigger": {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Namespace": "AWS/SQS",
        "StatisticType": "Statistic",
        "Statistic": "MAXIMUM",
        "Unit": None,
        "Dimensions": [{"value": "orders", "name": "QueueName"}],
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 900.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    },
}
MATH = {
    "Period": 300,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "Threshold": 5.0,
    "TreatMissingData": "breaching",
    "EvaluateLowSampleCountPercentile": "ignore",
    "Metrics": [
        {"Expression": "100*m1/m2", "Id": "e1", "Label": "share", "ReturnData": True},
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {
                    "Dimensions": [{"value": "front", "name": "LoadBalancer"}],
                    "MetricName": "HTTPCode_ELB_5XX_Count",
                    "Namespace": "AWS/ApplicationELB",
                },
                "Period": 300,
                "Stat": "Sum",
            },
            "ReturnData": False,
        },
    ],
}
LABELS = {"alertname": "QueueTooLong", "queue": "orders", "severity": "page", "instance": "mq-2:9419"}
NOTES = {"summary": "orders wait for minutes", "runbook_url": "https://books.example/queue"}
FIRING = {
    "status": "firing",
    "labels": LABELS,
    "annotations": NOTES,
    "startsAt": "2026-02-11T04:12:08.951Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prom-1.example:9090/graph?g0.expr=queue&g0.tab=1",
    "fingerprint": "a1b2c3d4e5f60718",
}
OVER = FIRING | {"status": "resolved", "endsAt": "2026-02-11T04:44:00.25Z"}
COMMON = {"groupLabels": {"alertname": "QueueTooLong"}, "commonLabels": LABELS, "commonAnnotations": NOTES}
AT = 1_770_783_128.951
CLOUD = {
    "specversion": "1.0",
    "type": "com.example.tank.low",
    "source": "/tanks/4",
    "id": "T-77",
    "time": "2026-02-11T04:12:08.951Z",
    "comexamplearea": "north",
    "comexamplelevel": 5,
}
ACTOR = {"actor": {"id": "sentry", "name": "Sentry", "type": "application"}}
INSTALLED = {"installation": {"uuid": "0c5d0b0e-5c7e-4f6b-8a5f-3a6a0b7c9d10"}}
SAID_BY = ("sentry", "Sentry", "application", "0c5d0b0e-5c7e-4f6b-8a5f-3a6a0b7c9d10")
FRAME = {
    "abs_path": "https://shop.example/cart.js",
    "colno": 41,
    "context_line": "{snip} total(cart.items) {snip}",
    "data": {"orig_in_app": 1},
    "errors": None,
    "filename": "/cart.js",
    "function": "total",
    "in_app": True,
    "lineno": 7,
    "module": "cart",
    "vars": None,
}
SENTRY_EVENT = {
    "_ref": 3,
    "_ref_version": 2,
    "contexts": {"browser": {"name": "Firefox", "type": "browser", "version": "140.0"}},
    "culprit": "total(cart)",
    "datetime": "2026-02-11T04:12:08.951000Z",
    "dist": None,
    "event_id": "5d1f0c2b7a9e4c6db8f3a1e0c4b29d77",
    "exception": {
        "values": [
            {
                "mechanism": {"data": {"mode": "stack"}, "description": None, "handled": False, "type": "onerror"},
                "stacktrace": {"frames": [FRAME]},
                "type": "TypeError",
                "value": "items is undefined",
            }
        ]
    },
    "fingerprint": ["{{ default }}"],
    "grouping_config": {"enhancements": "eJyb", "id": "newstyle:2023-01-11"},
    "hashes": ["77f0c2b1"],
    "issue_url": "https://sentry.example/api/0/issues/4410/",
    "issue_id": "4410",
    "key_id": "12",
    "level": "error",
    "location": "/cart.js",
    "logger": "",
    "message": "",
    "metadata": {"filename": "/cart.js", "type": "TypeError", "value": "items is undefined"},
    "platform": "javascript",
    "project": 9,
    "received": AT,
    "release": None,
    "request": {
        "cookies": None,
        "headers": [["User-Agent", "Firefox/140.0"]],
        "query_string": [],
        "url": "https://shop.example/",
    },
    "sdk": {"integrations": ["HttpContext"], "name": "sentry.javascript.browser", "packages": [], "version": "9.1.0"},
    "tags": [["browser", "Firefox 140.0"], ["level", "error"], ["environment", "production"]],
    "time_spent": None,
    "timestamp": AT,
    "title": "TypeError: items is undefined",
    "type": "error",
    "url": "https://sentry.example/api/0/projects/acme/shop/events/5d1f0c2b7a9e4c6db8f3a1e0c4b29d77/",
    "user": {"ip_address": "192.0.2.7"},
    "version": "7",
    "web_url": "https://sentry.example/organizations/acme/issues/4410/events/5d1f/",
}
SENTRY_ISSUE = {
    "url": "https://sentry.example/api/0/issues/4411/",
    "web_url": "https://sentry.example/organizations/acme/issues/4411/",
    "project_url": "https://sentry.example/organizations/acme/issues/?project=9",
    "annotations": [],
    "assignedTo": None,
    "count": "1",
    "culprit": "pay(card)",
    "firstSeen": "2026-02-11T04:12:08.951000Z",
    "hasSeen": False,
    "id": "4411",
    "isBookmarked": False,
    "lastSeen": "2026-02-11T04:12:08.951000Z",
    "level": "fatal",
    "logger": None,
    "metadata": {"filename": "/pay.js", "type": "RangeError", "value": "no such card"},
    "numComments": 0,
    "permalink": None,
    "platform": "javascript",
    "project": {"id": "9", "name": "Shop", "platform": "", "slug": "shop"},
    "shareId": None,
    "shortId": "SHOP-4",
    "status": "unresolved",
    "statusDetails": {},
    "subscriptionDetails": None,
    "substatus": "escalating",
    "title": "RangeError: no such card",
    "type": "error",
    "userCount": 1,
}
SENTRY_METRIC = {
    "alert_rule": {
        "aggregate": "count()",
        "created_by": None,
        "dataset": "events",
        "date_created": "2025-12-01T08:00:00.000000Z",
        "date_modified": "2025-12-01T08:00:00.000000Z",
        "environment": None,
        "id": "31",
        "include_all_projects": False,
        "name": "Errors in the shop",
        "organization_id": "2",
        "projects": ["shop"],
        "query": "level:error",
        "resolution": 1,
        "resolve_threshold": None,
        "status": 0,
        "threshold_period": 1,
        "threshold_type": 0,
        "time_window": 10,
        "triggers": [],
    },
    "date_closed": None,
    "date_created": "2026-02-11T04:12:08.951000Z",
    "date_detected": "2026-02-11T04:12:08.951000Z",
    "date_started": "2026-02-11T04:12:08.951000Z",
    "id": "88",
    "identifier": "6",
    "organization_id": "2",
    "projects": ["shop"],
    "status": 20,
    "status_method": 3,
    "title": "Errors in the shop",
    "type": 2,
}
TANKS = [
    attribute("name", stringValue="tank 4"),
    attribute("full", boolValue=False),
    attribute("valves", intValue=10),
    attribute("level", doubleValue=6.25),
    attribute("crew", arrayValue={"values": [{"stringValue": "ana"}, {"stringValue": "bo"}]}),
    attribute("place", kvlistValue={"values": [attribute("hall", stringValue="north")]}),
]

PUBLISHED = [
    Published(
        "pagerduty-trigger",
        "pagerduty",
        PAGERDUTY,
        {
            "payload": {
                "summary": "disk of mq-2 is nearly full",
                "timestamp": "2026-02-11T04:12:08.951+0000",
                "severity": "critical",
                "source": "mq-2.example",
                "component": "broker",
                "group": "messages",
                "class": "disk",
                "custom_details": {"free space": "1%", "ping time": "1500ms", "load avg": 0.75},
            },
            "routing_key": KEY,
            "dedup_key": "mq-2/disk",
            "images": [{"src": "https://pictures.example/1.png", "href": "https://example.com", "alt": "a curve"}],
            "links": [{"href": "https://books.example/disk", "text": "what to do"}],
            "event_action": "trigger",
            "client": "a monitor of ours",
            "client_url": "https://monitor.example",
        },
        [
            {
                "at": AT,
                "status": "firing",
                "severity": "critical",
                "host": "mq-2.example",
                "component": "broker",
                "group": "messages",
                "class": "disk",
                "source": "a monitor of ours",
                "summary": "disk of mq-2 is nearly full",
            }
        ],
        without=("trigger", KEY),
    ),
    *(
        Published(
            f"pagerduty-{action}",
            "pagerduty",
            PAGERDUTY,
            {"routing_key": KEY, "dedup_key": "mq-2/disk", "event_action": action},
            [{"status": status}],
            without=(KEY,),
        )
        for action, status in (("acknowledge", "acknowledged"), ("resolve", "resolved"))
    ),
    Published(
        "pagerduty-change",
        "pagerduty-change",
        CHANGE,
        {
            "routing_key": KEY,
            "payload": {
                "summary": "broker 4.2 is out",
                "source": "ci",
                "timestamp": "2026-02-11T04:12:08.951Z",
                "custom_details": {"build_state": "passed", "build_number": "220", "run_time": "90s"},
            },
            "links": [{"href": "https://ci.example/220", "text": "the build"}],
        },
        [{"at": AT, "status": "resolved", "severity": "info", "class": "change", "summary": "broker 4.2 is out"}],
        without=(KEY,),
    ),
    Published(
        "alertmanager-webhook",
        "alertmanager",
        WEBHOOK,
        {
            "version": "4",
            "groupKey": '{}:{alertname="QueueTooLong"}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "engine",
            **COMMON,
            "externalURL": "http://am-1.example:9093",
            "notification_reason": "new alerts added",
            "alerts": [FIRING, OVER],
        },
        [
            {
                "at": AT,
                "status": "firing",
                "severity": "critical",
                "class": "QueueTooLong",
                "host": "mq-2",
                "summary": "orders wait for minutes",
            },
            {"at": 1_770_785_040.25, "status": "resolved", "class": "QueueTooLong"},
        ],
        without=("4", "firing", FIRING["endsAt"]),
    ),
    Published(
        "alertmanager-posted",
        "alertmanager",
        POSTED,
        [
            {
                "labels": LABELS,
                "annotations": NOTES,
                "startsAt": "2026-02-11T04:12:08.951Z",
                "endsAt": "2030-01-01T00:00:00.000Z",
                "generatorURL": "http://prom-1.example:9090/graph?g0.expr=queue",
            },
            {"labels": {"alertname": "Watchdog"}},
        ],
        [{"at": AT, "status": "firing", "severity": "critical"}, {"class": "Watchdog", "summary": "Watchdog"}],
        without=("2030-01-01T00:00:00.000Z",),
    ),
    Published(
        "grafana",
        "grafana",
        GRAFANA,
        {
            "receiver": "engine",
            "status": "firing",
            "orgId": 1,
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "Queue too long", "grafana_folder": "Messages", "team": "blue"},
                    "annotations": {**NOTES, "description": "longer than ever"},
                    "startsAt": "2026-02-11T05:12:08.951000+01:00",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "values": {"B": 944.2, "C": 1},
                    "generatorURL": "https://graphs.example/alerting/grafana/q1/view",
                    "fingerprint": "c3d4e5f60718a1b2",
                    "silenceURL": "https://graphs.example/alerting/silence/new?matcher=alertname%3DQueue",
                    "dashboardURL": "",
                    "panelURL": "",
                    "imageURL": "https://graphs.example/public/1.png",
                }
            ],
            "groupLabels": {"grafana_folder": "Messages"},
            "commonLabels": {"team": "blue"},
            "commonAnnotations": {},
            "externalURL": "https://graphs.example/",
            "appVersion": "12.1.0",
            "version": "1",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "numFiring": 1,
            "numResolved": 0,
            "title": "[FIRING:1] Messages (blue)",
            "state": "alerting",
            "message": "**Firing**\n\nLabels:\n - team = blue\n",
        },
        [{"at": AT, "status": "firing", "source": "grafana", "class": "Queue too long", "group": "blue"}],
        without=(
            "1",
            "firing",
            "alerting",
            "[FIRING:1] Messages (blue)",
            "**Firing**\n\nLabels:\n - team = blue\n",
            "0001-01-01T00:00:00Z",
        ),
    ),
    Published(
        "grafana-legacy",
        "grafana",
        LEGACY,
        {
            "dashboardId": 1,
            "evalMatches": [{"value": 944.2, "metric": "queue", "tags": {"queue": "orders"}}],
            "imageUrl": "https://graphs.example/1.png",
            "message": "orders wait for minutes",
            "orgId": 1,
            "panelId": 2,
            "ruleId": 6,
            "ruleName": "Queue too long",
            "ruleUrl": "https://graphs.example/d/1/q",
            "state": "alerting",
            "tags": {"team": "blue"},
            "title": "[Alerting] Queue too long",
        },
        [{"status": "firing", "class": "Queue too long", "summary": "[Alerting] Queue too long"}],
    ),
    Published(
        "datadog",
        "datadog",
        DATADOG,
        {
            "body": "%%%\nqueue is long\n%%%",
            "last_updated": "1770783128000",
            "event_type": "metric_alert_monitor",
            "title": "[Triggered on {queue:orders}] Queue too long",
            "date": "1770783128000",
            "org": {"id": "11023", "name": "acme"},
            "id": "6218719482905123456",
            "aggreg_key": "9bd4ac313a4d1e8f",
            "alert": {
                "cycle_key": "168392650",
                "id": "7001",
                "metric": "aws.sqs.oldest",
                "scope": "queue:orders,team:blue",
                "status": "aws.sqs.oldest over queue:orders was > 900.0",
                "title": "Queue too long",
                "transition": "Triggered",
                "type": "error",
                "query": "max(last_5m):max:aws.sqs.oldest{*} by {queue} > 900",
            },
            "user": "",
            "username": "",
            "priority": "normal",
            "text_msg": "queue is long",
            "snapshot": "https://p.datadoghq.example/1.png",
            "link": "https://app.datadoghq.example/event/event?id=6218",
            "hostname": "mq-2",
            "tags": "host:mq-2,monitor,service:orders,env:prod",
            "incident_uuid": "$INCIDENT_UUID",
        },
        [
            {
                "at": 1_770_783_128.0,
                "status": "firing",
                "severity": "error",
                "host": "mq-2",
                "service": "orders",
                "group": "prod",
                "class": "7001",
                "component": "aws.sqs.oldest",
                "dedup_key": "datadog/168392650",
            }
        ],
        without=("9bd4ac313a4d1e8f", "$INCIDENT_UUID"),
    ),
    Published(
        "sns-subscription",
        "cloudwatch",
        f"{SNS}#http-subscription-confirmation-json",
        {"Type": "SubscriptionConfirmation", **ENVELOPE, **TOKENED},
        [{"class": "SubscriptionConfirmation", "severity": "info", "group": "night-shift"}],
        without=("1", ENVELOPE["Signature"], ENVELOPE["SigningCertURL"], TOKENED["Token"]),
    ),
    Published(
        "sns-unsubscribed",
        "cloudwatch",
        f"{SNS}#http-unsubscribe-confirmation-json",
        {"Type": "UnsubscribeConfirmation", **ENVELOPE, **TOKENED},
        [{"class": "UnsubscribeConfirmation", "severity": "warning"}],
        without=("1", ENVELOPE["Signature"], ENVELOPE["SigningCertURL"], TOKENED["Token"]),
    ),
    Published(
        "sns-text",
        "cloudwatch",
        f"{SNS}#http-notification-json",
        {"Type": "Notification", **ENVELOPE, **UNSUBSCRIBE, "Subject": "the first one", "Message": "good evening"},
        [{"at": 1_770_783_129.318, "summary": "the first one", "source": "sns", "id": ENVELOPE["MessageId"]}],
        without=SIGNED,
    ),
    Published(
        "cloudwatch-alarm",
        "cloudwatch",
        ALARM,
        {
            "Type": "Notification",
            **ENVELOPE,
            **UNSUBSCRIBE,
            "Subject": 'ALARM: "queue-too-long" in EU (Stockholm)',
            "Message": orjson.dumps(CLOUDWATCH).decode(),
        },
        [
            {
                "at": AT,
                "status": "firing",
                "service": "orders",
                "component": "AWS/SQS",
                "class": "ApproximateAgeOfOldestMessage",
                "dedup_key": CLOUDWATCH["AlarmArn"],
            }
        ],
        without=(
            *SIGNED,
            ENVELOPE["Timestamp"],
            'ALARM: "queue-too-long" in EU (Stockholm)',
            orjson.dumps(CLOUDWATCH).decode(),
        ),
    ),
    Published(
        "cloudwatch-several-metrics",
        "cloudwatch",
        ALARM,
        CLOUDWATCH | {"NewStateValue": "OK", "Trigger": MATH},  # raw message delivery
        [
            {
                "status": "resolved",
                "service": "front",
                "component": "AWS/ApplicationELB",
                "class": "HTTPCode_ELB_5XX_Count",
            }
        ],
    ),
    Published(
        "lambda",
        "cloudwatch",
        LAMBDA,
        {
            "Records": [
                {
                    "EventVersion": "1.0",
                    "EventSubscriptionArn": f"{TOPIC}:77",
                    "EventSource": "aws:sns",
                    "Sns": {
                        "SignatureVersion": "1",
                        "Timestamp": "2026-02-11T04:12:09.318Z",
                        "Signature": "c2lnbmF0dXJl",
                        "SigningCertUrl": "https://sns.eu-north-1.amazonaws.com/SimpleNotificationService-00.pem",
                        "MessageId": ENVELOPE["MessageId"],
                        "Message": "good evening",
                        "MessageAttributes": {"level": {"Type": "String", "Value": "low"}},
                        "Type": "Notification",
                        "UnsubscribeUrl": "https://sns.eu-north-1.amazonaws.com/?Action=Unsubscribe",
                        "TopicArn": TOPIC,
                        "Subject": "the first one",
                    },
                }
            ]
        },
        [{"summary": "the first one", "group": "night-shift"}],
        without=("1.0", f"{TOPIC}:77", "aws:sns", *SIGNED),
    ),
    *(
        Published(
            f"cloudevents-{name}",
            "cloudevents",
            CLOUDEVENTS,
            CLOUD | added,
            [{"at": AT, "source": "/tanks/4", "class": "com.example.tank.low", "summary": summary}],
            without=("1.0", "bG93IP8="),
        )
        for name, added, summary in (
            (
                "base64",
                {
                    "datacontenttype": "application/vnd.apache.thrift.binary",
                    "data_base64": base64.b64encode(b"low \xff").decode(),
                },
                "low \ufffd",
            ),
            (
                "xml",
                {"unsetextension": None, "datacontenttype": "application/xml", "data": '<tank level="5"/>'},
                '<tank level="5"/>',
            ),
            (
                "json",
                {
                    "subject": None,
                    "datacontenttype": "application/json",
                    "data": {"tank": "abc", "level": 123, "open": True},
                },
                "com.example.tank.low: /tanks/4",
            ),
            ("text", {"subject": None, "data": "the tank is low"}, "the tank is low"),
        )
    ),
    Published(
        "cloudevents-batch",
        "cloudevents",
        BATCH,
        [CLOUD | {"data": {"tank": "abc"}}, CLOUD | {"id": "T-78", "source": "/tanks/9", "data": "the tank is low"}],
        [{"source": "/tanks/4"}, {"source": "/tanks/9", "summary": "the tank is low"}],
        without=("1.0",),
    ),
    Published("cloudevents-empty-batch", "cloudevents", BATCH, [], []),
    Published(
        "cloudevents-binary",
        "cloudevents",
        BINARY,
        b'"the tank is low"',
        [{"at": AT, "source": "/tanks/4", "class": "com.example.tank.low", "summary": "the tank is low"}],
        headers={f"ce-{key}": str(value) for key, value in CLOUD.items()} | {"content-type": "application/json"},
    ),
    Published(
        "otlp-logs",
        "otlp",
        f"{OTLP}/logs.json",
        {
            "resourceLogs": [
                {
                    "resource": {"attributes": [attribute("service.name", stringValue="tanks")]},
                    "scopeLogs": [
                        {
                            "scope": {
                                "name": "tank.library",
                                "version": "1.4.0",
                                "attributes": [attribute("tank.scope", stringValue="hall")],
                            },
                            "logRecords": [
                                {
                                    "timeUnixNano": "1770783128951000000",
                                    "observedTimeUnixNano": "1770783129000000000",
                                    "severityNumber": 17,
                                    "severityText": "Error",
                                    "traceId": "4BF92F3577B34DA6A3CE929D0E0E4736",
                                    "spanId": "00F067AA0BA902B7",
                                    "body": {"stringValue": "the tank is low"},
                                    "attributes": TANKS,
                                },
                                {  # as the example has it: times as numbers, severity as a text alone
                                    "timeUnixNano": 1770783128951000000,
                                    "observedTimeUnixNano": 1770783128951000000,
                                    "severityText": "Information",
                                    "body": {"stringValue": "all is well"},
                                },
                            ],
                        }
                    ],
                }
            ]
        },
        [
            {
                "at": AT,
                "severity": "error",
                "service": "tanks",
                "source": "tank.library",
                "summary": "the tank is low",
            }
        ],
        without=(
            "1770783129000000000",
            "Error",
            "Information",
            "all is well",
        ),
    ),
    Published(
        "otlp-events",
        "otlp",
        f"{OTLP}/events.json",
        {
            "resourceLogs": [
                {
                    "resource": {"attributes": [attribute("service.name", stringValue="tanks")]},
                    "scopeLogs": [
                        {
                            "scope": {"name": "tank.library", "version": "1.4.0"},
                            "logRecords": [
                                {
                                    "timeUnixNano": "1770783128951000000",
                                    "observedTimeUnixNano": "1770783128951000000",
                                    "severityNumber": 13,
                                    "attributes": [attribute("event.name", stringValue="tank.low")],
                                    # The example has the pairs themselves where the protocol has {"values": pairs}.
                                    "body": {
                                        "kvlistValue": [
                                            attribute("kind", intValue="0"),
                                            attribute("title", stringValue="tank 4"),
                                        ]
                                    },
                                }
                            ],
                        }
                    ],
                }
            ]
        },
        [{"at": AT, "severity": "warning", "class": "tank.low", "service": "tanks"}],
        without=("0",),
    ),
    Published(
        "sentry-issue-alert",
        "sentry",
        f"{SENTRY}issue-alerts/",
        {
            "action": "triggered",
            **ACTOR,
            "data": {
                "event": SENTRY_EVENT,
                "triggered_rule": "Errors in the shop",
                "issue_alert": {"title": "Errors in the shop", "settings": [{"name": "channel", "value": "#shop"}]},
            },
            **INSTALLED,
        },
        [
            {
                "at": AT,
                "status": "firing",
                "severity": "error",
                "service": "shop",
                "class": "TypeError",
                "group": "production",
                "dedup_key": "sentry/issue/4410",
                "summary": "TypeError: items is undefined",
            }
        ],
        without=SAID_BY,
        headers={"sentry-hook-resource": "event_alert"},
    ),
    *(
        Published(
            f"sentry-issue-{action}",
            "sentry",
            f"{SENTRY}issues/",
            {"action": action, **ACTOR, "data": {"issue": SENTRY_ISSUE}, **INSTALLED},
            [{"status": status, "severity": "critical", "service": "shop", "dedup_key": "sentry/issue/4411"}],
            without=SAID_BY,
            headers={"sentry-hook-resource": "issue"},
        )
        for action, status in (
            ("created", "firing"),
            ("resolved", "resolved"),
            ("archived", "resolved"),
            ("unresolved", "firing"),
        )
    ),
    Published(
        "sentry-issue-assigned",
        "sentry",
        f"{SENTRY}issues/",
        {"action": "assigned", **ACTOR, "data": {"issue": SENTRY_ISSUE}, **INSTALLED},
        [],
        headers={"sentry-hook-resource": "issue"},
    ),
    *(
        Published(
            f"sentry-metric-{action}",
            "sentry",
            f"{SENTRY}metric-alerts/",
            {
                "action": action,
                **ACTOR,
                "data": {
                    "description_text": "120 events in the last 10 minutes\nFilter: level:error",
                    "description_title": f"{action}: Errors in the shop",
                    "metric_alert": SENTRY_METRIC,
                    "web_url": "https://sentry.example/organizations/acme/alerts/6/",
                },
                **INSTALLED,
            },
            [{"status": status, "service": "shop", "class": "Errors in the shop", "dedup_key": "sentry/metric/88"}],
            without=SAID_BY,
            headers={"sentry-hook-resource": "metric_alert"},
        )
        for action, status in (("critical", "firing"), ("warning", "firing"), ("resolved", "resolved"))
    ),
    Published(
        "zabbix-pagerduty-media",
        "pagerduty",
        ZABBIX,
        {
            "routing_key": KEY,
            "dedup_key": "10417",
            "event_action": "trigger",
            "payload": {
                "summary": "Problem: queue of mq-2 is long",
                "source": "mq-2 : 192.0.2.17",
                "severity": "error",
                "custom_details": {
                    "Event date": "2026.02.11",
                    "Event time": "04:12:08",
                    "Trigger description": "",
                    "Trigger opdata": "Current: 944",
                    "Event tags": "queue:orders, scope:performance",
                    "Event host": "mq-2",
                    "Event host ip": "192.0.2.17",
                },
            },
            "links": [
                {"href": "https://zabbix.example/tr_events.php?triggerid=20913&eventid=10417", "text": "Event link"}
            ],
            "client": "Zabbix",
            "client_url": "https://zabbix.example",
        },
        [{"status": "firing", "severity": "error", "source": "Zabbix", "summary": "Problem: queue of mq-2 is long"}],
        without=("trigger", KEY),
    ),
    Published(
        "zabbix-parameters",
        "zabbix",
        ZABBIX,
        {
            "alert_message": "Problem started at 04:12:08",
            "eventack": "No",
            "eventdate": "2026.02.11",
            "eventid": "10417",
            "eventname": "Problem: queue of mq-2 is long",
            "eventtags": "queue:orders, scope:performance",
            "eventtime": "04:12:08",
            "eventupdate": "0",
            "eventvalue": "1",
            "event_source": "0",
            "hostip": "192.0.2.17",
            "hostname": "mq-2",
            "severity": "4",
            "triggerdesc": "",
            "triggerid": "20913",
            "triggeropdata": "Current: 944",
            "url": "https://zabbix.example",
        },
        [
            {
                "status": "firing",
                "severity": "error",
                "host": "mq-2",
                "class": "20913",
                "dedup_key": "zabbix/10417",
                "summary": "Problem: queue of mq-2 is long",
            }
        ],
    ),
]
