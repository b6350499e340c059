"""Records under keys: what a key looks like, where records are read from, and all of them as the bytes of a snapshot.

Keys are a letter, the scope's length and name, and an id:

    s  head of a scope            u  counts of what is usual        e  ids of repeats already seen
    i  incident                   m  ids of its alerts, by page     a  alert as decided
    k  latest alert of a key      f  feedback and how to undo it
    t  what tuning found          r  the recent alerts in short, by page
    b  incident as it was before a feedback
    l  what responders told, by feedback, oldest first
    p  what their corrections promoted, and a trial that goes on
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, Protocol

FORMAT: Final = 8  # of the records; a store or snapshot of another format is refused
KINDS: Final = [bytes([letter]) for letter in b"abefiklmprstu"]  # first letters of keys
_MAGIC: Final = b"grouping-snapshot"


class BadState(ValueError):
    """Bytes that are not a state of this version; the message names what to do."""


class Records(Protocol):
    """Where records are read from. A dict is one; a store is another."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value under a key."""
        ...

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """All records, in any order."""
        ...


class Under:
    """The records whose keys begin with a prefix, without it."""

    def __init__(self, prefix: bytes, records: Records) -> None:
        self._prefix, self._records = prefix, records

    def get(self, key: bytes, /) -> bytes | None:
        """The value under a key."""
        return self._records.get(self._prefix + key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All of them."""
        cut = len(self._prefix)
        return ((key[cut:], value) for key, value in self._records.items() if key.startswith(self._prefix))

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Those whose keys begin with a prefix, in order of key."""
        cut = len(self._prefix)
        return ((key[cut:], value) for key, value in under(self._records, self._prefix + prefix))


class Sorted:
    """Records that do not change, in order of key, so that those under a prefix are found at once."""

    def __init__(self, records: Mapping[bytes, bytes]) -> None:
        self._records = records
        self._keys = sorted(records)

    def get(self, key: bytes, /) -> bytes | None:
        """The value under a key."""
        return self._records.get(key)

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """All of them."""
        return self._records.items()

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Those whose keys begin with a prefix, in order of key."""
        for place in range(bisect_left(self._keys, prefix), len(self._keys)):
            key = self._keys[place]
            if not key.startswith(prefix):
                return
            yield key, self._records[key]


def under(records: Records, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records whose keys begin with a prefix, in order of key: as records find them, or by looking through all."""
    find = getattr(records, "under", None)
    if find is not None:
        found: Iterator[tuple[bytes, bytes]] = find(prefix)
        return found
    return iter(sorted((key, value) for key, value in records.items() if key.startswith(prefix)))


def record_key(kind: bytes, scope: str, id: str = "") -> bytes:
    """The key of a record."""
    name = scope.encode()
    return b"%b%b%b%b" % (kind, len(name).to_bytes(2, "big"), name, id.encode())


def pack(records: Mapping[bytes, bytes]) -> bytes:
    """Records as bytes: the same records give the same bytes."""
    body = b"".join(struct.pack(">II", len(key), len(value)) + key + value for key, value in sorted(records.items()))
    return b"%b %d\n%b%b" % (_MAGIC, FORMAT, blake2b(body, digest_size=16).digest(), body)


def unpack(snapshot: bytes) -> dict[bytes, bytes]:
    """The records of a snapshot. Raises BadState."""
    head, _, rest = snapshot.partition(b"\n")
    if head != b"%b %d" % (_MAGIC, FORMAT):
        raise BadState(f"not a snapshot of format {FORMAT} but {head[:40]!r}; use the version that wrote it")
    check, body = rest[:16], memoryview(rest)[16:]
    if blake2b(body, digest_size=16).digest() != check:
        raise BadState("the snapshot is damaged: its checksum differs; use another one")
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(body):
        key, value = struct.unpack_from(">II", body, start)
        start += 8
        records[bytes(body[start : start + key])] = bytes(body[start + key : start + key + value])
        start += key + value
    return records
