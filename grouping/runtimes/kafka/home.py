"""The directory of a worker: its own alone, and what the brokers know it by after a restart."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from hashlib import blake2b
from pathlib import Path

from grouping.runtimes.kafka.settings import BadSettings

NAME = "worker"  # the file that is locked, and holds a name; beside the stores of the partitions


def claim(state: Path) -> str:
    """Take a directory for as long as this process lives; returns a name that no other worker has.

    The name stays the same as long as host and directory do, and differs where only one of them is a copy of another's.
    Raises BadSettings where another worker has the directory, OSError.
    """
    state.mkdir(parents=True, exist_ok=True)
    lock = os.open(state / NAME, os.O_RDWR | os.O_CREAT, 0o600)  # never closed: the process holds it to its end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise BadSettings(f"--state {state}: another worker has it; give each a directory of its own") from None
    name = os.read(lock, 64)
    if not name:
        name = secrets.token_hex(16).encode()
        os.write(lock, name)
    return blake2b(b" ".join([socket.gethostname().encode(), name]), digest_size=8).hexdigest()
