"""OpenTelemetry logs as protobuf: the same alerts as from JSON, answers in the protocol's shape, everything bounded."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from grouping.formats import FORMATS, Malformed
from grouping.formats.base import MAX_EVENTS
from grouping.formats.otlp import MAX_RECORDS
from grouping.formats.otlp_protobuf import MEDIA_TYPE
from grouping.parse import MAX_LINE
from tests.live import Answer, Live

pytest.importorskip("opentelemetry.proto.logs")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

RECEIVED = 1_770_790_000.0
AS_PROTOBUF = {"content-type": MEDIA_TYPE}
AT = 1_770_783_128_951_000_000


def pair(key: str, **value: Any) -> Any:
    return KeyValue(key=key, value=AnyValue(**value))


def record(**more: Any) -> Any:
    return LogRecord(**{"time_unix_nano": AT, "severity_number": 17, "body": AnyValue(string_value="low")} | more)


def request(*records: Any, resource: Any = None, scope: Any = None) -> bytes:
    """As an exporter sends it."""
    logs = ResourceLogs(resource=resource, scope_logs=[ScopeLogs(scope=scope, log_records=records)])
    return bytes(ExportLogsServiceRequest(resource_logs=[logs]).SerializeToString())


def translated(body: bytes, headers: dict[str, str] = AS_PROTOBUF) -> list[Any]:
    return FORMATS["otlp"](body, headers, RECEIVED)


def test_an_alert_is_the_same_by_either_encoding() -> None:
    """Every field of a record and every kind of value; JSON as the collector writes it. The ids are equal too."""
    values = [
        pair("text", string_value="tank 4"),
        pair("none", string_value=""),
        pair("full", bool_value=False),
        pair("whole", int_value=-(2**40)),
        pair("large", int_value=2**63 - 1),
        pair("part", double_value=6.25),
        pair("bytes", bytes_value=b"\x00\xff"),
        pair("list", array_value={"values": [AnyValue(string_value="a"), AnyValue(int_value=3)]}),
        pair("map", kvlist_value=KeyValueList(values=[pair("hall", string_value="north")])),
        KeyValue(key="unset"),
    ]
    packed = request(
        record(
            observed_time_unix_nano=AT + 5,
            severity_text="ERROR",
            attributes=values,
            dropped_attributes_count=2,
            flags=1,
            trace_id=bytes(range(16)),
            span_id=bytes(range(8)),
            event_name="tank.low",
        ),
        resource=Resource(attributes=[pair("service.name", string_value="tanks")]),
        scope=InstrumentationScope(name="lib", version="1.4", attributes=[pair("hall", string_value="n")]),
    )
    attributes = [
        {"key": "text", "value": {"stringValue": "tank 4"}},
        {"key": "none", "value": {"stringValue": ""}},
        {"key": "full", "value": {"boolValue": False}},
        {"key": "whole", "value": {"intValue": str(-(2**40))}},
        {"key": "large", "value": {"intValue": str(2**63 - 1)}},
        {"key": "part", "value": {"doubleValue": 6.25}},
        {"key": "bytes", "value": {"bytesValue": "AP8="}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "3"}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "hall", "value": {"stringValue": "north"}}]}}},
        {"key": "unset", "value": {}},
    ]
    plain = {
        "timeUnixNano": str(AT),
        "observedTimeUnixNano": str(AT + 5),
        "severityNumber": 17,
        "severityText": "ERROR",
        "body": {"stringValue": "low"},
        "attributes": attributes,
        "droppedAttributesCount": 2,
        "flags": 1,
        "traceId": bytes(range(16)).hex(),
        "spanId": bytes(range(8)).hex(),
        "eventName": "tank.low",
    }
    scope = {"name": "lib", "version": "1.4", "attributes": [{"key": "hall", "value": {"stringValue": "n"}}]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "tanks"}}]}
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [plain]}]}]}
    assert translated(packed) == translated(orjson.dumps(logs), {"content-type": "application/json"})
    (event,) = translated(packed)
    assert (event["class"], event["service"], event["at"]) == ("tank.low", "tanks", 1_770_783_128.951)


def test_what_is_below_a_warning_is_passed_over() -> None:
    """A record without anything is an alert, as in JSON; numbers that JSON has not are written out."""
    assert translated(request(record(severity_number=9), record(severity_number=0, severity_text="info"))) == []
    assert len(translated(request(LogRecord()))) == 1
    (event,) = translated(request(record(attributes=[pair("n", double_value=float("nan"))])))
    assert event["details"]["attributes"] == {"n": "nan"}
    assert translated(b"") == []  # nothing to tell


def length(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def packed(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + length(len(content)) + content


WELL = request(record())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", r"\$: not protobuf; send an ExportLogsServiceRequest, or JSON as application/json"),
        (WELL[:-1], r"\$: ends within a field; send the whole message"),
        (b"\x0a\x05\x12", r"\$: ends within a field"),
        (b"\x09\x00", r"\$: ends within a field"),
        (b"\x80" * 11, r"\$: not protobuf"),
        (bytes(8), r"\$: not protobuf"),  # no field has the number 0
        (packed(0x0A, b"\x0b"), r"\$\.resourceLogs\[0\]: not protobuf"),
        (packed(0x0A, packed(0x0A, b"\x0a\x01\x0a")), r"\$\.resourceLogs\[0\]\.resource: not protobuf, or too many"),
        (b"\x0a\x00" * (MAX_RECORDS + 2), r"\$\.resourceLogs\[100001\]: more than 100000 records; send fewer"),
        (packed(0x0A, b"\x12\x00" * (MAX_RECORDS + 2)), r"\$\.resourceLogs\[0\]: more than 100000 records"),
        (packed(0x0A, packed(0x12, b"\x12\x00" * (4 << 20))), r"scopeLogs\[0\]: more than 100000 records"),
        (packed(0x0A, packed(0x12, b"\x12\x00" * (MAX_EVENTS + 1))), r"scopeLogs\[0\]: more than 10000 events"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(body: bytes, told: str) -> None:
    """With place and remedy, and before it has grown to what it claims to hold."""
    with pytest.raises(Malformed, match=told):
        translated(body)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (b"\x2a\x05\x12", r"not protobuf, or too many levels; send what the protocol says"),
        (packed(0x2A, packed(0x0A, b"\xff\xfe")), r"not protobuf, or too many levels"),  # a text that is not UTF-8
        (b"\x32\x00" * 5000, r"more than 4096 values; send fewer in one record"),
        (packed(0x2A, packed(0x0A, b"x" * MAX_LINE)), r"bytes, at most 524288 are taken; shorten it"),
    ],
)
def test_a_record_that_cannot_be_read_does_not_take_the_others_with_it(bad: bytes, told: str) -> None:
    """It is refused in its place."""
    good = record().SerializeToString()
    body = packed(0x0A, packed(0x12, packed(0x12, good) + packed(0x12, bad) + packed(0x12, good)))
    first, wrong, last = translated(body)
    assert isinstance(wrong, Malformed)
    assert str(wrong).startswith("$.resourceLogs[0].scopeLogs[0].logRecords[1]: ")
    assert first == last
    with pytest.raises(Malformed, match=told):
        raise wrong


def test_a_request_of_very_many_values_is_refused_from_there_on() -> None:
    """Time and memory stay bounded, whatever size a body may have."""
    wide = packed(0x12, b"\x32\x02\x0a\x00" * 4000)
    *_, last = found = translated(packed(0x0A, packed(0x12, wide * 140)))
    assert len(found) == 140
    assert str(last).endswith(": more than 524288 values in one request; send fewer at once")
    assert last.__traceback__ is None  # nor is what was looked at kept alive


def test_deep_values_are_refused() -> None:
    """Beyond the levels that protobuf itself allows, and beyond ours."""
    for levels in (40, 3000):
        value = AnyValue(string_value="x").SerializeToString()
        for _ in range(levels):
            value = packed(0x2A, packed(0x0A, value))
        (wrong,) = translated(packed(0x0A, packed(0x12, packed(0x12, packed(0x2A, value)))))
        assert isinstance(wrong, Malformed)


def test_without_the_package_the_answer_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """To whoever runs the engine, or to whoever sends."""
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.logs.v1.logs_pb2", None)
    with pytest.raises(Malformed, match=r"needs the package opentelemetry-proto; .*or set `encoding: json`"):
        translated(WELL)


# -- on a service


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    config = "[service]\nbody_max = 1048576\n"
    with Live(tmp_path_factory.mktemp("otlp") / "state", config) as service:
        yield service
        assert service.stop() == 0
        service.assert_live_and_offline_are_one()
        assert "raceback" not in service.said()


def status_of(body: bytes) -> Any:
    """A google.rpc.Status, read by protobuf itself from a description made here."""
    file = descriptor_pb2.FileDescriptorProto(name="status.proto", package="test", syntax="proto3")
    message = file.message_type.add(name="Status")
    message.field.add(name="code", number=1, type=5, label=1)
    message.field.add(name="message", number=2, type=9, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Status")).FromString(body)


def send(live: Live, body: bytes, **headers: str) -> Answer:
    answer = live.ask("POST", "/v1/logs", body, Content_Type=MEDIA_TYPE, **headers)
    assert answer.headers["content-type"] == MEDIA_TYPE
    return answer


def test_answers_are_those_of_the_protocol(live: Live) -> None:
    """All, some, none of it; in the encoding of the request, also on the short way."""
    for _ in range(2):
        taken = send(live, request(record()))
        assert (taken.status, ExportLogsServiceResponse.FromString(taken.body)) == (200, ExportLogsServiceResponse())
    some = send(live, request(record(), *[record(severity_number=-1)] * 200))
    partial = ExportLogsServiceResponse.FromString(some.body).partial_success
    assert (some.status, partial.rejected_log_records) == (200, 200)
    assert partial.error_message.startswith("$.resourceLogs[0].scopeLogs[0].logRecords[1].severityNumber: expected")
    none = send(live, request(record(severity_number=-1)))
    assert (none.status, status_of(none.body).code) == (400, 3)
    assert status_of(none.body).message.startswith("$.resourceLogs[0].scopeLogs[0].logRecords[0].severityNumber: ")
    broken = send(live, b"{}")
    assert (broken.status, status_of(broken.body).code) == (400, 3)
    plain = live.ask("POST", "/v1/logs", b"[]")
    assert (plain.status, plain.json["code"]) == (400, 3)


def test_the_description_has_both_encodings(live: Live) -> None:
    """Of the request, of what is answered, and of what is refused."""
    post = live.ask("GET", "/openapi.json").json["paths"]["/v1/logs"]["post"]
    for content in (post["requestBody"], *post["responses"].values()):
        assert set(content["content"]) == {"application/json", MEDIA_TYPE}
    denied = live.ask("GET", "/v1/logs")
    assert (denied.status, denied.json) == (405, {"code": 12, "message": "events are sent by POST"})


def test_packed_bodies_are_bounded_after_they_are_unpacked(live: Live) -> None:
    """A bomb, a half, and more than one piece."""
    body = request(record(body=AnyValue(string_value="packed")))
    assert send(live, gzip.compress(body), Content_Encoding="gzip").status == 200
    bomb = send(live, gzip.compress(b"\0" * (200 << 20)), Content_Encoding="gzip")
    assert (bomb.status, status_of(bomb.body).code) == (413, 3)
    assert "more than 1048576 bytes in one request" in status_of(bomb.body).message
    for wrong, why in (
        (gzip.compress(body)[:-9], "ends early"),
        (gzip.compress(body) * 2, "goes on after its end"),
        (body, "the body is not gzip"),
    ):
        answer = send(live, wrong, Content_Encoding="gzip")
        assert (answer.status, why in status_of(answer.body).message) == (400, True)
    unknown = send(live, body, Content_Encoding="zstd")
    assert (unknown.status, "use gzip or none" in status_of(unknown.body).message) == (415, True)


def test_opentelemetrys_own_exporter_sends_to_it(live: Live) -> None:
    """Python's logging, the SDK, gzip, protobuf; nothing of ours in between."""
    exporter = pytest.importorskip("opentelemetry.exporter.otlp.proto.http._log_exporter")
    logs = pytest.importorskip("opentelemetry.sdk._logs")
    export = pytest.importorskip("opentelemetry.sdk._logs.export")
    from opentelemetry._logs import LogRecord as Record  # noqa: PLC0415 — as those above
    from opentelemetry._logs import SeverityNumber  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource as Told  # noqa: PLC0415

    provider = logs.LoggerProvider(Told.create({"service.name": "tanks", "host.name": "mq-2"}))
    sender = exporter.OTLPLogExporter(
        f"http://127.0.0.1:{live.port}/v1/logs?scope=sdk", compression=exporter.Compression.Gzip
    )
    provider.add_log_record_processor(export.BatchLogRecordProcessor(sender))
    logger = provider.get_logger("tank.library")
    for number, text in ((SeverityNumber.ERROR, "the tank is low"), (SeverityNumber.INFO, "all is well")):
        logger.emit(Record(timestamp=time.time_ns(), severity_number=number, body=text))
    provider.shutdown()
    found = [one for one in live.log() if one.get("scope") == "sdk"]
    assert [(one["summary"], one["service"], one["host"]) for one in found] == [("the tank is low", "tanks", "mq-2")]
