"""Doors for senders: a body in any format, its events into the log, an answer once they are on disk.

Plain ASGI: this is the path that thousands of requests a second take.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson
from starlette.datastructures import Headers

from grouping.formats.canonical import timeless
from grouping.parse import MAX_LINE, Malformed, event_of, shown
from grouping.runtimes.http.limits import Denied, Gate, Held, Receive, Scope, Send, body_of, lacks
from grouping.runtimes.http.metrics import Tally
from grouping.runtimes.service import Service, Unavailable
from grouping.runtimes.settings import Right, Token
from grouping.runtimes.signatures import Unsigned

# What each kind of event needs. A door for a monitoring tool makes alerts of all it takes; canonical events are any.
NEEDS = {"alert": Right.INGEST, "feedback": Right.RESPOND, "policy": Right.ADMIN, "tick": Right.ADMIN}
ALERTS = (Right.INGEST,)
CORRECTIONS = (Right.INGEST, Right.RESPOND)
SHORT = 1 << 20  # bytes of a body that may be answered on the short way
AHEAD = 1 << 20  # bytes of all bodies together of which a door may keep what it read, until they take the usual way
_READ = "grouping.read"  # where in the scope of a request that is
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
SHOWN = 100  # refusals told in one answer
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

logger = logging.getLogger("grouping.doors")


class Answer(NamedTuple):
    """What a sender is told."""

    status: int
    body: bytes
    type: bytes = b"application/json"


# The headers of a request, the events that were read and those of them that were refused -> what is answered.
Say = Callable[[Mapping[str, str], Sequence[Any], Sequence[dict[str, Any]]], Answer]
Deny = Callable[[Mapping[str, str], int, str], Answer]  # headers, status, why the request is not taken
Reader = Callable[[bytes, Mapping[str, str], float], Sequence[Any]]  # body, headers, time of receipt -> events


class Ahead(NamedTuple):
    """What was read of a request on the short way, for the usual way: it need not be read again."""

    raws: list[Any]
    received: float
    size: int  # bytes of its body


class Line(NamedTuple):
    """An event as it goes into the log, and its id."""

    bytes: bytes
    id: str | None
    scope: str


def line_of(raw: Any, received: float, *, late: bool = False) -> Line:
    """The line of one event for the log, with the time of receipt where it has no time. Raises Malformed.

    ``late``: an alert is to be opened ungrouped, because decisions are late.
    """
    if isinstance(raw, Malformed):
        raise raw
    if type(raw) is not dict:
        raise Malformed(f"$: expected an object, got {shown(raw)}; send an event as one JSON object")
    if raw.get("bypass") is not None:
        raise Malformed("$.bypass: expected nothing; leave it out: the service sets it where decisions are late")
    if timeless(raw):
        raw["at"] = received
    if late and raw.get("kind") == "alert":
        raw["bypass"] = "late"
    event = event_of(raw)
    try:
        line = orjson.dumps(raw)
    except orjson.JSONEncodeError:
        raise Malformed("$: too many levels; flatten it") from None
    if len(line) > MAX_LINE:
        raise Malformed(f"$: {len(line)} bytes in one event, at most {MAX_LINE} are taken; shorten details")
    return Line(line, getattr(event, "id", None), event.scope)


def _in_scope(raws: Sequence[Any], query: bytes) -> None:
    """Give events without a scope the one of the address: `?scope=NAME`."""
    if b"scope=" not in query:
        return
    for name in parse_qs(query.decode("utf-8", "replace")).get("scope", [])[:1]:
        for raw in raws:
            if type(raw) is dict:
                raw.setdefault("scope", name)


def trace_of(scope: Scope) -> str:
    """The id under which a request is found in the logs: the sender's own where it sent a W3C traceparent."""
    trace: str | None = scope.get("grouping.trace")
    if trace is None:
        trace = scope["grouping.trace"] = _sent_trace(scope) or os.urandom(16).hex()
    return trace


def _sent_trace(scope: Scope) -> str | None:
    for key, value in scope["headers"]:
        if key == b"traceparent":
            match = _TRACEPARENT.fullmatch(value)
            if match is not None:
                return str(match[1].decode())
    return None


class Door:
    """An ASGI application that takes events in one format."""

    def __init__(  # noqa: PLR0913 — what a door is made of
        self,
        name: str,
        read: Reader,
        service: Service,
        gate: Gate,
        tally: Tally,
        say: Say | None = None,
        deny: Deny | None = None,
        rights: tuple[Right, ...] = ALERTS,
        *,
        ok: bool = False,
    ) -> None:
        """``say``, ``deny``: make the answers that the format's senders expect, where those are not ours.

        ``rights``: who may send at all; with more than one, each event is looked at. ``ok``: say `ok` too, as Slack does.
        """
        self._ok = {"ok": True} if ok else {}
        self._name = name
        self._read = read
        self._service = service
        self._gate = gate
        self._tally = tally
        self._say = say
        self._deny_as = deny
        self._rights = rights
        self._ahead = 0  # bytes of bodies that were read on the short way and are about to take the usual one

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        begun = time.perf_counter()
        trace = trace_of(scope)
        ahead: Ahead | None = scope.pop(_READ, None)
        self._ahead -= 0 if ahead is None else ahead.size
        try:
            with Held(self._gate) as held:
                answer = await self._take(scope, receive, held, trace, ahead)
        except Denied as denied:
            await self.deny(scope, send, denied, trace)
            return
        except Unavailable as unavailable:
            await self.deny(scope, send, Denied(503, str(unavailable), unavailable.after), trace)
            return
        if answer.status < 400:
            self._tally.took.add(time.perf_counter() - begun)
        await reply(send, answer, trace)

    def short(self, scope: Scope, body: bytes) -> bytes | None:
        """The whole answer to a request that holds nothing but what is on disk already; None where it is not so."""
        begun = time.perf_counter()
        if (
            not self._service.running
            or len(body) > SHORT
            or any(key == b"content-encoding" for key, _ in scope["headers"])
        ):
            return None
        try:
            token = self._admitted(scope, body)
            headers = Headers(raw=scope["headers"])
            received = round(time.time(), 3)
            raws = self._read(body, headers, received)
            if not raws or len(raws) > self._service.settings.events_max:
                return None
            _in_scope(raws, scope["query_string"])
            known = list(map(self._service.resent.seq, raws))
            if None in known or self._forbidden(token, raws):
                self._keep(scope, Ahead(list(raws), received, len(body)))
                return None
            self._gate.spend(token, len(known))
        except (Denied, Malformed):
            return None  # said on the usual way
        self._tally.resent[self._name] += len(known)
        trace = trace_of(scope)
        status, answer, kind = self._accepted(headers, raws, [], known[0], None, trace)
        self._tally.took.add(time.perf_counter() - begun)
        return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nx-trace-id: %b\r\n\r\n%b" % (
            status,
            _PHRASES[status],
            kind,
            len(answer),
            trace.encode(),
            answer,
        )

    def _keep(self, scope: Scope, ahead: Ahead) -> None:
        """Let the usual way have what was read, as far as there is room for it."""
        if self._ahead + ahead.size <= AHEAD:
            self._ahead += ahead.size
            scope[_READ] = ahead

    def _admitted(self, scope: Scope, body: bytes) -> Token:
        """Who sent it: by its token, or by its signature where the format has to be signed. Raises Denied."""
        signed = self._gate.settings.signed.get(self._name)
        if signed is None:
            return self._gate.admit(scope, *self._rights)
        try:
            signed.check(Headers(raw=scope["headers"]), body, time.time())
        except Unsigned as why:
            raise Denied(401, str(why)) from None
        return Token(f"signed {self._name}", "", frozenset((Right.INGEST,)))

    def _forbidden(self, token: Token, raws: Sequence[Any]) -> dict[int, str]:
        """Why some of these events may not come from there, by their index."""
        if len(self._rights) == 1 or Right.ADMIN in token.rights:
            return {}
        may = {kind for kind, right in NEEDS.items() if token.may(right)}
        kinds = [raw.get("kind") if type(raw) is dict else None for raw in raws]
        return {
            index: lacks(token, NEEDS[kind])
            for index, kind in enumerate(kinds)
            if type(kind) is str and kind in NEEDS and kind not in may
        }

    def _accepted(
        self,
        headers: Mapping[str, str],
        raws: Sequence[Any],
        refused: list[dict[str, Any]],
        first: int | None,
        id: str | None,
        trace: str,
    ) -> Answer:
        """What says so. ``id``: of a single event, where it was derived."""
        if self._say is not None:
            return self._say(headers, raws, refused)
        count = len(raws) - len(refused)
        answer: dict[str, Any] = {"status": "accepted", "accepted": count, "seq": first} | self._ok
        if len(raws) == 1 and count:
            answer["id"] = id or raws[0].get("id")  # a tick has none
        if refused:
            answer["refused"] = refused[:SHOWN]
        return Answer(202, orjson.dumps(answer | {"trace": trace}))

    async def _take(self, scope: Scope, receive: Receive, held: Held, trace: str, ahead: Ahead | None) -> Answer:
        """What is answered; ``ahead``: what was read of it already. Raises Denied, Unavailable."""
        token, headers, received, raws = await self._whole(scope, receive, held, ahead)
        most = self._service.settings.events_max
        if len(raws) > most:
            raise Denied(413, f"{len(raws)} events in one request, at most {most} are taken; send fewer at once")
        forbidden = self._forbidden(token, raws)
        lines, known, refused = self._sorted(raws, received, forbidden)
        if refused:
            self._tally.refused[self._name] += len(refused)
            told = {"door": self._name, "by": token.name, "trace": trace, "n": len(refused), **refused[0]}
            logger.info("refused", extra=told)
            if not lines and not known:
                return self._refusal(headers, raws, refused, trace, forbidden=bool(forbidden))
        self._gate.spend(token, len(lines) + len(known))
        written = await self._written(lines) if lines else None
        self._tally.accepted[self._name] += len(lines)
        self._tally.resent[self._name] += len(known)
        first = known[0] if known else written
        return self._accepted(headers, raws, refused, first, lines[0].id if lines else None, trace)

    async def _whole(
        self, scope: Scope, receive: Receive, held: Held, ahead: Ahead | None
    ) -> tuple[Token, Headers, float, list[Any]]:
        """Who sends a request, its headers, when it came, and its events. Raises Denied."""
        if scope["method"] != "POST":
            raise Denied(405, "events are sent by POST")
        settings = self._service.settings
        signed = self._name in self._gate.settings.signed
        token = None if signed else self._gate.admit(scope, *self._rights)  # before its body is waited for
        body = await body_of(scope, receive, settings, held, settings.body_max)
        token = token or self._admitted(scope, body)
        headers = Headers(raw=scope["headers"])
        received, raws = self._events(body, headers, ahead)
        _in_scope(raws, scope["query_string"])
        return token, headers, received, raws

    def _sorted(
        self, raws: list[Any], received: float, forbidden: Mapping[int, str]
    ) -> tuple[list[Line], list[int], list[dict[str, Any]]]:
        """The lines of events that are to be put down, the numbers of those that are on disk already, and what is refused.

        Of several events each is let go of as its line is made: what is read takes many times the room.
        """
        late, several = self._service.late(), len(raws) > 1
        lines: list[Line] = []
        known: list[int] = []
        refused: list[dict[str, Any]] = []
        for index, raw in enumerate(raws):
            if index in forbidden:
                id = raw.get("id")
                refused.append({"index": index, "id": id if type(id) is str else None, "error": forbidden[index]})
                continue
            seq = self._service.resent.seq(raw)
            if seq is not None:
                known.append(seq)
                continue
            if several:
                raws[index] = None
            try:
                lines.append(line_of(raw, received, late=late))
            except Malformed as error:
                refused.append({"index": index, "id": error.id, "error": str(error)})
        return lines, known, refused

    def _refusal(
        self, headers: Headers, raws: Sequence[Any], refused: Sequence[dict[str, Any]], trace: str, *, forbidden: bool
    ) -> Answer:
        """What is said where nothing of a request is taken. ``forbidden``: some of it, for want of a right."""
        if self._say is not None:
            return self._say(headers, raws, refused)
        if forbidden:
            self._tally.denied[403] += 1
        told = {"error": refused[0]["error"], "refused": refused[:SHOWN], "trace": trace}
        return Answer(403 if forbidden else 400, orjson.dumps(told))

    async def _written(self, lines: Sequence[Line]) -> int:
        """The number of the first of these events, once all are on disk. Raises Unavailable."""
        first = await self._service.accept([line.bytes for line in lines])
        for number, line in enumerate(lines, first):
            if line.id is not None:
                self._service.resent.note(line.scope, line.id, number)
        return first

    def _events(self, body: bytes, headers: Mapping[str, str], ahead: Ahead | None) -> tuple[float, list[Any]]:
        """When a request came, and what it holds."""
        if ahead is not None:
            return ahead.received, ahead.raws  # the same list: what is taken of it is let go
        received = round(time.time(), 3)
        try:
            return received, list(self._read(body, headers, received))
        except Malformed as error:
            return received, [error]

    async def deny(self, scope: Scope, send: Send, denied: Denied, trace: str) -> None:
        """Say that a request is not taken, as its senders expect it."""
        status, message = denied.status, str(denied)
        self._tally.denied[status] += 1
        level = logging.INFO if status == 401 else logging.DEBUG  # a sender without its token or signature goes unheard
        logger.log(level, "denied", extra={"door": self._name, "status": status, "why": message, "trace": trace})
        if self._deny_as is not None:
            answer = self._deny_as(Headers(raw=scope["headers"]), status, message)
        else:
            answer = Answer(status, orjson.dumps({"error": message, "trace": trace}))
        await reply(send, answer, trace, denied.after)


async def reply(send: Send, answer: Answer, trace: str, after: int | None = None) -> None:
    """Send a whole answer."""
    status, body, kind = answer
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"x-trace-id", trace.encode()),
    ]
    if after is not None:
        headers.append((b"retry-after", b"%d" % after))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
