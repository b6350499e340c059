"""OTLP logs as protobuf: one record at a time in the shape that OTLP has as JSON, which formats/otlp.py reads.

Eight MiB of empty messages become hundreds of MiB of objects. So the outer levels are cut here, by the wire format
(https://protobuf.dev/programming-guides/encoding/), and only one record at a time, of a bounded size, is made objects;
the package opentelemetry-proto, an extra, does that.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from math import isfinite
from typing import Any

from grouping.formats.base import Raw
from grouping.parse import MAX_LINE, Malformed

MEDIA_TYPE = "application/x-protobuf"
_MAX_VALUES = 4096  # of one record, all levels together
_MAX_ALL = 1 << 19  # of one request
_INSTALL = "pip install '.[otlp]', or set `encoding: json` in the exporter"


def fields(message: bytes, place: str) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a message that has a length; others are passed over. Raises Malformed."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at, place)
        match key & 7 if key > 7 else None:  # no field has the number 0
            case 2:
                length, at = _varint(message, at, place)
                if length > end - at:
                    raise Malformed(f"{place}: ends within a field; send the whole message")
                yield key >> 3, message[at : at + length]
                at += length
            case 0:
                _, at = _varint(message, at, place)
            case 1:
                at += 8
            case 5:
                at += 4
            case _:
                raise Malformed(f"{place}: not protobuf; send an ExportLogsServiceRequest, or JSON as application/json")
    if at > end:
        raise Malformed(f"{place}: ends within a field; send the whole message")


def _varint(message: bytes, at: int, place: str) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise Malformed(f"{place}: not protobuf; send an ExportLogsServiceRequest, or JSON as application/json")


class Reader:
    """Makes parts of a message objects. Raises Malformed where the package is not there."""

    def __init__(self) -> None:
        try:
            from google.protobuf.message import DecodeError  # noqa: PLC0415 — an extra
            from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope  # noqa: PLC0415
            from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord  # noqa: PLC0415
            from opentelemetry.proto.resource.v1.resource_pb2 import Resource  # noqa: PLC0415
        except ImportError:
            raise Malformed(f"$: {MEDIA_TYPE} needs the package opentelemetry-proto; {_INSTALL}") from None
        self._error: type[Exception] = DecodeError
        self._record, self._resource, self._scope = LogRecord, Resource, InstrumentationScope
        self._left = _MAX_ALL

    def resource(self, message: bytes, place: str) -> Raw:
        """A Resource."""
        found = self._read(self._resource, message, place)
        return {"attributes": _Values(self, place).pairs(found.attributes)}

    def scope(self, message: bytes, place: str) -> Raw:
        """An InstrumentationScope."""
        found = self._read(self._scope, message, place)
        named = {key: getattr(found, key) for key in ("name", "version") if getattr(found, key)}
        return named | {"attributes": _Values(self, place).pairs(found.attributes)}

    def record(self, message: bytes, place: str) -> Raw:
        """A LogRecord; fields that are not set are left out."""
        found, values = self._read(self._record, message, place), _Values(self, place)
        raw: Raw = {}
        for key, value in (
            ("timeUnixNano", str(found.time_unix_nano or "")),
            ("observedTimeUnixNano", str(found.observed_time_unix_nano or "")),
            ("severityNumber", int(found.severity_number)),
            ("severityText", found.severity_text),
            ("body", values.value(found.body) if found.HasField("body") else None),
            ("attributes", values.pairs(found.attributes)),
            ("droppedAttributesCount", found.dropped_attributes_count),
            ("flags", found.flags),
            ("traceId", found.trace_id.hex()),
            ("spanId", found.span_id.hex()),
            ("eventName", found.event_name),
        ):
            if value:
                raw[key] = value
        return raw

    def count(self, place: str) -> None:
        """One value more. Raises Malformed."""
        self._left -= 1
        if self._left < 0:
            raise Malformed(f"{place}: more than {_MAX_ALL} values in one request; send fewer at once")

    def _read(self, kind: Any, message: bytes, place: str) -> Any:
        if len(message) > MAX_LINE:
            raise Malformed(f"{place}: {len(message)} bytes, at most {MAX_LINE} are taken; shorten it")
        try:
            return kind.FromString(message)
        except self._error:
            raise Malformed(f"{place}: not protobuf, or too many levels; send what the protocol says") from None


class _Values:
    """AnyValues as OTLP writes them in JSON, not too many of them."""

    def __init__(self, reader: Reader, place: str) -> None:
        self._reader = reader
        self._place = place
        self._left = _MAX_VALUES

    def pairs(self, attributes: Any) -> list[Raw]:
        """Attributes: name and value."""
        return [{"key": one.key, "value": self.value(one.value)} for one in attributes]

    def value(self, value: Any) -> Raw:
        """One value."""
        self._reader.count(self._place)
        self._left -= 1
        if self._left < 0:
            raise Malformed(f"{self._place}: more than {_MAX_VALUES} values; send fewer in one record")
        kind = value.WhichOneof("value")
        match kind:
            case "string_value":
                return {"stringValue": value.string_value}
            case "bool_value":
                return {"boolValue": value.bool_value}
            case "int_value":
                return {"intValue": str(value.int_value)}
            case "double_value":
                number = value.double_value  # JSON has no others: protobuf writes their names
                return {"doubleValue": number if isfinite(number) else str(number)}
            case "array_value":
                return {"arrayValue": {"values": [self.value(one) for one in value.array_value.values]}}
            case "kvlist_value":
                return {"kvlistValue": {"values": self.pairs(value.kvlist_value.values)}}
            case "bytes_value":
                return {"bytesValue": b64encode(value.bytes_value).decode()}
            case _:
                return {}
