"""A worker without a command line that ends at a named step, mostly by a kill: python -m tests.kafka.process JSON."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import orjson
from aiokafka.errors import IllegalOperation

import grouping.runtimes.kafka.loop as loop_module
from grouping.config import Config
from grouping.runtimes.kafka.loop import Loop
from grouping.runtimes.kafka.settings import Settings
from grouping.runtimes.kafka.topics import look

ENDS: dict[str, type[BaseException]] = {"cancelled": asyncio.CancelledError, "illegal": IllegalOperation}


async def _main(step: str, times: int, how: str, commit_s: float, settings: Settings) -> None:
    loop_module.COMMIT_S = commit_s  # soon, mostly: an offset that runs ahead of what is written must show
    loop_module.METADATA_MS = 500
    left = times

    def watch(what: str, partition: int, amount: float) -> None:
        nonlocal left
        if what == step:
            left -= 1
            if left == 0:
                if how in ENDS:
                    raise ENDS[how]
                os.kill(os.getpid(), signal.SIGKILL)

    loop = Loop(settings, await look(settings), watch)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, loop.stop)
    await loop.run()


if __name__ == "__main__":
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    given = orjson.loads(sys.argv[1])
    step, times, how = given.pop("step"), given.pop("times"), given.pop("how", "killed")
    commit_s = given.pop("commit_s", 0.01)
    config = Config(**given.pop("config", {}))
    asyncio.run(
        _main(step, times, how, commit_s, Settings(**{**given, "state": Path(given["state"]), "config": config}))
    )
