"""Who may do what, and how much: tokens, rates, the size and time of a request's body, and of all bodies together."""

from __future__ import annotations

import asyncio
import time
import zlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from grouping.runtimes.settings import Right, Settings, Token

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ANYBODY = Token("anybody", "", frozenset(Right))
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Denied(Exception):
    """A request that is not taken. ``after``: seconds until it may be tried again."""

    def __init__(self, status: int, message: str, after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.after = after


class Gate:
    """Knows the tokens and how fast each of them has been, and how much is under way."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.under_way = 0  # bytes of bodies in memory, of all requests
        self._clock = clock
        self._level: dict[str, tuple[float, float]] = {}  # name -> (events ahead of the rate, when)

    def admit(self, scope: Scope, *rights: Right) -> Token:
        """Who sent a request; that one of these rights is given. Raises Denied."""
        headers = dict(scope["headers"])
        if not self.settings.tokens:
            if not self.settings.open_to_all:
                _from_here(headers)
            return ANYBODY
        secret = _secret(headers, scope["query_string"])
        if secret is None:
            raise Denied(401, "a token is needed; send it as `Authorization: Bearer TOKEN`")
        digest = sha256(secret).hexdigest()
        known = [token for token in self.settings.tokens if compare_digest(token.sha256, digest)]
        if not known:
            raise Denied(401, "this token is not known; look at [[service.tokens]] of the configuration")
        if not any(map(known[0].may, rights)):
            raise Denied(403, lacks(known[0], *rights))
        return known[0]

    def spend(self, token: Token, events: int) -> None:
        """Count events against a token's rate. Raises Denied, and then they are not counted."""
        rate = self.settings.rate if token.rate is None else token.rate
        burst = self.settings.burst if token.burst is None else token.burst
        if not rate:
            return
        now = self._clock()
        ahead, since = self._level.get(token.name, (0.0, now))
        ahead = max(0.0, ahead - (now - since) * rate)
        if ahead > 0.0 and ahead + events > burst:
            wait = int((ahead + events - burst) / rate) + 1
            raise Denied(429, f"{token.name} sends more than {rate:g} events a second; send slower", wait)
        self._level[token.name] = (ahead + events, now)


class Held:
    """What one request has in memory of its body; given back at its end."""

    __slots__ = ("_bytes", "_gate")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._bytes = 0

    def add(self, count: int) -> None:
        """So many bytes more. Raises Denied where all requests together have too many."""
        gate = self._gate
        most = max(gate.settings.under_way_max, 2 * gate.settings.body_max)  # one alone has room, packed and unpacked
        if gate.under_way + count > most:
            raise Denied(503, f"requests of {most >> 20} MiB are under way; send it again in a moment", 1)
        gate.under_way += count
        self._bytes += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.under_way -= self._bytes
        self._bytes = 0


def lacks(token: Token, *rights: Right) -> str:
    """What is said to one who may not."""
    return f"the token of {token.name} does not give the right to {' or '.join(rights)}"


def _secret(headers: dict[bytes, bytes], query: bytes) -> bytes | None:
    """The token in a request, where the senders there are can put it: bearer, password, address."""
    kind, _, value = headers.get(b"authorization", b"").partition(b" ")
    match kind.lower():
        case b"bearer":
            return value.strip()
        case b"token":  # as PagerDuty's clients send it
            return value.strip().removeprefix(b"token=").strip(b'"')
        case b"basic":
            try:
                return b64decode(value, validate=True).partition(b":")[2]
            except NotBase64:
                return None
    found = parse_qs(query.decode("latin-1")).get("token") if query else None  # as text: of bytes it takes ASCII alone
    return found[0].encode() if found else None


def _from_here(headers: dict[bytes, bytes]) -> None:
    """Without tokens no page in a browser may reach the service by a name of its own. Raises Denied."""
    if not _local(headers.get(b"host", b""), headers.get(b"origin")):
        raise Denied(403, "without tokens the service answers to localhost alone; set up [[service.tokens]]")


@lru_cache(256)
def _local(name: bytes, origin: bytes | None) -> bool:
    try:
        host = urlsplit(f"//{name.decode('latin-1')}").hostname
        return host in _LOCAL and (origin is None or urlsplit(origin.decode("latin-1")).hostname in _LOCAL)
    except ValueError:  # no address at all, e.g. `[`
        return False


def has_body(scope: Scope) -> bool:
    """Whether a request says that a body follows its headers."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


async def body_of(scope: Scope, receive: Receive, settings: Settings, held: Held, most: int) -> bytes:
    """The body of a request, unpacked. Raises Denied: too large, too slow, not what it says, no room for it now."""
    headers = dict(scope["headers"])
    said = headers.get(b"content-length", b"0")
    if said.isdigit() and int(said) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(settings.read_s):
            body = await _all(receive, held, most)
    except TimeoutError:
        raise Denied(408, f"the body did not arrive within {settings.read_s:g} s; send it in one go") from None
    packed = headers.get(b"content-encoding", b"identity").strip().lower()
    if packed == b"gzip":
        unpacked = _unpacked(body, most)
        held.add(len(unpacked))
        return unpacked
    if packed != b"identity":
        raise Denied(415, f"Content-Encoding {packed.decode('latin-1')[:40]!r} is not understood; use gzip or none")
    return body


async def _all(receive: Receive, held: Held, most: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    held.add(len(body))
    if not message.get("more_body"):
        if len(body) > most:
            raise _too_large(most)
        return body
    parts = bytearray(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Denied(400, "the sender has gone away")
        body = message.get("body", b"")
        held.add(len(body))
        parts += body
        if len(parts) > most:
            raise _too_large(most)
    return bytes(parts)


def _unpacked(body: bytes, most: int) -> bytes:
    inflate = zlib.decompressobj(wbits=31)
    try:
        unpacked = inflate.decompress(body, most + 1)
    except zlib.error as error:
        raise Denied(400, f"the body is not gzip: {error}; send it as it is, without Content-Encoding") from None
    if len(unpacked) > most:
        raise _too_large(most)
    if not inflate.eof or inflate.unused_data:
        why = "goes on after its end" if inflate.eof else "ends early"
        raise Denied(400, f"the body is not gzip: it {why}; pack it in one piece")
    return unpacked


def _too_large(most: int) -> Denied:
    return Denied(413, f"more than {most} bytes in one request; send less at once")
