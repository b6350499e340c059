"""Standard output without a buffer (PYTHONUNBUFFERED, as in our image) takes as much as it likes: all of it, or some."""

from __future__ import annotations

from typing import BinaryIO


def put(sink: BinaryIO, data: bytes) -> None:
    """Write all of ``data``. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[sink.write(left) :]
