"""The engine's records, its outputs and the input position on disk, in one RocksDB database per process.

One WriteBatch holds all that a stretch of input changed: after a crash, state, outputs and position agree, whatever
was cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Checkpoint,
    DBCompactionStyle,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from grouping.keyspace import FORMAT, record_key

# Keys of the store's own; the engine's begin with a letter.
_FORMAT = b"\x00format"
_POSITION = b"\x00position"
_OUTPUT = b"\x00o"  # + the number of the last input event, 8 bytes: output lines since the one before

_MIB = 1 << 20


class StoreError(Exception):
    """The store cannot be used; the message names place and remedy."""


class OtherFormat(StoreError):
    """The store was written by another version."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{path}: written in format {found}, this version reads {FORMAT}; replay anew")
        self.found = found


class Store:
    """Records under keys, as the engine reads them, and commits of everything at once."""

    def __init__(self, path: Path, *, durable: bool = True, sync: bool = True, reading: bool = False) -> None:
        """Open or make the store at ``path``. Not ``durable``: for scratch, nothing survives a crash.

        Not ``sync``: what the last commits wrote may be lost, all of it together, when the machine loses power.
        ``reading``: as it is now, beside a process that may be writing it; nothing can be written.
        Raises StoreError: in use by another process, written by another version, damaged, not writable.
        """
        self.path = path
        self.durable = durable
        with _told(path):
            if reading:
                self._db = Rdict(str(path), _options(), access_type=AccessType.read_only())
            else:
                path.mkdir(parents=True, exist_ok=True)
                self._db = Rdict(str(path), _options())
        self._how = WriteOptions()
        # Attributes, whatever the library's stubs say.
        self._how.disable_wal = not durable  # type: ignore[method-assign,assignment]
        self._how.sync = durable and sync
        found = self.get(_FORMAT)
        if found is None and not reading:
            self._db.put(_FORMAT, str(FORMAT).encode(), self._how)
        elif found not in (None, str(FORMAT).encode()):
            self.close()
            raise OtherFormat(path, found.decode())

    def get(self, key: bytes, /) -> bytes | None:
        """The value under a key. Raises StoreError: damaged."""
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # noqa: BLE001 — as below; without the context, which costs more than the look
            raise _failure(self.path, error) from None
        return value

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All of the engine's records, in order of key. Raises StoreError: damaged."""
        last = b"\x01"
        for key, value in self._db.items(from_key=last):
            assert isinstance(key, bytes)
            last = key
            yield key, value
        self._assure_end(last)

    def position(self) -> dict[str, Any]:
        """What ``commit`` last wrote down; empty for a new store."""
        value = self.get(_POSITION)
        return {} if value is None else orjson.loads(value)

    def outputs(self, after: int = 0) -> Iterator[bytes]:
        """All output lines committed so far, in order, several at a time.

        ``after``: from those on that were committed with an input event after that number. Raises StoreError: damaged.
        """
        for _, value in self.under(_OUTPUT, _OUTPUT + (after + 1).to_bytes(8, "big")):
            yield value

    def under(
        self, prefix: bytes, start: bytes | None = None, *, backwards: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The records whose keys begin with ``prefix``, from key ``start`` on, in order of key or against it.

        Raises StoreError: damaged.
        """
        if start is None:
            start = prefix + b"\xff" * 8 if backwards else prefix
        last = start
        for key, value in self._db.items(backwards=backwards, from_key=start):
            if not isinstance(key, bytes) or not key.startswith(prefix):
                return
            last = key
            yield key, value
        self._assure_end(last, backwards=backwards)

    def _assure_end(self, last: bytes, *, backwards: bool = False) -> None:
        """Raise StoreError if what comes after the ``last`` record is damaged: the library ends there without a word."""
        with _told(self.path):
            cursor = self._db.iter()
            cursor.seek_for_prev(last) if backwards else cursor.seek(last)
            if cursor.valid():
                cursor.prev() if backwards else cursor.next()
            cursor.status()

    def commit(
        self, records: Mapping[bytes, bytes | None], lines: bytes, number: int, position: Mapping[str, Any]
    ) -> None:
        """Write records, the output lines up to input event ``number``, and the position: all or nothing."""
        batch = _batch(records.items())
        if self.durable:
            if lines:
                batch.put(_OUTPUT + number.to_bytes(8, "big"), lines)
            batch.put(_POSITION, orjson.dumps(position))
        with _told(self.path):
            self._db.write(batch, self._how)

    def write(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write records alone, ahead of the `commit` that they belong to: whoever opens the store must get them again."""
        with _told(self.path):
            self._db.write(_batch(records), self._how)

    def forget(self, prefix: bytes, upto: int) -> None:
        """Delete the records whose keys are ``prefix`` and a number of 8 bytes up to ``upto``."""
        with _told(self.path):
            self._db.delete_range(prefix + bytes(8), prefix + (upto + 1).to_bytes(8, "big"))

    def forget_outputs(self, upto: int) -> None:
        """Delete the output lines committed with input events up to number ``upto``."""
        self.forget(_OUTPUT, upto)

    def copy(self, to: Path) -> None:
        """A store of its own at ``to``, which must not exist, with what is committed now; it shares files where it can."""
        with _told(to):
            Checkpoint(self._db).create_checkpoint(str(to))

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()


def kept_in(directory: Path, scope: str | None = None) -> Path:
    """Where the store of a state directory is: the service has it beside its log, a replay has nothing else.

    A worker has one for each partition: the one that knows ``scope`` is meant. Raises StoreError where there is none.
    """
    if (directory / "log").is_dir():
        return directory / "store"
    stores = sorted(path.parent for path in directory.glob("*[0-9][0-9][0-9][0-9]/CURRENT"))
    if not stores or (directory / "CURRENT").exists():
        return directory
    for path in stores if scope is not None else ():
        store = Store(path, reading=True)
        found = store.get(record_key(b"s", scope or ""))
        store.close()
        if found is not None:
            return path
    names = ", ".join(path.name for path in stores)
    what = (
        "name one of them" if scope is None else f"none of them has scope {scope!r}; another worker has its partition"
    )
    raise StoreError(f"{directory}: a worker's partitions, each a state directory ({names}): {what}")


def _batch(records: Iterable[tuple[bytes, bytes | None]]) -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    for key, value in records:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    return batch


_ANEW = "all in it is made anew, from the log or the input"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what RocksDB says into one sentence with a remedy."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 — rocksdict raises nothing narrower
        raise _failure(path, error) from None


def _failure(path: Path, error: Exception) -> StoreError:
    """The sentence for what went wrong."""
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror}; choose another directory")
    said = str(error)
    if "lock hold" in said or "LOCK" in said:
        return StoreError(f"{path}: in use by another process; stop it or choose another directory")
    if "No space left" in said:
        return StoreError(f"{path}: the disk is full; make room and run the same command again")
    if "Corruption" in said:
        return StoreError(f"{path}: damaged: {said}; move this directory away, and start again: {_ANEW}")
    return StoreError(f"{path}: {said}; see that it can be read and written, and start again")


def _options() -> Options:
    """Small buffers: the library's defaults are made for one large database on a machine of its own."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(8 * _MIB)
    options.set_max_write_buffer_number(2)
    options.set_max_background_jobs(2)
    options.set_max_open_files(256)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(_MIB)
    # Half as much is written as level by level, and no longer in bursts: outputs only come to the end.
    options.set_compaction_style(DBCompactionStyle.universal())
    options.set_compression_type(DBCompressionType.lz4())
    options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5)  # what is forgotten gives its room back
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(8 * _MIB))
    blocks.set_bloom_filter(10, block_based=False)  # most look-ups are for ids never seen before
    options.set_block_based_table_factory(blocks)
    return options
