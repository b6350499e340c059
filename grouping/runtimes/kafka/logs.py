"""What the libraries say, at a bearable rate: a broker that is away makes them say it thousands of times a minute."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka.errors import KafkaError

OFTEN = 5  # lines of one place in the code ...
WITHIN_S = 30.0  # ... in so many seconds; the rest is counted


class Seldom(logging.Filter):
    """Lets few lines of one place in a chatty library through."""

    def __init__(self, *chatty: str) -> None:
        super().__init__()
        self._chatty = chatty
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is told; the first of the next stretch says how many were not."""
        if record.name.partition(".")[0] not in self._chatty:
            return True
        place = (record.pathname, record.lineno)
        since, count = self._seen.get(place, (0.0, 0))
        now = time.monotonic()
        if now - since > WITHIN_S:
            if count > OFTEN:
                record.msg = f"{record.msg} (and {count - OFTEN} times before)"
            since, count = now, 0
        self._seen[place] = (since, count + 1)
        return count < OFTEN


def calm(loop: asyncio.AbstractEventLoop) -> None:
    """Rate-limit the Kafka client's lines, and its futures that fail with nobody waiting for them."""
    seldom = Seldom("aiokafka", "faust", "mode")
    for handler in logging.getLogger().handlers:
        handler.addFilter(seldom)

    def told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), KafkaError | OSError):
            logging.getLogger("aiokafka").info("%s: %r", context["message"], context["exception"])
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(told)
