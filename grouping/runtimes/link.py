"""Messages between the two processes of the service: JSON objects, each with its length before it."""

from __future__ import annotations

import asyncio
import math
import select
import socket
from typing import Any

import orjson

_LENGTH = 4


def _frame(message: dict[str, Any]) -> bytes:
    body = orjson.dumps(message)
    return len(body).to_bytes(_LENGTH, "big") + body


class Gone(Exception):
    """The other process has ended."""


class Blocking:
    """The end that waits: for the process that decides."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._poll = select.poll()  # not select.select, which fails on a file beyond the 1,024th
        self._poll.register(end, select.POLLIN)
        self._buffer = bytearray()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises Gone."""
        try:
            self._end.sendall(_frame(message))
        except OSError:
            raise Gone from None

    def receive(self, timeout: float | None) -> list[dict[str, Any]]:
        """What has come; waits at most ``timeout`` seconds for something to come. Raises Gone."""
        while True:
            found = self._whole()
            if found or not self._poll.poll(None if timeout is None else math.ceil(timeout * 1000)):
                return found
            try:
                data = self._end.recv(1 << 16)
            except OSError:
                raise Gone from None
            if not data:
                raise Gone
            self._buffer += data

    def _whole(self) -> list[dict[str, Any]]:
        """The whole messages at the beginning of the buffer."""
        found, start = [], 0
        while len(self._buffer) - start >= _LENGTH:
            size = int.from_bytes(self._buffer[start : start + _LENGTH], "big")
            if len(self._buffer) - start - _LENGTH < size:
                break
            found.append(orjson.loads(self._buffer[start + _LENGTH : start + _LENGTH + size]))
            start += _LENGTH + size
        del self._buffer[:start]
        return found


class Waiting:
    """The end in an event loop: for the process that answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Waiting:
        """The end of a socket."""
        return cls(*await asyncio.open_connection(sock=end))

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; to a process that has ended it goes nowhere."""
        self._writer.write(_frame(message))

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises Gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
            message: dict[str, Any] = orjson.loads(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            raise Gone from None
        return message

    def close(self) -> None:
        """Let go of the socket."""
        self._writer.close()
