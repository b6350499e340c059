"""Records of a run that nobody continues: in memory while they are few, then on disk for as long as it lasts.

A replay of some ten thousand alerts never touches a disk for them; one of millions stays small all the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grouping.runtimes.store import Store

MEMORY = 32 << 20  # bytes of keys and values
PIECE = 4096  # records moved at once


class Scratch:
    """A `Store` that ends with the run: it has the same methods as far as a run needs them."""

    durable = False

    def __init__(self, memory: int = MEMORY) -> None:
        """``memory``: from how many bytes on the records are kept on disk."""
        self._memory = memory
        self._few: dict[bytes, bytes] = {}
        self._bytes = 0
        self._store: Store | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def get(self, key: bytes, /) -> bytes | None:
        """The value under a key."""
        return self._few.get(key) if self._store is None else self._store.get(key)

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """All records, in any order."""
        return self._few.items() if self._store is None else self._store.items()

    def position(self) -> dict[str, Any]:
        """Nothing: no run was there before."""
        return {}

    def outputs(self) -> Iterable[bytes]:
        """None: no run was there before."""
        return ()

    def commit(
        self, records: Mapping[bytes, bytes | None], lines: bytes, number: int, position: Mapping[str, Any]
    ) -> None:
        """Write records. Raises StoreError, OSError."""
        if self._store is not None:
            self._store.commit(records, lines, number, position)
            return
        for key, value in records.items():
            before = self._few.pop(key, None)
            if before is not None:
                self._bytes -= len(key) + len(before)
            if value is not None:
                self._few[key] = value
                self._bytes += len(key) + len(value)
        if self._bytes > self._memory:
            self._move()

    def close(self) -> None:
        """Forget everything."""
        self._few.clear()
        if self._store is not None:
            self._store.close()
        if self._directory is not None:
            self._directory.cleanup()

    def _move(self) -> None:
        """From memory to disk, a piece at a time so that it is not there twice."""
        self._directory = tempfile.TemporaryDirectory(prefix="grouping-")
        store = Store(Path(self._directory.name) / "store", durable=False)
        while self._few:
            store.write([self._few.popitem() for _ in range(min(PIECE, len(self._few)))])
        self._few, self._store = {}, store
