"""Logs for machines: one JSON object a line on standard error."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

TRACE: ContextVar[str] = ContextVar("trace", default="")  # the id of the request that is being answered

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
# What others say for themselves. The HTTP client names whole addresses and headers, and those of webhooks are secrets;
# levels of their own hold whatever level the service is set to, now or later.
_QUIET = ("asyncio", "httpx", "httpcore")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "room": record.name,
            "say": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _OWN}
        if TRACE.get():
            line.setdefault("trace", TRACE.get())
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def to_stderr(level: str) -> None:
    """Send all logs of this process there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for room in _QUIET:
        logging.getLogger(room).setLevel("WARNING")
