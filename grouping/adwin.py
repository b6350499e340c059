"""Has a rate changed? A window over a stream that forgets what lies before a change: ADWIN (Bifet & Gavalda, 2007).

The window is kept as buckets of 1, 2, 4 ... values, so n values take O(log n) memory. Every CLOCK values all ways to cut
it in two are looked at; where the means of the parts differ by more than chance allows, the older part is dropped.
Beside the road: the logarithm may differ in its last bit from one processor to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

CLOCK = 32  # values between two looks
PER_SIZE = 5  # buckets of one size before two of them become one of twice the size
LEAST = 5  # values on either side of a cut
GRACE = 10  # values before the first look


class _Bucket(NamedTuple):
    """``held`` values, their sum, and the sum of their squared distances from the mean."""

    held: int
    total: float
    spread: float

    def joined(self, other: _Bucket) -> _Bucket:
        """Both in one."""
        apart = self.total / self.held - other.total / other.held if self.held and other.held else 0.0
        held = self.held + other.held
        between = self.held * other.held * apart * apart / held if held else 0.0
        return _Bucket(held, self.total + other.total, self.spread + other.spread + between)


_NONE = _Bucket(0, 0.0, 0.0)


class Adwin:
    """The window over values in [0, 1]. ``delta``: the chance at most that a change is seen where there is none."""

    def __init__(self, delta: float = 0.002) -> None:
        self._delta = delta
        self._sizes: list[list[_Bucket]] = []  # by size, the oldest of a size first
        self._ticks = 0

    @property
    def count(self) -> int:
        """How many values the window holds."""
        return sum(bucket.held for bucket in self._oldest_first())

    @property
    def mean(self) -> float:
        """Of the window, 0 for an empty one."""
        whole = self._whole()
        return whole.total / whole.held if whole.held else 0.0

    def add(self, value: float) -> bool:
        """Take a value in. Whether the window was cut: what came before differs from what came since."""
        self._insert(_Bucket(1, value, 0.0), 0)
        self._ticks += 1
        if self._ticks % CLOCK:
            return False
        changed = False
        while self._cut():
            changed = True
            self._drop()
        return changed

    def _insert(self, bucket: _Bucket, size: int) -> None:
        if size == len(self._sizes):
            self._sizes.append([])
        same = self._sizes[size]
        same.append(bucket)
        if len(same) > PER_SIZE:
            one, other, *self._sizes[size] = same
            self._insert(one.joined(other), size + 1)

    def _drop(self) -> None:
        """Forget the oldest bucket."""
        del self._sizes[-1][0]
        while self._sizes and not self._sizes[-1]:
            del self._sizes[-1]

    def _cut(self) -> bool:
        """Whether there is a cut whose sides differ too much."""
        whole = self._whole()
        if whole.held <= GRACE:
            return False
        logs = math.log(2.0 * math.log(whole.held) / self._delta)
        variance = whole.spread / whole.held
        before, total = 0, 0.0
        for bucket in self._oldest_first():
            before, total = before + bucket.held, total + bucket.total
            after = whole.held - before
            if before < LEAST or after < LEAST:
                continue
            share = 1.0 / (before - LEAST + 1) + 1.0 / (after - LEAST + 1)
            bound = math.sqrt(2.0 * share * variance * logs) + 2.0 / 3.0 * share * logs
            if abs(total / before - (whole.total - total) / after) > bound:
                return True
        return False

    def _whole(self) -> _Bucket:
        whole = _NONE
        for bucket in self._oldest_first():
            whole = whole.joined(bucket)
        return whole

    def _oldest_first(self) -> Iterator[_Bucket]:
        return (bucket for same in reversed(self._sizes) for bucket in same)
