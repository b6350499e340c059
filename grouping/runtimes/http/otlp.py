"""Answers as an OTLP receiver gives them: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response.

In the encoding of the request. The three messages are so small that they are written by hand, so that a sender of
protobuf is answered in it also where the package that reads it is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from grouping.formats.otlp_protobuf import MEDIA_TYPE
from grouping.runtimes.http.doors import Answer

_CODES = {  # of google.rpc.Code, by status
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    405: 12,  # UNIMPLEMENTED
    408: 4,  # DEADLINE_EXCEEDED
    413: 3,
    415: 3,
    429: 8,  # RESOURCE_EXHAUSTED
    503: 14,  # UNAVAILABLE
}


def exported(headers: Mapping[str, str], raws: Sequence[Any], refused: Sequence[dict[str, Any]]) -> Answer:
    """All taken, some of it, or nothing."""
    if refused and len(refused) == len(raws):
        return denied(headers, 400, refused[0]["error"])
    if not _packed(headers):
        partial = {"rejectedLogRecords": str(len(refused)), "errorMessage": refused[0]["error"]} if refused else None
        return Answer(200, orjson.dumps({"partialSuccess": partial} if partial else {}))
    told = _number(1, len(refused)) + _text(2, refused[0]["error"]) if refused else b""
    return Answer(200, _field(1, told) if told else b"", MEDIA_TYPE.encode())


def denied(headers: Mapping[str, str], status: int, message: str) -> Answer:
    """A google.rpc.Status."""
    code = _CODES.get(status, 2)  # UNKNOWN
    if not _packed(headers):
        return Answer(status, orjson.dumps({"code": code, "message": message}))
    return Answer(status, _number(1, code) + _text(2, message), MEDIA_TYPE.encode())


def _packed(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode("utf-8", "replace"))
