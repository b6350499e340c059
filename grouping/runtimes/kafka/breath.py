"""Long work on an event loop that others need: it pauses now and then."""

from __future__ import annotations

import asyncio
import time

EVERY_S = 0.002  # of work between two pauses; a transaction takes a dozen answers, each of which waits for one


class Breath:
    """Lets others run when there was work for long enough."""

    def __init__(self) -> None:
        self._until = time.monotonic() + EVERY_S

    async def draw(self) -> None:
        """Pause, if it is time to."""
        if time.monotonic() > self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + EVERY_S
