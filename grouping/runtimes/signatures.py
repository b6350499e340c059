"""Senders that sign: the tables [[service.signed]] of the configuration, and the check of a request against them.

A format that stands there is taken only when it is signed; a good signature stands for a token. Two kinds:

* an HMAC-SHA256 of the body in a header, in hexadecimal, as Sentry and Grafana send it;
* Amazon SNS, RSA over some fields of the message, https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html.
  Its certificates are pinned: files that a person put there. What a message names is never fetched.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import orjson

from grouping.config import BadConfig
from grouping.runtimes.pinned import Pinned, pinned
from grouping.runtimes.secrets import secret_of

TOLERANCE = 300  # s that a signed time may be from ours
_HEADERS = {"sentry": "sentry-hook-signature", "grafana": "x-grafana-alerting-signature"}  # as these send by default
_SNS = "cloudwatch"
_KEYS = {
    False: ("format", "secrets", "header", "timestamp_header", "prefix"),
    True: ("format", "certificates", "topics"),
}
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


class Unsigned(Exception):
    """A request that is not signed as it must be; says what to do."""


class Signed(Protocol):
    """How one format is signed."""

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raises Unsigned. ``now``: s since the epoch."""


@dataclass(frozen=True, slots=True)
class Hmac:
    """The body's HMAC-SHA256 stands in a header; behind a time and a colon, where one is sent with it."""

    keys: tuple[bytes, ...] = field(repr=False)  # any of them: while one is exchanged there are two
    header: str
    timestamp_header: str = ""
    prefix: str = ""  # before the digits, e.g. sha256=

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """Raises Unsigned."""
        given = headers.get(self.header)
        if given is None:
            raise Unsigned(f"{self.header}: expected a signature, got nothing; set the secret at the sender")
        expected = [hmac.digest(key, self._before(headers, now) + body, sha256).hex() for key in self.keys]
        said = given.strip().removeprefix(self.prefix).lower().encode("utf-8", "replace")
        if not any([hmac.compare_digest(one.encode(), said) for one in expected]):  # noqa: C419 — all of them, always
            raise Unsigned(f"{self.header}: no signature fits; use the same secret here and at the sender")

    def _before(self, headers: Mapping[str, str], now: float) -> bytes:
        """What stands before the body in the bytes that are signed."""
        if not self.timestamp_header:
            return b""
        at = headers.get(self.timestamp_header, "")
        if not (at.isascii() and at.isdigit() and len(at) <= 12):
            raise Unsigned(f"{self.timestamp_header}: expected seconds since the epoch; name this header at the sender")
        if abs(now - int(at)) > TOLERANCE:
            raise Unsigned(
                f"{self.timestamp_header}: {now - int(at):.0f} s old, at most {TOLERANCE}; look at the clocks"
            )
        return f"{at}:".encode()


@dataclass(frozen=True, slots=True)
class Sns:
    """Amazon SNS: the signature is in the message, its certificate is one of those pinned, its topic one of ours.

    The topic is looked at because a signature says only that Amazon sent it: for whom is another question.
    """

    certificates: tuple[Pinned, ...]
    topics: frozenset[str]

    def check(self, headers: Mapping[str, str], body: bytes, now: float) -> None:  # noqa: ARG002 — as the other does
        """Raises Unsigned."""
        try:
            raw = orjson.loads(body)
        except orjson.JSONDecodeError:
            raw = None
        if type(raw) is not dict or "Signature" not in raw:
            raise Unsigned("$.Signature: expected what SNS posts; switch raw message delivery off, it is not signed")
        signature, version = _signature(raw), raw.get("SignatureVersion")
        if version not in ("1", "2"):
            raise Unsigned(f"$.SignatureVersion: expected 1 or 2, got {str(version)[:20]!r}; set it for the topic")
        topic = raw.get("TopicArn")
        if type(topic) is not str or topic not in self.topics:
            raise Unsigned(f"$.TopicArn: {str(topic)[:200]!r} is not among `topics`; add it if it is yours")
        said = _said(raw)
        if not any(one.signed(said, signature, sha1=version == "1") for one in self.certificates if one.valid(now)):
            old = ", ".join(one.name for one in self.certificates if not one.valid(now))
            address = str(raw.get("SigningCertURL"))[:200]
            also = f" (not valid now: {old})" if old else ""
            raise Unsigned(
                f"$.Signature: of no pinned certificate{also}; if {address!r} is Amazon's, fetch it and pin it"
            )


def _signature(raw: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(raw["Signature"], validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Unsigned("$.Signature: expected base64; send what SNS posts") from None


def _said(raw: dict[str, Any]) -> bytes:
    """The bytes that SNS signs: names and values, a line each."""
    if raw.get("Type") == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        names = names if raw.get("Subject") is not None else [name for name in names if name != "Subject"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    for name in names:
        if type(raw.get(name)) is not str:
            raise Unsigned(f"$.{name}: expected a text; send what SNS posts")
    return "".join(f"{name}\n{raw[name]}\n" for name in names).encode("utf-8", "replace")


# -- the configuration


def signatures(rows: Any, environment: Mapping[str, str], formats: Mapping[str, object]) -> dict[str, Signed]:
    """Format to how it is signed; secrets and certificates are read now. Raises BadConfig."""
    if type(rows) is not list:
        raise BadConfig("service.signed: expected tables; write [[service.signed]]")
    found: dict[str, Signed] = {}
    for index, row in enumerate(rows):
        place = f"service.signed[{index}]"
        name = row.get("format") if type(row) is dict else None
        if type(name) is not str or name not in formats:
            raise BadConfig(f"{place}.format: expected one of {', '.join(formats)}, got {name!r}")
        if name in found:
            raise BadConfig(f"{place}.format: {name} is there twice; give all its secrets in one table")
        keys = _KEYS[name == _SNS]
        unknown = [key for key in row if key not in keys]
        if unknown:
            raise BadConfig(f"{place}.{unknown[0]}: no such setting for {name}; there are: {', '.join(keys)}")
        found[name] = _sns(row, place) if name == _SNS else _hmac(row, place, name, environment)
    return found


def _hmac(row: dict[str, Any], place: str, name: str, environment: Mapping[str, str]) -> Hmac:
    header: Any = row.get("header", _HEADERS.get(name))
    timestamp, prefix = row.get("timestamp_header", ""), row.get("prefix", "")
    for key, value in (("header", header), ("timestamp_header", timestamp or "x")):
        if type(value) is not str or not _HEADER.fullmatch(value):
            raise BadConfig(f"{place}.{key}: expected the name of a header, got {value!r}")
    if type(prefix) is not str:
        raise BadConfig(f"{place}.prefix: expected a text, got {prefix!r}")
    secrets = _texts(row, "secrets", place, 'write secrets = ["env:NAME"]')
    keys = tuple(secret_of(f"{place}.secrets[{at}]", said, environment).encode() for at, said in enumerate(secrets))
    return Hmac(keys, header.lower(), timestamp.lower(), prefix)


def _sns(row: dict[str, Any], place: str) -> Sns:
    files = _texts(row, "certificates", place, "write the paths of PEM files that you fetched from Amazon")
    topics = _texts(row, "topics", place, "write the ARNs of your topics")
    return Sns(
        tuple(one for at, path in enumerate(files) for one in pinned(path, f"{place}.certificates[{at}]")),
        frozenset(topics),
    )


def _texts(row: dict[str, Any], key: str, place: str, remedy: str) -> list[str]:
    value = row.get(key)
    if type(value) is not list or not value or not all(type(one) is str and one for one in value):
        raise BadConfig(f"{place}.{key}: expected a list of texts, got {value!r}; {remedy}")
    return value
