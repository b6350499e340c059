"""Signatures by which a receiver knows that a message is ours and fresh: Standard Webhooks, so its libraries verify them.

https://www.standardwebhooks.com. Three headers: ``webhook-id``, the same each time a message is sent again;
``webhook-timestamp``, seconds since the epoch; ``webhook-signature``, for each secret ``v1,`` and the HMAC-SHA256 of
``ID.TIMESTAMP.BODY`` in base64, with a space between. While a secret is exchanged both are given: either verifies.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

TOLERANCE = 300  # s that a message may be old, or from the future
KEY = (24, 64)  # bytes of a secret, as the standard has it
_PREFIX = "whsec_"


class BadSecret(ValueError):
    """A secret that cannot be used; the message says why, and never what it is."""


class BadSignature(ValueError):
    """A message that is not to be trusted."""


def key_of(secret: str) -> bytes:
    """The key of a secret ``whsec_BASE64``. Raises BadSecret."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not KEY[0] <= len(key) <= KEY[1]:
        raise BadSecret(f"expected {_PREFIX} and {KEY[0]} to {KEY[1]} bytes in base64")
    return key


def headers(id: str, at: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """The three headers of a message; the first two where there is no key."""
    found = {"webhook-id": id, "webhook-timestamp": str(at)}
    signatures = [_signature(id, str(at), body, key) for key in keys]
    return found | ({"webhook-signature": " ".join(signatures)} if signatures else {})


def verify(given: Mapping[str, str], body: bytes, keys: Iterable[bytes], now: float) -> None:
    """What a receiver does, ``given`` the headers with lower-case names. Raises BadSignature."""
    try:
        id, at, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        age = now - int(at)
    except (KeyError, ValueError):
        raise BadSignature("the three headers are missing or unreadable") from None
    if not -TOLERANCE <= age <= TOLERANCE:
        raise BadSignature(f"sent {age:.0f} s ago by its timestamp")
    expected = [_signature(id, at, body, key) for key in keys]
    if not any(hmac.compare_digest(mine, theirs) for mine in expected for theirs in signatures.split(" ")):
        raise BadSignature("no signature fits")


def _signature(id: str, at: str, body: bytes, key: bytes) -> str:
    digest = hmac.digest(key, f"{id}.{at}.".encode() + body, sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
