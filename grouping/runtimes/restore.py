"""Brings a backup back: a directory of the service, with everything in it decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from grouping.config import Config
from grouping.runtimes.backup import BadBackup, backup
from grouping.runtimes.service import Service
from grouping.runtimes.settings import Settings

LOOK = 0.5  # s between two looks at how far it is

Done = Callable[[int, int], None] | None  # takes events decided and events in all


def restore(saved: Path, directory: Path, config: Config, done: Done) -> int:
    """Copy a backup to a new directory and decide it there; the number of the last event. Raises BadBackup."""
    end = backup(saved, directory)
    if end:
        asyncio.run(_decide(directory, config, done))
    return end


async def _decide(directory: Path, config: Config, done: Done) -> None:
    """As the service does, without its doors. Raises BadBackup."""
    service = Service(directory, config, Settings(reserve_mb=0))
    await service.start()
    while not service.why and not await service.reached(service.log.end, LOOK):
        if done is not None:
            done(service.decided, service.log.end)
    await service.stop()
    if service.why:
        raise BadBackup(service.why)
